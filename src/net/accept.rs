//! Accepting, for listeners of any kind: one connection for each call, at most 32 for one event.
//!
//! What goes wrong with a single connection ends nothing: one that was aborted before it was
//! accepted is passed over, and when the process or the system is out of descriptors, accepting
//! is tried again every [`BACK_OFF`]. The connection waits in the system's queue meanwhile, and
//! the descriptor of the listener stays ready without being asked in vain.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use mio::event::Source;

use crate::io::platform::OUT_OF_DESCRIPTORS;
use crate::io::{Direction, PollEvented};
use crate::reactor::registrations::WaiterId;
use crate::time::{Sleep, sleep};

/// How long a listener waits for descriptors to become free.
pub(super) const BACK_OFF: Duration = Duration::from_millis(100);

/// Accepts one connection after the other. Dropping it ends the wait.
pub(super) struct Accepting<'a, S: Source> {
    listener: &'a PollEvented<S>,
    waiter: WaiterId,
    back_off: Option<Sleep>,
}

impl<'a, S: Source> Accepting<'a, S> {
    pub(super) fn new(listener: &'a PollEvented<S>) -> Accepting<'a, S> {
        Accepting {
            listener,
            waiter: None,
            back_off: None,
        }
    }

    pub(super) fn listener(&self) -> &'a PollEvented<S> {
        self.listener
    }

    pub(super) fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        accept: impl Fn(&S) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let registration = self.listener.registration();
        loop {
            registration.check_loop()?;
            if let Some(sleep) = &mut self.back_off {
                ready!(Pin::new(sleep).poll(cx));
                self.back_off = None;
            }
            ready!(registration.poll_waiter(Direction::Read, &mut self.waiter, cx))?;
            match self.listener.with(&accept) {
                Ok(accepted) => {
                    registration.done(Direction::Read, false);
                    return Poll::Ready(Ok(accepted));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    registration.would_block(Direction::Read);
                }
                Err(error) if concerns_one_connection(&error) => {
                    registration.done(Direction::Read, false);
                }
                Err(error) if is_out_of_descriptors(&error) => {
                    let sleep = sleep(BACK_OFF);
                    let keeps_alive = registration.has_ref();
                    self.back_off = Some(if keeps_alive { sleep } else { sleep.unref() });
                }
                Err(error) => {
                    registration.done(Direction::Read, false);
                    return Poll::Ready(Err(error));
                }
            }
        }
    }
}

impl<S: Source> Drop for Accepting<'_, S> {
    fn drop(&mut self) {
        let registration = self.listener.registration();
        registration.forget_waiter(Direction::Read, &mut self.waiter);
    }
}

fn concerns_one_connection(error: &io::Error) -> bool {
    let kind = error.kind();
    kind == io::ErrorKind::ConnectionAborted || kind == io::ErrorKind::Interrupted
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    error
        .raw_os_error()
        .is_some_and(|number| OUT_OF_DESCRIPTORS.contains(&number))
}
