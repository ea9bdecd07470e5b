//! Two peers that follow a script on the two ends of a stream, and the account of what they do.
//!
//! What a peer sends is a fixed sequence of bytes, so its receiver can check each byte without having
//! the rest. An attempt polls an operation a few times and then drops it, so no script waits forever
//! before its end.

use std::cell::Cell;
use std::future::Future;
use std::io::{IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use arbitrary::Arbitrary;
use futures::{AsyncReadExt, AsyncWriteExt};
use nodeloop::net::kind::{Protocol, Stream};
use nodeloop::net::{Socket, TcpListener, TcpStream, UnixStream};
use nodeloop::{EventLoop, time, yield_now};

use crate::program::List;

#[derive(Debug, Clone, Arbitrary)]
pub struct Script {
    pub is_tcp: bool,
    pub peers: [Peer; 2],
}

#[derive(Debug, Clone, Arbitrary)]
pub struct Peer {
    pub ops: List<Op>,
    pub end: End,
}

#[derive(Debug, Clone, Arbitrary)]
pub enum Op {
    Write {
        size: u16,
        patience: u8,
    },
    WriteVectored {
        sizes: [u8; 3],
        patience: u8,
    },
    /// More than the buffers of both ends hold.
    WriteMuch {
        patience: u8,
    },
    Flush,
    Read {
        size: u16,
        patience: u8,
    },
    ReadVectored {
        sizes: [u8; 3],
        patience: u8,
    },
    TryRead(u8),
    TryWrite(u8),
    UntilReadable {
        patience: u8,
    },
    UntilWritable {
        patience: u8,
    },
    Turns(u8),
    ShutdownWrite,
    ShutdownRead,
    Buffers(u8),
    /// Splits the stream, writes and reads at the same time, and reunites it.
    SplitAndReunite {
        size: u16,
        patience: u8,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Arbitrary)]
pub enum End {
    /// Ends the write direction and reads up to the end.
    Drain,
    /// The same, with the read half in another task.
    DrainInHalves,
    Drop,
    CloseWith,
    /// Closes with a reset (TCP).
    Reset,
    DropWriteHalfFirst,
    DropReadHalfFirst,
}

/// What has gone through one direction.
#[derive(Default)]
struct Direction {
    sent: Cell<u64>,
    received: Cell<u64>,
    ended: Cell<bool>,
    /// Its sender has shut it down.
    shut: Cell<bool>,
    /// Its receiver has shut it down: what arrives later may still be read.
    refused: Cell<bool>,
}

/// The two directions, as one peer sees them.
#[derive(Clone)]
struct Account {
    out: Rc<Direction>,
    into: Rc<Direction>,
    closed: Rc<Cell<u32>>,
}

const MUCH: usize = 300_000;
/// With a window smaller than a segment of the loopback device, TCP sends when a timer of the kernel
/// fires: 100 kB take 4 seconds.
const LEAST_RECEIVE_BUFFER: usize = 64 << 10;
const LIMIT: Duration = Duration::from_secs(30);

/// Runs the script on sockets of the system; panics if anything is wrong.
pub fn run(script: &Script) {
    ignore_broken_pipes();
    let before = descriptors();
    let event_loop = EventLoop::new().expect("a loop");
    run_on(event_loop, script, script.is_clean());
    assert_eq!(descriptors(), before, "open descriptors");
}

/// What a run of a script shows: bytes sent, bytes received and whether the end was seen, for each direction.
pub type Outcome = [(u64, u64, bool); 2];

/// Runs the script on a loop. `is_clean` is whether every byte and both ends must arrive.
pub fn run_on(mut event_loop: EventLoop, script: &Script, is_clean: bool) -> Outcome {
    let (first, second) = (Rc::<Direction>::default(), Rc::<Direction>::default());
    let closed = Rc::new(Cell::new(0));
    let accounts = [(&first, &second), (&second, &first)].map(|(out, into)| Account {
        out: out.clone(),
        into: into.clone(),
        closed: closed.clone(),
    });
    let running = script.clone();
    let result = event_loop.run(async move {
        let both = pin!(play_both(&running, accounts));
        let played = time::timeout(LIMIT, both).await;
        played.map_err(|_| "the script has not ended")
    });
    result
        .expect("the loop ends by itself")
        .expect("a script ends");
    drop(event_loop);
    let closes = script
        .peers
        .iter()
        .filter(|peer| peer.end == End::CloseWith);
    assert_eq!(
        closed.get() as usize,
        closes.count(),
        "calls of `close_with` callbacks"
    );
    for direction in [&first, &second].into_iter().filter(|_| is_clean) {
        assert!(direction.ended.get(), "a peer that drains has seen the end");
        assert_eq!(direction.received.get(), direction.sent.get(), "bytes");
    }
    [first, second].map(|it| (it.sent.get(), it.received.get(), it.ended.get()))
}

/// Makes a write to a peer that is gone an error. The runtime of Rust does so before `main`, but the
/// `main` of libFuzzer is in C++.
fn ignore_broken_pipes() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        signal_hook::flag::register(signal_hook::consts::SIGPIPE, Arc::default())
            .expect("a handler can be installed");
    });
}

impl Script {
    /// Whether every byte and both ends must arrive.
    pub fn is_clean(&self) -> bool {
        self.peers.iter().all(|peer| {
            let drains = matches!(peer.end, End::Drain | End::DrainInHalves);
            drains && !peer.ops.iter().any(|op| matches!(op, Op::ShutdownRead))
        })
    }
}

async fn play_both(script: &Script, accounts: [Account; 2]) {
    let [first, second] = script.peers.clone();
    let [one, other] = accounts;
    if script.is_tcp {
        let (left, right) = tcp_pair().await;
        futures::join!(play(left, first, one), play(right, second, other));
    } else {
        let (left, right) = UnixStream::pair().expect("a pair");
        futures::join!(play(left, first, one), play(right, second, other));
    }
}

/// Each pair has an address of its own, so that no script waits for the ports of earlier ones.
async fn tcp_pair() -> (TcpStream, TcpStream) {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let [_, a, b, c] = (NEXT.fetch_add(1, Ordering::Relaxed) % 0x00ff_fffd + 1).to_be_bytes();
    let address = SocketAddrV4::new(Ipv4Addr::new(127, a, b, c), 0);
    let listener = TcpListener::bind(address).await.expect("a listener");
    let address = listener.local_addr().expect("its address");
    let (left, right) = futures::join!(TcpStream::connect(address), listener.accept());
    let (right, _) = right.expect("an accepted connection");
    (left.expect("a connection"), right)
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn byte_at(position: u64) -> u8 {
    (position % 251) as u8
}

impl Account {
    fn bytes(&self, size: usize) -> Vec<u8> {
        let from = self.out.sent.get();
        (from..from + size as u64).map(byte_at).collect()
    }

    fn sent(&self, result: Option<std::io::Result<usize>>) {
        if let Some(Ok(count)) = result {
            assert!(
                !self.out.shut.get() || count == 0,
                "a write after the end of the direction"
            );
            self.out.sent.set(self.out.sent.get() + count as u64);
        }
    }

    /// Checks what a read has returned for a buffer that is not empty.
    fn received(&self, result: Option<std::io::Result<usize>>, buffer: &[u8]) {
        let Some(Ok(count)) = result else {
            return;
        };
        let from = self.into.received.get();
        let expected = (from..).map(byte_at);
        assert!(
            buffer[..count].iter().copied().eq(expected.take(count)),
            "bytes in order"
        );
        self.into.received.set(from + count as u64);
        assert!(
            self.into.received.get() <= self.into.sent.get(),
            "no byte was invented"
        );
        match count {
            0 if !buffer.is_empty() && !self.into.refused.get() => self.into.ended.set(true),
            0 => {}
            _ => assert!(!self.into.ended.get(), "bytes after the end"),
        }
    }
}

/// Polls an operation a few times, a turn of the loop apart, and then drops it.
async fn attempt<T>(patience: u8, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..=patience % 4 {
        if let std::task::Poll::Ready(output) = futures::poll!(&mut future) {
            return Some(output);
        }
        yield_now().await;
    }
    None
}

async fn play<P: Protocol>(mut stream: Socket<Stream<P>>, peer: Peer, account: Account) {
    for op in peer.ops.iter() {
        stream = act(stream, op, &account).await;
    }
    match peer.end {
        End::Drain => {
            let _ = stream.close().await;
            account.out.shut.set(true);
            read_to_end(&mut stream, &account).await;
        }
        End::DrainInHalves => {
            let (mut reader, writer) = stream.into_split();
            drop(writer);
            account.out.shut.set(true);
            let reading = account.clone();
            let task = nodeloop::spawn(async move { read_to_end(&mut reader, &reading).await });
            task.await;
        }
        End::Drop => drop(stream),
        End::CloseWith => {
            let closed = account.closed.clone();
            stream.close_with(move || closed.set(closed.get() + 1));
            let mut buffer = [0; 8];
            assert!(
                stream.read(&mut buffer).await.is_err(),
                "a read of a closed stream"
            );
            assert!(
                stream.write(b"x").await.is_err(),
                "a write to a closed stream"
            );
        }
        End::Reset => reset(stream),
        End::DropWriteHalfFirst => {
            let (mut reader, writer) = stream.into_split();
            drop(writer);
            account.out.shut.set(true);
            let mut buffer = [0; 64];
            let result = attempt(1, reader.read(&mut buffer)).await;
            account.received(result, &buffer);
        }
        End::DropReadHalfFirst => {
            let (reader, mut writer) = stream.into_split();
            drop(reader);
            let bytes = account.bytes(64);
            account.sent(attempt(1, writer.write(&bytes)).await);
        }
    }
}

fn reset<P: Protocol>(stream: Socket<Stream<P>>) {
    let stream: Box<dyn std::any::Any> = Box::new(stream);
    if let Ok(stream) = stream.downcast::<TcpStream>() {
        stream.set_linger(Some(Duration::ZERO)).expect("it is open");
    }
}

async fn read_to_end(reader: &mut (impl futures::AsyncRead + Unpin), account: &Account) {
    let mut buffer = vec![0; 5_000];
    loop {
        let result = reader.read(&mut buffer).await;
        let is_over = !matches!(result, Ok(count) if count > 0);
        account.received(Some(result), &buffer);
        if is_over {
            break;
        }
    }
    if account.into.ended.get() {
        let again = reader.read(&mut buffer).await;
        assert!(matches!(again, Ok(0) | Err(_)), "the end is the end");
    }
}

async fn act<P: Protocol>(
    mut stream: Socket<Stream<P>>,
    op: &Op,
    account: &Account,
) -> Socket<Stream<P>> {
    match *op {
        Op::Write { size, patience } => {
            let bytes = account.bytes(usize::from(size));
            account.sent(attempt(patience, stream.write(&bytes)).await);
        }
        Op::WriteMuch { patience } => {
            let bytes = account.bytes(MUCH);
            account.sent(attempt(patience, stream.write(&bytes)).await);
        }
        Op::WriteVectored { sizes, patience } => {
            let bytes = account.bytes(sizes.iter().map(|size| usize::from(*size)).sum());
            let (first, rest) = bytes.split_at(usize::from(sizes[0]));
            let (second, third) = rest.split_at(usize::from(sizes[1]));
            let slices = [first, second, third].map(IoSlice::new);
            account.sent(attempt(patience, stream.write_vectored(&slices)).await);
        }
        Op::Flush => _ = stream.flush().await,
        Op::Read { size, patience } => {
            let mut buffer = vec![0; usize::from(size)];
            let result = attempt(patience, stream.read(&mut buffer)).await;
            account.received(result, &buffer);
        }
        Op::ReadVectored { sizes, patience } => {
            let mut parts = sizes.map(|size| vec![0; usize::from(size)]);
            let [first, second, third] = &mut parts;
            let mut slices = [first, second, third].map(|part| IoSliceMut::new(part));
            let result = attempt(patience, stream.read_vectored(&mut slices)).await;
            account.received(result, &parts.concat());
        }
        Op::TryRead(size) => {
            let mut buffer = vec![0; usize::from(size)];
            account.received(Some(stream.try_read(&mut buffer)), &buffer);
        }
        Op::TryWrite(size) => {
            let bytes = account.bytes(usize::from(size));
            account.sent(Some(stream.try_write(&bytes)));
        }
        Op::UntilReadable { patience } => _ = attempt(patience, stream.readable()).await,
        Op::UntilWritable { patience } => _ = attempt(patience, stream.writable()).await,
        Op::Turns(count) => {
            for _ in 0..count % 4 {
                yield_now().await;
            }
        }
        Op::ShutdownWrite => {
            if stream.shutdown(Shutdown::Write).is_ok() {
                account.out.shut.set(true);
            }
        }
        Op::ShutdownRead => {
            let _ = stream.shutdown(Shutdown::Read);
            account.into.refused.set(true);
        }
        Op::Buffers(size) => {
            let size = usize::from(size) * 16;
            let _ = stream.set_send_buffer_size(size);
            let _ = stream.set_recv_buffer_size(size + LEAST_RECEIVE_BUFFER);
        }
        Op::SplitAndReunite { size, patience } => {
            let (mut reader, mut writer) = stream.into_split();
            let bytes = account.bytes(usize::from(size));
            let mut buffer = vec![0; usize::from(size)];
            // Each is counted at once, because the peer may read what was written.
            let reading = async {
                let result = attempt(patience, reader.read(&mut buffer)).await;
                account.received(result, &buffer);
            };
            let writing = async {
                account.sent(attempt(patience, writer.write(&bytes)).await);
            };
            futures::join!(reading, writing);
            stream = reader.reunite(writer).expect("the halves of one stream");
        }
    }
    stream
}
