//! Accepting connections: one per call, at most 32 per event.
//!
//! Two kinds of errors do not end an `accept`. A connection that was aborted before it was accepted
//! is skipped. When the process or the system has too many open descriptors, `accept` tries again
//! after [`BACK_OFF`]. Meanwhile the connection stays in the queue of the operating system, and the
//! listener stays ready.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::future::FusedFuture;
use futures::stream::FusedStream;

use super::kind::{Listener, Protocol, Stream};
use super::os::OsListener;
use super::socket::Socket;
use crate::io::platform::is_out_of_descriptors;
use crate::io::{Closing, Direction};
use crate::phases::macrotask::SourceLocation;
use crate::reactor::registrations::{Taken, WaiterId};
use crate::time::{Sleep, sleep};

/// How long a listener waits for a free descriptor.
const BACK_OFF: Duration = Duration::from_millis(100);

impl<P: Protocol> Socket<Listener<P>> {
    /// Waits for the next connection, and returns it with the address of the peer.
    ///
    /// Any number of tasks may accept at the same time. A connection wakes one of them, in the order
    /// in which they started to wait. At most 32 connections are accepted for one event; the next poll phase
    /// accepts more.
    ///
    /// A connection that its peer has aborted is skipped. When the process has too many open
    /// descriptors, connections stay in the queue of the operating system, and accepting is tried
    /// again every 100 ms.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the wait and loses no connection.
    #[track_caller]
    pub fn accept(&self) -> Accept<'_, P> {
        Accept {
            listener: self,
            location: Location::caller(),
            waiter: WaiterId::of_operation(Direction::Read),
            back_off: None,
            is_done: false,
        }
    }

    /// Polls for the next connection, for `poll_*` methods: only the task of the latest call is woken.
    ///
    /// # Errors
    ///
    /// Returns any error reported by the operating system. Unlike [`accept`](Socket::accept), it does
    /// not wait for a free descriptor: too many open descriptors are an error, too, and polling again
    /// at once fails again.
    #[track_caller]
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<P>>> {
        let accepted = self.source.poll_io(Direction::Read, cx, |socket| {
            loop {
                match socket.accept() {
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    result => return result,
                }
            }
        });
        let (socket, address) = ready!(accepted)?;
        let stream = self.accepted(socket, &address, Location::caller())?;
        Poll::Ready(Ok((stream, address)))
    }

    /// Registers a connection that was accepted at `location`.
    fn accepted(
        &self,
        socket: P::Stream,
        address: &P::Address,
        location: SourceLocation,
    ) -> io::Result<Socket<Stream<P>>> {
        let state = self.source.registration().state();
        let stream: Socket<Stream<P>> = Socket::new(state.clone(), socket, location)?;
        let key = stream.source.registration().key();
        state.poll.delivery.note_peer(key, address);
        Ok(stream)
    }

    /// Closes the listener now.
    ///
    /// The future that it returns resolves in the next close phase (R62), when
    /// [`close_with`](Socket::close_with) would call its callback. It need not be awaited. Tasks that
    /// wait for a connection receive an error. Connections that were accepted stay open.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn close(&self) -> Closing {
        self.source.close()
    }

    /// Returns the connections as an endless stream, which calls [`accept`](Socket::accept)
    /// repeatedly and drops the addresses.
    ///
    /// An error does not end the stream.
    #[track_caller]
    pub fn incoming(&self) -> Incoming<'_, P> {
        Incoming {
            accept: self.accept(),
        }
    }
}

/// A connection and the address of its peer.
type Accepted<P> = (Socket<Stream<P>>, <P as Protocol>::Address);

/// The future returned by [`accept`](Socket::accept).
#[must_use = "futures do nothing unless polled"]
pub struct Accept<'a, P: Protocol> {
    listener: &'a Socket<Listener<P>>,
    location: SourceLocation,
    waiter: WaiterId,
    back_off: Option<Sleep>,
    is_done: bool,
}

impl<P: Protocol> Accept<'_, P> {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(P::Stream, P::Address)>> {
        let source = &self.listener.source;
        let registration = source.registration();
        loop {
            registration.check_loop()?;
            if let Some(sleep) = &mut self.back_off {
                ready!(Pin::new(sleep).poll(cx));
                self.back_off = None;
            }
            ready!(registration.poll_waiter(Direction::Read, &mut self.waiter, cx))?;
            match source.accept(|socket| socket.accept()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    registration.would_block(Direction::Read);
                }
                Err(error) if concerns_one_connection(&error) => {
                    registration.done(Direction::Read, Taken::Some);
                }
                Err(error) if is_out_of_descriptors(&error) => {
                    let sleep = sleep(BACK_OFF);
                    let keeps_alive = registration.has_ref();
                    self.back_off = Some(if keeps_alive { sleep } else { sleep.unref() });
                    registration.pass_on(Direction::Read); // this future may be dropped meanwhile
                }
                result => {
                    registration.done(Direction::Read, Taken::Some);
                    return Poll::Ready(result);
                }
            }
        }
    }
}

fn concerns_one_connection(error: &io::Error) -> bool {
    let kind = error.kind();
    kind == io::ErrorKind::ConnectionAborted || kind == io::ErrorKind::Interrupted
}

impl<P: Protocol> Future for Accept<'_, P> {
    type Output = io::Result<Accepted<P>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let accepted = ready!(self.poll_accept(cx));
        self.is_done = true;
        let (socket, address) = accepted?;
        let stream = self.listener.accepted(socket, &address, self.location)?;
        Poll::Ready(Ok((stream, address)))
    }
}

impl<P: Protocol> FusedFuture for Accept<'_, P> {
    fn is_terminated(&self) -> bool {
        self.is_done
    }
}

impl<P: Protocol> Drop for Accept<'_, P> {
    fn drop(&mut self) {
        let registration = self.listener.source.registration();
        registration.forget_waiter(Direction::Read, &mut self.waiter);
    }
}

impl<P: Protocol> fmt::Debug for Accept<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Accept").field(self.listener).finish()
    }
}

/// The stream returned by [`incoming`](Socket::incoming).
///
/// Dropping it loses no connection.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Incoming<'a, P: Protocol> {
    accept: Accept<'a, P>,
}

impl<P: Protocol> futures::Stream for Incoming<'_, P> {
    type Item = io::Result<Socket<Stream<P>>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let accepted = ready!(Pin::new(&mut self.accept).poll(cx));
        Poll::Ready(Some(accepted.map(|(stream, _)| stream)))
    }
}

/// It never ends, so it is never terminated.
impl<P: Protocol> FusedStream for Incoming<'_, P> {
    fn is_terminated(&self) -> bool {
        false
    }
}
