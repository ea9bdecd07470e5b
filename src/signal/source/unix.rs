//! How signals reach a loop on Unix: the handler of a signal writes a byte into a pipe, and the poll
//! phase watches the other end. There is one pipe for each loop and each number.
//!
//! Invariant: signals are counted as long as fewer than 65,536 bytes are in the pipe.

mod disposition;

use std::cell::RefCell;
use std::io::{self, Read};
use std::sync::Arc;

use mio::unix::pipe::Receiver;
use signal_hook::consts::{FORBIDDEN, SIGCHLD, SIGINT, SIGPIPE};
use signal_hook::low_level::signal_name;

use crate::reactor::registrations::{Registrations, SignalNumber};
use crate::reactor::remote_queue::RemoteQueue;
use disposition::{HARMLESS, Subscription};

pub(crate) use disposition::IN_FLIGHT;

/// The signal that announces the end of a child.
pub(crate) const CHILD: SignalNumber = SIGCHLD;

pub(crate) const INTERRUPT: SignalNumber = SIGINT;

/// `SIGCHLD` announces the end, so there is nothing to call.
pub(crate) type OnChildEnd = fn();

pub(crate) struct SignalSources;

impl SignalSources {
    pub(crate) fn new(_: &Arc<RemoteQueue>) -> SignalSources {
        SignalSources
    }

    pub(crate) fn watch(
        &self,
        registrations: &RefCell<Registrations>,
        number: SignalNumber,
    ) -> io::Result<SignalSource> {
        let (writer, mut pipe) = mio::unix::pipe::new()?;
        let subscription = Subscription::new(number, writer)?;
        registrations.borrow_mut().watch_signal(&mut pipe, number)?;
        Ok(SignalSource {
            pipe,
            _subscription: subscription,
        })
    }

    pub(crate) fn on_child_end(&self) -> OnChildEnd {
        || ()
    }
}

/// Returns an error if nothing can listen to a signal.
pub(crate) fn check(number: SignalNumber) -> io::Result<()> {
    if FORBIDDEN.contains(&number) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "cannot listen to a signal that cannot be caught or reports a fault: choose another \
             signal",
        ));
    }
    Ok(())
}

/// Returns whether the number can be that of a signal: the status of a process has seven bits for it.
pub(crate) fn exists(number: SignalNumber) -> bool {
    (1..128).contains(&number)
}

/// Returns whether a signal that nobody listens to has no effect on a running process.
pub(crate) fn is_harmless(number: SignalNumber) -> bool {
    HARMLESS.contains(&number) || number == SIGPIPE
}

/// Returns the name of a signal, for messages.
pub(crate) fn name(number: SignalNumber) -> String {
    signal_name(number).map_or_else(|| format!("signal {number}"), str::to_owned)
}

/// The signals of one number.
pub(crate) struct SignalSource {
    pipe: Receiver,
    _subscription: Subscription,
}

impl SignalSource {
    /// Returns how many signals have arrived since the last call.
    pub(crate) fn drain(&self) -> usize {
        drain(&self.pipe)
    }

    pub(crate) fn close(&mut self, registrations: &RefCell<Registrations>) {
        registrations.borrow_mut().unwatch_signal(&mut self.pipe);
    }
}

/// Performs the default action of a signal.
pub(crate) fn raise_default(number: SignalNumber) -> io::Result<()> {
    signal_hook::low_level::emulate_default_handler(number)
}

/// Empties the pipe and returns the number of bytes that were in it.
fn drain(mut pipe: &Receiver) -> usize {
    let mut buffer = [0; 512];
    let mut count = 0;
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) => return count,
            Ok(length) => count += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return count, // the pipe is empty
        }
    }
}
