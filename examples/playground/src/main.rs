//! `cargo run -p nodeloop-playground`: a local page on which JavaScript programs run, and the loop replays
//! them step by step.
//!
//! The server runs on the loop itself and is reachable from this machine only. Each program runs in a
//! process of its own (`child.rs`), which this binary is as well.

#![forbid(unsafe_code)]

mod child;
mod page;
mod programs;
mod replay;
mod runs;
mod server;

use std::io;
use std::process::exit;

use nodeloop::net::TcpListener;
use nodeloop::signal::ctrl_c;

const USAGE: &str = "usage: nodeloop-playground [--port PORT]

  --port PORT   the port of the page on 127.0.0.1 (8650; 0 for any that is free)";

/// The argument with which the server starts this binary for a run.
const CHILD: &str = "--run-program";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let port = match arguments[..] {
        [CHILD] => child::run(),
        [] => Some(8650),
        ["--port", port] => port.parse().ok(),
        _ => None,
    };
    let Some(port) = port else {
        eprintln!("{USAGE}");
        exit(9);
    };
    if let Err(error) = nodeloop::run(serve(port)) {
        eprintln!("nodeloop-playground: the page cannot be served at 127.0.0.1:{port}: {error}");
        exit(1);
    }
}

async fn serve(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let port = listener.local_addr()?.port();
    println!("The playground is at http://127.0.0.1:{port}/ (Ctrl-C ends it)");
    server::serve(listener, port, async {
        if let Err(error) = ctrl_c().await {
            eprintln!("nodeloop-playground: Ctrl-C cannot be received: {error}");
        }
    })
    .await
}
