//! The server of the playground as a client sees it: what programs may do, and who reaches it.

mod attacks;
mod requests;
mod runs;

#[path = "../../../../tests/common/limit.rs"]
#[allow(dead_code, reason = "shared with the tests of the crate")]
mod limit;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// A playground on a free port. It ends with the test.
struct Playground {
    process: Child,
    port: u16,
}

/// An answer: its status, its head, its body.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Playground {
    fn start() -> Playground {
        let mut process = Command::new(env!("CARGO_BIN_EXE_nodeloop-playground"))
            .args(["--port", "0"])
            .env("PLAYGROUND_SECRET", "a secret of the environment")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the playground starts");
        let stdout = process.stdout.take().expect("its output is a pipe");
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("it prints its address");
        let port = line.split_once("127.0.0.1:").expect("an address").1;
        let port = port.split('/').next().expect("a port").parse();
        Playground {
            process,
            port: port.expect("a port"),
        }
    }

    /// Sends a request with its own `Host`, and with the lines of `head`.
    fn ask(&self, method: &str, path: &str, head: &str, body: &str) -> Answer {
        let host = format!("host: 127.0.0.1:{}\r\n{head}", self.port);
        self.send(&format!(
            "{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n{host}\r\n{body}",
            body.len()
        ))
    }

    /// Sends bytes as they are.
    fn send(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it accepts");
        stream
            .set_read_timeout(Some(Duration::from_secs(120)))
            .expect("a limit is set");
        // The server may refuse the request before it has read all of it.
        let _ = stream.write_all(request.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Answer {
            status: status.unwrap_or(0),
            head: head.to_lowercase(),
            body: body.to_owned(),
        }
    }

    /// Runs a program with options of the request.
    fn run_with(&self, source: &str, options: &[(&str, Value)]) -> Run {
        let mut request = json!({ "source": source });
        for (name, value) in options {
            request[*name] = value.clone();
        }
        let kind = "content-type: application/json\r\n";
        let answer = self.ask("POST", "/run", kind, &request.to_string());
        assert_eq!(answer.status, 200, "{}", answer.body);
        let body = body_of(&answer);
        Run(serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}")))
    }

    fn run(&self, source: &str) -> Run {
        self.run_with(source, &[])
    }
}

impl Drop for Playground {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns the body, without the lengths of chunks, which a known length makes needless.
fn body_of(answer: &Answer) -> String {
    assert!(answer.head.contains("content-length:"), "{}", answer.head);
    answer.body.clone()
}

/// What the run of a program answered.
struct Run(Value);

impl Run {
    /// The text on standard output (1) or standard error (2).
    fn text(&self, of: i64) -> String {
        let pieces = self.0["output"].as_array().expect("a run has an output");
        let of_it = pieces.iter().filter(|piece| piece[0] == of);
        of_it.filter_map(|piece| piece[1].as_str()).collect()
    }

    fn stopped(&self) -> Option<&str> {
        self.0["stopped"].as_str()
    }

    fn exit_code(&self) -> i64 {
        self.0["exitCode"].as_i64().expect("a run has an exit code")
    }

    fn message(&self) -> &str {
        self.0["message"].as_str().expect("a run has a message")
    }

    fn events(&self) -> &Vec<Value> {
        let events = self.0["recording"]["events"].as_array();
        events.expect("a run has a recording")
    }
}
