//! The echo server of `examples/echo.rs` and a client written in Node: every byte comes back.
//!
//! 100 connections, and on each 20 messages of random sizes up to 64 KiB; the environment variable
//! `NODELOOP_ECHO_MESSAGES` chooses another number (1,000 for the long run: 3.3 GB each way).
//! Without `node` on the `PATH` the test is skipped; with `NODELOOP_REQUIRE_NODE` set, it fails.

use crate::common::block_on;
use crate::common::limit::limit;
use nodeloop::net::TcpListener;
use nodeloop::{spawn, spawn_blocking};

#[allow(dead_code)]
#[path = "../../examples/echo.rs"]
mod echo;
use crate::common::node;

const CONNECTIONS: u64 = 100;

#[test]
fn every_byte_comes_back() {
    let _limit = limit();
    if !node::is_here() {
        return;
    }
    let messages = std::env::var("NODELOOP_ECHO_MESSAGES").map_or(20, |count| {
        count.parse().expect("NODELOOP_ECHO_MESSAGES is a number")
    });
    let report = block_on(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        spawn(async move { echo::serve(&listener).await.unwrap() }).detach();
        spawn_blocking(move || run_client(port, messages)).await
    });
    println!("{report}");
    let report: serde_json::Value = serde_json::from_str(&report).expect("a line of JSON");
    assert_eq!(report["connections"], CONNECTIONS);
    assert_eq!(report["messages"], messages);
    assert!(report["bytes"].as_u64() > Some(CONNECTIONS * messages));
}

fn run_client(port: u16, messages: u64) -> String {
    let arguments = [u64::from(port), CONNECTIONS, messages];
    node::Node::start("echo_client.mjs", &arguments)
        .finish()
        .join("\n")
}
