//! What names a source in a journal, and sources that only a replay knows.
//!
//! Sources are numbered in the order in which they are registered, which a replay repeats.

use std::io;

use mio::event::Source;
use mio::{Interest, Token};

use super::readiness::{parts_of, signal_of};
use super::{RegistrationKey, Registrations, slot_of};

impl RegistrationKey {
    /// Returns the slot of the source, and the generation of the slot.
    pub(crate) fn parts(self) -> (usize, usize) {
        parts_of(self.0)
    }
}

impl Registrations {
    /// Makes the sources known to this table only, for the replay of a recording.
    pub(crate) fn set_replayed(&mut self) {
        self.replayed = Some(Vec::new());
    }

    /// Registers a source with the operating system, or only here.
    pub(super) fn register_with_system(
        &mut self,
        source: &mut impl Source,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        match &mut self.replayed {
            None => self
                .poller
                .with_registry(|registry| source.register(registry, token, interest)),
            Some(tokens) => {
                if signal_of(token).is_none() {
                    tokens.push(token);
                }
                Ok(())
            }
        }
    }

    pub(super) fn deregister_from_system(&self, source: &mut impl Source) -> io::Result<()> {
        match &self.replayed {
            None => self
                .poller
                .with_registry(|registry| source.deregister(registry)),
            Some(_) => Ok(()),
        }
    }

    /// Returns the slot of a source, and whether it is known to be closed for reading; `None` if it is no
    /// longer registered.
    pub(crate) fn slot_of(&self, token: Token) -> Option<(usize, bool)> {
        let (index, generation) = parts_of(token);
        let slot = self.slots.get(index)?;
        (slot.generation == generation).then_some((index, slot.read.closed))
    }

    /// Returns how many sources were registered before the last one.
    pub(crate) fn last_number(&self) -> u64 {
        self.created - 1
    }

    /// Returns the token of a source of a replay by its number.
    pub(crate) fn token_of(&self, number: u64) -> Option<Token> {
        let number = usize::try_from(number).ok()?;
        self.replayed.as_ref()?.get(number).copied()
    }

    /// Marks a source as closed for reading before an event of it is delivered.
    pub(crate) fn set_read_closed(&mut self, token: Token) {
        if let Some(slot) = slot_of(&mut self.slots, token) {
            slot.read.closed = true;
        }
    }
}
