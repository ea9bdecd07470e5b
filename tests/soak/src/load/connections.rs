//! Many connections: most are healthy, 1 % read slowly, 1 % reset and 1 % fall silent in the middle
//! of a request.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use futures::io::{AsyncReadExt, AsyncWriteExt};
use nodeloop::net::{TcpListener, TcpSocket, TcpStream};
use nodeloop::{EventLoop, spawn_blocking, time, why_alive};
use rustix::process::{Resource, getrlimit};

use super::clients::{self, Counts, SLOW, SLOW_BYTES};
use super::row::Row;
use super::storm::Storm;
use crate::account::{Item, Ledger};
use crate::resources::{descriptors, eventually};

const FULL: usize = 10_000;
const QUICK: usize = 1_000;

/// The descriptors that are not connections.
const OTHERS: usize = 200;

/// How long a request may be incomplete. A healthy client sends a request by one write.
const INCOMPLETE: Duration = Duration::from_secs(5);

pub fn measure(quick: bool) -> Row {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX) as usize;
    let wanted = if quick { QUICK } else { FULL };
    let count = wanted.min(limit - OTHERS);
    let rounds = if quick { 5 } else { 30 };
    let before = descriptors();
    let mut event_loop = EventLoop::new().expect("a loop");
    let row = event_loop.block_on(serve(count, rounds));
    let mut row = row.unwrap_or_else(|error| Row::failed(&error.to_string()));
    drop(event_loop);
    row.expect(
        eventually(Duration::from_secs(20), || descriptors() <= before),
        || format!("{} descriptors are left", descriptors() - before),
    );
    if count < wanted {
        row.done += &format!("; the limit of descriptors permits no more than {count} connections");
    }
    row
}

/// How the connections of the server have ended.
#[derive(Default)]
struct Ends {
    by_the_client: Cell<u64>,
    by_a_reset: Cell<u64>,
    by_the_timeout: Cell<u64>,
    open: Cell<usize>,
    most: Cell<usize>,
}

async fn serve(count: usize, rounds: usize) -> Row {
    let storm = Storm::start(true);
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .bind("127.0.0.1:0".parse().expect("an address"))
        .expect("a port");
    let listener = socket.listen(4096).expect("it is bound");
    let address = listener.local_addr().expect("it is bound");
    let ends = Rc::new(Ends::default());
    let ledger = Ledger::open("connections", 0, 0);
    let accepting = nodeloop::spawn(accept(listener, ends.clone(), ledger.clone())).settled();
    let arguments = [
        "mixed".to_owned(),
        address.to_string(),
        count.to_string(),
        rounds.to_string(),
    ];
    let clients = spawn_blocking(move || clients::start(&arguments, || {})).await;
    accepting.abort();
    let _ = accepting.await;
    while !ledger.is_even(Item::Task) {
        time::sleep(Duration::from_millis(1)).await;
    }
    ledger.close(None);
    let mut row = Row::default();
    (row.panics, row.kinds) = storm.stop().await;
    match clients {
        Ok((counts, latency)) => {
            row.latency = latency;
            compare(&mut row, count, &counts, &ends);
        }
        Err(error) => row.lost.push(error),
    }
    let tasks = why_alive().tasks().len();
    row.expect(tasks <= 1, || format!("{} tasks are left", tasks - 1));
    row
}

/// Compares what the clients have got with what they were owed.
fn compare(row: &mut Row, count: usize, counts: &Counts, ends: &Ends) {
    let share = |of: usize| (0..count).filter(|id| id % 100 == of).count() as u64;
    let (slow, resets, silent) = (share(0), share(1), share(2));
    let count = count as u64;
    let healthy = count - slow - resets - silent;
    let requests = counts.of("requests");
    row.done = format!(
        "{count} connections to one loop, at most {} open at once; {requests} requests of {healthy} \
         healthy clients; {slow} slow readers of 1 MiB; {resets} resets; {silent} silent in the \
         middle of a request, ended by a timeout of {} s",
        ends.most.get(),
        INCOMPLETE.as_secs(),
    );
    row.permitted = format!("the answers to {resets} requests of clients that reset");
    let mut check = |what: &str, owed: u64, back: u64| {
        row.expect(owed == back, || {
            format!("of {owed} {what}, {back} came back")
        });
    };
    check("connections", count, counts.of("connected"));
    check("requests", requests, counts.of("answers"));
    check(
        "ends of healthy clients",
        healthy,
        counts.of("ended healthy"),
    );
    check(
        "bytes of slow readers",
        slow * SLOW_BYTES as u64,
        counts.of("bytes of slow readers"),
    );
    check("resets", resets, counts.of("resets"));
    check("silent clients", silent, counts.of("half-open ended"));
    check("timeouts in the server", silent, ends.by_the_timeout.get());
    // A reset may arrive before the server reads, while it writes, or after it has answered.
    check(
        "ends in the server",
        count - silent,
        ends.by_the_client.get() + ends.by_a_reset.get(),
    );
    check("open connections in the server", 0, ends.open.get() as u64);
}

async fn accept(listener: TcpListener, ends: Rc<Ends>, ledger: Ledger) {
    loop {
        let (stream, _) = listener.accept().await.expect("a listener");
        let ends = ends.clone();
        ends.open.set(ends.open.get() + 1);
        ends.most.set(ends.most.get().max(ends.open.get()));
        ledger
            .spawn(async move {
                let end = connection(stream).await;
                let counter = match end {
                    Ok(()) => &ends.by_the_client,
                    Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                        &ends.by_the_timeout
                    }
                    Err(_) => &ends.by_a_reset,
                };
                counter.set(counter.get() + 1);
                ends.open.set(ends.open.get() - 1);
            })
            .detach();
    }
}

/// Answers requests until the client ends.
async fn connection(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = [0; 8];
    loop {
        let mut length = stream.read(&mut request).await?;
        if length == 0 {
            return Ok(());
        }
        while length < request.len() {
            let rest = stream.read(&mut request[length..]);
            match time::timeout(INCOMPLETE, rest).await?? {
                0 => return Ok(()),
                more => length += more,
            }
        }
        match request == SLOW {
            true => stream.write_all(&vec![7; SLOW_BYTES]).await?,
            false => stream.write_all(&request).await?,
        }
    }
}
