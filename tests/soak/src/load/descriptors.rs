//! More connections than the process may have descriptors.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures::channel::oneshot;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use nodeloop::net::{TcpListener, TcpSocket, UnixStream};
use nodeloop::{EventLoop, set_interval, spawn, spawn_blocking, time};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::clients;
use super::row::{Latencies, Row};
use super::storm::Storm;
use crate::resources::{descriptors, eventually};

/// The connections that the limit permits at once.
const ROOM: usize = 40;

/// How long a connection is held before it is answered, so that many are open at once.
const HELD: Duration = Duration::from_millis(100);

pub fn measure(quick: bool) -> Row {
    let count = if quick { 200 } else { 2_000 };
    let before = descriptors();
    let mut event_loop = EventLoop::new().expect("a loop");
    let row = event_loop.block_on(serve(count));
    let mut row = row.unwrap_or_else(|error| Row::failed(&error.to_string()));
    drop(event_loop);
    row.expect(
        eventually(Duration::from_secs(20), || descriptors() <= before),
        || format!("{} descriptors are left", descriptors() - before),
    );
    row
}

async fn serve(count: usize) -> Row {
    let storm = Storm::start(false);
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .bind("127.0.0.1:0".parse().expect("an address"))
        .expect("a port");
    let listener = socket.listen(4096).expect("it is bound");
    let address = listener.local_addr().expect("it is bound");
    let (left, right) = UnixStream::pair().expect("a pair");
    let latencies = Rc::new(RefCell::new(Latencies::default()));
    let arguments = ["burst".to_owned(), address.to_string(), count.to_string()];
    let (started, has_started) = oneshot::channel();
    let start = move || clients::start(&arguments, || started.send(()).expect("it is awaited"));
    let clients = spawn_blocking(start);
    // The process of the clients is started while there are descriptors for it. The connections
    // wait in the kernel until the limit is set.
    let _ = has_started.await;
    let old = getrlimit(Resource::Nofile);
    let limit = Rlimit {
        current: Some((descriptors() + ROOM) as u64),
        maximum: old.maximum,
    };
    setrlimit(Resource::Nofile, limit).expect("a lower limit");
    let tasks = [
        spawn(accept(listener)).settled(),
        spawn(echo(right)).settled(),
        spawn(ask(left, latencies.clone())).settled(),
    ];
    let at_the_limit = Rc::new(Cell::new(0_u64));
    let refused = at_the_limit.clone();
    let probe = set_interval(Duration::from_millis(5), move || {
        if File::open("/dev/null").is_err_and(|error| error.raw_os_error() == Some(24)) {
            refused.set(refused.get() + 1); // EMFILE
        }
    });
    let clients = clients.await;
    probe.clear();
    setrlimit(Resource::Nofile, old).expect("the old limit");
    let mut row = Row::default();
    (row.panics, row.kinds) = storm.stop().await;
    for task in tasks {
        task.abort();
        let error = task.await.expect_err("it has no end");
        row.expect(error.is_aborted(), || error.to_string());
    }
    row.done = format!(
        "{count} connections at once to a process with {ROOM} free descriptors, each held for \
         {} ms; another `open` failed {} times meanwhile",
        HELD.as_millis(),
        at_the_limit.get()
    );
    row.permitted = "time: a connection waits in the kernel's queue; `open` fails".to_owned();
    row.expect(at_the_limit.get() > 0, || {
        "the limit was never reached".to_owned()
    });
    match clients {
        Ok((counts, latency)) => {
            let (connected, answers) = (counts.of("requests"), counts.of("answers"));
            row.expect(connected == count as u64, || {
                format!("{connected} of {count} connected")
            });
            row.expect(answers == count as u64, || {
                format!("{answers} of {count} were answered")
            });
            let healthy = latencies
                .take()
                .text("requests on a connection that was open before");
            row.latency = format!("{healthy}; in the queue: {latency}");
        }
        Err(error) => row.lost.push(error),
    }
    row
}

async fn accept(listener: TcpListener) {
    loop {
        let (mut stream, _) = listener.accept().await.expect("it recovers");
        spawn(async move {
            let mut request = [0; 8];
            if stream.read_exact(&mut request).await.is_ok() {
                time::sleep(HELD).await;
                let _ = stream.write_all(&request).await;
            }
        })
        .detach();
    }
}

async fn echo(mut stream: UnixStream) {
    let mut message = [0; 8];
    while stream.read_exact(&mut message).await.is_ok() {
        stream.write_all(&message).await.expect("the peer reads");
    }
}

/// A connection that was open before: it must not notice the limit.
async fn ask(mut stream: UnixStream, latencies: Rc<RefCell<Latencies>>) {
    for number in 0_u64.. {
        let start = Instant::now();
        let mut answer = [0; 8];
        stream
            .write_all(&number.to_le_bytes())
            .await
            .expect("the peer reads");
        stream
            .read_exact(&mut answer)
            .await
            .expect("the peer answers");
        assert_eq!(answer, number.to_le_bytes());
        latencies.borrow_mut().add(start.elapsed());
        time::sleep(Duration::from_millis(5)).await;
    }
}
