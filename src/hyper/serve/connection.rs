//! One connection of a server: what it is doing, its time limits, and its end.
//!
//! The service and the body of the response report when a request begins and ends, and the stream
//! when the first byte of a request arrives. Between these events a connection has no cost: one
//! timer per connection checks the time limits, at most once per limit.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use ::hyper::body::{Body, Frame, Incoming, SizeHint};
use ::hyper::rt::{Read, ReadBufCursor, Write};
use ::hyper::server::conn::http1;
use ::hyper::service::{HttpService, Service};
use ::hyper::{Request, Response};
use pin_project_lite::pin_project;

use super::PeerAddress;
use super::service::BoxError;
use crate::time::{self, Instant, Sleep, sleep};

/// The time limits of a connection; `None` for no limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) header: Option<Duration>,
    pub(super) keep_alive: Option<Duration>,
}

impl Limits {
    /// The longest time between two checks: a phase that begins after a check may end this soon.
    fn interval(&self) -> Option<Duration> {
        let limits = self.header.into_iter().chain(self.keep_alive);
        limits.min()
    }
}

/// How a connection has ended.
#[derive(Debug)]
pub(super) enum End {
    Closed(::hyper::Result<()>),
    HandshakeFailed(io::Error),
    HeaderTimeout,
    Aborted,
}

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The head of a request arrives, or no byte has arrived since the connection was accepted.
    Head,
    /// A request is handled, or its response is sent.
    Request,
    /// The last response was sent, and no byte of another request has arrived.
    Idle,
}

/// What the server wants of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Continue,
    /// End after the current request.
    Finish,
    /// End now.
    Abort,
}

/// The state that a connection's task, its service, its stream and the server share.
pub(super) struct Connection {
    phase: Cell<Phase>,
    /// When the phase began, or when a blocked write of the last response went on.
    since: Cell<Instant>,
    is_write_blocked: Cell<bool>,
    command: Cell<Command>,
    waker: Cell<Option<Waker>>,
}

impl Connection {
    pub(super) fn new() -> Rc<Connection> {
        Rc::new(Connection {
            phase: Cell::new(Phase::Head),
            since: Cell::new(time::Instant::now()),
            is_write_blocked: Cell::new(false),
            command: Cell::new(Command::Continue),
            waker: Cell::new(None),
        })
    }

    /// Ends the connection after its current request.
    pub(super) fn finish(&self) {
        if self.command.get() == Command::Continue {
            self.command(Command::Finish);
        }
    }

    /// Ends the connection the next time that its task is polled.
    pub(super) fn abort(&self) {
        self.command(Command::Abort);
    }

    fn command(&self, command: Command) {
        self.command.set(command);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.since.set(time::Instant::now());
    }

    /// Returns when to check again, or the limit that has expired.
    fn check(&self, limits: &Limits) -> Result<Option<Duration>, Expired> {
        let limit = match self.phase.get() {
            Phase::Head => limits.header,
            Phase::Idle if !self.is_write_blocked.get() => limits.keep_alive,
            Phase::Idle | Phase::Request => None,
        };
        let left = limit.map(|limit| limit.saturating_sub(self.since.get().elapsed()));
        match (left, self.phase.get()) {
            (Some(Duration::ZERO), Phase::Head) => Err(Expired::Header),
            (Some(Duration::ZERO), _) => Err(Expired::KeepAlive),
            (left, _) => Ok(left.into_iter().chain(limits.interval()).min()),
        }
    }
}

enum Expired {
    Header,
    KeepAlive,
}

/// A connection of hyper, with or without upgrades.
pub(super) trait HyperConnection: Future<Output = ::hyper::Result<()>> + Unpin {
    type Io: Write + Unpin;

    fn graceful_shutdown(self: Pin<&mut Self>);

    /// Returns the stream, unless the connection was upgraded.
    fn into_io(self) -> Option<Self::Io>;
}

/// What Node sends if the head of a request takes too long (`lib/_http_server.js`,
/// `requestTimeoutResponse`).
const TIMED_OUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n";

impl<I, B, S> HyperConnection for http1::Connection<I, S>
where
    S: HttpService<Incoming, ResBody = B, Error: Into<BoxError>>,
    I: Read + Write + Unpin + 'static,
    B: Body<Error: Into<BoxError>> + 'static,
{
    type Io = I;

    fn graceful_shutdown(self: Pin<&mut Self>) {
        http1::Connection::graceful_shutdown(self);
    }

    fn into_io(self) -> Option<I> {
        Some(self.into_parts().io)
    }
}

impl<I, B, S> HyperConnection for http1::UpgradeableConnection<I, S>
where
    S: HttpService<Incoming, ResBody = B, Error: Into<BoxError>>,
    I: Read + Write + Unpin + Send + 'static,
    B: Body<Error: Into<BoxError>> + 'static,
{
    type Io = I;

    fn graceful_shutdown(self: Pin<&mut Self>) {
        http1::UpgradeableConnection::graceful_shutdown(self);
    }

    fn into_io(self) -> Option<I> {
        self.into_parts().map(|parts| parts.io)
    }
}

/// The time limits and the commands that a connection's task watches.
pub(super) struct Watch {
    connection: Rc<Connection>,
    limits: Limits,
    /// Ends when the limits have to be checked again.
    timer: Option<Sleep>,
}

impl Watch {
    pub(super) fn new(connection: Rc<Connection>, limits: Limits) -> Watch {
        Watch {
            connection,
            limits,
            timer: limits.interval().map(|limit| sleep(limit).unref()),
        }
    }

    /// Waits for a handshake, which belongs to the head of the first request.
    pub(super) async fn handshake<T>(
        &mut self,
        mut handshake: Pin<&mut impl Future<Output = io::Result<T>>>,
    ) -> Result<T, End> {
        poll_fn(|cx| {
            if let Poll::Ready(result) = handshake.as_mut().poll(cx) {
                return Poll::Ready(result.map_err(End::HandshakeFailed));
            }
            match self.connection.command.get() {
                Command::Continue => self.poll(cx).map(|_| Err(End::HeaderTimeout)),
                Command::Finish => Poll::Ready(Err(End::Closed(Ok(())))),
                Command::Abort => Poll::Ready(Err(End::Aborted)),
            }
        })
        .await
    }

    /// Drives a connection of hyper until it ends.
    pub(super) async fn drive(&mut self, mut http: impl HyperConnection) -> End {
        let mut is_finishing = false;
        let end = poll_fn(|cx| {
            let mut http = Pin::new(&mut http);
            loop {
                if self.connection.command.get() == Command::Abort {
                    return Poll::Ready(End::Aborted);
                }
                if let Poll::Ready(result) = http.as_mut().poll(cx) {
                    return Poll::Ready(End::Closed(result));
                }
                let command = self.connection.command.get(); // the service may have changed it
                match command {
                    Command::Finish if !is_finishing => {
                        is_finishing = true;
                        http.as_mut().graceful_shutdown();
                        continue; // an idle connection ends in this poll
                    }
                    Command::Abort => continue,
                    Command::Continue | Command::Finish => {}
                }
                match ready!(self.poll(cx)) {
                    Expired::Header => return Poll::Ready(End::HeaderTimeout),
                    Expired::KeepAlive if command == Command::Continue => {
                        self.connection.command.set(Command::Finish);
                    }
                    Expired::KeepAlive => {}
                }
            }
        })
        .await;
        let is_timeout = matches!(end, End::HeaderTimeout);
        // If the client does not read, the last response may not have been sent completely.
        if is_timeout
            && !self.connection.is_write_blocked.get()
            && let Some(mut io) = http.into_io()
        {
            let mut answer = |cx: &mut Context<'_>| Pin::new(&mut io).poll_write(cx, TIMED_OUT);
            let _ = poll_fn(|cx| Poll::Ready(answer(cx))).await;
        }
        end
    }

    /// Waits until a limit has expired. A command wakes the task.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Expired> {
        while let Some(timer) = &mut self.timer {
            if Pin::new(timer).poll(cx).is_pending() {
                break;
            }
            match self.connection.check(&self.limits) {
                Ok(next) => self.timer = next.map(|after| sleep(after).unref()),
                Err(expired) => {
                    self.timer = None;
                    return Poll::Ready(expired);
                }
            }
        }
        let waiting = &self.connection.waker;
        let waker = waiting.take().filter(|waker| waker.will_wake(cx.waker()));
        waiting.set(Some(waker.unwrap_or_else(|| cx.waker().clone())));
        Poll::Pending
    }
}

/// The service of one connection.
pub(super) struct ConnectionService<S, A> {
    pub(super) service: Rc<S>,
    pub(super) connection: Rc<Connection>,
    /// The address that requests receive as an extension.
    pub(super) peer: Option<A>,
}

impl<S, A, B> Service<Request<Incoming>> for ConnectionService<S, A>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    A: Clone + Send + Sync + 'static,
{
    type Response = Response<TrackedBody<B>>;
    type Error = S::Error;
    type Future = Answer<S::Future>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.connection.phase.set(Phase::Request);
        if let Some(peer) = &self.peer {
            request.extensions_mut().insert(PeerAddress(peer.clone()));
        }
        Answer {
            open: Some(OpenRequest(self.connection.clone())),
            future: self.service.call(request),
        }
    }
}

/// A request that is handled or whose response is sent. Dropping it ends the request.
struct OpenRequest(Rc<Connection>);

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.enter(Phase::Idle);
    }
}

pin_project! {
    /// The future of a response.
    pub(super) struct Answer<F> {
        #[pin]
        future: F,
        open: Option<OpenRequest>,
    }
}

impl<F, B, E> Future for Answer<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<TrackedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.future.poll(cx))?;
        let open = this.open.take();
        Poll::Ready(Ok(response.map(|body| TrackedBody { body, open })))
    }
}

pin_project! {
    /// The body of a response, which hyper drops when it was sent.
    pub(super) struct TrackedBody<B> {
        #[pin]
        body: B,
        open: Option<OpenRequest>,
    }
}

impl<B: Body> Body for TrackedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

pin_project! {
    /// The stream of a connection.
    pub(super) struct ConnectionIo<T> {
        #[pin]
        pub(super) io: T,
        pub(super) connection: Rc<Connection>,
    }
}

impl<T: Read> Read for ConnectionIo<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        ready!(this.io.poll_read(cx, buffer))?;
        if this.connection.phase.get() == Phase::Idle {
            this.connection.enter(Phase::Head);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: Write> ConnectionIo<T> {
    /// Notes whether the client reads its responses.
    fn note_write(
        connection: &Connection,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let was_blocked = connection.is_write_blocked.replace(written.is_pending());
        if was_blocked && written.is_ready() {
            connection.since.set(time::Instant::now());
        }
        written
    }
}

impl<T: Write> Write for ConnectionIo<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        ConnectionIo::<T>::note_write(this.connection, this.io.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let written = this.io.poll_write_vectored(cx, buffers);
        ConnectionIo::<T>::note_write(this.connection, written)
    }
}
