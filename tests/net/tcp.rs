//! TCP: data arrives unchanged, in every order of events and errors.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::{Ipv4Addr, Shutdown};
use std::rc::Rc;
use std::time::Duration;

use crate::common::limit::limit;
use crate::common::net::{Refusing, tcp_pair};
use crate::common::skip::skip;
use crate::common::wine::is_under_wine;
use crate::common::{Lines, log};
use crate::common::{block_on, needs_system, run};
use futures::StreamExt;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use nodeloop::net::{TcpListener, TcpStream};

use nodeloop::{queue_microtask, set_immediate, set_timeout, spawn, yield_now};

/// Pseudorandom numbers, the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        self.0 >> 33
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

#[test]
fn both_ends_report_both_addresses() {
    let _limit = limit();
    block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connected, accepted) = futures::join!(TcpStream::connect(address), listener.accept());
        let (connected, (accepted, peer)) = (connected.unwrap(), accepted.unwrap());
        assert_eq!(connected.peer_addr().unwrap(), address);
        assert_eq!(accepted.local_addr().unwrap(), address);
        assert_eq!(connected.local_addr().unwrap(), peer);
        assert_eq!(accepted.peer_addr().unwrap(), peer);
        assert!(!connected.nodelay().unwrap());
        connected.set_nodelay(true).unwrap();
        assert!(connected.nodelay().unwrap());
        connected.set_linger(Some(Duration::from_secs(2))).unwrap();
        assert_eq!(connected.linger().unwrap(), Some(Duration::from_secs(2)));
        assert!(connected.take_error().unwrap().is_none());
    });
}

#[test]
fn a_port_in_use_is_an_error() {
    let _limit = limit();
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let again = TcpListener::bind(listener.local_addr().unwrap()).await;
        assert_eq!(again.unwrap_err().kind(), ErrorKind::AddrInUse);
    });
}

#[test]
fn a_refused_connection_is_an_error() {
    let _limit = limit();
    let refusing = Refusing::tcp();
    block_on(async move {
        let refused = TcpStream::connect(refusing.address).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    });
}

/// A refusal by the loopback network is reported by an event of the poll phase, as in Node. The pending
/// phase (R63) is for connects that fail immediately; see `tests/rules/pending.rs`.
#[test]
fn a_refusal_by_the_network_comes_in_the_poll_phase() {
    let _limit = limit();
    let refusing = Refusing::tcp();
    let lines = Lines::default();
    let seen = lines.clone();
    run(async move {
        let connecting = lines.clone();
        spawn(async move {
            let refused = TcpStream::connect(refusing.address).await;
            log(&connecting, format!("{:?}", refused.unwrap_err().kind()));
        })
        .detach();
        queue_microtask(move || log(&lines, "microtask"));
    });
    assert_eq!(*seen.borrow(), ["microtask", "ConnectionRefused"]);
}

#[test]
fn addresses_are_tried_one_after_the_other() {
    let _limit = limit();
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let refusing = [Refusing::tcp(), Refusing::tcp()];
        let addresses = [refusing[0].address, refusing[1].address, good];
        let stream = TcpStream::connect(&addresses[..]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        let refused = TcpStream::connect(&addresses[..2]).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let nowhere = TcpStream::connect(&addresses[..0]).await;
        assert_eq!(nowhere.unwrap_err().kind(), ErrorKind::InvalidInput);
        let bound = TcpListener::bind(&[good, "127.0.0.1:0".parse().unwrap()][..]).await;
        assert_ne!(
            bound.unwrap().local_addr().unwrap(),
            good,
            "the first was in use"
        );
    });
}

#[test]
fn names_are_looked_up_and_literals_are_not() {
    let _limit = limit();
    block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for stream in [
            TcpStream::connect(("localhost", port)).await,
            TcpStream::connect(format!("localhost:{port}")).await,
            TcpStream::connect(&format!("127.0.0.1:{port}")).await,
        ] {
            assert_eq!(stream.unwrap().peer_addr().unwrap().port(), port);
        }
        let unknown = TcpStream::connect("no\0host:80").await;
        assert!(unknown.is_err());
        let no_port = TcpStream::connect("localhost").await;
        assert_eq!(no_port.unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

/// Tasks are woken in the order in which they started to wait.
#[test]
fn two_tasks_accept_on_one_listener() {
    let _limit = limit();
    let lines = Lines::default();
    let seen = lines.clone();
    run(async move {
        let listener = Rc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let address = listener.local_addr().unwrap();
        for name in ["first", "second"] {
            let (listener, lines) = (listener.clone(), lines.clone());
            spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut text = String::new();
                stream.read_to_string(&mut text).await.unwrap();
                log(&lines, format!("{name} accepted {text}"));
            })
            .detach();
        }
        for text in ["A", "B"] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(text.as_bytes()).await.unwrap();
        }
    });
    assert_eq!(*seen.borrow(), ["first accepted A", "second accepted B"]);
}

/// An event accepts at most 32 connections; the others are accepted in the next poll phase.
#[test]
fn an_event_allows_32_connections() {
    let _limit = limit();
    if needs_system("the peer is a socket of the standard library") {
        return;
    }
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let waiting: Vec<_> = (0..70)
            .map(|_| std::net::TcpStream::connect(address).unwrap())
            .collect();
        let accepted = Rc::new(RefCell::new(Vec::new()));
        let streams = accepted.clone();
        let accepting = spawn(async move {
            let mut incoming = listener.incoming().take(70);
            while let Some(stream) = incoming.next().await {
                streams.borrow_mut().push(stream.unwrap());
            }
        });
        let mut counts = Vec::new();
        for _ in 0..3 {
            yield_now().await;
            counts.push(accepted.borrow().len());
        }
        assert_eq!(counts, [32, 64, 70]);
        accepting.await;
        drop(waiting);
    });
}

#[test]
fn a_listener_that_is_closed_ends_its_waits() {
    let _limit = limit();
    if needs_system("the peer is a socket of the standard library") {
        return;
    }
    let lines = Lines::default();
    let seen = lines.clone();
    run(async move {
        let listener = Rc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let (accepting, waiting) = (listener.clone(), lines.clone());
        spawn(async move {
            let error = accepting.accept().await.unwrap_err();
            log(&waiting, format!("{:?}", error.kind()));
        })
        .detach();
        let check = lines.clone();
        set_immediate(move || {
            log(&check, "check");
            // It waits to be accepted, and is reset once the listener is closed.
            let mut peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let close = check.clone();
            listener.close_with(move || {
                log(&close, "close");
                if is_under_wine() {
                    return skip("Wine 8 reports the end of the stream for a reset");
                }
                let error = peer.read(&mut [0; 1]).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            });
        });
    });
    assert_eq!(*seen.borrow(), ["check", "NotConnected", "close"]);
}

#[test]
fn one_direction_can_end_before_the_other() {
    let _limit = limit();
    block_on(async {
        let (mut client, mut server) = tcp_pair().await;
        let serving = spawn(async move {
            let mut question = String::new();
            server.read_to_string(&mut question).await.unwrap();
            server
                .write_all(question.to_uppercase().as_bytes())
                .await
                .unwrap();
        });
        client.write_all(b"question").await.unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "QUESTION");
        serving.await;
    });
}

/// Random sizes, both directions of both ends at once, each with a buffer that is often full.
#[test]
fn both_directions_at_once_with_backpressure() {
    let _limit = limit();
    const TOTAL: usize = 3 << 20;
    block_on(async {
        let (client, server) = tcp_pair().await;
        let both = [(&client, 1), (&server, 2)].map(|(stream, seed)| {
            let (mut reader, mut writer) = (stream, stream);
            let write = async move {
                let mut sizes = Random(seed);
                let bytes = Random(seed + 10).bytes(TOTAL);
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let size = (sizes.next() as usize % 200_000 + 1).min(rest.len());
                    writer.write_all(&rest[..size]).await.unwrap();
                    rest = &rest[size..];
                }
                writer.shutdown(Shutdown::Write).unwrap();
            };
            let read = async move {
                let mut sizes = Random(seed + 20);
                let expected = Random(3 - seed + 10).bytes(TOTAL);
                let (mut all, mut buffer) = (Vec::new(), vec![0; 100_000]);
                loop {
                    let size = sizes.next() as usize % buffer.len() + 1;
                    let length = reader.read(&mut buffer[..size]).await.unwrap();
                    if length == 0 {
                        break;
                    }
                    all.extend_from_slice(&buffer[..length]);
                    if sizes.next().is_multiple_of(16) {
                        yield_now().await; // slower than the writer
                    }
                }
                assert!(all == expected, "{} of {TOTAL} bytes arrived", all.len());
            };
            futures::future::join(write, read)
        });
        let [client, server] = both;
        futures::join!(client, server);
    });
}

#[test]
fn two_tasks_share_a_stream_by_reference() {
    let _limit = limit();
    block_on(async {
        let (client, mut server) = tcp_pair().await;
        let client = Rc::new(client);
        let reading = client.clone();
        let reader = spawn(async move {
            let mut all = Vec::new();
            (&*reading).read_to_end(&mut all).await.unwrap();
            all
        });
        (&*client).write_all(b"ping").await.unwrap();
        let mut buffer = [0; 4];
        server.read_exact(&mut buffer).await.unwrap();
        server.write_all(&buffer).await.unwrap();
        drop(server);
        assert_eq!(reader.await, b"ping");
    });
}

#[test]
fn several_buffers_are_read_and_written_at_once() {
    let _limit = limit();
    block_on(async {
        let (mut client, mut server) = tcp_pair().await;
        let parts = [IoSlice::new(b"one "), IoSlice::new(b"two")];
        assert_eq!(client.write_vectored(&parts).await.unwrap(), 7);
        let (mut first, mut second) = ([0; 4], [0; 8]);
        let mut buffers = [
            std::io::IoSliceMut::new(&mut first),
            std::io::IoSliceMut::new(&mut second),
        ];
        assert_eq!(server.read_vectored(&mut buffers).await.unwrap(), 7);
        assert_eq!((&first, &second[..3]), (b"one ", &b"two"[..]));
    });
}

#[test]
fn a_peer_that_resets_is_an_error_and_then_the_end() {
    let _limit = limit();
    if is_under_wine() {
        return skip("Wine 8 reports the end of the stream for a reset");
    }
    block_on(async {
        let (mut client, server) = tcp_pair().await;
        let reading = spawn(async move {
            let error = client.read(&mut [0; 8]).await.unwrap_err();
            let again = client.read(&mut [0; 8]).await;
            let write = client.write(b"x").await;
            (error.kind(), again.unwrap(), write.is_err())
        });
        let called = Rc::new(Cell::new(false));
        let callback = called.clone();
        server.reset(move || callback.set(true)).unwrap();
        assert_eq!(reading.await, (ErrorKind::ConnectionReset, 0, true));
        while !called.get() {
            yield_now().await;
        }
    });
}

/// A stream dropped with unread bytes resets the connection; the writer at the other end fails.
#[test]
fn a_peer_that_goes_away_ends_the_writer() {
    let _limit = limit();
    block_on(async {
        let (mut client, mut server) = tcp_pair().await;
        client.write_all(&[1; 1000]).await.unwrap();
        server.read_exact(&mut [0; 10]).await.unwrap();
        drop(server);
        let bytes = vec![0; 1 << 16];
        let mut result = Ok(());
        for _ in 0..10_000 {
            result = client.write_all(&bytes).await;
            if result.is_err() {
                break;
            }
        }
        let error = result.expect_err("the peer has gone");
        let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        assert!(kinds.contains(&error.kind()), "{error}");
    });
}

#[test]
fn peeking_consumes_nothing() {
    let _limit = limit();
    block_on(async {
        let (mut client, mut server) = tcp_pair().await;
        client.write_all(b"once").await.unwrap();
        let mut buffer = [0; 8];
        assert_eq!(server.peek(&mut buffer).await.unwrap(), 4);
        assert_eq!(server.peek(&mut buffer).await.unwrap(), 4);
        assert_eq!(server.read(&mut buffer).await.unwrap(), 4);
        assert_eq!(&buffer[..4], b"once");
        client.write_all(b"again").await.unwrap();
        let (mut half, _writer) = server.into_split();
        assert_eq!(half.peek(&mut buffer).await.unwrap(), 5);
        let peeked = poll_fn(|cx| half.poll_peek(cx, &mut buffer)).await;
        assert_eq!(peeked.unwrap(), 5);
        assert_eq!(half.read(&mut buffer).await.unwrap(), 5);
    });
}

#[test]
fn sockets_convert_from_and_to_std() {
    let _limit = limit();
    if needs_system("the peer is a socket of the standard library") {
        return;
    }
    block_on(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut stream = TcpStream::from_std(stream).unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        stream.write_all(b"through").await.unwrap();
        accepted.readable().await.unwrap();
        let mut accepted = accepted.into_std().unwrap();
        let mut buffer = [0; 16];
        assert_eq!(accepted.read(&mut buffer).unwrap(), 7);
        let blocked = accepted.read(&mut buffer).unwrap_err();
        assert_eq!(
            blocked.kind(),
            ErrorKind::WouldBlock,
            "it is still non-blocking"
        );
        accepted.write_all(b"back").unwrap();
        drop(accepted);
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "back");
        let listener = listener.into_std().unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

/// A peer that never stops sending starves neither timers nor immediates, although each of its
/// reads is ready immediately.
#[test]
fn a_fast_peer_starves_neither_timers_nor_immediates() {
    let _limit = limit();
    if needs_system("the peer is a socket of the standard library") {
        return;
    }
    block_on(async {
        let (mut client, server) = tcp_pair().await;
        let server = server.into_std().unwrap();
        let flood = std::thread::spawn(move || {
            server.set_nonblocking(false).unwrap();
            while (&server).write_all(&[0; 1 << 16]).is_ok() {}
        });
        let (reads, immediates) = (Rc::new(Cell::new(0_u64)), Cell::new(0_u64));
        let counted = reads.clone();
        let reading = spawn(async move {
            let mut buffer = [0; 256]; // never larger than the data that has arrived
            while client
                .read(&mut buffer)
                .await
                .is_ok_and(|length| length > 0)
            {
                counted.set(counted.get() + 1);
            }
        })
        .settled();
        while reads.get() < 5_000 {
            yield_now().await;
            immediates.set(immediates.get() + 1);
        }
        let (reads_by_now, turns) = (reads.get(), immediates.get());
        assert!(
            reads_by_now <= 32 * (turns + 1),
            "{reads_by_now} reads in {turns} turns"
        );
        let (promise, resolver) = nodeloop::promise::with_resolver();
        set_timeout(Duration::from_millis(1), move || resolver.resolve(()));
        promise.await;
        assert!(!reading.is_finished(), "the peer is still sending");
        reading.abort();
        yield_now().await;
        flood.join().unwrap();
    });
}

/// R6: a listener with a pending `accept` keeps the loop alive; an unref'd one does not.
#[test]
fn r6_an_unrefed_listener_does_not_keep_the_loop_alive() {
    let _limit = limit();
    let accepted = Rc::new(Cell::new(false));
    let seen = accepted.clone();
    nodeloop::run_script(move || {
        spawn(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            assert!(listener.has_ref());
            listener.unref();
            assert!(!listener.has_ref());
            let _ = listener.accept().await;
            accepted.set(true);
        })
        .detach();
    });
    assert!(!seen.get());
}
