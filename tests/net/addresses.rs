//! Names and addresses: lookups in the pool (R60), and which of several addresses are tried, in which
//! order, with which errors, compared with the real `net.connect` for the same addresses.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use crate::common::limit::{limit, watch};
use crate::common::net::Refusing;
use crate::common::skip::skip;
use crate::common::{block_on, run_script};
use nodeloop::net::{ConnectOptions, NetError, TcpListener, TcpStream, lookup_host};
use nodeloop::{EventLoop, queue_work, spawn};

use crate::common::node;

/// Binds an address that refuses, or skips the test if this machine does not have it.
#[track_caller]
fn refusing_or_skip(address: SocketAddr) -> Option<Refusing> {
    match Refusing::tcp_at(address) {
        Ok(refusing) => Some(refusing),
        Err(error) if error.kind() == ErrorKind::AddrInUse => panic!("{address}: {error}"),
        Err(error) => {
            skip(format_args!(
                "this machine has no {}: {error}",
                address.ip()
            ));
            None
        }
    }
}

/// The result of `connect`, in the lines that `tests/node/connect.mjs` prints.
fn ours(options: ConnectOptions, addresses: Vec<SocketAddr>) -> Vec<String> {
    // In virtual time no attempt takes real time to time out.
    let mut event_loop = EventLoop::builder().virtual_time().build().unwrap();
    watch(event_loop.handle());
    let connecting = async move { options.connect(&addresses[..]).await };
    match event_loop.block_on(connecting).unwrap() {
        Ok(stream) => {
            let peer = stream.peer_addr().unwrap().ip();
            vec![format!("connected to {peer}")]
        }
        Err(error) => {
            let details = NetError::of(&error).expect("the error lists the attempts");
            let attempts = details.attempts().iter();
            let lines = attempts.map(|attempt| attempt_line(&error, attempt));
            let code = details.attempts()[0].to_string();
            let code = code.split(' ').nth(1).unwrap();
            lines.chain([format!("code {code}")]).collect()
        }
    }
}

fn attempt_line(whole: &io::Error, attempt: &nodeloop::net::FailedAttempt) -> String {
    let line = attempt.to_string();
    assert!(whole.to_string().contains(&line), "{whole}");
    line
}

fn nodes(port: u16, timeout: &str, addresses: &[SocketAddr]) -> Vec<String> {
    let mut arguments = vec![port.to_string(), timeout.to_owned()];
    arguments.extend(addresses.iter().map(|address| address.ip().to_string()));
    node::Node::start("connect.mjs", &arguments).finish()
}

/// Tries the addresses in this crate and, if it is installed, in Node. Both must print `expected`.
#[track_caller]
fn check(timeout: &str, addresses: &[SocketAddr], expected: &[String]) {
    let mut options = ConnectOptions::new();
    match timeout.parse() {
        Ok(ms) => options.attempt_timeout(Duration::from_millis(ms)),
        Err(_) => options.auto_select_family(false),
    };
    assert_eq!(ours(options, addresses.to_vec()), expected);
    if node::is_here() {
        let port = addresses[0].port();
        assert_eq!(nodes(port, timeout, addresses), expected, "in Node");
    }
}

fn on(host: &str, port: u16) -> SocketAddr {
    SocketAddr::new(host.parse::<IpAddr>().unwrap(), port)
}

#[test]
fn refused_by_one_and_by_all() {
    let _limit = limit();
    let refusing = Refusing::tcp();
    let port = refusing.address.port();
    let refused = |host: &str| format!("connect ECONNREFUSED {host}:{port}");
    let code = || "code ECONNREFUSED".to_owned();
    check("250", &[refusing.address], &[refused("127.0.0.1"), code()]);
    // The error of a single address is returned as if no list had been given.
    check(
        "250",
        &[refusing.address, refusing.address],
        &[refused("127.0.0.1"), code()],
    );
    let Some(_second) = refusing_or_skip(on("127.0.0.2", port)) else {
        return;
    };
    let both = [refusing.address, on("127.0.0.2", port)];
    check(
        "250",
        &both,
        &[refused("127.0.0.1"), refused("127.0.0.2"), code()],
    );
    check("off", &both, &[refused("127.0.0.1"), code()]);
    let Some(_third) = refusing_or_skip(on("::1", port)) else {
        return;
    };
    let three = [refusing.address, on("127.0.0.2", port), on("::1", port)];
    check(
        "250",
        &three,
        &[
            refused("127.0.0.1"),
            refused("::1"),
            refused("127.0.0.2"),
            code(),
        ],
    );
}

#[test]
fn the_next_address_is_tried_when_one_is_refused() {
    let _limit = limit();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let good = listener.local_addr().unwrap();
    let Some(_closed) = refusing_or_skip(on("127.0.0.2", good.port())) else {
        return;
    };
    let connected = ["connected to 127.0.0.1".to_owned()];
    check("250", &[on("127.0.0.2", good.port()), good], &connected);
    // An address that the system refuses to try takes no time and is not reported.
    check("250", &[on("240.0.0.1", good.port()), good], &connected);
}

/// An attempt that takes too long is cancelled; the last one has no limit.
#[test]
#[cfg(target_os = "linux")] // 127.0.0.2 and a full backlog are as Linux has them
fn the_next_address_is_tried_when_one_does_not_answer() {
    let _limit = limit();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let good = listener.local_addr().unwrap();
    let silent = on("127.0.0.2", good.port());
    let _silent = crate::common::net::Silent::at(silent);
    let connected = ["connected to 127.0.0.1".to_owned()];
    check("10", &[silent, good], &connected);
    let port = good.port();
    let Some(_closed) = refusing_or_skip(on("127.0.0.3", port)) else {
        return;
    };
    let late = [
        format!("connect ETIMEDOUT 127.0.0.2:{port}"),
        format!("connect ECONNREFUSED 127.0.0.3:{port}"),
        "code ETIMEDOUT".to_owned(),
    ];
    check("10", &[silent, on("127.0.0.3", port)], &late);
}

#[test]
fn options_are_set_on_the_connection() {
    let _limit = limit();
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut options = ConnectOptions::new();
        options
            .nodelay(true)
            .keepalive(Some(Duration::from_secs(60)));
        options.local_address("127.0.0.1:0".parse().unwrap());
        let stream = options.connect(address).await.unwrap();
        assert!(stream.nodelay().unwrap());
        assert!(stream.keepalive().unwrap());
        let not_ours = "192.0.2.55:0".parse().unwrap();
        let error = options.local_address(not_ours).connect(address).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        assert_eq!(error.to_string(), "bind EADDRNOTAVAIL 192.0.2.55:0");
    });
}

#[test]
fn errors_of_listening_name_the_address() {
    let _limit = limit();
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let error = TcpListener::bind(address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let text = format!("listen EADDRINUSE: address already in use {address}");
        assert_eq!(error.to_string(), text);
        let attempt = &NetError::of(&error).unwrap().attempts()[0];
        assert_eq!(
            (attempt.operation(), attempt.address()),
            ("listen", Some(address))
        );
        assert_eq!(attempt.target(), address.to_string());
        assert_eq!(attempt.error().kind(), ErrorKind::AddrInUse);
        // A chain of errors shows the text of the original error once.
        assert!(std::error::Error::source(error.get_ref().unwrap()).is_none());
    });
}

#[test]
fn names_are_looked_up() {
    let _limit = limit();
    block_on(async {
        let literal = lookup_host("127.0.0.1:80").await.unwrap();
        assert_eq!(literal, ["127.0.0.1:80".parse().unwrap()]);
        let names = lookup_host(("localhost", 81)).await.unwrap();
        assert!(
            names
                .iter()
                .all(|one| one.ip().is_loopback() && one.port() == 81)
        );
        let nothing = lookup_host("no port").await.unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn the_error_of_a_lookup_has_the_name() {
    let _limit = limit();
    block_on(async {
        for result in [
            lookup_host("nowhere.invalid:80").await.map(drop),
            TcpStream::connect("nowhere.invalid:80").await.map(drop),
        ] {
            let error = result.unwrap_err();
            let text = error.to_string();
            assert!(text.starts_with("getaddrinfo nowhere.invalid: "), "{text}");
            let source = std::error::Error::source(error.get_ref().unwrap());
            assert!(source.is_none(), "its text would be reported twice");
            let attempt = &NetError::of(&error).unwrap().attempts()[0];
            assert_eq!(
                (attempt.operation(), attempt.address()),
                ("getaddrinfo", None)
            );
        }
    });
}

/// R60: with one thread, a lookup waits for the job before it, and the job after it waits for the
/// lookup. A literal address needs no job.
#[test]
fn r60_lookups_are_jobs_of_the_pool() {
    let _limit = limit();
    let log = Rc::new(RefCell::new(Vec::new()));
    let logging = |line: &'static str| {
        let log = log.clone();
        move || log.borrow_mut().push(line)
    };
    let (first, last, looked_up, known) = (
        logging("job"),
        logging("job after"),
        logging("name"),
        logging("literal"),
    );
    let mut event_loop = EventLoop::builder().blocking_threads(1).build().unwrap();
    let script = move || {
        queue_work(|| (), move |()| first());
        spawn(async move {
            lookup_host("localhost:1").await.unwrap();
            looked_up();
        })
        .detach();
        queue_work(|| (), move |()| last());
        spawn(async move {
            lookup_host("[::1]:1").await.unwrap();
            known();
        })
        .detach();
    };
    event_loop.run_script(script).unwrap();
    assert_eq!(*log.borrow(), ["literal", "job", "name", "job after"]);
}

/// A lookup without a waiter runs to its end without effect.
#[test]
fn a_lookup_may_be_dropped() {
    let _limit = limit();
    run_script(|| {
        drop(lookup_host("localhost:80"));
        let connecting = Box::pin(TcpStream::connect("localhost:1"));
        spawn(async move {
            let mut connecting = connecting;
            assert!(futures::poll!(&mut connecting).is_pending());
        })
        .detach();
    });
}
