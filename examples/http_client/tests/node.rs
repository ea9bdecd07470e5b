//! The pooled client with servers written in Node.

#[allow(dead_code, reason = "shared with the tests of the crate")]
#[path = "../../../tests/common/limit.rs"]
mod limit;

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use futures::future::join_all;
use futures_rustls::rustls::RootCertStore;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, Uri};
use hyper_util::client::legacy::Client;
use limit::limit;
use nodeloop::{block_on, run};
use nodeloop_http_client::{Connector, client};

type Body = Full<Bytes>;

/// A server in its own process, which ends with its standard input.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Returns `None` if there is no Node here.
    fn start(arguments: &[&Path]) -> Option<Server> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("node/server.mjs");
        let mut command = Command::new("node");
        command.arg(script).args(arguments);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let Ok(mut child) = command.spawn() else {
            let required = std::env::var_os("NODELOOP_REQUIRE_NODE").is_some();
            assert!(!required, "`node` is not on the PATH");
            println!("skipped: `node` is not on the PATH");
            return None;
        };
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap();
        Some(Server { child, port })
    }

    fn uri(&self, scheme: &str, path: &str) -> Uri {
        format!("{scheme}://localhost:{}{path}", self.port)
            .parse()
            .unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn post(
    client: &Client<Connector, Body>,
    uri: Uri,
    body: Vec<u8>,
) -> Result<String, Box<dyn Error>> {
    let request = Request::post(uri).body(Full::from(body))?;
    let response = client.request(request).await?;
    let body = response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(body.to_vec())?)
}

#[test]
fn connections_are_reused() {
    let _limit = limit();
    let Some(server) = Server::start(&[]) else {
        return;
    };
    // `run` returns when the loop has nothing to wait for: when the client was dropped.
    run(async move {
        let client = client(RootCertStore::empty()).unwrap();
        for number in 0..10 {
            let body = vec![b'x'; number * 100_000];
            let answer = post(&client, server.uri("http", "/one"), body)
                .await
                .unwrap();
            assert_eq!(answer, format!("POST /one {} 1", number * 100_000));
        }
        // Three at the same time need three connections, which the next three use again.
        for _ in 0..2 {
            let requests = (0..3).map(|_| post(&client, server.uri("http", "/all"), Vec::new()));
            for answer in join_all(requests).await {
                assert_eq!(answer.unwrap(), "POST /all 0 3");
            }
        }
    });
}

#[test]
fn https_checks_the_certificate_and_reuses_connections() {
    let _limit = limit();
    let identity = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (key, certificate) = (folder.path().join("key"), folder.path().join("certificate"));
    std::fs::write(&key, identity.signing_key.serialize_pem()).unwrap();
    std::fs::write(&certificate, identity.cert.pem()).unwrap();
    let Some(server) = Server::start(&[&key, &certificate]) else {
        return;
    };
    block_on(async move {
        let mut roots = RootCertStore::empty();
        roots.add(identity.cert.der().clone()).unwrap();
        let trusting = client(roots).unwrap();
        for _ in 0..3 {
            let answer = post(&trusting, server.uri("https", "/"), vec![b'x'; 100_000]);
            assert_eq!(answer.await.unwrap(), "POST / 100000 1");
        }
        let other = client(RootCertStore::empty()).unwrap();
        let error = post(&other, server.uri("https", "/"), Vec::new()).await;
        let mut error: &dyn Error = &*error.unwrap_err();
        let mut text = error.to_string();
        while let Some(source) = error.source() {
            error = source;
            text = format!("{text}: {error}");
        }
        assert!(text.contains("invalid peer certificate"), "{text}");
    });
}
