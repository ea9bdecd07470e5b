//! The order in which an event of the poll phase wakes the tasks that wait for a source.
//!
//! All tests use Unix socket pairs: what is written to one end can be read at the other when the
//! write returns, so every poll phase finds exactly the events that the test has caused.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use crate::common::limit::limit;
use crate::common::{Lines, log};
use crate::common::{run, run_script};
use futures::FutureExt;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use nodeloop::io::AsyncFd;
use nodeloop::net::{TcpListener, TcpStream, UnixDatagram, UnixStream};
use nodeloop::time::{Instant, block_for, sleep, timeout, wait_for_jobs};
use nodeloop::{
    AsyncLocalStorage, BlockedOn, EventLoop, ResourceKind, next_tick, queue_work, set_immediate,
    set_timeout, spawn, yield_now,
};

/// One end for the loop, and one that is used by plain system calls.
fn pair() -> (UnixStream, StdStream) {
    let (ours, theirs) = StdStream::pair().unwrap();
    (UnixStream::from_std(ours).unwrap(), theirs)
}

/// Writes until the system accepts no more, and returns the result of the write that waited.
async fn fill(mut stream: &UnixStream) -> io::Result<()> {
    loop {
        stream.write_all(&[0; 4096]).await?;
    }
}

fn drain(peer: &mut StdStream) {
    peer.set_nonblocking(true).unwrap();
    let mut buffer = [0; 65536];
    while peer.read(&mut buffer).is_ok_and(|length| length > 0) {}
}

/// One event that wakes a reader and a writer is two macrotasks, the reader first.
#[test]
fn one_event_for_reader_and_writer_is_two_macrotasks_the_reader_first() {
    let _limit = limit();
    let lines = Lines::default();
    let seen = lines.clone();
    run(async move {
        let (ours, mut peer) = pair();
        let ours = Rc::new(ours);
        let (reading, writing) = (ours.clone(), ours.clone());
        let reader = lines.clone();
        let writer = lines.clone();
        spawn(async move {
            // It waits first, so order of waiting is not what decides.
            let mut first = true;
            let mut stream = &*writing;
            poll_fn(|cx| {
                loop {
                    let write = futures::io::AsyncWrite::poll_write(
                        std::pin::Pin::new(&mut stream),
                        cx,
                        &[0; 4096],
                    );
                    match write {
                        Poll::Ready(_) if first => {}
                        Poll::Ready(_) => return Poll::Ready(()),
                        Poll::Pending => {
                            first = false;
                            return Poll::Pending;
                        }
                    }
                }
            })
            .await;
            log(&writer, "writer");
            next_tick(move || log(&writer, "tick of the writer"));
        })
        .detach();
        spawn(async move {
            let _length = (&*reading).read(&mut [0; 8]).await.unwrap();
            log(&reader, "reader");
            next_tick(move || log(&reader, "tick of the reader"));
        })
        .detach();
        set_immediate(move || {
            drain(&mut peer);
            peer.write_all(b"x").unwrap();
            std::mem::forget(peer); // no end of the stream in this test
        });
    });
    let expected = [
        "reader",
        "tick of the reader", // a drain between the two (R12)
        "writer",
        "tick of the writer",
    ];
    assert_eq!(*seen.borrow(), expected);
}

/// An event allows at most 32 reads; then the other phases run.
#[test]
fn an_event_allows_32_reads_and_the_next_poll_phase_goes_on() {
    let _limit = limit();
    let counts = Rc::new(RefCell::new(Vec::new()));
    let seen = counts.clone();
    run(async move {
        let (mut ours, mut peer) = pair();
        peer.write_all(&[7; 100]).unwrap();
        let reads = Rc::new(Cell::new(0));
        let counted = reads.clone();
        let reader = spawn(async move {
            // Reads that fill their buffer do not show what is left.
            while counted.get() < 100 {
                assert_eq!(ours.read(&mut [0]).await.unwrap(), 1);
                counted.set(counted.get() + 1);
            }
        });
        for _ in 0..5 {
            nodeloop::yield_now().await; // the check phase of each turn
            counts.borrow_mut().push(reads.get());
        }
        reader.await;
        drop(peer);
    });
    assert_eq!(*seen.borrow(), [32, 64, 96, 100, 100]);
}

/// The same for a source that receives further events: if its budget is exhausted and an event is
/// reported again, it is served once.
#[test]
fn a_source_with_an_exhausted_budget_and_an_event_is_served_once_per_phase() {
    let _limit = limit();
    let counts = Rc::new(RefCell::new(Vec::new()));
    let seen = counts.clone();
    run(async move {
        let (mut ours, mut peer) = pair();
        peer.write_all(&[7; 100]).unwrap();
        let reads = Rc::new(Cell::new(0));
        let counted = reads.clone();
        let reader = spawn(async move {
            while counted.get() < 130 {
                assert_eq!(ours.read(&mut [0]).await.unwrap(), 1);
                counted.set(counted.get() + 1);
            }
        });
        for _ in 0..3 {
            nodeloop::yield_now().await;
            counts.borrow_mut().push(reads.get());
            peer.write_all(&[7; 10]).unwrap(); // one event more for the next poll phase
        }
        reader.await;
    });
    assert_eq!(*seen.borrow(), [32, 64, 96]);
}

/// A source is not readable before the poll phase has reported it, whatever the kernel knows.
#[test]
fn a_fresh_source_is_read_in_the_next_poll_phase_only() {
    let _limit = limit();
    let lines = Lines::default();
    let seen = lines.clone();
    run(async move {
        let (mut ours, mut peer) = pair();
        peer.write_all(b"x").unwrap();
        let reader = lines.clone();
        spawn(async move {
            let _length = ours.read(&mut [0; 8]).await.unwrap();
            log(&reader, "read");
        })
        .detach();
        log(&lines, "main");
        let microtask = lines.clone();
        nodeloop::queue_microtask(move || log(&microtask, "microtask"));
        set_immediate(move || log(&lines, "check"));
        std::mem::forget(peer);
    });
    assert_eq!(*seen.borrow(), ["main", "microtask", "read", "check"]);
}

/// Writes are attempted immediately: a new source needs no event.
#[test]
fn a_write_is_attempted_immediately() {
    let _limit = limit();
    run(async {
        let (mut ours, mut peer) = pair();
        let mut write = Box::pin(ours.write(b"now"));
        assert!(futures::poll!(&mut write).is_ready());
        let mut buffer = [0; 3];
        peer.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"now");
    });
}

/// A short read of a TCP stream ends its readiness; one that fills its buffer does not.
#[test]
fn a_short_read_waits_for_the_next_event() {
    let _limit = limit();
    for (size, expected) in [
        (8, ["a", "check", "b"]), // short: the next poll phase brings the rest
        (1, ["a", "b", "check"]), // full: there may be more, and there is
    ] {
        let lines = Lines::default();
        let seen = lines.clone();
        run(async move {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let mut ours = TcpStream::connect(address).await.unwrap();
            let (mut peer, _) = listener.accept().unwrap();
            peer.set_nodelay(true).unwrap();
            peer.write_all(b"a").unwrap();
            let mut buffer = vec![0; size];
            let _length = ours.read(&mut buffer).await.unwrap();
            log(&lines, "a");
            peer.write_all(b"b").unwrap();
            let check = lines.clone();
            set_immediate(move || log(&check, "check"));
            let _length = ours.read(&mut buffer).await.unwrap();
            log(&lines, "b");
        });
        assert_eq!(*seen.borrow(), expected, "with a buffer of {size}");
    }
}

/// The end of the stream that arrives with the data, before it, and after it.
#[test]
fn the_end_of_a_stream_is_never_missed() {
    let _limit = limit();
    run(async {
        let (mut ours, mut peer) = pair();
        peer.write_all(b"data").unwrap();
        drop(peer); // data and end in one event
        let mut all = Vec::new();
        ours.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"data");
        assert_eq!(
            ours.read(&mut [0]).await.unwrap(),
            0,
            "and it stays the end"
        );

        let (mut ours, mut peer) = pair();
        peer.write_all(b"data").unwrap();
        ours.readable().await.unwrap();
        drop(peer); // after the event and before the read
        all.clear();
        ours.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"data");

        let (mut ours, peer) = pair();
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(ours.read(&mut [0; 8]).await.unwrap(), 0);
        ours.write_all(b"still open").await.unwrap();
    });
}

/// The descriptors of both tasks are reported. One task finds no data, and waits instead of polling in
/// a loop.
#[test]
fn a_spurious_readiness_does_not_spin() {
    let _limit = limit();
    let attempts = Rc::new(Cell::new((0, 0)));
    let seen = attempts.clone();
    run(async move {
        let (ours, mut peer) = StdStream::pair().unwrap();
        let twin = AsyncFd::new(ours.try_clone().unwrap()).unwrap();
        let ours = AsyncFd::new(ours).unwrap();
        peer.write_all(b"x").unwrap();
        let counted = attempts.clone();
        let one = spawn(async move {
            ours.read_with(|mut stream| {
                counted.set((counted.get().0 + 1, counted.get().1));
                stream.read(&mut [0; 8])
            })
            .await
        });
        let counted = attempts.clone();
        let other = spawn(async move {
            twin.read_with(|mut stream| {
                counted.set((counted.get().0, counted.get().1 + 1));
                stream.read(&mut [0; 8])
            })
            .await
        });
        for _ in 0..10 {
            nodeloop::yield_now().await;
        }
        let (first, second) = attempts.get();
        assert_eq!(first + second, 2, "each was tried once, and none since");
        peer.write_all(b"y").unwrap();
        assert_eq!((one.await.unwrap(), other.await.unwrap()), (1, 1));
    });
    let (first, second) = seen.get();
    assert_eq!(first + second, 3);
}

/// An event for a dropped source in the batch is ignored, also if its slot is in use again by then.
#[test]
fn an_event_of_a_dropped_source_does_not_reach_the_next_one_in_its_slot() {
    let _limit = limit();
    run(async {
        let (first, mut peer_of_first) = pair();
        let (second, mut peer_of_second) = pair();
        peer_of_first.write_all(b"x").unwrap();
        peer_of_second.write_all(b"x").unwrap();
        first.readable().await.unwrap();
        // The events of both were in one batch; the second one's is still in it.
        drop(second);
        let (fresh, _peer) = pair(); // takes the slot
        let mut ready = Box::pin(fresh.readable());
        for _ in 0..3 {
            assert!(futures::poll!(&mut ready).is_pending());
            nodeloop::yield_now().await;
        }
    });
}

/// If a socket is closed while its event is in the batch, its reader receives the error of the close,
/// not the event.
#[test]
fn a_source_closed_while_its_event_is_in_the_batch() {
    let _limit = limit();
    let lines = Lines::default();
    let seen = lines.clone();
    run(async move {
        let (first, mut peer_of_first) = pair();
        let (second, mut peer_of_second) = pair();
        let second = Rc::new(second);
        peer_of_first.write_all(b"x").unwrap();
        peer_of_second.write_all(b"x").unwrap();
        let (reader, reading) = (lines.clone(), second.clone());
        spawn(async move {
            let error = (&*reading).read(&mut [0; 8]).await.unwrap_err();
            log(&reader, format!("{:?}", error.kind()));
        })
        .detach();
        first.readable().await.unwrap();
        let check = lines.clone();
        set_immediate(move || log(&check, "check"));
        second.close_with(move || log(&lines, "close"));
    });
    assert_eq!(*seen.borrow(), ["check", "NotConnected", "close"]);
}

/// R62 (probe 89): close callbacks come after the check phase, before the timers, each with a
/// drain.
#[test]
fn r62_close_callbacks_come_after_the_check_phase() {
    let _limit = limit();
    let lines = Lines::default();
    let seen = lines.clone();
    run_script(move || {
        let (stream, _peer) = pair();
        set_immediate(move || {
            let close = lines.clone();
            stream.close_with(move || {
                log(&close, "close");
                next_tick(move || log(&close, "tick of close"));
            });
            let (next, timer) = (lines.clone(), lines.clone());
            set_immediate(move || log(&next, "next check"));
            set_timeout(Duration::from_millis(1), move || log(&timer, "timer"));
            block_for(Duration::from_millis(5));
            log(&lines, "check");
        });
    });
    let expected = ["check", "close", "tick of close", "timer", "next check"];
    assert_eq!(*seen.borrow(), expected);
}

/// R62 (probe 02): from the poll phase it is check, then close, then timers.
#[test]
fn r62_from_poll_it_is_check_close_timer() {
    let _limit = limit();
    let lines = Lines::default();
    let seen = lines.clone();
    run(async move {
        let (stream, mut peer) = pair();
        peer.write_all(b"x").unwrap();
        stream.readable().await.unwrap(); // a macrotask of the poll phase
        let (timer, check, close) = (lines.clone(), lines.clone(), lines.clone());
        set_timeout(Duration::from_millis(1), move || log(&timer, "timer"));
        set_immediate(move || log(&check, "check"));
        stream.close_with(move || log(&close, "close callback"));
        block_for(Duration::from_millis(5));
        log(&lines, "poll");
    });
    assert_eq!(*seen.borrow(), ["poll", "check", "close callback", "timer"]);
}

/// R62: the closing sources are a stack. The waits for a source end right before its callback
/// (libuv's `uv__finish_close`).
#[test]
fn r62_the_source_closed_last_calls_back_first() {
    let _limit = limit();
    let lines = Lines::default();
    let seen = lines.clone();
    run_script(move || {
        for name in ["A", "B", "C"] {
            let (stream, peer) = pair();
            let stream = Rc::new(stream);
            let (reader, reading) = (lines.clone(), stream.clone());
            spawn(async move {
                let _ = (&*reading).read(&mut [0]).await;
                log(&reader, format!("reader of {name}"));
            })
            .detach();
            let lines = lines.clone();
            stream.close_with(move || log(&lines, name));
            drop(peer);
        }
    });
    let expected = ["reader of C", "C", "reader of B", "B", "reader of A", "A"];
    assert_eq!(*seen.borrow(), expected);
}

/// A close callback runs in the context in which it was registered, as every callback does.
#[test]
fn a_close_callback_keeps_its_context() {
    let _limit = limit();
    let seen = Rc::new(Cell::new(None));
    let inside = seen.clone();
    run(async move {
        let (stream, _peer) = pair();
        let storage = Rc::new(AsyncLocalStorage::new());
        let asked = storage.clone();
        storage.run(7, || {
            stream.close_with(move || inside.set(asked.get().map(|value| *value)))
        });
    });
    assert_eq!(seen.get(), Some(7));
}

/// Every use of a closed source is an error. Closing it again calls the new callback.
#[test]
fn a_closed_source_returns_errors() {
    let _limit = limit();
    run(async {
        let (mut stream, _peer) = pair();
        stream.close_with(|| {});
        let closed = io::ErrorKind::NotConnected;
        assert_eq!(stream.read(&mut [0]).await.unwrap_err().kind(), closed);
        assert_eq!(stream.write(&[0]).await.unwrap_err().kind(), closed);
        assert_eq!(stream.readable().await.unwrap_err().kind(), closed);
        assert_eq!(stream.local_addr().unwrap_err().kind(), closed);
        assert!(!stream.has_ref());
        let (promise, resolver) = nodeloop::promise::with_resolver();
        stream.close_with(move || resolver.resolve(()));
        promise.await;
        assert_eq!(stream.into_std().unwrap_err().kind(), closed);
    });
}

/// R6: a task that waits for a source keeps the loop alive, through timers that do not.
#[test]
fn r6_a_wait_keeps_the_loop_alive() {
    let _limit = limit();
    let lines = Lines::default();
    let seen = lines.clone();
    run_script(move || {
        let (mut ours, mut peer) = pair();
        let reader = lines.clone();
        spawn(async move {
            let _length = ours.read(&mut [0; 8]).await.unwrap();
            log(&reader, "read");
        })
        .detach();
        let write = move || {
            log(&lines, "unref'd timer");
            peer.write_all(b"x").unwrap();
            std::mem::forget(peer);
        };
        set_timeout(Duration::from_millis(2), write).unref();
    });
    assert_eq!(*seen.borrow(), ["unref'd timer", "read"]);
}

/// R6: an unref'd source does not, nor a source without waiters.
#[test]
fn r6_unref_and_abandoned_waits_keep_nothing_alive() {
    let _limit = limit();
    let mut event_loop = EventLoop::builder().virtual_time().build().unwrap();
    let script = || {
        let (unrefed, _peer) = pair();
        assert!(unrefed.has_ref());
        assert!(!unrefed.unref().has_ref());
        spawn(async move { unrefed.readable().await }).detach();
        spawn(async move {
            let (idle, _peer) = pair();
            timeout(Duration::from_secs(1), idle.readable())
                .await
                .unwrap_err();
            std::future::pending::<()>().await
        })
        .detach();
        spawn(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.unref();
            listener.accept().await
        })
        .detach();
        spawn(async move {
            // It waits first, and is then unref'd, ref'd and unref'd again.
            let (stream, _peer) = pair();
            let stream = Rc::new(stream);
            let late = stream.clone();
            set_immediate(move || {
                late.unref().ref_().unref();
            });
            stream.readable().await
        })
        .detach();
    };
    event_loop.run_script(script).unwrap();
}

/// R6: the same for poll methods, and for a reader and a writer at once; each is counted once.
#[test]
fn r6_every_wait_is_counted_once() {
    let _limit = limit();
    let mut event_loop = EventLoop::builder().virtual_time().build().unwrap();
    let script = || {
        spawn(async move {
            let (unrefed, _peer) = pair();
            unrefed.unref();
            (&unrefed).read(&mut [0; 8]).await
        })
        .detach();
        spawn(async move {
            // Polled repeatedly, with another waker each time.
            let (stream, _peer) = pair();
            let stream = Rc::new(stream);
            for _ in 0..3 {
                let reader = stream.clone();
                spawn(async move { (&*reader).read(&mut [0; 8]).await }).detach();
            }
            stream.unref();
        })
        .detach();
        spawn(async move {
            let (stream, _peer) = pair();
            let stream = Rc::new(stream);
            let reader = stream.clone();
            spawn(async move { reader.readable().await }).detach();
            let late = stream.clone();
            set_immediate(move || {
                late.unref().ref_().unref();
            });
            fill(&stream).await
        })
        .detach();
        spawn(async move {
            let (stream, _peer) = pair();
            let stream = Rc::new(stream);
            let reader = stream.clone();
            spawn(async move { reader.readable().await }).detach();
            let late = stream.clone();
            set_immediate(move || late.close_with(|| ()));
            fill(&stream).await
        })
        .detach();
    };
    event_loop.run_script(script).unwrap();
}

/// Of several waiters of a source, only the dropped one is removed.
#[test]
fn only_the_dropped_waiter_of_a_source_is_removed() {
    let _limit = limit();
    let lines = Lines::default();
    let seen = lines.clone();
    run_script(move || {
        let (stream, mut peer) = pair();
        let stream = Rc::new(stream);
        let waiting = ["a", "b", "c"].map(|name| {
            let (stream, lines) = (stream.clone(), lines.clone());
            spawn(async move {
                stream.readable().await.unwrap();
                log(&lines, name);
            })
            .settled()
        });
        waiting[1].abort();
        set_immediate(move || {
            peer.write_all(b"x").unwrap();
            std::mem::forget(peer);
        });
    });
    assert_eq!(*seen.borrow(), ["a", "c"]);
}

/// The end of a stream that arrives together with its last bytes is read after them, though no
/// further event reports it.
#[test]
fn an_end_that_comes_with_the_data_is_read() {
    let _limit = limit();
    let lines = Lines::default();
    let seen = lines.clone();
    run(async move {
        let (mut stream, mut peer) = pair();
        peer.write_all(b"last").unwrap();
        drop(peer);
        for _ in 0..2 {
            let length = stream.read(&mut [0; 64]).await.unwrap();
            log(&lines, length.to_string());
        }
    });
    assert_eq!(*seen.borrow(), ["4", "0"]);
}

/// Dropping a read of the `futures` traits does not end its wait. It ends when the stream is dropped or
/// unref'd, and then the loop ends.
#[test]
fn an_abandoned_read_ends_with_its_stream() {
    let _limit = limit();
    run(async {
        let (mut ours, _peer) = pair();
        let read = timeout(Duration::from_millis(1), ours.read(&mut [0; 8])).await;
        assert!(read.is_err());
        drop(ours);
    });
    let kept = Cell::new(None);
    run(async {
        let (mut ours, peer) = pair();
        let read = timeout(Duration::from_millis(1), ours.read(&mut [0; 8])).await;
        assert!(read.is_err());
        ours.unref();
        kept.set(Some((ours, peer))); // for longer than the run
    });
}

/// Virtual time does not wait for sockets. It polls them once before it jumps, and their events are
/// delivered first.
#[test]
fn virtual_time_polls_sockets_before_it_jumps() {
    let _limit = limit();
    let lines = Lines::default();
    let seen = lines.clone();
    let mut event_loop = EventLoop::builder().virtual_time().build().unwrap();
    let result = event_loop.block_on(async move {
        let (mut ours, mut peer) = pair();
        let start = Instant::now();
        let reader = lines.clone();
        spawn(async move {
            let mut buffer = [0; 1];
            while ours.read(&mut buffer).await.unwrap() > 0 {
                log(&reader, format!("read at {:?}", start.elapsed()));
            }
            log(&reader, "end");
        })
        .detach();
        peer.write_all(b"x").unwrap();
        sleep(Duration::from_secs(3600)).await; // the reader waits, and time passes
        log(&lines, format!("slept {:?}", start.elapsed()));
        peer.write_all(b"x").unwrap();
        drop(peer);
        sleep(Duration::from_secs(3600)).await;
    });
    result.unwrap();
    let expected = ["read at 0ns", "slept 3600s", "read at 3600s", "end"];
    assert_eq!(*seen.borrow(), expected);
}

/// `io_holds_time`: while a task waits for a socket, the clock does not move.
#[test]
fn virtual_time_can_be_held_by_sockets() {
    let _limit = limit();
    let lines = Lines::default();
    let seen = lines.clone();
    let builder = EventLoop::builder().virtual_time().io_holds_time(true);
    let mut event_loop = builder.build().unwrap();
    let result = event_loop.block_on(async move {
        let (mut ours, mut peer) = pair();
        let reader = lines.clone();
        spawn(async move {
            let _length = ours.read(&mut [0; 8]).await.unwrap();
            log(&reader, "read");
        })
        .detach();
        let writer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20)); // real time, which virtual time ignores
            peer.write_all(b"x").unwrap();
            peer
        });
        sleep(Duration::from_millis(1)).await;
        log(&lines, "slept");
        drop(writer.join());
    });
    result.unwrap();
    assert_eq!(*seen.borrow(), ["read", "slept"]);
}

/// A run that ends in the middle of a poll phase leaves its remaining events to the next run: the
/// system does not report them again.
#[test]
fn events_that_a_stopped_run_did_not_deliver_are_delivered_in_the_next() {
    let _limit = limit();
    let mut event_loop = EventLoop::builder().build().unwrap();
    let result = event_loop.block_on(async {
        let (first, mut peer_of_first) = pair();
        let (second, mut peer_of_second) = pair();
        peer_of_first.write_all(b"x").unwrap();
        peer_of_second.write_all(b"x").unwrap();
        first.readable().await.unwrap();
        (second, peer_of_second)
    });
    let (second, _peer) = result.unwrap();
    let read = event_loop.block_on(async move {
        let mut second = second;
        second.read(&mut [0; 8]).await
    });
    assert_eq!(read.unwrap().unwrap(), 1);
}

/// The same after a run that an error has ended: everything is cancelled, and a source that
/// outlives the run keeps its readiness.
#[test]
fn events_that_a_cancelled_run_did_not_deliver_are_not_lost() {
    let _limit = limit();
    let mut event_loop = EventLoop::builder().build().unwrap();
    let kept = Rc::new(RefCell::new(None));
    let slot = kept.clone();
    let result = event_loop.run(async move {
        let (first, mut peer_of_first) = pair();
        let (second, mut peer_of_second) = pair();
        peer_of_first.write_all(b"x").unwrap();
        peer_of_second.write_all(b"x").unwrap();
        *slot.borrow_mut() = Some((second, peer_of_second));
        first.readable().await.unwrap();
        nodeloop::exit(3);
    });
    assert!(matches!(result, Err(nodeloop::RunError::Exit(3))));
    let (mut second, _peer) = kept.take().unwrap();
    let read = event_loop.block_on(async move { second.read(&mut [0; 8]).await });
    assert_eq!(read.unwrap().unwrap(), 1);
}

/// After the end of its loop a source returns an error instead of waiting forever.
#[test]
fn a_source_of_a_loop_that_has_ended_returns_an_error() {
    let _limit = limit();
    let mut event_loop = EventLoop::builder().build().unwrap();
    let built = event_loop.block_on(async {
        let (stream, peer) = pair();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let descriptor = AsyncFd::new(OwnedFd::from(StdStream::pair().unwrap().0)).unwrap();
        (stream, peer, listener, descriptor)
    });
    let (mut stream, mut peer, listener, descriptor) = built.unwrap();
    peer.write_all(b"x").unwrap();
    let read = futures::executor::block_on(stream.read(&mut [0]));
    let text = read.unwrap_err().to_string();
    assert!(text.contains("is not running"), "{text}"); // between two runs
    drop(event_loop);
    let ended = |result: io::Result<()>| {
        let text = result.unwrap_err().to_string();
        assert!(text.contains("has ended"), "{text}");
    };
    futures::executor::block_on(async {
        ended(stream.read(&mut [0]).await.map(drop));
        ended(stream.write(&[0]).await.map(drop));
        ended(stream.readable().await);
        ended(listener.accept().await.map(drop));
        ended(descriptor.readable().await);
        ended(descriptor.write_with(|_| Ok(())).await);
    });
    stream.close_with(|| unreachable!("nothing calls back any more"));
    // Nor does it work in another loop.
    ended(run(async move { descriptor.writable().await }));
}

/// A task of another executor that waits for a source is woken at the end of the loop.
#[test]
fn a_foreign_waiter_is_woken_at_the_end() {
    let _limit = limit();
    let mut pool = futures::executor::LocalPool::new();
    let mut event_loop = EventLoop::builder().build().unwrap();
    let spawner = pool.spawner();
    let (result, _peer) = event_loop
        .block_on(async move {
            let (mut stream, peer) = pair();
            let (sender, receiver) = futures::channel::oneshot::channel();
            let task = async move {
                let _ = sender.send(stream.read(&mut [0]).await.unwrap_err().to_string());
            };
            futures::task::LocalSpawnExt::spawn_local(&spawner, task).unwrap();
            pool.run_until_stalled(); // it waits now
            ((receiver, pool), peer)
        })
        .unwrap();
    let (receiver, mut pool) = result;
    drop(event_loop);
    let text = pool.run_until(receiver).unwrap();
    assert!(text.contains("has ended"), "{text}");
}

/// Creating a source outside of a loop panics.
#[test]
fn outside_of_a_loop_it_panics_with_advice() {
    let _limit = limit();
    let made = catch_unwind(|| drop(AsyncFd::new(StdStream::pair().unwrap().0)));
    let message = *made.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("`io::AsyncFd::new` was called outside of an event loop"));
    let made = catch_unwind(AssertUnwindSafe(|| drop(TcpStream::connect("127.0.0.1:1"))));
    let message = *made.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("`TcpStream::connect` was called outside"));
}

/// If a task panics on its event, its socket is closed, and the other tasks continue.
#[test]
fn a_panic_in_a_reader_leaves_the_others_alone() {
    let _limit = limit();
    run(async {
        let (mut first, mut peer_of_first) = pair();
        let (mut second, mut peer_of_second) = pair();
        let panicking = spawn(async move {
            let _length = first.read(&mut [0; 8]).await.unwrap();
            panic!("on purpose");
        });
        let reading = spawn(async move { second.read(&mut [0; 8]).await.unwrap() });
        peer_of_first.write_all(b"x").unwrap();
        peer_of_second.write_all(b"xy").unwrap();
        assert!(panicking.settled().await.is_err());
        assert_eq!(reading.await, 2);
        assert_eq!(peer_of_first.read(&mut [0; 8]).unwrap(), 0, "it was closed");
    });
}

/// A regular file cannot be polled, which is an immediate error.
#[test]
#[cfg_attr(miri, ignore = "Miri has no `fcntl(F_SETFL)` of a file")]
fn a_regular_file_is_refused() {
    let _limit = limit();
    run(async {
        let file = std::fs::File::open("Cargo.toml").unwrap();
        assert!(AsyncFd::new(file).is_err());
    });
}

/// Pipes, `poll_read_ready`, and taking the descriptor back.
#[test]
fn any_descriptor_can_be_awaited() {
    let _limit = limit();
    run(async {
        let (reader, writer) = std::io::pipe().unwrap();
        let (reader, writer) = (AsyncFd::new(reader).unwrap(), AsyncFd::new(writer).unwrap());
        let wrote = writer.write_with(|mut pipe| pipe.write(&[1; 10])).await;
        assert_eq!(wrote.unwrap(), 10);
        reader.readable().await.unwrap();
        poll_fn(|cx| reader.poll_read_ready(cx)).await.unwrap(); // it stays ready
        let mut buffer = [0; 64];
        assert_eq!(reader.get_ref().read(&mut buffer).unwrap(), 10);
        let again = reader.get_ref().read(&mut buffer).unwrap_err();
        assert_eq!(
            again.kind(),
            io::ErrorKind::WouldBlock,
            "it was made non-blocking"
        );
        reader.clear_read_ready();
        assert!(poll_fn(|cx| Poll::Ready(reader.poll_read_ready(cx).is_pending())).await);
        let wait = spawn(async move {
            let read = reader.read_with(|mut pipe| pipe.read(&mut [0; 64])).await;
            (read.unwrap(), reader.into_inner())
        });
        drop(writer.into_inner());
        let (length, mut reader) = wait.await;
        assert_eq!(length, 0, "the writer is gone");
        assert_eq!(reader.read(&mut buffer).unwrap(), 0);
    });
}

/// Backpressure: a writer waits until its peer has read.
#[test]
fn a_writer_waits_for_its_peer() {
    let _limit = limit();
    let lines = Lines::default();
    let seen = lines.clone();
    run(async move {
        let (ours, mut peer) = pair();
        let writer = lines.clone();
        let writing = spawn(async move {
            let error = fill(&ours).await.unwrap_err();
            log(&writer, format!("{:?}", error.kind()));
        });
        nodeloop::yield_now().await;
        log(&lines, "the system is full");
        drain(&mut peer);
        nodeloop::yield_now().await;
        log(&lines, "and again");
        drop(peer);
        writing.await;
    });
    let broken = "BrokenPipe";
    let lines = seen.borrow();
    assert_eq!(lines[..2], ["the system is full", "and again"]);
    assert!(
        lines[2] == broken || lines[2] == "ConnectionReset",
        "{}",
        lines[2]
    );
}

/// A waker of another crate.
struct PanickingWaker;

impl std::task::Wake for PanickingWaker {
    fn wake(self: std::sync::Arc<Self>) {
        std::panic::resume_unwind(Box::new("a foreign waker"));
    }
}

/// Several tasks that wait for one event are woken in one macrotask. A panic of one waker is an
/// uncaught error, and the wakers after it are still called.
#[test]
fn a_waker_that_panics_does_not_keep_the_others_from_waking() {
    let _limit = limit();
    let lines = Lines::default();
    let seen = lines.clone();
    run(async move {
        let (ours, mut peer) = pair();
        let ours = Rc::new(ours);
        let reports = lines.clone();
        nodeloop::on_uncaught(move |error| {
            let text = error.message();
            log(&reports, format!("uncaught: {text}"));
        });
        let mut foreign = Box::pin({
            let ours = ours.clone();
            async move { ours.readable().await }
        });
        let waker = std::task::Waker::from(std::sync::Arc::new(PanickingWaker));
        let polled = foreign
            .as_mut()
            .poll(&mut std::task::Context::from_waker(&waker));
        assert!(polled.is_pending());
        let waiting = ours.clone();
        let reports = lines.clone();
        spawn(async move {
            waiting.readable().await.unwrap();
            log(&reports, "woken");
        })
        .detach();
        peer.write_all(b"x").unwrap();
        ours.readable().await.unwrap();
    });
    assert_eq!(*seen.borrow(), ["uncaught: a foreign waker", "woken"]);
}

/// The report lists what is queued, and what each task waits for.
#[test]
fn a_report_lists_immediates_sources_and_what_is_closed() {
    fn kinds(kinds: &[(ResourceKind, bool)]) {
        let report = nodeloop::why_alive();
        let resources = report.active_resources().iter();
        let listed: Vec<_> = resources.map(|it| (it.kind(), it.keeps_alive())).collect();
        assert_eq!(listed, kinds);
    }
    fn waits_for(kind: ResourceKind) {
        let report = nodeloop::why_alive();
        let [task] = report.tasks() else {
            panic!("{report}");
        };
        let [BlockedOn::Resource(resource)] = task.blocked_on() else {
            panic!("{report}");
        };
        assert_eq!(resource.kind(), kind);
    }
    let _limit = limit();
    run_script(|| {
        drop(yield_now());
        kinds(&[]);
        let immediate = set_immediate(|| ());
        kinds(&[(ResourceKind::Immediate, true)]);
        immediate.unref();
        kinds(&[(ResourceKind::Immediate, false)]);
        immediate.clear();
        spawn(async {
            yield_now().await;
            let (stream, mut peer) = pair();
            let stream = Rc::new(stream);
            let closed = stream.clone();
            set_immediate(move || {
                kinds(&[(ResourceKind::Read, true)]);
                waits_for(ResourceKind::Read);
                peer.write_all(b"x").unwrap();
            });
            let mut byte = [0];
            (&*stream).read_exact(&mut byte).await.unwrap();
            closed.close_with(|| kinds(&[]));
            kinds(&[(ResourceKind::Close, true)]);
        })
        .detach();
        kinds(&[(ResourceKind::Immediate, true)]);
        waits_for(ResourceKind::Immediate);
    });
}

/// What other threads have sent comes before the sources of the same poll phase.
#[test]
fn a_finished_job_comes_before_a_readable_source() {
    let _limit = limit();
    let lines = Lines::default();
    let seen = lines.clone();
    run_script(move || {
        let (mut stream, mut peer) = pair();
        let (job, read) = (lines.clone(), lines);
        spawn(async move {
            stream.read_exact(&mut [0]).await.unwrap();
            log(&read, "read");
        })
        .detach();
        set_immediate(move || {
            peer.write_all(b"x").unwrap();
            queue_work(|| (), move |()| log(&job, "job"));
            wait_for_jobs();
        });
    });
    assert_eq!(*seen.borrow(), ["job", "read"]);
}

/// R6: several futures that read from one source count once each, however they are woken.
#[test]
fn r6_readers_that_take_turns_keep_nothing_alive_afterwards() {
    let _limit = limit();
    for count in [1, 2, 3] {
        let lines = Lines::default();
        let seen = lines.clone();
        run_script(move || {
            let (socket, peer) = UnixDatagram::pair().unwrap();
            let socket = Rc::new(socket);
            for _ in 0..count {
                let (socket, lines) = (socket.clone(), lines.clone());
                spawn(async move {
                    assert_eq!(socket.recv(&mut [0]).await.unwrap(), 1);
                    log(&lines, "read");
                })
                .detach();
            }
            set_immediate(move || {
                for _ in 0..count {
                    assert_eq!(peer.send(b"x").now_or_never().unwrap().unwrap(), 1);
                }
            });
        });
        assert_eq!(seen.borrow().len(), count);
    }
}
