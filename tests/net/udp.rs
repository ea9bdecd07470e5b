//! UDP: datagrams arrive unchanged, in the order that the loop guarantees.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};

use crate::common::limit::limit;
use crate::common::net::Refusing;
use crate::common::{block_on, needs_system, run_script};
use nodeloop::net::{NetError, UdpOptions, UdpSocket};
use nodeloop::{next_tick, set_immediate, spawn, yield_now};

use crate::common::node;
use crate::common::skip::skip;
use crate::common::wine::is_under_wine;

async fn local() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

/// Two sockets, each connected with the other.
async fn pair() -> (UdpSocket, UdpSocket) {
    let (one, other) = (local().await, local().await);
    one.connect(other.local_addr().unwrap()).await.unwrap();
    other.connect(one.local_addr().unwrap()).await.unwrap();
    (one, other)
}

#[test]
fn datagrams_arrive_whole_with_their_source_address() {
    let _limit = limit();
    block_on(async {
        let (one, other) = (local().await, local().await);
        let (here, there) = (one.local_addr().unwrap(), other.local_addr().unwrap());
        for text in ["first", "", "third"] {
            assert_eq!(
                one.send_to(text.as_bytes(), there).await.unwrap(),
                text.len()
            );
        }
        let mut buffer = [0; 16];
        for text in ["first", "", "third"] {
            let (length, from) = other.recv_from(&mut buffer).await.unwrap();
            assert_eq!((&buffer[..length], from), (text.as_bytes(), here));
        }
        let named = ("localhost".to_owned(), here.port());
        // The first address of the name may be that of IPv6, which has no socket.
        let _ = other.send_to(b"by name", named).await;
    });
}

#[test]
fn a_connected_socket_receives_from_its_peer_only() {
    let _limit = limit();
    block_on(async {
        let (one, other) = pair().await;
        assert_eq!(one.peer_addr().unwrap(), other.local_addr().unwrap());
        let stranger = local().await;
        stranger
            .send_to(b"stranger", other.local_addr().unwrap())
            .await
            .unwrap();
        one.send(b"friend").await.unwrap();
        let mut buffer = [0; 16];
        let length = other.recv(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], b"friend");
        assert_eq!(
            stranger.peer_addr().unwrap_err().kind(),
            ErrorKind::NotConnected
        );
    });
}

#[test]
fn peeking_consumes_nothing_and_a_short_buffer_truncates() {
    let _limit = limit();
    block_on(async {
        let (one, other) = pair().await;
        one.send(b"twice").await.unwrap();
        one.send(b"cut off").await.unwrap();
        one.send(b"cut off, with its sender").await.unwrap();
        let mut buffer = [0; 16];
        assert_eq!(other.peek(&mut buffer).await.unwrap(), 5);
        let (length, from) = other.peek_from(&mut buffer).await.unwrap();
        assert_eq!((length, from), (5, one.local_addr().unwrap()));
        assert_eq!(other.recv(&mut buffer).await.unwrap(), 5);
        assert_eq!(other.recv(&mut buffer[..3]).await.unwrap(), 3);
        assert_eq!(&buffer[..3], b"cut");
        let cut = (4, one.local_addr().unwrap());
        assert_eq!(other.peek_from(&mut buffer[..4]).await.unwrap(), cut);
        assert_eq!(other.peek(&mut buffer[..4]).await.unwrap(), 4);
        assert_eq!(other.recv_from(&mut buffer[..4]).await.unwrap(), cut);
        assert_eq!(&buffer[..4], b"cut ");
    });
}

/// libuv reads 32 datagrams for one event (`udp.c` `uv__udp_recvmsg`), then the loop continues, as
/// `tests/node/dgram_portions.mjs` prints.
#[test]
fn a_flood_is_received_in_portions_of_32() {
    let _limit = limit();
    let portions = Rc::new(RefCell::new(Vec::new()));
    let seen = portions.clone();
    block_on(async move {
        let (one, other) = pair().await;
        for _ in 0..80 {
            one.send(b"x").await.unwrap();
        }
        let received = Rc::new(Cell::new(0));
        let counted = received.clone();
        let receiving = spawn(async move {
            for _ in 0..80 {
                other.recv(&mut [0; 4]).await.unwrap();
                counted.set(counted.get() + 1);
            }
        });
        while !receiving.is_finished() {
            let before = received.get();
            yield_now().await; // one turn of the loop
            let portion = received.get() - before;
            if portion > 0 {
                portions.borrow_mut().push(portion);
            }
        }
    });
    assert_eq!(*seen.borrow(), [32, 32, 16]);
    if node::is_here() {
        let portions = node::Node::start::<u8>("dgram_portions.mjs", &[]).finish();
        assert_eq!(portions, ["32", "32", "16"], "in Node");
    }
}

/// As in Node: what a datagram queues runs after it, ticks after the microtask that received it, and
/// immediates in the check phase of the same turn.
#[test]
fn a_datagram_is_a_macrotask_of_the_poll_phase() {
    let _limit = limit();
    let log = Rc::new(RefCell::new(Vec::new()));
    let seen = log.clone();
    run_script(move || {
        let logging = move |line: &'static str| {
            let log = log.clone();
            move || log.borrow_mut().push(line)
        };
        spawn(async move {
            let (one, other) = pair().await;
            one.send(b"x").await.unwrap();
            set_immediate(logging("check of the script")); // a message needs a poll phase
            other.recv(&mut [0; 4]).await.unwrap();
            logging("message")();
            next_tick(logging("tick"));
            set_immediate(logging("check"));
            other.close_with(logging("close"));
        })
        .detach();
    });
    let lines = seen.borrow().clone();
    assert_eq!(
        lines
            .iter()
            .filter(|line| **line != "check of the script")
            .collect::<Vec<_>>(),
        [&"message", &"tick", &"check", &"close"]
    );
}

#[test]
fn a_connected_socket_receives_a_refusal_once() {
    let _limit = limit();
    if is_under_wine() {
        return skip("Wine 8 reports no refusal of a datagram");
    }
    block_on(async {
        let one = local().await;
        let refusing = Refusing::udp();
        one.connect(refusing.address).await.unwrap();
        one.send(b"no socket there").await.unwrap();
        let error = one.recv(&mut [0; 4]).await.unwrap_err();
        let refused = if cfg!(windows) {
            ErrorKind::ConnectionReset
        } else {
            ErrorKind::ConnectionRefused
        };
        assert_eq!(error.kind(), refused);
        assert!(one.take_error().unwrap().is_none(), "it was reported once");
    });
}

/// The texts are those of Node's `dgram`.
#[test]
fn errors_name_the_address() {
    let _limit = limit();
    block_on(async {
        let socket = local().await;
        let address = socket.local_addr().unwrap();
        let error = UdpSocket::bind(address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert_eq!(error.to_string(), format!("bind EADDRINUSE {address}"));
        let error = socket.send_to(&[0; 70_000], address).await.unwrap_err();
        assert_eq!(error.to_string(), format!("send EMSGSIZE {address}"));
        assert!(NetError::of(&error).unwrap().raw_os_error().is_some());
        let error = socket.send_to(b"x", "nowhere.invalid:1").await.unwrap_err();
        assert!(error.to_string().starts_with("getaddrinfo nowhere.invalid"));
    });
}

#[test]
fn options_are_set() {
    let _limit = limit();
    block_on(async {
        let socket = local().await;
        assert!(!socket.broadcast().unwrap());
        socket.set_broadcast(true).unwrap();
        assert!(socket.broadcast().unwrap());
        socket.set_ttl(7).unwrap();
        assert_eq!(socket.ttl().unwrap(), 7);
        socket.set_multicast_ttl_v4(3).unwrap();
        assert_eq!(socket.multicast_ttl_v4().unwrap(), 3);
        assert!(socket.multicast_loop_v4().unwrap());
        socket.set_multicast_loop_v4(false).unwrap();
        assert!(!socket.multicast_loop_v4().unwrap());
        socket.set_multicast_if_v4(Ipv4Addr::LOCALHOST).unwrap();
        if let Ok(v6) = UdpOptions::new().only_v6(true).bind("[::1]:0").await {
            v6.set_ttl(9).unwrap();
            assert_eq!(v6.ttl().unwrap(), 9);
            assert!(v6.multicast_loop_v6().unwrap());
            v6.set_multicast_loop_v6(false).unwrap();
            let group = Ipv6Addr::new(0xff01, 0, 0, 0, 0, 0, 0, 0x1234);
            if v6.join_multicast_v6(group, 1).is_ok() {
                v6.leave_multicast_v6(group, 1).unwrap();
            }
            v6.set_multicast_if_v6(0).unwrap();
        }
    });
}

/// Two sockets join one group on the loopback interface; both receive what a third sends to it.
#[test]
fn a_group_receives_what_is_sent_to_it() {
    let _limit = limit();
    block_on(async {
        let group = Ipv4Addr::new(239, 255, 71, 3);
        let mut options = UdpOptions::new();
        options.reuse_address(true);
        let one = options.bind("0.0.0.0:0").await.unwrap();
        let port = one.local_addr().unwrap().port();
        let other = options.bind(("0.0.0.0", port)).await.unwrap();
        for socket in [&one, &other] {
            if let Err(error) = socket.join_multicast_v4(group, Ipv4Addr::LOCALHOST) {
                return skip(format_args!(
                    "the loopback interface has no groups: {error}"
                ));
            }
        }
        let sender = local().await;
        sender.set_multicast_if_v4(Ipv4Addr::LOCALHOST).unwrap();
        if let Err(error) = sender.send_to(b"all", (group.to_string(), port)).await {
            return skip(format_args!("datagrams to groups are not sent: {error}"));
        }
        let mut buffer = [0; 8];
        for socket in [&one, &other] {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..length], b"all");
            assert_eq!(from, sender.local_addr().unwrap());
            socket
                .leave_multicast_v4(group, Ipv4Addr::LOCALHOST)
                .unwrap();
        }
    });
}

#[test]
#[cfg(target_os = "linux")] // only Linux distributes datagrams to sockets of one port
fn sockets_share_a_port() {
    let _limit = limit();
    block_on(async {
        let mut options = UdpOptions::new();
        options
            .reuse_port(true)
            .recv_buffer_size(65_536)
            .send_buffer_size(65_536);
        let one = options.bind("127.0.0.1:0").await.unwrap();
        let address = one.local_addr().unwrap();
        let other = options.bind(address).await.unwrap();
        // One of them gets each datagram, by a hash of the sender's address.
        let received = Rc::new(Cell::new(0));
        for socket in [one, other] {
            let received = received.clone();
            spawn(async move {
                while socket.recv(&mut [0; 4]).await.is_ok() {
                    received.set(received.get() + 1);
                }
            })
            .detach();
        }
        for _ in 0..20 {
            local().await.send_to(b"x", address).await.unwrap();
        }
        while received.get() < 20 {
            yield_now().await;
        }
    });
}

#[test]
fn sockets_convert_from_and_to_std() {
    let _limit = limit();
    if needs_system("the peer is a socket of the standard library") {
        return;
    }
    block_on(async {
        let theirs = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let ours = UdpSocket::from_std(theirs).unwrap();
        ours.send_to(b"to myself", ours.local_addr().unwrap())
            .await
            .unwrap();
        ours.readable().await.unwrap();
        ours.writable().await.unwrap();
        let theirs = ours.into_std().unwrap();
        let mut buffer = [0; 16];
        assert_eq!(theirs.recv(&mut buffer).unwrap(), 9);
        let blocked = theirs.recv(&mut buffer).unwrap_err();
        assert_eq!(
            blocked.kind(),
            ErrorKind::WouldBlock,
            "it is still non-blocking"
        );
    });
}

#[test]
#[cfg(unix)] // Windows has no descriptors
fn the_descriptor_is_lent() {
    let _limit = limit();
    if needs_system("a descriptor is borrowed") {
        return;
    }
    block_on(async {
        let socket = local().await;
        let lent = socket.descriptor().unwrap();
        let address = socket2::SockRef::from(&lent).local_addr().unwrap();
        assert_eq!(address.as_socket(), socket.local_addr().ok());
        drop(lent);
        socket.close().await;
        assert!(socket.descriptor().is_err());
    });
}

#[test]
#[cfg(unix)] // Windows has no descriptors
fn closing_while_the_descriptor_is_borrowed_panics() {
    let _limit = limit();
    if needs_system("a descriptor is borrowed") {
        return;
    }
    let close = async {
        let socket = local().await;
        let _lent = socket.descriptor().unwrap();
        socket.close_with(|| ());
    };
    let closed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| block_on(close)));
    let text = crate::common::text_of(&*closed.unwrap_err());
    assert!(
        text.contains("closed while its `Descriptor` was borrowed"),
        "{text}"
    );
}

/// R6: a pending receive keeps the loop alive; an unref'd one, or none, does not.
#[test]
fn r6_a_socket_that_nobody_waits_for_does_not_keep_the_loop_alive() {
    let _limit = limit();
    let received = Rc::new(Cell::new(false));
    let seen = received.clone();
    run_script(move || {
        spawn(async move {
            let _idle = local().await;
            let socket = local().await;
            assert!(socket.has_ref());
            assert!(!socket.unref().has_ref());
            let _ = socket.recv(&mut [0; 4]).await;
            received.set(true);
        })
        .detach();
    });
    assert!(!seen.get());
}

/// Several tasks wait for one socket: each receives a datagram, in the order in which they started to
/// wait, and a dropped one consumes none.
#[test]
fn tasks_that_wait_get_one_each() {
    let _limit = limit();
    block_on(async {
        let (one, other) = pair().await;
        let other = Rc::new(other);
        let mut dropped = Box::pin(async { other.recv(&mut [0; 4]).await.map(drop) });
        assert!(futures::poll!(&mut dropped).is_pending());
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let other = other.clone();
                spawn(async move {
                    let mut byte = [0];
                    other.recv(&mut byte).await.unwrap();
                    byte[0]
                })
            })
            .collect();
        drop(dropped);
        for byte in [1, 2, 3] {
            one.send(&[byte]).await.unwrap();
        }
        let mut got = Vec::new();
        for task in waiting {
            got.push(task.await);
        }
        assert_eq!(got, [1, 2, 3]);
    });
}

/// A datagram wakes one task of many, so the polls are proportional to the number of datagrams.
#[test]
fn a_datagram_wakes_one_of_the_tasks_that_wait() {
    const TASKS: usize = 300;
    let _limit = limit();
    block_on(async {
        let (one, other) = pair().await;
        let other = Rc::new(other);
        let (polls, received) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        for _ in 0..TASKS {
            let (other, polls, received) = (other.clone(), polls.clone(), received.clone());
            let mut receiving = Box::pin(async move { other.recv(&mut [0; 4]).await.map(drop) });
            drop(spawn(async move {
                let counted = poll_fn(|cx| {
                    polls.set(polls.get() + 1);
                    receiving.as_mut().poll(cx)
                });
                counted.await.unwrap();
                received.set(received.get() + 1);
            }));
        }
        for sent in 1..=TASKS {
            one.send(&[0]).await.unwrap();
            while received.get() < sent {
                yield_now().await;
            }
        }
        // Each: its first poll, its turn, and one that finds nothing left.
        assert!(polls.get() <= 4 * TASKS, "{} polls", polls.get());
    });
}

/// A future that was woken and is dropped without another poll has not received the datagram.
#[test]
fn a_woken_future_that_is_dropped_passes_its_turn_on() {
    let _limit = limit();
    block_on(async {
        let (one, other) = pair().await;
        let other = Rc::new(other);
        let mut first = Box::pin(async { other.recv(&mut [0; 4]).await.map(drop) });
        let mut never_polled_again = Context::from_waker(Waker::noop());
        assert!(first.as_mut().poll(&mut never_polled_again).is_pending());
        let receiver = other.clone();
        let second = spawn(async move { receiver.recv(&mut [0; 4]).await.unwrap() });
        one.send(b"x").await.unwrap();
        other.readable().await.unwrap(); // the event has woken the first
        yield_now().await;
        assert!(!second.is_finished(), "it is the turn of the first");
        drop(first);
        assert_eq!(second.await, 1);
    });
}

#[test]
fn a_woken_future_that_is_not_polled_passes_its_turn_on() {
    let _limit = limit();
    block_on(async {
        let (sender, receiver) = pair().await;
        let receiver = Rc::new(receiver);
        let (idle, waiting) = (receiver.clone(), receiver);
        let (is_received, received) = futures::channel::oneshot::channel();
        let idle = spawn(async move {
            let mut buffer = [0; 8];
            let mut receive = pin!(idle.recv(&mut buffer));
            assert!(futures::poll!(receive.as_mut()).is_pending());
            received.await.unwrap(); // it is first in turn, and does something else
            assert_eq!(receive.await.unwrap(), "second".len());
        });
        let waiting = spawn(async move { waiting.recv(&mut [0; 8]).await.unwrap() });
        yield_now().await;
        sender.send(b"first").await.unwrap();
        assert_eq!(waiting.await, "first".len());
        is_received.send(()).unwrap();
        sender.send(b"second").await.unwrap();
        idle.await;
    });
}

#[test]
fn poll_methods_are_for_adapters() {
    let _limit = limit();
    use std::future::poll_fn;
    block_on(async {
        let (one, other) = (local().await, local().await);
        let there: SocketAddr = other.local_addr().unwrap();
        let sent = poll_fn(|cx| one.poll_send_to(cx, b"polled", there)).await;
        assert_eq!(sent.unwrap(), 6);
        let mut buffer = [0; 8];
        let (length, from) = poll_fn(|cx| other.poll_recv_from(cx, &mut buffer))
            .await
            .unwrap();
        assert_eq!((length, from), (6, one.local_addr().unwrap()));
    });
}

#[test]
fn tasks_that_wait_for_a_closed_socket_receive_an_error() {
    let _limit = limit();
    block_on(async {
        let socket = Rc::new(local().await);
        let waiting = socket.clone();
        let waiting = spawn(async move { waiting.recv(&mut [0; 4]).await.unwrap_err().kind() });
        socket.close().await;
        assert_eq!(waiting.await, ErrorKind::NotConnected);
        assert!(socket.send_to(b"x", "127.0.0.1:1").await.is_err());
        assert!(!socket.has_ref());
    });
}
