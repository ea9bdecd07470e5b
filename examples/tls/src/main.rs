//! Runs an HTTPS server and its client on one loop: `cargo run -p nodeloop-tls`.

use std::error::Error;

use nodeloop::net::TcpListener;
use nodeloop::{block_on, spawn};
use nodeloop_tls::{get, self_signed, serve};

fn main() -> Result<(), Box<dyn Error>> {
    block_on(async {
        let identity = self_signed(&["localhost"])?;
        let trusted = identity.certificate.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        spawn(async move { serve(listener, identity).await.unwrap() }).detach();
        let page = get(port, "localhost", trusted).await?;
        println!("{}", String::from_utf8_lossy(&page));
        Ok(())
    })
}
