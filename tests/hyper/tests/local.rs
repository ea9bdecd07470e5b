//! `Local`: values of the loop that crates may move to other threads.

#[allow(dead_code, reason = "shared with the tests of the crate")]
#[path = "../../common/limit.rs"]
mod limit;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::thread::{self, ThreadId};

use futures::{AsyncReadExt, AsyncWriteExt, FutureExt, StreamExt};
use limit::limit;
use nodeloop::hyper::{HyperIo, Local};
use nodeloop::net::UnixStream;
use nodeloop::{EventLoop, block_on, keep_alive, spawn_blocking};

fn panic_text(action: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(action)).unwrap_err();
    *payload.downcast::<String>().unwrap()
}

/// Notes the thread on which it is dropped.
#[derive(Debug, Clone)]
struct Dropped(Rc<RefCell<Vec<ThreadId>>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.borrow_mut().push(thread::current().id());
    }
}

#[test]
fn it_is_send_and_sync_whatever_it_wraps() {
    fn assert_send<T: Send + Sync + Unpin>(value: T) -> T {
        value
    }
    let _limit = limit();
    block_on(async {
        let rc = assert_send(Local::new(Rc::new(7)));
        assert_eq!(**rc.clone() + **rc, 14);
        assert_eq!(*rc.into_inner(), 7);
        let future = assert_send(Local::new(async { Rc::new(8) }));
        assert_eq!(*future.await, 8);
        let stream = assert_send(Local::new(futures::stream::iter([1, 2])));
        assert_eq!(stream.collect::<Vec<_>>().await, [1, 2]);
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut ours = assert_send(Local::new(ours));
        let mut theirs = assert_send(Local::new(theirs));
        ours.write_all(b"hello").await.unwrap();
        ours.close_with(|| {}); // a method of the stream
        let mut text = String::new();
        theirs.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
    });
}

#[test]
fn another_thread_gets_errors_and_panics() {
    let _limit = limit();
    block_on(async {
        let (stream, _other) = UnixStream::pair().unwrap();
        let mut stream = Local::new(stream);
        let mut io = Local::new(HyperIo::new(UnixStream::pair().unwrap().0));
        let mut future = Local::new(async { 1 });
        let shared = Local::new(Rc::new(1));
        let texts = spawn_blocking(move || {
            let mut cx = Context::from_waker(Waker::noop());
            let read = stream.read(&mut [0]).now_or_never().unwrap().unwrap_err();
            let write = stream.write(&[0]).now_or_never().unwrap().unwrap_err();
            let flush = hyper::rt::Write::poll_flush(Pin::new(&mut io), &mut cx);
            let flush = flush.map(Result::unwrap_err);
            let mut texts = vec![read.to_string(), write.to_string(), format!("{flush:?}")];
            texts.push(panic_text(|| {
                assert!(Pin::new(&mut future).poll(&mut cx).is_ready())
            }));
            texts.push(panic_text(|| drop(shared.clone())));
            texts.push(panic_text(|| assert_eq!(**shared, 1)));
            assert!(!shared.is_here());
            assert_eq!(format!("{shared:?}"), "Local(<on another thread>)");
            texts.push(panic_text(|| drop(shared.into_inner())));
            texts
        });
        for text in texts.await {
            assert!(
                text.contains("a `Local` was used on another thread"),
                "{text}"
            );
        }
    });
}

/// The value is dropped on its own thread, in a macrotask of the poll phase.
#[test]
fn a_value_that_is_dropped_elsewhere_returns_to_its_loop() {
    let _limit = limit();
    let dropped = Rc::new(RefCell::new(Vec::new()));
    let seen = dropped.clone();
    nodeloop::run(async move {
        let local = Local::new(Dropped(seen.clone()));
        spawn_blocking(move || drop(local)).await;
        drop(Local::new(Dropped(seen.clone())));
    });
    let here = thread::current().id();
    assert_eq!(*dropped.borrow(), [here, here]);
}

/// Dropped after its loop has ended, it is leaked: its destructor must not run on another thread.
#[test]
fn a_value_that_outlives_its_loop_elsewhere_is_leaked() {
    let _limit = limit();
    let dropped = Rc::new(RefCell::new(Vec::new()));
    let mut event_loop = EventLoop::builder().build().unwrap();
    let seen = dropped.clone();
    let (there, here) = event_loop
        .block_on(async move {
            let _alive = keep_alive();
            (Local::new(Dropped(seen.clone())), Local::new(Dropped(seen)))
        })
        .unwrap();
    drop(event_loop);
    thread::spawn(move || drop(there)).join().unwrap();
    assert!(dropped.borrow().is_empty());
    drop(here);
    assert_eq!(*dropped.borrow(), [thread::current().id()]);
}
