//! The HTTPS server with its own client and with Node's.

use std::path::Path;
use std::process::Command;

use nodeloop::net::TcpListener;
use nodeloop::test::World;
use nodeloop::{block_on, spawn, spawn_blocking};
use nodeloop_tls::{get, self_signed, serve};

async fn the_page_and_other_identities() {
    let identity = self_signed(&["localhost"]).unwrap();
    let trusted = identity.certificate.clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    spawn(async move { serve(listener, identity).await.unwrap() }).detach();
    let page = get(port, "localhost", trusted.clone()).await.unwrap();
    assert_eq!(page, "hello over TLS");
    let error = get(port, "another.name", trusted).await.unwrap_err();
    assert!(error.to_string().contains("another.name"), "{error}");
    let other = self_signed(&["localhost"]).unwrap().certificate;
    let error = get(port, "localhost", other).await.unwrap_err();
    assert!(
        error.to_string().contains("invalid peer certificate"),
        "{error}"
    );
}

#[test]
fn the_client_gets_the_page_and_rejects_other_identities() {
    block_on(the_page_and_other_identities());
}

/// The same on a host of a simulated world, without a socket of the system.
#[test]
fn the_client_gets_the_page_in_a_simulated_world() {
    let mut event_loop = World::builder().event_loop();
    event_loop
        .block_on(the_page_and_other_identities())
        .unwrap();
}

#[test]
fn node_client_receives_every_byte() {
    if Command::new("node").arg("--version").output().is_err() {
        assert!(
            std::env::var_os("NODELOOP_REQUIRE_NODE").is_none(),
            "`node` is not on the PATH"
        );
        return println!("skipped: `node` is not on the PATH");
    }
    block_on(async {
        let identity = self_signed(&["localhost"]).unwrap();
        let file = std::env::temp_dir().join(format!("nodeloop-tls-{}.pem", std::process::id()));
        std::fs::write(&file, &identity.pem).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        spawn(async move { serve(listener, identity).await.unwrap() }).detach();
        let pem = file.clone();
        let output = spawn_blocking(move || {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("node/client.mjs");
            let mut command = Command::new("node");
            command.arg(script).arg(port.to_string()).arg(pem).output()
        });
        let output = output.await.unwrap();
        std::fs::remove_file(file).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "ok\n", "{errors}");
    });
}
