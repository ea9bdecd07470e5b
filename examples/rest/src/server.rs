//! The server: the time limit of each request, the access log, and graceful shutdown.
//!
//! On a stop signal the server stops accepting, and every connection finishes its request in flight.

use std::cell::Cell;
use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use futures::future::select;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use nodeloop::hyper::{PeerAddress, ServeError};
use nodeloop::net::TcpListener;
use nodeloop::signal::{SignalKind, signal};
use nodeloop::spawn_blocking;
use nodeloop::time::{Instant, timeout};
use tower::ServiceExt;

use crate::Settings;
use crate::notes::{Notes, run_on_loop_pool};
use crate::routes::{Problem, router};

/// Serves until SIGINT or SIGTERM. Prints the address it listens on.
///
/// # Errors
///
/// Returns an error if the database cannot be opened, if the address is in use, and if requests had
/// to be aborted after the stop signal.
pub async fn serve(settings: Settings) -> io::Result<()> {
    let database = settings.database.clone();
    let notes = spawn_blocking(move || Notes::open(database.as_deref(), run_on_loop_pool)).await;
    let notes = notes.map_err(io::Error::other)?;
    let router = router(notes, settings.body_limit);
    let stop = stop_signal()?;
    let listener = TcpListener::bind(&*settings.address).await?;
    println!("listening on http://{}", listener.local_addr()?);

    let has_aborted = Rc::new(Cell::new(false));
    let aborted = has_aborted.clone();
    let answer = service_fn(move |request| {
        answer(router.clone(), request, settings.time_limit, settings.log)
    });
    nodeloop::hyper::serve(listener, answer)
        .with_graceful_shutdown(stop.map(|()| println!("stopping")))
        .shutdown_timeout(settings.grace)
        .header_timeout(settings.time_limit)
        .with_peer_address()
        .on_error(move |error| {
            aborted.set(aborted.get() || matches!(error, ServeError::Aborted(_)));
            let cause = error.source().map(|cause| format!(": {cause}"));
            eprintln!("{error}{}", cause.unwrap_or_default());
        })
        .await?;
    match has_aborted.get() {
        true => Err(io::Error::other("some requests took too long to stop")),
        false => Ok(()),
    }
}

/// Completes on the first SIGINT or SIGTERM. The next one ends the process, as by default.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        select(pin!(interrupt.recv()), pin!(terminate.recv())).await;
    })
}

/// Handles one request within its time limit, and logs it. A panic in a handler fails only this
/// request.
async fn answer(
    router: Router,
    request: Request<Incoming>,
    time_limit: Duration,
    has_log: bool,
) -> Result<Response, Infallible> {
    let start = Instant::now();
    let client = request.extensions().get().copied();
    let line = format!("{} {}", request.method(), request.uri().path());
    let handled = router.oneshot(request.map(Body::new));
    let handled = AssertUnwindSafe(handled).catch_unwind();
    let response = match timeout(time_limit, handled).await {
        Ok(Ok(Ok(response))) => response,
        Ok(Err(_)) => Problem::Internal.into_response(), // the panic hook has printed it
        Err(_) => Problem::TimedOut.into_response(),
    };
    if let Some(PeerAddress::<SocketAddr>(client)) = client.filter(|_| has_log) {
        let status = response.status().as_u16();
        let bytes = response.body().size_hint().exact().unwrap_or_default();
        let ms = start.elapsed().as_secs_f64() * 1_000.0;
        println!("{client} \"{line}\" {status} {bytes} {ms:.1} ms");
    }
    Ok(response)
}
