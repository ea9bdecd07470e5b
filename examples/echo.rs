//! An echo server: every client receives the bytes that it sends.
//!
//! One task accepts, and each client has a task of its own. The argument is the address to listen
//! on. Without an argument the operating system chooses a port.
//!
//! ```text
//! cargo run --example echo -- 127.0.0.1:7000
//! nc 127.0.0.1 7000
//! ```
//!
//! Run: by hand, because it serves forever

use std::io;

use futures::io::{AsyncReadExt, AsyncWriteExt};
use nodeloop::net::{TcpListener, TcpStream};
use nodeloop::spawn;

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:0".to_owned());
    nodeloop::run(async {
        let listener = TcpListener::bind(address).await?;
        println!("listening on {}", listener.local_addr()?);
        serve(&listener).await
    })
}

/// Accepts clients until `accept` fails.
pub async fn serve(listener: &TcpListener) -> io::Result<()> {
    loop {
        let (client, address) = listener.accept().await?;
        spawn(async move {
            if let Err(error) = echo(client).await {
                eprintln!("{address}: {error}");
            }
        })
        .detach();
    }
}

/// Sends all input back until the client closes its side. While the client does not read, nothing
/// is read from it.
async fn echo(mut client: TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match client.read(&mut buffer).await? {
            0 => return Ok(()),
            length => client.write_all(&buffer[..length]).await?,
        }
    }
}
