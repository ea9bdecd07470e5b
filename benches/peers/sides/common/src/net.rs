//! The echo server, whose load comes from the program that started this one.

use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::Net;

/// The size in bytes of the buffer of a connection.
pub const BUFFER: usize = 4096;

/// Serves until the process is killed.
pub fn serve<R: Net>() {
    R::block_on(async {
        let (listener, port) = R::listen().await.expect("a listener");
        println!("{port}");
        loop {
            let stream = R::accept(&listener).await.expect("a connection");
            R::detach(R::echo(stream));
        }
    });
}

/// [`Net::echo`] for runtimes whose streams have the traits of futures.
pub async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut buffer = vec![0; BUFFER];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
