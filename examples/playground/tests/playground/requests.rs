//! Who reaches the server, and what it refuses.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use super::Playground;
use super::limit::{limit, limit_of};

const JSON: &str = "content-type: application/json\r\n";
const PROGRAM: &str = r#"{"source":"console.log(1)"}"#;

#[test]
fn the_page_and_its_programs_are_served() {
    let _limit = limit();
    let playground = Playground::start();
    let page = playground.ask("GET", "/", "", "");
    assert_eq!(page.status, 200);
    assert!(page.head.contains("content-type: text/html; charset=utf-8"));
    assert!(
        page.head.contains("frame-ancestors 'none'"),
        "{}",
        page.head
    );
    assert!(
        page.head
            .contains("cross-origin-resource-policy: same-origin")
    );
    assert!(!page.head.contains("access-control-allow"), "{}", page.head);
    assert!(page.body.contains("connect-src 'self'"));
    assert!(!page.body.contains("https://") && !page.body.contains("src=\"http"));
    let programs = playground.ask("GET", "/programs", "", "");
    let programs: Vec<Value> = serde_json::from_str(&programs.body).expect("JSON");
    let mut ids: Vec<_> = programs
        .iter()
        .map(|program| program["id"].to_string())
        .collect();
    ids.sort();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count, "an id is used twice");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/programs");
    let files = std::fs::read_dir(folder)
        .expect("the programs are there")
        .count();
    assert_eq!(count, files, "every file of `programs` is offered");
}

#[test]
fn another_page_does_not_reach_the_server() {
    let _limit = limit_of(Duration::from_secs(30), "many requests are sent");
    let playground = Playground::start();
    let port = playground.port;
    let run = |head: &str| {
        playground
            .ask("POST", "/run", &format!("{JSON}{head}"), PROGRAM)
            .status
    };
    assert_eq!(run(""), 200);
    assert_eq!(run(&format!("origin: http://127.0.0.1:{port}\r\n")), 200);
    assert_eq!(run("sec-fetch-site: same-origin\r\n"), 200);
    for refused in [
        "origin: https://example.com\r\n",
        "origin: null\r\n",
        "origin: http://127.0.0.1\r\n",
        "origin: http://127.0.0.1:1\r\n",
        &format!("origin: http://127.0.0.1:{port}.example.com\r\n"),
        "sec-fetch-site: cross-site\r\n",
        "sec-fetch-site: same-site\r\n",
        "sec-fetch-site: none\r\n",
    ] {
        assert_eq!(run(refused), 403, "{refused}");
    }
    // A form or a request without a question beforehand sends one of these.
    for kind in [
        "",
        "content-type: text/plain\r\n",
        "content-type: application/x-www-form-urlencoded\r\n",
        "content-type: multipart/form-data; boundary=x\r\n",
    ] {
        assert_eq!(
            playground.ask("POST", "/run", kind, PROGRAM).status,
            415,
            "{kind}"
        );
    }
    let asked =
        format!("origin: http://127.0.0.1:{port}\r\naccess-control-request-method: POST\r\n");
    let allowed = playground.ask("OPTIONS", "/run", &asked, "");
    assert_eq!(allowed.status, 405);
    assert!(!allowed.head.contains("access-control-allow"));
}

#[test]
fn another_name_of_this_machine_is_refused() {
    let _limit = limit();
    let playground = Playground::start();
    let with_host = |host: &str| {
        let request = format!("GET / HTTP/1.1\r\nconnection: close\r\n{host}\r\n");
        playground.send(&request).status
    };
    let port = playground.port;
    assert_eq!(with_host(&format!("host: localhost:{port}\r\n")), 200);
    assert_eq!(with_host(&format!("host: 127.0.0.1:{port}\r\n")), 200);
    for host in [
        "",
        "host: 127.0.0.1\r\n",
        "host: localhost:1\r\n",
        &format!("host: evil.example:{port}\r\n"),
        &format!("host: 127.0.0.1.evil.example:{port}\r\n"),
        &format!("host: 0.0.0.0:{port}\r\n"),
    ] {
        assert_eq!(with_host(host), 403, "{host}");
    }
}

#[test]
fn the_server_binds_to_loopback_only() {
    let _limit = limit();
    let playground = Playground::start();
    // All of 127.0.0.0/8 is this machine, but the server has one address of it.
    let other = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), playground.port));
    let refused = TcpStream::connect_timeout(&other, Duration::from_secs(5));
    assert!(refused.is_err(), "the server listens on every address");
}

#[test]
fn requests_are_bounded() {
    let _limit = limit_of(Duration::from_secs(60), "long requests are sent");
    let playground = Playground::start();
    let run = |body: &str| playground.ask("POST", "/run", JSON, body);
    let source = |length: usize| json!({ "source": "/".repeat(length) }).to_string();
    assert_eq!(run(&source(65_536)).status, 200);
    let too_long = run(&source(65_537));
    assert_eq!(too_long.status, 400);
    assert_eq!(
        too_long.body,
        "the program has 65537 bytes: shorten it to 65536"
    );
    assert_eq!(run(&source(2_000_000)).status, 413);
    let endless = format!(
        "POST /run HTTP/1.1\r\nhost: 127.0.0.1:{}\r\n{JSON}transfer-encoding: chunked\r\n\r\n{}",
        playground.port,
        format!("fffff\r\n{}\r\n", "x".repeat(0xfffff)).repeat(3)
    );
    assert_eq!(playground.send(&endless).status, 413);
    let head = playground.ask("GET", "/", &format!("x: {}\r\n", "x".repeat(200_000)), "");
    assert_eq!(head.status, 431);
    for (body, message) in [
        ("", "the request is not JSON"),
        ("[", "the request is not JSON"),
        ("{}", "the request has no `source`"),
        (r#"{"source":1}"#, "the request has no `source`"),
        (r#"{"source":"","node":19}"#, "there is no release 19"),
        (r#"{"source":"","node":"x"}"#, "there is no release"),
        (
            r#"{"source":"","node":"24"}"#,
            "there is no release \"24\": set `node` to 20, 22, 24 or 26, a number",
        ),
        (
            r#"{"source":"","virtualTime":"no"}"#,
            "the field `virtualTime` is \"no\": set it to true or false",
        ),
        (
            r#"{"source":"","module":1}"#,
            "the field `module` is 1: set it to true or false",
        ),
    ] {
        let answer = run(body);
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.body.starts_with(message), "{body}: {}", answer.body);
    }
    let defaults = r#"{"source":"","node":null,"virtualTime":null,"module":null,"other":1}"#;
    assert_eq!(run(defaults).status, 200);
    assert_eq!(playground.ask("GET", "/run", "", "").status, 405);
    assert_eq!(playground.ask("GET", "/../etc/passwd", "", "").status, 404);
}

#[test]
fn a_client_that_leaves_ends_its_program_and_a_fifth_one_is_refused() {
    let _limit = limit_of(Duration::from_secs(120), "programs wait in real time");
    let playground = Playground::start();
    let body = r#"{"source":"setTimeout(() => {}, 1e6)","virtualTime":false}"#;
    let request = format!(
        "POST /run HTTP/1.1\r\nhost: 127.0.0.1:{}\r\n{JSON}content-length: {}\r\n\r\n{body}",
        playground.port,
        body.len()
    );
    let run = || {
        let mut stream = TcpStream::connect(("127.0.0.1", playground.port)).expect("it accepts");
        stream.write_all(request.as_bytes()).expect("it reads");
        stream
    };
    let mut waiting: Vec<TcpStream> = (0..4).map(|_| run()).collect();
    // The fifth is refused as soon as the four have been read.
    let refused = || playground.ask("POST", "/run", JSON, PROGRAM).status == 503;
    while !refused() {
        std::thread::yield_now();
    }
    // A client that leaves makes room before its program would have ended.
    drop(waiting.pop());
    while refused() {
        std::thread::yield_now();
    }
    for stream in &mut waiting {
        stream.set_nonblocking(true).expect("it is a socket");
        let read = stream.read(&mut [0]);
        assert!(read.is_err(), "a program that waits has ended: {read:?}");
    }
}
