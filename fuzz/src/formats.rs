//! Text that the crate reads from outside, and text that it writes for others to read.

use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use arbitrary::Arbitrary;
use nodeloop::net::{UnixListener, UnixStream, lookup_host};
use nodeloop::recording::Recording;
use nodeloop::{EventLoop, Seed, emit_warning, next_tick};

#[derive(Debug, Clone, Arbitrary)]
pub enum Input {
    Seed(String),
    Address(String),
    /// A path, or a name without one if the first byte is zero.
    UnixPath(Vec<u8>),
    Recording {
        title: String,
        lines: Vec<String>,
        warning: String,
    },
}

/// Reads or writes it; panics if anything is wrong.
pub fn check(input: &Input) {
    match input {
        Input::Seed(text) => seed(text),
        Input::Address(text) => address(text),
        Input::UnixPath(bytes) => unix_path(bytes),
        Input::Recording {
            title,
            lines,
            warning,
        } => recording(title, lines, warning),
    }
}

/// A seed that can be read is written in a form that reads as the same seed.
fn seed(text: &str) {
    if let Ok(seed) = text.parse::<Seed>() {
        let again: Seed = seed.to_string().parse().expect("a seed that was written");
        assert_eq!(again, seed);
        assert_eq!(again.to_string(), seed.to_string());
    }
}

/// An address that needs no resolver is read as the standard library reads it.
fn address(text: &str) {
    let literal = text
        .rsplit_once(':')
        .map(|(host, port)| (host.parse::<IpAddr>(), port));
    let expected = match (text.parse::<SocketAddr>(), literal) {
        (Ok(address), _) => Ok(address),
        (_, Some((Ok(ip), port))) => port
            .parse()
            .map(|port| SocketAddr::new(ip, port))
            .map_err(drop),
        (_, Some((Err(_), port))) if port.parse::<u16>().is_ok() => return, // a name
        _ => Err(()),
    };
    let mut event_loop = EventLoop::new().expect("a loop");
    let text = text.to_owned();
    let looked_up = event_loop.block_on(async move { lookup_host(text.as_str()).await });
    match (looked_up.expect("it does not fail"), expected) {
        (Ok(addresses), Ok(expected)) => assert_eq!(addresses, [expected]),
        (Err(_), Err(())) => {}
        (looked_up, expected) => panic!("{looked_up:?} instead of {expected:?}"),
    }
}

/// A listener can be reached at its address, and the address is the one that was given.
fn unix_path(bytes: &[u8]) {
    let mut event_loop = EventLoop::new().expect("a loop");
    let directory = std::env::temp_dir().join(format!("nodeloop-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let is_abstract = bytes.first() == Some(&0);
    let path = match is_abstract {
        true => Path::new(OsStr::from_bytes(bytes)).to_owned(),
        false => {
            let name: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != b'/').collect();
            directory.join(OsStr::from_bytes(&name))
        }
    };
    let bound = path.clone();
    let result = event_loop.run(async move {
        let Ok(listener) = UnixListener::bind(&bound) else {
            return false;
        };
        let local = listener.local_addr().expect("its address");
        if !is_abstract {
            assert_eq!(local.as_pathname(), Some(&*bound));
        }
        let connect = async {
            let connected = UnixStream::connect(&bound).await;
            connected.expect("a connection") // at once: without one, nothing is accepted
        };
        let (connected, accepted) = futures::join!(connect, listener.accept());
        let (accepted, _) = accepted.expect("an accepted connection");
        let peer = connected.peer_addr().expect("the address of the listener");
        assert_eq!(peer.as_pathname(), local.as_pathname());
        drop((connected, accepted));
        true
    });
    if result.expect("the loop ends") && !is_abstract {
        std::fs::remove_file(&path).expect("the socket's file");
    }
}

/// The JSON is valid and contains the texts; the page contains no other tags than without them.
fn recording(title: &str, lines: &[String], warning: &str) {
    let recorded = record(title, lines, warning);
    let json = written(|out| recorded.write_json(out));
    let json: serde_json::Value = serde_json::from_str(&json).expect("valid JSON");
    assert_eq!(json["title"], title);
    let events = json["events"].as_array().expect("a list of events");
    let texts = events.iter().filter(|event| event["e"] == "log");
    let texts: Vec<_> = texts
        .map(|event| event["text"].as_str().expect("a text"))
        .collect();
    assert_eq!(texts, lines);
    let trace = written(|out| recorded.write_trace(out));
    serde_json::from_str::<serde_json::Value>(&trace).expect("a valid trace");

    let page = written(|out| recorded.write_html(out));
    let plain = record("", &vec![String::new(); lines.len()], "");
    let plain = written(|out| plain.write_html(out));
    for tag in ["<script", "</script", "<!--", "<img", "<title", "</title"] {
        let count = |text: &str| text.to_ascii_lowercase().matches(tag).count();
        assert_eq!(count(&page), count(&plain), "{tag} in the page");
    }
    let data = page.split_once(r#"id="recording">"#).expect("the data").1;
    let data = data.split_once("</script>").expect("its end").0;
    let data: serde_json::Value = serde_json::from_str(data).expect("valid JSON in the page");
    assert_eq!(data["events"], json["events"]);
}

fn record(title: &str, lines: &[String], warning: &str) -> Recording {
    let recording = Recording::new(title).without_sources();
    let builder = EventLoop::builder().virtual_time();
    let mut event_loop = builder.observer(recording.clone()).build().expect("a loop");
    let (log, lines, warning) = (recording.clone(), lines.to_vec(), warning.to_owned());
    let result = event_loop.run_script(move || {
        nodeloop::on_warning(|_| {});
        emit_warning(warning);
        lines.into_iter().for_each(|line| {
            let log = log.clone();
            next_tick(move || log.log(line));
        });
    });
    result.expect("the loop ends");
    recording
}

fn written(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut bytes = Vec::new();
    write(&mut bytes).expect("a vector");
    String::from_utf8(bytes).expect("UTF-8")
}
