//! curl and Node's `http` and `fetch` as clients of the service.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// The service in its own process, on a port chosen by the system.
struct Service {
    child: Child,
    output: BufReader<ChildStdout>,
    base: String,
}

impl Service {
    fn start(arguments: &[&str]) -> Service {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nodeloop-rest"));
        let mut child = command
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let base = line
            .trim()
            .strip_prefix("listening on ")
            .unwrap()
            .to_owned();
        Service {
            child,
            output,
            base,
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Opens a plain TCP connection.
    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.base.strip_prefix("http://").unwrap()).unwrap()
    }

    fn signal(&self, signal: Signal) {
        let process = Pid::from_child(&self.child);
        kill_process(process, signal).unwrap();
    }

    /// Stops the service; returns its remaining output and its exit status.
    fn end(mut self) -> (String, ExitStatus) {
        self.signal(Signal::TERM);
        self.wait()
    }

    fn wait(&mut self) -> (String, ExitStatus) {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        (rest, self.child.wait().unwrap())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs curl and returns the status and the body of the response.
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
    (
        status,
        serde_json::from_str(&body).unwrap_or_else(|_| panic!("{body}")),
    )
}

const JSON: &str = "content-type: application/json";

#[test]
fn curl_creates_changes_and_removes_notes() {
    let service = Service::start(&[]);
    let notes = format!("{}/notes", service.base);
    let first = json!({"id": 1, "title": "first", "text": "äöü"});
    let draft = r#"{"title": "first", "text": "äöü"}"#;
    assert_eq!(
        curl_json(&["-H", JSON, "-d", draft, &notes]),
        (201, first.clone())
    );
    let second = json!({"id": 2, "title": "second", "text": ""});
    let draft = r#"{"title": "second"}"#;
    assert_eq!(
        curl_json(&["-H", JSON, "-d", draft, &notes]),
        (201, second.clone())
    );
    assert_eq!(curl_json(&[&notes]), (200, json!([second, first])));

    let one = format!("{notes}/1");
    let changed = json!({"id": 1, "title": "changed", "text": ""});
    let draft = r#"{"title": "changed"}"#;
    assert_eq!(
        curl_json(&["-X", "PUT", "-H", JSON, "-d", draft, &one]),
        (200, changed.clone())
    );
    assert_eq!(curl_json(&[&one]), (200, changed));
    assert_eq!(curl(&["-X", "DELETE", &one]), (204, String::new()));
    let missing = json!({"error": "not found"});
    assert_eq!(curl_json(&["-X", "DELETE", &one]), (404, missing.clone()));
    assert_eq!(curl_json(&[&one]), (404, missing.clone()));
    assert_eq!(
        curl_json(&[&format!("{}/nowhere", service.base)]),
        (404, missing)
    );
    assert_eq!(
        curl(&[&format!("{}/health", service.base)]),
        (204, String::new())
    );

    let (log, status) = service.end();
    assert!(status.success());
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 11, "ten requests and the last line:\n{log}");
    assert!(lines[0].contains("\"POST /notes\" 201 "), "{log}");
    assert!(lines[5].contains("\"DELETE /notes/1\" 204 0 "), "{log}");
    assert_eq!(lines[10], "stopping");
}

#[test]
fn invalid_and_large_bodies_are_rejected() {
    let service = Service::start(&["--body-limit", "100"]);
    let notes = format!("{}/notes", service.base);
    let status = |arguments: &[&str]| curl(arguments).0;
    assert_eq!(status(&["-d", r#"{"title": "untyped"}"#, &notes]), 415);
    assert_eq!(status(&["-H", JSON, "-d", r#"{"title": "#, &notes]), 400);
    assert_eq!(
        status(&["-H", JSON, "-d", r#"{"text": "no title"}"#, &notes]),
        422
    );
    assert_eq!(
        status(&["-H", JSON, "-d", r#"{"title": "", "more": 1}"#, &notes]),
        422
    );
    let large = format!(r#"{{"title": "{}"}}"#, "x".repeat(100));
    assert_eq!(status(&["-H", JSON, "-d", &large, &notes]), 413);
    let chunked = "transfer-encoding: chunked";
    assert_eq!(
        status(&["-H", JSON, "-H", chunked, "-d", &large, &notes]),
        413
    );
    assert_eq!(curl(&[&notes]), (200, "[]".to_owned()));
}

/// An incomplete body is answered with an error after the time limit; the connection of an
/// incomplete head is closed.
#[test]
fn incomplete_requests_time_out() {
    let mut service = Service::start(&["--time-limit-ms", "50"]);
    let mut client = service.connect();
    let head = format!("POST /notes HTTP/1.1\r\nhost: x\r\n{JSON}\r\ncontent-length: 20\r\n\r\n");
    client.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(&client).read_line(&mut answer).unwrap();
    assert_eq!(answer, "HTTP/1.1 503 Service Unavailable\r\n");
    assert!(service.line().contains("\"POST /notes\" 503 "));

    let mut client = service.connect();
    client.write_all(b"GET /notes HTTP/1.1\r\nho").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(!answer.contains("200"), "{answer}");
}

/// A stop signal in the middle of a request: new connections are refused, the request is answered,
/// and the exit code is 0.
#[test]
fn requests_in_flight_are_finished() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut service = Service::start(&[]);
        let mut idle = service.connect();
        let mut client = service.connect();
        let get = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
        client.write_all(get).unwrap();
        assert!(service.line().contains("\"GET /health\" 204 "));
        let head = "POST /notes HTTP/1.1\r\nhost: x\r\n";
        let head = format!("{head}{JSON}\r\ncontent-length: 18\r\nexpect: 100-continue\r\n\r\n");
        client.write_all(head.as_bytes()).unwrap();
        let mut client = BufReader::new(client);
        let mut answer = String::new();
        while !answer.ends_with("HTTP/1.1 100 Continue\r\n") {
            client.read_line(&mut answer).unwrap(); // now its handler waits for the body
        }
        service.signal(signal);
        assert_eq!(service.line(), "stopping");
        let mut nothing = Vec::new();
        idle.read_to_end(&mut nothing).unwrap(); // an idle connection is closed
        assert_eq!(nothing, b"");
        let address = service.base.strip_prefix("http://").unwrap();
        assert!(
            TcpStream::connect(address).is_err(),
            "new connections are refused"
        );

        client
            .get_mut()
            .write_all(br#"{"title": "late!"}"#)
            .unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("HTTP/1.1 201 Created\r\n"), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        assert!(
            answer.ends_with(r#"{"id":1,"title":"late!","text":""}"#),
            "{answer}"
        );
        let (log, status) = service.wait();
        assert!(log.contains("\"POST /notes\" 201 "), "{log}");
        assert!(status.success(), "{status}");
    }
}

/// A request that exceeds the grace period is aborted.
#[test]
fn shutdown_has_a_time_limit() {
    let mut service = Service::start(&["--grace-ms", "50"]);
    let mut client = service.connect();
    let head = format!("POST /notes HTTP/1.1\r\nhost: x\r\n{JSON}\r\ncontent-length: 20\r\n");
    let head = format!("{head}expect: 100-continue\r\n\r\n");
    client.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(&client).read_line(&mut answer).unwrap();
    service.signal(Signal::TERM);
    let (_, status) = service.wait();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn notes_in_a_file_survive_a_restart() {
    let folder = Folder::new();
    let file = folder.0.join("notes.db");
    let arguments = ["--database", file.to_str().unwrap(), "--quiet"];
    let service = Service::start(&arguments);
    let draft = r#"{"title": "kept"}"#;
    let (status, note) = curl_json(&["-H", JSON, "-d", draft, &format!("{}/notes", service.base)]);
    assert_eq!(status, 201);
    assert_eq!(service.end().0, "stopping\n");
    let service = Service::start(&arguments);
    assert_eq!(
        curl_json(&[&format!("{}/notes", service.base)]),
        (200, json!([note]))
    );
}

#[test]
fn node_http_and_fetch_are_clients() {
    if Command::new("node").arg("--version").output().is_err() {
        let required = std::env::var_os("NODELOOP_REQUIRE_NODE").is_some();
        assert!(!required, "`node` is not on the PATH");
        return println!("skipped: `node` is not on the PATH");
    }
    let service = Service::start(&[]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("node/clients.mjs");
    let mut command = Command::new("node");
    let output = command.arg(script).arg(&service.base).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ok\n", "{errors}");
    let (log, status) = service.end();
    assert!(status.success());
    assert_eq!(log.matches("\"POST /notes\" 201 ").count(), 151);
}

/// A temporary folder, removed on drop.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        let folder = std::env::temp_dir().join(format!("nodeloop-rest-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
