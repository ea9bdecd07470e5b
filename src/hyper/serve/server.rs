//! The running server: it accepts connections, starts their tasks, and shuts down.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use ::hyper::body::{Body, Incoming};
use ::hyper::server::conn::http1;
use ::hyper::service::Service;
use ::hyper::{Request, Response};
use futures::future::{Either, pending, select};
use slab::Slab;

use super::connection::{Connection, ConnectionIo, ConnectionService, End, Limits, Watch};
use super::error::ServeError;
use super::handshake::Handshake;
use super::service::BoxError;
use super::{Config, ErrorHook};
use crate::hyper::{HyperIo, Local};
use crate::net::kind::{Listener, Protocol, Stream};
use crate::net::{Socket, TcpStream};
use crate::phases::macrotask::SourceLocation;
use crate::promise::spawn_at;
use crate::time::sleep;

/// How long the server waits after an error of `accept`.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until the shutdown is complete. Dropped before that, it aborts all connections.
pub(super) async fn run<P, S, H, B>(config: Config<P, S, H>) -> io::Result<()>
where
    H: Handshake<Socket<Stream<P>>>,
    P: Protocol<Address: Debug + Clone + Send + Sync + 'static>,
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>> + 'static,
    B: Body<Error: Into<BoxError>> + 'static,
{
    let shutdown = config.shutdown.unwrap_or_else(|| Box::pin(pending()));
    let server = Rc::new(Server {
        service: Rc::new(config.service),
        handshake: config.handshake,
        http: config.http,
        limits: config.limits,
        has_peer_address: config.has_peer_address,
        has_upgrades: config.has_upgrades,
        on_error: config.on_error,
        location: config.location,
        open: Rc::default(),
    });
    let open = AbortOnDrop(server.open.clone());
    let accepting = server.accept_all(config.listener, config.max_connections);
    match select(shutdown, Box::pin(accepting)).await {
        Either::Left(((), accepting)) => drop(accepting), // closes the listener
        Either::Right((error, _)) => return Err(error),
    }
    open.0.for_each(Connection::finish);
    let timeout = sleep(config.shutdown_timeout).unref();
    if let Either::Right(_) = select(pin!(open.0.at_most(0)), timeout).await {
        open.0.for_each(Connection::abort);
        open.0.at_most(0).await;
    }
    Ok(())
}

struct Server<P: Protocol, S, H> {
    service: Rc<S>,
    handshake: H,
    http: http1::Builder,
    limits: Limits,
    has_peer_address: bool,
    has_upgrades: bool,
    on_error: Option<ErrorHook<P::Address>>,
    location: SourceLocation,
    open: Rc<OpenConnections>,
}

impl<P, S, H, B> Server<P, S, H>
where
    H: Handshake<Socket<Stream<P>>>,
    P: Protocol<Address: Debug + Clone + Send + Sync + 'static>,
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>> + 'static,
    B: Body<Error: Into<BoxError>> + 'static,
{
    /// Accepts connections until the listener is broken.
    async fn accept_all(self: &Rc<Self>, listener: Socket<Listener<P>>, limit: usize) -> io::Error {
        loop {
            self.open.at_most(limit - 1).await;
            match listener.accept().await {
                Ok((stream, peer)) => self.start(stream, peer),
                Err(error) if concerns_listener(&error) => return error,
                Err(error) => {
                    self.report(ServeError::Accept(error));
                    let pause = sleep(ACCEPT_PAUSE);
                    let keeps_alive = listener.has_ref();
                    (if keeps_alive { pause } else { pause.unref() }).await;
                }
            }
        }
    }

    fn start(self: &Rc<Self>, stream: Socket<Stream<P>>, peer: P::Address) {
        let connection = Connection::new();
        let open = self.open.insert(connection.clone());
        let server = self.clone();
        let task = async move {
            let _open = open;
            server.serve(stream, peer, connection).await;
        };
        spawn_at(self.location, task).detach();
    }

    async fn serve(&self, stream: Socket<Stream<P>>, peer: P::Address, connection: Rc<Connection>) {
        if let Some(stream) = (&stream as &dyn Any).downcast_ref::<TcpStream>() {
            let _ = stream.set_nodelay(true); // fails if the client has disconnected already
        }
        let end = self.connect(stream, &peer, connection).await;
        match end.unwrap_or_else(|end| end) {
            End::Closed(Ok(())) => {}
            End::Closed(Err(error)) => self.report(ServeError::Connection(peer, error)),
            End::HandshakeFailed(error) => self.report(ServeError::Handshake(peer, error)),
            End::HeaderTimeout => self.report(ServeError::HeaderTimeout(peer)),
            End::Aborted => self.report(ServeError::Aborted(peer)),
        }
    }

    async fn connect(
        &self,
        stream: Socket<Stream<P>>,
        peer: &P::Address,
        connection: Rc<Connection>,
    ) -> Result<End, End> {
        let mut watch = Watch::new(connection.clone(), self.limits);
        let stream = watch.handshake(pin!(self.handshake.start(stream))).await?;
        let service = ConnectionService {
            service: self.service.clone(),
            connection: connection.clone(),
            peer: self.has_peer_address.then(|| peer.clone()),
        };
        let io = ConnectionIo {
            io: HyperIo::new(stream),
            connection,
        };
        Ok(if self.has_upgrades {
            let http = self.http.serve_connection(Local::new(io), service);
            watch.drive(http.with_upgrades()).await
        } else {
            let http = self.http.serve_connection(io, service);
            watch.drive(http).await
        })
    }

    fn report(&self, error: ServeError<P::Address>) {
        if let Some(listener) = &self.on_error {
            listener(error);
        }
    }
}

/// Whether every further `accept` would fail, too.
fn concerns_listener(error: &io::Error) -> bool {
    let kind = error.kind();
    kind == io::ErrorKind::InvalidInput || kind == io::ErrorKind::NotConnected
}

/// The connections of a server, and the waker of the server if it waits for one to end.
#[derive(Default)]
struct OpenConnections {
    connections: RefCell<Slab<Rc<Connection>>>,
    waiting: Cell<Option<Waker>>,
}

impl OpenConnections {
    fn insert(self: &Rc<Self>, connection: Rc<Connection>) -> OpenConnection {
        OpenConnection {
            key: self.connections.borrow_mut().insert(connection),
            open: self.clone(),
        }
    }

    /// Waits until at most `number` connections are open.
    async fn at_most(&self, number: usize) {
        poll_fn(|cx| {
            if self.connections.borrow().len() <= number {
                return Poll::Ready(());
            }
            self.waiting.set(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// Calls `command`, which wakes the connection's task, for each connection that is open now.
    fn for_each(&self, command: fn(&Connection)) {
        let connections = self.connections.borrow();
        let open: Vec<_> = connections.iter().map(|(_, it)| it.clone()).collect();
        drop(connections); // a wake may drop a task, and with it the entry
        for connection in open {
            command(&connection);
        }
    }
}

/// The entry of a connection, removed on drop.
struct OpenConnection {
    open: Rc<OpenConnections>,
    key: usize,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let connection = self.open.connections.borrow_mut().remove(self.key);
        drop(connection);
        if let Some(waker) = self.open.waiting.take() {
            waker.wake();
        }
    }
}

/// Aborts what is open when a server is dropped.
struct AbortOnDrop(Rc<OpenConnections>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.for_each(Connection::abort);
    }
}
