//! The operations that are counted. Each workload checks that all of its operations took place.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::channel::mpsc;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use futures::stream::StreamExt;
use nodeloop::net::{TcpListener, TcpStream};
use nodeloop::promise::{Resolver, with_resolver};
use nodeloop::{next_tick, queue_microtask, set_immediate, set_timeout, spawn, spawn_lazy};

/// An operation, and how often it is repeated.
pub struct Workload {
    pub name: &'static str,
    /// The number of operations of the shorter of the two runs.
    pub count: u64,
    /// Performs the operation a number of times, which is a multiple of 1,000.
    pub run: fn(u64),
}

/// In the order of the table.
pub const WORKLOADS: &[Workload] = &[
    workload("tick", 20_000, |n| chain(n, tick)),
    workload("microtask", 20_000, |n| chain(n, microtask)),
    workload("immediate", 20_000, |n| chain(n, immediate)),
    workload("timer-fires", 10_000, timer_fires),
    workload("timer-set-clear", 20_000, |n| set_and_clear(0, n)),
    workload("timer-set-clear-200k-pending", 20_000, |n| {
        set_and_clear(200_000, n);
    }),
    workload("sleep-poll-drop", 20_000, |n| polled_sleeps(0, n)),
    workload("sleep-poll-drop-200k-pending", 20_000, |n| {
        polled_sleeps(200_000, n);
    }),
    workload("task-wakes-itself", 20_000, |n| in_tasks(1, n, turn)),
    workload("1k-tasks-wake-themselves", 20_000, |n| {
        in_tasks(1_000, n, turn);
    }),
    workload("yield-now", 20_000, |n| in_tasks(1, n, yield_now)),
    workload("1k-tasks-yield-now", 20_000, |n| {
        in_tasks(1_000, n, yield_now);
    }),
    workload("spawn-ready", 20_000, spawn_ready),
    workload("spawn-1k-ready", 20_000, spawn_1k_ready),
    workload("spawn-waits-a-turn", 20_000, spawn_waiting),
    workload("resolver", 20_000, resolve),
    workload("channel-ping-pong", 10_000, ping_pong),
    workload("tcp-echo-128-bytes", 5_000, echo),
];

const fn workload(name: &'static str, count: u64, run: fn(u64)) -> Workload {
    Workload { name, count, run }
}

fn block_on<T: 'static>(future: impl Future<Output = T>) -> T {
    nodeloop::block_on(future)
}

/// A chain of callbacks, each of which queues the next.
struct Chain {
    left: Cell<u64>,
    done: Resolver<()>,
    queue: fn(Rc<Chain>),
}

fn chain(count: u64, queue: fn(Rc<Chain>)) {
    block_on(async move {
        let (promise, done) = with_resolver();
        let left = Cell::new(count);
        let chain = Rc::new(Chain { left, done, queue });
        queue(chain.clone());
        promise.await;
        assert_eq!(chain.left.get(), 0);
    });
}

impl Chain {
    fn link(self: Rc<Chain>) {
        self.left.set(self.left.get() - 1);
        if self.left.get() == 0 {
            self.done.resolve(());
        } else {
            (self.queue)(self);
        }
    }
}

fn tick(chain: Rc<Chain>) {
    next_tick(move || chain.link());
}

fn microtask(chain: Rc<Chain>) {
    queue_microtask(move || chain.link());
}

fn immediate(chain: Rc<Chain>) {
    set_immediate(move || chain.link());
}

/// Durations from one to a thousand milliseconds in a scattered order.
fn delay(index: u64) -> Duration {
    Duration::from_millis(1_000_000 + index * 617 % 1_000)
}

/// Timers of 1,000 durations on a virtual clock.
fn timer_fires(count: u64) {
    let mut event_loop = nodeloop::EventLoop::builder()
        .virtual_time()
        .build()
        .expect("a loop");
    let fired = Rc::new(Cell::new(0));
    let counter = fired.clone();
    event_loop
        .run(async move {
            for index in 0..count {
                let fired = counter.clone();
                set_timeout(delay(index), move || fired.set(fired.get() + 1));
            }
        })
        .expect("no error");
    assert_eq!(fired.get(), count);
}

fn set_and_clear(pending: u64, count: u64) {
    block_on(async move {
        let fired = Rc::new(Cell::new(0));
        let arm = |index| {
            let fired = fired.clone();
            set_timeout(delay(index), move || fired.set(fired.get() + 1))
        };
        let pending: Vec<_> = (0..pending).map(arm).collect();
        for index in 0..count {
            arm(index).clear();
        }
        assert!(pending.iter().all(nodeloop::TimeoutHandle::is_pending));
        assert_eq!(Rc::strong_count(&fired), pending.len() + 1);
        pending.iter().for_each(nodeloop::TimeoutHandle::clear);
    });
}

fn polled_sleeps(pending: u64, count: u64) {
    block_on(async move {
        let sleep = |index| Box::pin(nodeloop::time::sleep(delay(index)));
        let mut pending: Vec<_> = (0..pending).map(sleep).collect();
        for sleep in &mut pending {
            assert!(polled_once(sleep.as_mut()).await.is_pending());
        }
        for index in 0..count {
            let sleep = pin!(nodeloop::time::sleep(delay(index)));
            assert!(polled_once(sleep).await.is_pending());
        }
    });
}

async fn polled_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// Divides `count` steps among `tasks` concurrent tasks.
fn in_tasks<F: Future<Output = ()> + 'static>(tasks: u64, count: u64, step: fn() -> F) {
    block_on(async move {
        let done = Rc::new(Cell::new(0));
        let mut promises = Vec::new();
        for _ in 0..tasks {
            let done = done.clone();
            promises.push(spawn_lazy(async move {
                for _ in 0..count / tasks {
                    step().await;
                    done.set(done.get() + 1);
                }
            }));
        }
        for promise in promises {
            promise.await;
        }
        assert_eq!(done.get(), count);
    });
}

/// Wakes its own task and is ready at the next poll.
#[derive(Default)]
struct Turn {
    is_polled: bool,
}

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_polled {
            return Poll::Ready(());
        }
        self.is_polled = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

fn turn() -> Turn {
    Turn::default()
}

fn yield_now() -> nodeloop::YieldNow {
    nodeloop::yield_now()
}

fn spawn_ready(count: u64) {
    block_on(async move {
        let mut sum = 0;
        for number in 0..count {
            sum += spawn(async move { black_box(number) }).await;
        }
        assert_eq!(sum, count * (count - 1) / 2);
    });
}

fn spawn_1k_ready(count: u64) {
    block_on(async move {
        let mut sum = 0;
        for batch in 0..count / 1_000 {
            let numbers = batch * 1_000..(batch + 1) * 1_000;
            let spawned = numbers.map(|number| spawn(async move { black_box(number) }));
            for promise in spawned.collect::<Vec<_>>() {
                sum += promise.await;
            }
        }
        assert_eq!(sum, count * (count - 1) / 2);
    });
}

fn spawn_waiting(count: u64) {
    block_on(async move {
        let mut sum = 0;
        for number in 0..count {
            let task = spawn(async move {
                turn().await;
                black_box(number)
            });
            sum += task.await;
        }
        assert_eq!(sum, count * (count - 1) / 2);
    });
}

fn resolve(count: u64) {
    block_on(async move {
        let mut sum = 0;
        for number in 0..count {
            let (promise, resolver) = with_resolver();
            let mut promise = pin!(promise);
            let mut resolver = Some(resolver);
            sum += poll_fn(|cx| {
                let poll = promise.as_mut().poll(cx);
                if let Some(resolver) = resolver.take() {
                    resolver.resolve(black_box(number));
                }
                poll
            })
            .await;
        }
        assert_eq!(sum, count * (count - 1) / 2);
    });
}

/// An operation is a message there and one back.
fn ping_pong(count: u64) {
    block_on(async move {
        let (to_echo, mut from_main) = mpsc::unbounded();
        let (to_main, mut from_echo) = mpsc::unbounded();
        let echo = spawn(async move {
            while let Some(number) = from_main.next().await {
                to_main.unbounded_send(number).expect("main receives");
            }
        });
        let mut sum = 0;
        for number in 0..count {
            to_echo.unbounded_send(number).expect("the echo receives");
            sum += from_echo.next().await.expect("an answer");
        }
        drop(to_echo);
        echo.await;
        assert_eq!(sum, count * (count - 1) / 2);
    });
}

/// Client and server are tasks of one loop, so an operation is two reads and two writes.
fn echo(count: u64) {
    block_on(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let server = spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut message = [0; 128];
            let mut served = 0;
            while stream.read_exact(&mut message).await.is_ok() {
                stream.write_all(&message).await.expect("a peer that reads");
                served += 1;
            }
            served
        });
        let mut stream = TcpStream::connect(address).await.expect("a server");
        stream.set_nodelay(true).expect("an open socket");
        for number in 0..count {
            let sent = [number as u8; 128];
            stream.write_all(&sent).await.expect("a server that reads");
            let mut answer = [0; 128];
            stream.read_exact(&mut answer).await.expect("an answer");
            assert_eq!(answer, sent);
        }
        drop(stream);
        assert_eq!(server.await, count);
    });
}
