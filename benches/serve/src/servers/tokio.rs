//! Servers on tokio's `current_thread` runtime.

use std::io;

use ::tokio::io::{AsyncReadExt, AsyncWriteExt};
use ::tokio::net::{TcpListener, TcpStream};
use ::tokio::time::timeout;
use axum::body::Body;
use axum::response::IntoResponse;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use nodeloop_rest::Settings;
use nodeloop_rest::notes::Notes;
use nodeloop_rest::routes::{Problem, router};
use tower::ServiceExt;

use super::{ECHO_BUFFER, answer, listen};

pub fn hello() -> io::Result<()> {
    runtime()?.block_on(async {
        let listener = TcpListener::from_std(listen()?)?;
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new());
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let connection = http.serve_connection(TokioIo::new(stream), service_fn(answer));
            ::tokio::spawn(async move {
                let _ = connection.await; // the client has disconnected
            });
        }
    })
}

pub fn rest() -> io::Result<()> {
    let settings = Settings::default();
    let run_on_tokio_pool = |job| drop(::tokio::task::spawn_blocking(job));
    let notes = Notes::open(None, run_on_tokio_pool).map_err(io::Error::other)?;
    let router = router(notes, settings.body_limit);
    let answer = service_fn(move |request: Request<Incoming>| {
        let handled = router.clone().oneshot(request.map(Body::new));
        async move {
            match timeout(settings.time_limit, handled).await {
                Ok(answered) => answered,
                Err(_) => Ok(Problem::TimedOut.into_response()),
            }
        }
    });
    runtime()?.block_on(async {
        let listener = TcpListener::from_std(listen()?)?;
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(settings.time_limit);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let connection = http.serve_connection(TokioIo::new(stream), answer.clone());
            ::tokio::spawn(async move {
                let _ = connection.await; // the client has disconnected
            });
        }
    })
}

pub fn echo() -> io::Result<()> {
    runtime()?.block_on(async {
        let listener = TcpListener::from_std(listen()?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            ::tokio::spawn(async move {
                let _ = echo_all(stream).await; // the client has disconnected
            });
        }
    })
}

async fn echo_all(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; ECHO_BUFFER];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            length => stream.write_all(&buffer[..length]).await?,
        }
    }
}

fn runtime() -> io::Result<::tokio::runtime::Runtime> {
    ::tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}
