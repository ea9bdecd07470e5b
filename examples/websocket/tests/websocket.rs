//! The client and both servers with each other, and Node's client with both servers.

#[allow(dead_code, reason = "shared with the tests of the crate")]
#[path = "../../../tests/common/limit.rs"]
mod limit;

use std::path::Path;
use std::process::Command;

use limit::limit;
use nodeloop::hyper::serve;
use nodeloop::net::TcpListener;
use nodeloop::{block_on, spawn, spawn_blocking};
use nodeloop_websocket::{router, serve_sockets, talk};

/// Starts both servers and returns the URLs of their sockets.
async fn start() -> [String; 2] {
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upgrading = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let urls = [
        format!("ws://{}/", plain.local_addr().unwrap()),
        format!("ws://{}/socket", upgrading.local_addr().unwrap()),
    ];
    drop(spawn(async { serve_sockets(plain).await.unwrap() }));
    let server = serve(upgrading, router()).with_upgrades();
    drop(spawn(async { server.await.unwrap() }));
    urls
}

#[test]
fn a_client_talks_to_both_servers() {
    let _limit = limit();
    block_on(async {
        for url in start().await {
            let answers = talk(&url, &["one", "two", "grüße"]).await.unwrap();
            assert_eq!(answers, ["one", "two", "grüße"]);
        }
    });
}

/// A request that is no handshake is answered by the router.
#[test]
fn the_router_serves_pages_and_rejects_other_requests() {
    let _limit = limit();
    block_on(async {
        let [_, url] = start().await;
        let page = url.replace("ws:", "http:");
        let curl = |url: String| {
            spawn_blocking(move || {
                let mut curl = Command::new("curl");
                curl.args(["--silent", "--write-out", " %{http_code}", &url]);
                let output = curl
                    .output()
                    .expect("`curl` is not on the PATH: install it");
                String::from_utf8(output.stdout).unwrap()
            })
        };
        let index = curl(page.replace("/socket", "/")).await;
        assert_eq!(index, "a WebSocket is at /socket\n 200");
        let refused = curl(page).await;
        assert!(refused.ends_with(" 400"), "{refused}");
        // A client that asks for a socket where there is none.
        let error = talk(&url.replace("/socket", "/"), &[]).await.unwrap_err();
        assert!(error.to_string().contains("200"), "{error}");
    });
}

#[test]
fn node_client_talks_to_both_servers() {
    let _limit = limit();
    if Command::new("node").arg("--version").output().is_err() {
        let required = std::env::var_os("NODELOOP_REQUIRE_NODE").is_some();
        assert!(!required, "`node` is not on the PATH");
        return println!("skipped: `node` is not on the PATH");
    }
    block_on(async {
        for url in start().await {
            let output = spawn_blocking(move || {
                let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("node/client.mjs");
                let mut node = Command::new("node");
                node.args(["--experimental-websocket", "--no-warnings"]);
                node.arg(script).arg(url).output().unwrap()
            });
            let output = output.await;
            let errors = String::from_utf8_lossy(&output.stderr);
            let text = String::from_utf8_lossy(&output.stdout);
            assert_eq!(text, "closed 1000 true\n", "{errors}");
        }
    });
}
