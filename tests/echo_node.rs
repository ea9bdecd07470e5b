//! The echo server of `examples/echo.rs` and a client written in Node: every byte comes back.
//!
//! 100 connections, and on each 20 messages of random sizes up to 64 KiB; the environment variable
//! `NODELOOP_ECHO_MESSAGES` chooses another number (1,000 for the long run: 3.3 GB each way).
//! Without `node` on the `PATH` it only says so; with `NODELOOP_REQUIRE_NODE` set, it fails.

use std::path::Path;
use std::process::Command;

use nodeloop::net::TcpListener;
use nodeloop::{block_on, spawn, spawn_blocking};

#[allow(dead_code)]
#[path = "../examples/echo.rs"]
mod echo;

const CONNECTIONS: u64 = 100;

#[test]
fn every_byte_comes_back() {
    if !has_node() {
        return println!("`node` is not on the PATH: the echo server was not tested");
    }
    let messages = std::env::var("NODELOOP_ECHO_MESSAGES").map_or(20, |count| {
        count.parse().expect("NODELOOP_ECHO_MESSAGES is a number")
    });
    let report = block_on(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        spawn(async move { echo::serve(&listener).await.unwrap() });
        spawn_blocking(move || run_client(port, messages)).await
    });
    println!("{report}");
    let report: serde_json::Value = serde_json::from_str(&report).expect("a line of JSON");
    assert_eq!(report["connections"], CONNECTIONS);
    assert_eq!(report["messages"], messages);
    assert!(report["bytes"].as_u64() > Some(CONNECTIONS * messages));
}

fn run_client(port: u16, messages: u64) -> String {
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node/echo_client.mjs");
    let arguments = [u64::from(port), CONNECTIONS, messages].map(|number| number.to_string());
    let mut command = Command::new("node");
    let output = command.arg(client).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn has_node() -> bool {
    let has_node = Command::new("node").arg("--version").output().is_ok();
    assert!(
        has_node || std::env::var_os("NODELOOP_REQUIRE_NODE").is_none(),
        "NODELOOP_REQUIRE_NODE is set, and `node` is not on the PATH"
    );
    has_node
}
