//! The numbers by which a journal names sources, and sources that only a replay knows.
//!
//! Sources are numbered in the order in which they are registered, which a replay repeats.

use std::io;

use mio::event::Source;
use mio::{Interest, Token};

use super::readiness::{generation_of, index_of, signal_of};
use super::{RegistrationKey, Registrations, slot_of};

impl Registrations {
    /// Makes the sources known to this table only, for the replay of a recording.
    pub(crate) fn set_replayed(&mut self) {
        self.replayed = Some(Vec::new());
    }

    pub(super) fn next_number(&mut self) -> u64 {
        self.created += 1;
        self.created - 1
    }

    /// Registers a source with the operating system, or only here.
    pub(super) fn register_with_system(
        &mut self,
        source: &mut impl Source,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        match &mut self.replayed {
            None => self.registry.register(source, token, interest),
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
            None => self.registry.deregister(source),
            Some(_) => Ok(()),
        }
    }

    /// Returns the number of a source, and whether it is known to be closed for reading; `None` if it
    /// is no longer registered.
    pub(crate) fn number_of(&self, token: Token) -> Option<(u64, bool)> {
        let slot = self.slots.get(index_of(token))?;
        (slot.generation == generation_of(token)).then_some((slot.number, slot.read.closed))
    }

    /// Returns the number of a source that was just registered.
    pub(crate) fn number_of_key(&self, key: RegistrationKey) -> u64 {
        self.slots
            .get(index_of(key.token()))
            .map_or(0, |slot| slot.number)
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
