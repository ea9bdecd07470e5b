//! Servers on nodeloop.

use std::io;

use ::nodeloop::hyper::{HyperIo, HyperTimer, serve};
use ::nodeloop::net::{TcpListener, TcpStream};
use ::nodeloop::spawn;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use hyper::server::conn::http1;
use hyper::service::service_fn;

use super::{ECHO_BUFFER, answer, listen};

pub fn hello() -> io::Result<()> {
    ::nodeloop::run(async {
        let listener = TcpListener::from_std(listen()?)?;
        serve(listener, service_fn(answer)).await
    })
}

/// The same without `serve`, to measure what it costs.
pub fn hello_by_hand() -> io::Result<()> {
    ::nodeloop::run(async {
        let listener = TcpListener::from_std(listen()?)?;
        let mut http = http1::Builder::new();
        http.timer(HyperTimer::new());
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let connection = http.serve_connection(HyperIo::new(stream), service_fn(answer));
            spawn(async move {
                let _ = connection.await; // the client has disconnected
            })
            .detach();
        }
    })
}

pub fn rest() -> io::Result<()> {
    let settings = nodeloop_rest::Settings {
        log: false,
        ..nodeloop_rest::Settings::default()
    };
    ::nodeloop::run(nodeloop_rest::serve(settings))
}

pub fn echo() -> io::Result<()> {
    ::nodeloop::run(async {
        let listener = TcpListener::from_std(listen()?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            spawn(async move {
                let _ = echo_all(stream).await; // the client has disconnected
            })
            .detach();
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
