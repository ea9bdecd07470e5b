//! Readiness without waiting: `ready`, `try_*`, `try_io`, `async_io`, and the `poll_*` methods.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use crate::common::limit::limit;
use crate::common::net::{ANY, tcp_pair};
use crate::common::{block_on, run};
use futures::future::FusedFuture;
use futures::io::AsyncWriteExt;
use futures::stream::{FusedStream, FuturesUnordered};
use futures::{FutureExt, StreamExt, pin_mut};
use nodeloop::io::Interest;
use nodeloop::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use nodeloop::{set_immediate, spawn, yield_now};

const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

#[test]
fn a_stream_is_read_and_written_without_waiting() {
    let _limit = limit();
    block_on(async {
        let (one, other) = tcp_pair().await;
        let mut buffer = [0; 8];
        let early = one.try_read(&mut buffer).unwrap_err();
        assert_eq!(early.kind(), ErrorKind::WouldBlock);
        assert_eq!(other.try_write(b"abc").unwrap(), 3);
        let slices = [IoSlice::new(b"de"), IoSlice::new(b"f")];
        assert_eq!(other.try_write_vectored(&slices).unwrap(), 3);

        one.readable().await.unwrap();
        assert_eq!(one.try_read(&mut buffer[..2]).unwrap(), 2);
        let (mut first, mut second) = ([0; 1], [0; 8]);
        let mut slices = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(one.try_read_vectored(&mut slices).unwrap(), 4);
        assert_eq!(
            (&buffer[..2], &first, &second[..3]),
            (&b"ab"[..], b"c", &b"def"[..])
        );
        let empty = one.try_read(&mut buffer).unwrap_err();
        assert_eq!(empty.kind(), ErrorKind::WouldBlock);

        drop(other);
        let ready = one.ready(Interest::READABLE).await.unwrap();
        assert!(ready.is_readable() && ready.is_read_closed() && !ready.is_writable());
        assert_eq!(
            one.try_read(&mut buffer).unwrap(),
            0,
            "the end of the stream"
        );
    });
}

#[test]
fn ready_waits_for_either_direction() {
    let _limit = limit();
    block_on(async {
        let (one, mut other) = tcp_pair().await;
        let ready = one.ready(BOTH).await.unwrap();
        assert!(ready.is_writable() && !ready.is_readable() && !ready.is_empty());
        while one.try_write(&[0; 65536]).is_ok() {}
        let waiting = one.ready(BOTH);
        pin_mut!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        other.write_all(b"x").await.unwrap();
        let ready = waiting.await.unwrap();
        assert!(ready.is_readable() && !ready.is_writable());
    });
}

#[test]
fn a_wait_that_is_dropped_does_not_keep_the_loop_alive() {
    let _limit = limit();
    run(async {
        let (one, _other) = tcp_pair().await;
        assert!(one.ready(Interest::READABLE).now_or_never().is_none());
        spawn(async move {
            let _open = (one, _other);
            std::future::pending::<()>().await;
        })
        .detach();
    });
}

#[test]
fn an_operation_of_the_caller_clears_the_readiness_that_it_has_used() {
    let _limit = limit();
    block_on(async {
        let (one, mut other) = tcp_pair().await;
        let would_block = || Err::<(), _>(ErrorKind::WouldBlock.into());
        assert!(one.try_io(Interest::WRITABLE, || Ok(())).is_ok());
        one.try_io(Interest::WRITABLE, would_block).unwrap_err();
        let cleared = one.try_io(Interest::WRITABLE, || -> std::io::Result<()> {
            unreachable!("the stream is not writable")
        });
        assert_eq!(cleared.unwrap_err().kind(), ErrorKind::WouldBlock);

        other.write_all(b"x").await.unwrap();
        let attempts = RefCell::new(0);
        let read = one.async_io(Interest::READABLE, || {
            *attempts.borrow_mut() += 1;
            match *attempts.borrow() {
                1 => Err(ErrorKind::Interrupted.into()),
                2 => Ok("read"),
                _ => unreachable!("it has succeeded"),
            }
        });
        assert_eq!(read.await.unwrap(), "read");
        let failed = one.try_io(Interest::READABLE, || {
            Err::<(), _>(ErrorKind::InvalidData.into())
        });
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(
            one.try_read(&mut [0; 8]).unwrap(),
            1,
            "it is still readable"
        );
    });
}

/// Reads without waiting are taken off the budget of 32 for an event, too.
#[test]
fn try_read_counts_as_one_of_the_reads_of_an_event() {
    let _limit = limit();
    block_on(async {
        let (one, mut other) = tcp_pair().await;
        other.write_all(&[0; 40]).await.unwrap();
        one.readable().await.unwrap();
        let immediate = Rc::new(RefCell::new(false));
        let ran = immediate.clone();
        set_immediate(move || *ran.borrow_mut() = true);
        for _ in 0..32 {
            assert_eq!(one.try_read(&mut [0; 1]).unwrap(), 1);
        }
        let error = one.try_read(&mut [0; 1]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        one.readable().await.unwrap();
        assert!(*immediate.borrow(), "the next poll phase");
        assert_eq!(one.try_read(&mut [0; 16]).unwrap(), 8);
    });
}

#[test]
fn halves_have_the_methods_of_their_direction() {
    let _limit = limit();
    block_on(async {
        let (one, other) = tcp_pair().await;
        let (address, peer) = (one.local_addr().unwrap(), one.peer_addr().unwrap());
        let (reader, writer) = one.into_split();
        assert_eq!(reader.local_addr().unwrap(), address);
        assert_eq!(writer.peer_addr().unwrap(), peer);
        writer.writable().await.unwrap();
        assert!(writer.ready(BOTH).await.unwrap().is_writable());
        assert_eq!(writer.try_write(b"x").unwrap(), 1);
        assert_eq!(other.try_write(b"yz").unwrap(), 2);
        reader.readable().await.unwrap();
        assert!(reader.ready(BOTH).await.unwrap().is_readable());
        assert_eq!(reader.try_read(&mut [0; 8]).unwrap(), 2);
        let one = writer.reunite(reader).unwrap();
        assert_eq!(one.local_addr().unwrap(), address);
    });
}

#[test]
fn datagrams_are_sent_and_received_without_waiting() {
    let _limit = limit();
    block_on(async {
        let one = UdpSocket::bind(ANY).await.unwrap();
        let other = UdpSocket::bind(ANY).await.unwrap();
        let address = other.local_addr().unwrap();
        let mut buffer = [0; 8];
        let early = other.try_recv(&mut buffer).unwrap_err();
        assert_eq!(early.kind(), ErrorKind::WouldBlock);
        assert_eq!(one.try_send_to(b"abc", address).unwrap(), 3);
        one.connect(address).await.unwrap();
        assert_eq!(one.try_send(b"de").unwrap(), 2);
        poll_fn(|cx| one.poll_send_ready(cx)).await.unwrap();
        assert_eq!(poll_fn(|cx| one.poll_send(cx, b"f")).await.unwrap(), 1);

        poll_fn(|cx| other.poll_recv_ready(cx)).await.unwrap();
        assert_eq!(other.try_peek(&mut buffer).unwrap(), 3);
        assert_eq!(
            other.try_peek_from(&mut buffer).unwrap(),
            (3, one.local_addr().unwrap())
        );
        let peeked = poll_fn(|cx| other.poll_peek_from(cx, &mut buffer)).await;
        assert_eq!(peeked.unwrap().0, 3);
        let (length, from) = other.try_recv_from(&mut buffer).unwrap();
        assert_eq!((length, from), (3, one.local_addr().unwrap()));
        other.readable().await.unwrap();
        assert_eq!(other.try_recv(&mut buffer).unwrap(), 2);
        assert_eq!(
            poll_fn(|cx| other.poll_recv(cx, &mut buffer))
                .await
                .unwrap(),
            1
        );
    });
}

#[test]
fn a_connection_is_accepted_and_peeked_at_by_polling() {
    let _limit = limit();
    block_on(async {
        let listener = TcpListener::bind(ANY).await.unwrap();
        let connecting = TcpStream::connect(listener.local_addr().unwrap());
        let accepting = poll_fn(|cx| listener.poll_accept(cx));
        let (client, accepted) = futures::join!(connecting, accepting);
        let (mut client, (server, from)) = (client.unwrap(), accepted.unwrap());
        assert_eq!(from, client.local_addr().unwrap());
        client.write_all(b"abc").await.unwrap();
        let mut buffer = [0; 8];
        poll_fn(|cx| server.poll_read_ready(cx)).await.unwrap();
        assert_eq!(
            poll_fn(|cx| server.poll_peek(cx, &mut buffer))
                .await
                .unwrap(),
            3
        );
        assert_eq!(server.try_read(&mut buffer).unwrap(), 3);
        poll_fn(|cx| server.poll_write_ready(cx)).await.unwrap();
        yield_now().await;
    });
}

#[test]
fn options_are_read_back() {
    let _limit = limit();
    block_on(async {
        let socket = TcpSocket::new_v6().unwrap();
        socket.set_only_v6(true).unwrap();
        assert!(socket.only_v6().unwrap());
        socket.set_nodelay(true).unwrap();
        assert!(socket.nodelay().unwrap());
        assert!(!socket.keepalive().unwrap());
        assert_eq!(socket.linger().unwrap(), None);
        assert!(socket.take_error().unwrap().is_none());

        let listener = TcpListener::bind(ANY).await.unwrap();
        listener.set_ttl(12).unwrap();
        assert_eq!(listener.ttl().unwrap(), 12);
        listener.set_recv_buffer_size(32_768).unwrap();
        assert!(listener.recv_buffer_size().unwrap() >= 32_768);
        listener.set_send_buffer_size(32_768).unwrap();
        assert!(listener.send_buffer_size().unwrap() >= 32_768);
    });
}

/// `futures::select!` skips a future that has completed.
#[test]
fn futures_that_have_completed_are_terminated() {
    let _limit = limit();
    block_on(async {
        let listener = TcpListener::bind(ANY).await.unwrap();
        let mut connecting = pin!(TcpStream::connect(listener.local_addr().unwrap()));
        let mut accepting = listener.accept();
        let (mut client, mut server) = (None, None);
        loop {
            futures::select! {
                connected = connecting => client = Some(connected.unwrap()),
                accepted = accepting => server = Some(accepted.unwrap().0),
                complete => break,
            }
        }
        assert!(connecting.is_terminated() && accepting.is_terminated());
        let (client, server) = (client.unwrap(), server.unwrap());
        let mut writable = client.writable();
        assert!(!writable.is_terminated());
        (&mut writable).await.unwrap();
        assert!(writable.is_terminated());
        assert!(!listener.incoming().is_terminated(), "it never ends");
        let mut closing = listener.close();
        (&mut closing).await;
        assert!(closing.is_terminated());
        drop(server);
    });
}

/// The event of a source wakes the tasks that wait for it at the same time: one that polls, one that waits
/// for readiness, and one inside of a combinator, which has a waker of its own.
#[test]
fn an_event_wakes_tasks_and_the_wakers_of_combinators() {
    let _limit = limit();
    block_on(async {
        let (one, mut other) = tcp_pair().await;
        let one = Rc::new(one);
        let order = Rc::new(RefCell::new(Vec::new()));
        let (polling, source) = (order.clone(), one.clone());
        let polls = spawn(async move {
            poll_fn(|cx| source.poll_read_ready(cx)).await.unwrap();
            polling.borrow_mut().push("polls");
        });
        let (waiting, source) = (order.clone(), one.clone());
        let waits = spawn(async move {
            source.readable().await.unwrap();
            waiting.borrow_mut().push("waits");
        });
        let (combined, source) = (order.clone(), one.clone());
        let combines = spawn(async move {
            let mut waits = FuturesUnordered::new();
            waits.push(source.readable());
            waits.next().await;
            combined.borrow_mut().push("combines");
        });
        set_immediate(move || drop(spawn(async move { other.write_all(b"x").await })));
        polls.await;
        waits.await;
        combines.await;
        assert_eq!(*order.borrow(), ["polls", "waits", "combines"]);
    });
}

/// The place of a task that was aborted is used by the next task, which the event must not wake.
#[test]
fn an_event_wakes_no_task_that_has_the_place_of_one_that_was_aborted() {
    let _limit = limit();
    block_on(async {
        let (one, mut other) = tcp_pair().await;
        let one = Rc::new(one);
        let source = one.clone();
        let waits = spawn(async move { poll_fn(|cx| source.poll_read_ready(cx)).await });
        waits.settled().abort();
        yield_now().await;
        let polls = Rc::new(Cell::new(0));
        let counter = polls.clone();
        let next = spawn(poll_fn(move |_| {
            counter.set(counter.get() + 1);
            Poll::<()>::Pending
        }));
        other.write_all(b"x").await.unwrap();
        one.readable().await.unwrap();
        assert_eq!(polls.get(), 1, "only its first poll");
        next.detach();
    });
}
