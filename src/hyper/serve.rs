//! `serve`: a server for HTTP/1 out of a listener and a service.

mod connection;
mod error;
mod handshake;
mod server;
mod service;

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use ::hyper::body::{Body, Incoming};
use ::hyper::server::conn::http1;
use ::hyper::service::Service;
use ::hyper::{Request, Response};
use futures::future::{FusedFuture, LocalBoxFuture};
use futures::io::{AsyncRead, AsyncWrite};

use self::connection::Limits;
pub use self::error::ServeError;
pub use self::handshake::{Handshake, NoHandshake};
use self::service::BoxError;
pub use self::service::{HyperKind, IntoService, TowerKind};
use super::HyperTimer;
use crate::net::Socket;
use crate::net::kind::{Listener, Protocol, Stream};
use crate::phases::macrotask::SourceLocation;

/// Serves HTTP/1 on the connections of a listener: Node's `http.createServer(…).listen(…)`.
///
/// `service` is a service of hyper or tower, such as an `axum::Router` or
/// `hyper::service::service_fn(handler)`; see [`IntoService`]. The returned future is the server. It
/// can be configured with its methods, does nothing before it is polled, and ends only if
/// [`with_graceful_shutdown`](Serve::with_graceful_shutdown) was called.
///
/// Each connection is a task, which is [spawned](crate::spawn) as soon as the connection is accepted.
/// `TCP_NODELAY` is set, as in Node. The default limits are Node's: 60 seconds for the head of a
/// request ([`header_timeout`](Serve::header_timeout)), and 5 seconds between two requests
/// ([`keep_alive_timeout`](Serve::keep_alive_timeout)). As in Node, a handler has no time limit
/// unless it sets one, for example with [`timeout`](crate::time::timeout). There is no limit for the
/// arrival of a body (Node's `requestTimeout`), either.
///
/// TLS is a [handshake](Serve::with_handshake). HTTP/2 is not supported: use the connection builder
/// `http2` of hyper with [`HyperExecutor`](super::HyperExecutor).
///
/// # Errors
///
/// Resolves to an error if the listener itself is broken. What concerns one connection is reported
/// to [`on_error`](Serve::on_error) and does not end the server, and neither does the lack of
/// descriptors or memory: accepting is tried again every 100 ms.
///
/// # Panics
///
/// A panic in the service rejects the promise of its connection's task. As an exception in Node, this
/// ends the run, unless there is a listener for
/// [unhandled rejections](crate::on_unhandled_rejection): then it ends the connection.
///
/// # Cancel safety
///
/// Dropping the future closes the listener and aborts all open connections, in their next
/// microtasks.
///
/// # Examples
///
/// ```
/// use hyper::{Request, Response, body::Incoming, service::service_fn};
/// use nodeloop::{hyper::serve, net::{TcpListener, TcpStream}, spawn};
/// use futures::{AsyncReadExt, AsyncWriteExt};
///
/// async fn hello(_: Request<Incoming>) -> Result<Response<String>, std::io::Error> {
///     Ok(Response::new("Hello, World!".to_owned()))
/// }
///
/// nodeloop::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let address = listener.local_addr()?;
///     let (stop, stopped) = futures::channel::oneshot::channel::<()>();
///     let shutdown = async move { stopped.await.unwrap() };
///     let server = spawn(serve(listener, service_fn(hello)).with_graceful_shutdown(shutdown));
///
///     let mut client = TcpStream::connect(address).await?;
///     client.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
///     let mut response = String::new();
///     client.read_to_string(&mut response).await?;
///     assert!(response.starts_with("HTTP/1.1 200 OK\r\n"));
///     assert!(response.ends_with("Hello, World!"));
///
///     stop.send(()).unwrap();
///     server.await
/// }).unwrap();
/// ```
#[track_caller]
pub fn serve<P, S, Kind>(listener: Socket<Listener<P>>, service: S) -> Serve<P, S::Service>
where
    P: Protocol<Address: fmt::Debug + Clone + Send + Sync + 'static>,
    S: IntoService<Kind>,
{
    let mut http = http1::Builder::new();
    // The limits below replace hyper's own timer, which is armed for every request.
    http.timer(HyperTimer::new()).header_read_timeout(None);
    Serve {
        config: Some(Config {
            listener,
            service: service.into_service(),
            handshake: NoHandshake,
            http,
            limits: Limits {
                header: Some(HEADER_TIMEOUT),
                keep_alive: Some(KEEP_ALIVE_TIMEOUT),
            },
            max_connections: usize::MAX,
            has_peer_address: false,
            has_upgrades: false,
            shutdown: None,
            shutdown_timeout: SHUTDOWN_TIMEOUT,
            on_error: None,
            location: Location::caller(),
        }),
        running: None,
    }
}

/// The time limit for the head of a request: Node's `server.headersTimeout`.
const HEADER_TIMEOUT: Duration = Duration::from_secs(60);

/// The time limit between two requests of a connection: Node's `server.keepAliveTimeout`.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long open requests may take after the start of a graceful shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// The future returned by [`serve`]: a server, and the methods that configure it.
///
/// # Panics
///
/// The methods panic if the future has been polled.
#[must_use = "a server does nothing unless polled: await it, or spawn it"]
pub struct Serve<P: Protocol, S, H = NoHandshake> {
    /// Taken by the first poll.
    config: Option<Config<P, S, H>>,
    running: Option<LocalBoxFuture<'static, io::Result<()>>>,
}

/// Called with each error of a server.
type ErrorHook<A> = Rc<dyn Fn(ServeError<A>)>;

struct Config<P: Protocol, S, H> {
    listener: Socket<Listener<P>>,
    service: S,
    handshake: H,
    http: http1::Builder,
    limits: Limits,
    max_connections: usize,
    has_peer_address: bool,
    has_upgrades: bool,
    shutdown: Option<LocalBoxFuture<'static, ()>>,
    shutdown_timeout: Duration,
    on_error: Option<ErrorHook<P::Address>>,
    location: SourceLocation,
}

impl<P: Protocol, S, H> Serve<P, S, H> {
    /// Shuts the server down when `signal` completes.
    ///
    /// The listener is closed, so new connections are refused. Idle connections are closed. The others
    /// are closed after the response to their current request, or aborted after the
    /// [shutdown timeout](Serve::shutdown_timeout). Then the server resolves to `Ok(())`.
    ///
    /// A connection that was upgraded is no longer the server's: it is neither awaited nor aborted.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use nodeloop::{hyper::serve, net::TcpListener, signal::ctrl_c};
    /// # use hyper::{Request, Response, body::Incoming, service::service_fn};
    /// # async fn hello(_: Request<Incoming>) -> Result<Response<String>, std::io::Error> {
    /// #     Ok(Response::new("Hello, World!".to_owned()))
    /// # }
    /// nodeloop::run(async {
    ///     let listener = TcpListener::bind("127.0.0.1:8080").await?;
    ///     serve(listener, service_fn(hello))
    ///         .with_graceful_shutdown(async { ctrl_c().await.unwrap() })
    ///         .await
    /// }).unwrap();
    /// ```
    #[track_caller]
    pub fn with_graceful_shutdown(mut self, signal: impl Future<Output = ()> + 'static) -> Self {
        self.config().shutdown = Some(Box::pin(signal));
        self
    }

    /// Sets how long open requests may take after the start of a graceful shutdown, 10 seconds by
    /// default. `None` sets no limit.
    ///
    /// Connections that are still open then are aborted, and reported as [`ServeError::Aborted`].
    #[track_caller]
    pub fn shutdown_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.config().shutdown_timeout = timeout.into().unwrap_or(Duration::MAX);
        self
    }

    /// Sets the time limit for the head of a request: Node's `server.headersTimeout`, 60 seconds by
    /// default. `None` and zero set no limit.
    ///
    /// It counts from the first byte of the head, and for the first request of a connection from the
    /// moment at which it was accepted. A connection that exceeds it receives the status 408, as in Node,
    /// is closed, and is reported as [`ServeError::HeaderTimeout`].
    #[track_caller]
    pub fn header_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.config().limits.header = limit(timeout.into());
        self
    }

    /// Sets how long a connection may be idle between two requests: Node's
    /// `server.keepAliveTimeout`, 5 seconds by default. `None` and zero set no limit, as zero does in
    /// Node.
    #[track_caller]
    pub fn keep_alive_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.config().limits.keep_alive = limit(timeout.into());
        self
    }

    /// Sets how many connections may be open at the same time; unlimited by default.
    ///
    /// At the limit the server stops accepting. Further clients wait in the queue of the operating
    /// system. (Node's `server.maxConnections` closes their connections instead.)
    ///
    /// # Panics
    ///
    /// Panics if `limit` is zero.
    #[track_caller]
    pub fn max_connections(mut self, limit: usize) -> Self {
        assert!(
            limit > 0,
            "a server with at most 0 connections cannot serve: pass 1 or more"
        );
        self.config().max_connections = limit;
        self
    }

    /// Adds a [`PeerAddress`] to the extensions of each request.
    #[track_caller]
    pub fn with_peer_address(mut self) -> Self {
        self.config().has_peer_address = true;
        self
    }

    /// Lets handlers upgrade a connection with `hyper::upgrade::on`, for example to a WebSocket.
    /// Otherwise the future that `on` returns fails.
    ///
    /// hyper requires that an upgraded stream is `Send`, so the stream of each connection is wrapped
    /// in a [`Local`](super::Local). `FuturesIo::new(upgraded)` has the `futures` traits.
    #[track_caller]
    pub fn with_upgrades(mut self) -> Self {
        self.config().has_upgrades = true;
        self
    }

    /// Calls `handshake` with each accepted stream, and serves HTTP on the stream that its future
    /// returns: for TLS, `move |stream| acceptor.accept(stream)` with an acceptor of futures-rustls.
    ///
    /// The handshake runs in the connection's task, so a slow client does not delay others. It belongs
    /// to the [header timeout](Serve::header_timeout) of the first request. An error is reported as
    /// [`ServeError::Handshake`].
    ///
    /// # Panics
    ///
    /// Panics if the server has been polled.
    #[track_caller]
    pub fn with_handshake<F, Fut, T>(mut self, handshake: F) -> Serve<P, S, F>
    where
        F: Fn(Socket<Stream<P>>) -> Fut + 'static,
        Fut: Future<Output = io::Result<T>>,
        T: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        self.config();
        Serve {
            config: self
                .config
                .take()
                .map(|config| config.with_handshake(handshake)),
            running: None,
        }
    }

    /// Changes other settings of hyper, such as the size of its buffers.
    ///
    /// Use [`header_timeout`](Serve::header_timeout) instead of `header_read_timeout`.
    #[track_caller]
    pub fn http1(mut self, configure: impl FnOnce(&mut http1::Builder)) -> Self {
        configure(&mut self.config().http);
        self
    }

    /// Calls `listener` with every error that does not end the server.
    ///
    /// Without a listener these errors are ignored, as Node closes a connection without a listener
    /// for `clientError`. Many of them are normal, such as clients that disconnect early.
    #[track_caller]
    pub fn on_error(mut self, listener: impl Fn(ServeError<P::Address>) + 'static) -> Self {
        self.config().on_error = Some(Rc::new(listener));
        self
    }

    #[track_caller]
    fn config(&mut self) -> &mut Config<P, S, H> {
        let config = self.config.as_mut();
        config.expect("a server cannot be configured after its first poll: configure it before")
    }
}

/// Zero is no limit, as in Node.
fn limit(timeout: Option<Duration>) -> Option<Duration> {
    timeout.filter(|timeout| !timeout.is_zero())
}

impl<P: Protocol, S, H> Config<P, S, H> {
    fn with_handshake<F>(self, handshake: F) -> Config<P, S, F> {
        Config {
            listener: self.listener,
            service: self.service,
            handshake,
            http: self.http,
            limits: self.limits,
            max_connections: self.max_connections,
            has_peer_address: self.has_peer_address,
            has_upgrades: self.has_upgrades,
            shutdown: self.shutdown,
            shutdown_timeout: self.shutdown_timeout,
            on_error: self.on_error,
            location: self.location,
        }
    }
}

impl<P: Protocol, S, H> fmt::Debug for Serve<P, S, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listener = self.config.as_ref().map(|config| &config.listener);
        f.debug_struct("Serve")
            .field("listener", &listener)
            .field("is_running", &self.running.is_some())
            .finish_non_exhaustive()
    }
}

impl<P: Protocol, S, H> Unpin for Serve<P, S, H> {}

impl<P, S, H, B> Future for Serve<P, S, H>
where
    H: Handshake<Socket<Stream<P>>>,
    P: Protocol<Address: fmt::Debug + Clone + Send + Sync + 'static>,
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>> + 'static,
    B: Body<Error: Into<BoxError>> + 'static,
{
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(config) = self.config.take() {
            self.running = Some(Box::pin(server::run(config)));
        }
        let Some(running) = &mut self.running else {
            return Poll::Pending; // it has ended
        };
        let polled = running.as_mut().poll(cx);
        if polled.is_ready() {
            self.running = None;
        }
        polled
    }
}

impl<P, S, H, B> FusedFuture for Serve<P, S, H>
where
    H: Handshake<Socket<Stream<P>>>,
    P: Protocol<Address: fmt::Debug + Clone + Send + Sync + 'static>,
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>> + 'static,
    B: Body<Error: Into<BoxError>> + 'static,
{
    fn is_terminated(&self) -> bool {
        self.config.is_none() && self.running.is_none()
    }
}

/// The address of the client, in the extensions of a request; see [`Serve::with_peer_address`].
///
/// # Examples
///
/// ```
/// use hyper::Request;
/// use nodeloop::hyper::PeerAddress;
/// use std::net::SocketAddr;
///
/// fn client<B>(request: &Request<B>) -> Option<SocketAddr> {
///     let peer = request.extensions().get::<PeerAddress<SocketAddr>>();
///     peer.map(|PeerAddress(address)| *address)
/// }
///
/// let mut request = Request::new("");
/// assert_eq!(client(&request), None);
/// let address = SocketAddr::from(([127, 0, 0, 1], 5000));
/// request.extensions_mut().insert(PeerAddress(address)); // as the server does
/// assert_eq!(client(&request), Some(address));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeerAddress<A>(pub A);
