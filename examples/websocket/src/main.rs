//! Serves a page and a WebSocket until Ctrl-C: `cargo run -p nodeloop-websocket`. With a URL as the
//! argument it is a client, which sends the other arguments.

use std::error::Error;

use nodeloop::hyper::serve;
use nodeloop::net::TcpListener;
use nodeloop::signal::ctrl_c;
use nodeloop_websocket::{router, talk};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    nodeloop::run(async move {
        if let [url, words @ ..] = &*arguments {
            let words: Vec<&str> = words.iter().map(|word| &**word).collect();
            for answer in talk(url, &words).await? {
                println!("{answer}");
            }
            return Ok(());
        }
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on ws://{}/socket", listener.local_addr()?);
        let stop = async { ctrl_c().await.expect("a listener for SIGINT") };
        let server = serve(listener, router()).with_upgrades();
        server.with_graceful_shutdown(stop).await?;
        Ok(())
    })
}
