//! curl as the client of both programs, each in its own process, and a handler on virtual time.

#[allow(dead_code, reason = "shared with the tests of the crate")]
#[path = "../../../tests/common/limit.rs"]
mod limit;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::pin::pin;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use futures::future::{Either, select};
use futures::{AsyncReadExt, AsyncWriteExt};
use limit::limit;
use nodeloop::hyper::{Local, serve};
use nodeloop::net::TcpListener;
use nodeloop::time::sleep;
use nodeloop::{EventLoop, spawn_blocking};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// A program that prints the address it listens on. It is killed on drop.
struct Service {
    child: Child,
    _output: BufReader<ChildStdout>,
    base: String,
}

impl Service {
    fn start(program: &str) -> Service {
        let mut child = Command::new(program)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let base = line.trim().strip_prefix("listening on ").unwrap();
        Service {
            base: base.to_owned(),
            child,
            _output: output,
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs curl, and returns the status and the body of the response.
fn curl(arguments: &[&str]) -> (u16, String) {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--write-out", "\n%{http_code}"])
        .args(arguments)
        .output()
        .expect("`curl` is not on the PATH: install it");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

fn curl_json(arguments: &[&str]) -> (u16, Value) {
    let (status, body) = curl(arguments);
    let body = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{body}"));
    (status, body)
}

#[test]
fn a_router_in_ten_lines_answers() {
    let _limit = limit();
    let service = Service::start(env!("CARGO_BIN_EXE_nodeloop-axum-hello"));
    assert_eq!(curl(&[&service.base]), (200, "Hello, World!\n".to_owned()));
    let missing = format!("{}/nowhere", service.base);
    assert_eq!(curl(&[&missing]).0, 404);
    let program = include_str!("../src/hello.rs");
    let is_code = |line: &&str| !line.trim().is_empty() && !line.starts_with("//");
    assert_eq!(program.lines().filter(is_code).count(), 10);
}

#[test]
fn tasks_are_added_changed_and_removed() {
    let _limit = limit();
    let service = Service::start(env!("CARGO_BIN_EXE_nodeloop-json-service"));
    let tasks = format!("{}/tasks", service.base);
    const JSON: &str = "content-type: application/json";
    assert_eq!(curl_json(&[&tasks]), (200, json!([])));
    let first = json!({"id": 1, "title": "first", "done": false});
    let second = json!({"id": 2, "title": "second", "done": false});
    let add = |draft: &str| curl_json(&["-H", JSON, "-d", draft, &tasks]);
    assert_eq!(add(r#"{"title": "first"}"#), (201, first));
    assert_eq!(add(r#"{"title": "second"}"#), (201, second.clone()));
    let done = format!("{tasks}/1/done");
    let marked = json!({"id": 1, "title": "first", "done": true});
    let mark = ["-X", "PUT", "-H", JSON, "-d", "true", &done];
    assert_eq!(curl_json(&mark), (200, marked.clone()));
    assert_eq!(curl_json(&[&tasks]), (200, json!([marked, second.clone()])));
    let first = format!("{tasks}/1");
    assert_eq!(curl(&["-X", "DELETE", &first]), (204, String::new()));
    assert_eq!(curl(&["-X", "DELETE", &first]).0, 404);
    assert_eq!(curl(&mark).0, 404);
    assert_eq!(curl_json(&[&tasks]), (200, json!([second])));
    assert_eq!(curl(&["-H", JSON, "-d", "{", &tasks]).0, 400);
}

/// Ctrl-C in the middle of a request: it is answered, and the exit code is 0.
#[test]
fn ctrl_c_lets_an_open_request_finish() {
    let _limit = limit();
    let mut service = Service::start(env!("CARGO_BIN_EXE_nodeloop-json-service"));
    let address = service.base.strip_prefix("http://").unwrap().to_owned();
    let mut client = TcpStream::connect(&address).unwrap();
    let head = "POST /tasks HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                content-length: 17\r\nexpect: 100-continue\r\n\r\n";
    client.write_all(head.as_bytes()).unwrap();
    let mut client = BufReader::new(client);
    let mut answer = String::new();
    while !answer.ends_with("100 Continue\r\n") {
        client.read_line(&mut answer).unwrap(); // now the handler waits for the body
    }
    let process = Pid::from_child(&service.child);
    kill_process(process, Signal::INT).unwrap();
    while TcpStream::connect(&address).is_ok() {} // until the server has stopped accepting
    client.get_mut().write_all(br#"{"title": "late"}"#).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("HTTP/1.1 201 Created\r\n"), "{answer}");
    assert!(
        answer.ends_with(r#"{"id":1,"title":"late","done":false}"#),
        "{answer}"
    );
    assert_eq!(service.child.wait().unwrap().code(), Some(0));
}

/// axum requires futures that are `Send`; `Local` lets a handler await promises of the loop.
#[test]
fn a_handler_awaits_promises_of_the_loop() {
    let _limit = limit();
    let mut event_loop = EventLoop::builder().virtual_time().build().unwrap();
    event_loop
        .block_on(async {
            let handler = async || {
                let waiting = Local::new(async {
                    sleep(Duration::from_secs(3600)).await; // virtual time
                    spawn_blocking(|| 6 * 7).await
                });
                waiting.await.to_string()
            };
            let router = Router::new().route("/", get(handler));
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let server = serve(listener, router);
            let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
            let answer = async {
                let mut client = nodeloop::net::TcpStream::connect(address).await.unwrap();
                client.write_all(request).await.unwrap();
                let mut text = String::new();
                client.read_to_string(&mut text).await.unwrap();
                text
            };
            match select(pin!(answer), server).await {
                Either::Left((text, _)) => assert!(text.ends_with("\r\n\r\n42"), "{text}"),
                Either::Right((ended, _)) => panic!("the server has ended: {ended:?}"),
            }
        })
        .unwrap();
}
