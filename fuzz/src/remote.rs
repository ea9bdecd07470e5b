//! Threads that use the handle of a loop while it runs and ends, and the account of their messages:
//! each is run once or dropped once, and a sender that is refused knows that it was dropped.

use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use arbitrary::Arbitrary;
use futures::task::AtomicWaker;
use nodeloop::{EventLoop, Handle, KeepAlive, RemoteError, RunError};

use crate::program::List;

#[derive(Debug, Clone, Arbitrary)]
pub struct Script {
    pub threads: [List<Op>; 3],
    pub end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Arbitrary)]
pub enum Op {
    Post,
    PostThatPanics,
    /// Posts a callback that posts another one.
    PostTwice,
    Spawn {
        turns: u8,
        await_it: bool,
    },
    SpawnThatPanics,
    /// Wakes a task of the loop.
    Wake,
    TakeToken,
    DropToken,
    Yield,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Arbitrary)]
pub enum End {
    /// Each thread has a token until it ends.
    AfterTheThreads,
    /// The loop ends when it has nothing to do.
    Whenever,
    /// The program exits after some turns.
    Exit(u8),
}

/// What became of the messages of a script.
#[derive(Default)]
struct Account {
    made: AtomicU32,
    run: AtomicU32,
    dropped: AtomicU32,
    refused: AtomicU32,
    wakes: AtomicU32,
    seen_wakes: AtomicU32,
    waker: AtomicWaker,
}

/// A part of each message, which notices whether it is run or dropped.
struct Message {
    account: Arc<Account>,
    was_dropped: Arc<AtomicBool>,
    was_run: bool,
}

impl Message {
    fn new(account: &Arc<Account>) -> Message {
        account.made.fetch_add(1, SeqCst);
        Message {
            account: account.clone(),
            was_dropped: Arc::default(),
            was_run: false,
        }
    }

    fn run(mut self) {
        self.was_run = true;
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        let counter = match self.was_run {
            true => &self.account.run,
            false => &self.account.dropped,
        };
        counter.fetch_add(1, SeqCst);
        self.was_dropped.store(!self.was_run, SeqCst);
    }
}

/// Runs the script; panics if anything is wrong.
pub fn run(script: &Script) {
    let account = Arc::<Account>::default();
    let mut event_loop = EventLoop::new().expect("a loop");
    let started = Arc::new(Barrier::new(script.threads.len() + 1));
    let threads = script.threads.each_ref().map(|ops| {
        let (ops, handle, account) = (ops.to_vec(), event_loop.handle(), account.clone());
        let token = (script.end == End::AfterTheThreads).then(|| handle.keep_alive());
        let started = started.clone();
        thread::spawn(move || {
            started.wait();
            play(&ops, &handle, &account, token);
        })
    });
    let (of_loop, end) = (account.clone(), script.end);
    let result = event_loop.run_script(move || {
        started.wait();
        script_of_loop(of_loop, end);
    });
    let is_exit = matches!(end, End::Exit(_));
    match result {
        Ok(()) => {}
        Err(RunError::Exit(0)) if is_exit => {}
        Err(error) => panic!("the run failed: {error}"),
    }
    drop(event_loop);
    for thread in threads {
        thread.join().expect("a thread ends");
    }
    let of = |counter: &AtomicU32| counter.load(SeqCst);
    let (made, run, dropped) = (of(&account.made), of(&account.run), of(&account.dropped));
    assert_eq!(run + dropped, made, "each message is run or dropped, once");
    let gives_up = script
        .threads
        .iter()
        .flat_map(|ops| ops.iter())
        .any(|op| *op == Op::DropToken);
    if script.end == End::AfterTheThreads && !gives_up {
        assert_eq!(
            (run, of(&account.refused)),
            (made, 0),
            "the loop lives longer than the threads"
        );
        assert_eq!(of(&account.seen_wakes), of(&account.wakes), "wakes");
    }
}

fn script_of_loop(account: Arc<Account>, end: End) {
    nodeloop::on_uncaught(|_| {});
    nodeloop::spawn(poll_fn(move |cx| {
        account.waker.register(cx.waker());
        account.seen_wakes.store(account.wakes.load(SeqCst), SeqCst);
        Poll::<()>::Pending
    }))
    .detach();
    if let End::Exit(turns) = end {
        nodeloop::spawn(async move {
            for _ in 0..turns % 8 {
                nodeloop::yield_now().await;
            }
            nodeloop::next_tick(|| nodeloop::exit(0));
        })
        .detach();
    }
}

fn play(ops: &[Op], handle: &Handle, account: &Arc<Account>, token: Option<KeepAlive>) {
    let mut tokens = Vec::from_iter(token);
    for op in ops {
        match *op {
            Op::Post => post(handle, account, |message| message.run()),
            Op::PostThatPanics => post(handle, account, |message| {
                message.run();
                resume_unwind(Box::new("posted"));
            }),
            Op::PostTwice => {
                let (again, inner) = (handle.clone(), account.clone());
                post(handle, account, move |message| {
                    message.run();
                    post(&again, &inner, |message| message.run());
                });
            }
            Op::Spawn { turns, await_it } => {
                let message = Message::new(account);
                let promise = handle.spawn(move || async move {
                    for _ in 0..turns % 4 {
                        nodeloop::yield_now().await;
                    }
                    message.run();
                    7
                });
                if !await_it {
                    promise.detach();
                    continue;
                }
                match block_on(promise) {
                    Ok(value) => assert_eq!(value, 7),
                    Err(RemoteError::Closed) => _ = account.refused.fetch_add(1, SeqCst),
                    Err(error) => panic!("the task has failed: {error}"),
                }
            }
            Op::SpawnThatPanics => {
                let message = Message::new(account);
                let promise = handle.spawn::<_, std::future::Ready<()>>(move || {
                    message.run();
                    resume_unwind(Box::new("spawned"))
                });
                match block_on(promise) {
                    Ok(()) => panic!("it has no value"),
                    Err(RemoteError::Closed) => _ = account.refused.fetch_add(1, SeqCst),
                    Err(RemoteError::Panicked(payload)) => {
                        assert_eq!(payload.message(), "spawned");
                    }
                }
            }
            Op::Wake => {
                account.wakes.fetch_add(1, SeqCst);
                account.waker.wake();
            }
            Op::TakeToken => tokens.push(handle.keep_alive()),
            Op::DropToken => drop(tokens.pop()),
            Op::Yield => thread::yield_now(),
        }
    }
}

fn post(handle: &Handle, account: &Arc<Account>, act: impl FnOnce(Message) + Send + 'static) {
    let message = Message::new(account);
    let was_dropped = message.was_dropped.clone();
    if handle.post(move || act(message)).is_err() {
        assert!(
            was_dropped.load(SeqCst),
            "a message that was refused is dropped"
        );
        account.refused.fetch_add(1, SeqCst);
    }
}

/// Waits on a thread that runs no loop.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
