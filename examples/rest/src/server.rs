//! The server: connections, the time limit of each request, the access log, and graceful shutdown.
//!
//! On a stop signal the server stops accepting, every connection finishes its request in flight,
//! and the main future returns. The run then continues until the last connection is closed,
//! because waiting for a socket keeps the loop alive.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use futures::future::{Either, select};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use nodeloop::hyper::{HyperIo, HyperTimer};
use nodeloop::net::{TcpListener, TcpStream};
use nodeloop::promise::SharedPromise;
use nodeloop::signal::{SignalKind, signal};
use nodeloop::time::{Instant, timeout};
use nodeloop::{set_timeout, spawn, spawn_blocking};
use tower::ServiceExt;

use crate::Settings;
use crate::notes::{Notes, run_on_loop_pool};
use crate::routes::{Problem, router};

/// Serves until SIGINT or SIGTERM. Prints the address it listens on.
///
/// # Errors
///
/// Returns an error if the database cannot be opened or the address is in use.
pub async fn serve(settings: Settings) -> io::Result<()> {
    let database = settings.database.clone();
    let notes = spawn_blocking(move || Notes::open(database.as_deref(), run_on_loop_pool)).await;
    let notes = notes.map_err(io::Error::other)?;
    let router = router(notes, settings.body_limit);
    let stop = spawn(stop_signal()?).shared();
    let listener = TcpListener::bind(&*settings.address).await?;
    println!("listening on http://{}", listener.local_addr()?);

    let mut http = http1::Builder::new();
    http.timer(HyperTimer::new())
        .header_read_timeout(settings.time_limit);
    let server = Server {
        http,
        router,
        settings,
    };
    while let Either::Left((accepted, _)) =
        select(pin!(listener.accept()), pin!(stop.clone())).await
    {
        let (stream, client) = accepted?;
        stream.set_nodelay(true)?;
        spawn(server.clone().connection(stream, client, stop.clone())).detach();
    }
    drop(listener); // new connections are refused
    println!("stopping");
    // Ends slow requests. An unref'd timer does not itself keep the loop alive.
    set_timeout(server.settings.grace, || nodeloop::exit(1)).unref();
    Ok(())
}

/// Completes on the first SIGINT or SIGTERM. The next one ends the process, as by default.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        select(pin!(interrupt.recv()), pin!(terminate.recv())).await;
    })
}

#[derive(Clone)]
struct Server {
    http: http1::Builder,
    router: Router,
    settings: Settings,
}

impl Server {
    /// Serves a connection until either side closes it. After a stop signal, the request in flight
    /// is answered and no other one is accepted.
    async fn connection(self, stream: TcpStream, client: SocketAddr, stop: SharedPromise<()>) {
        let http = self.http.clone();
        let answer = service_fn(move |request| self.clone().answer(request, client));
        let mut connection = pin!(http.serve_connection(HyperIo::new(stream), answer));
        let served = match select(connection.as_mut(), pin!(stop)).await {
            Either::Left((served, _)) => served,
            Either::Right(_) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = served {
            eprintln!("{client} {error}");
        }
    }

    /// Handles one request within its time limit, and logs it. A panic in a handler fails only this
    /// request.
    async fn answer(
        self,
        request: Request<Incoming>,
        client: SocketAddr,
    ) -> Result<Response, Infallible> {
        let start = Instant::now();
        let line = format!("{} {}", request.method(), request.uri().path());
        let handled = self.router.oneshot(request.map(Body::new));
        let handled = AssertUnwindSafe(handled).catch_unwind();
        let response = match timeout(self.settings.time_limit, handled).await {
            Ok(Ok(Ok(response))) => response,
            Ok(Err(_)) => Problem::Internal.into_response(), // the panic hook has printed it
            Err(_) => Problem::TimedOut.into_response(),
        };
        if self.settings.log {
            let status = response.status().as_u16();
            let bytes = response.body().size_hint().exact().unwrap_or_default();
            let ms = start.elapsed().as_secs_f64() * 1_000.0;
            println!("{client} \"{line}\" {status} {bytes} {ms:.1} ms");
        }
        Ok(response)
    }
}
