//! Operations whose cost must not depend on how many there are at once.

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use nodeloop::net::UdpSocket;
use nodeloop::promise::{self, TryPromise, with_resolver};
use nodeloop::signal::{SignalKind, on_signal};
use nodeloop::{EventLoop, set_immediate, set_timeout, spawn};
use rustix::process::{Signal, getpid, kill_process};
use side_common::{Workload, timed, workload};

use crate::Nodeloop;

pub fn growth() -> Vec<Workload> {
    vec![
        workload("growth-timers", distinct_timers),
        workload("growth-signal", listeners_of_one_signal),
        workload("growth-shared", tasks_of_one_promise),
        workload("growth-rejections", late_handlers),
        workload("growth-ready", ready_at_once),
        workload("growth-why-alive", tasks_of_a_report),
    ]
}

/// Timers that all have different durations are armed and fire, on virtual time.
fn distinct_timers(count: u64) -> f64 {
    let mut event_loop = EventLoop::builder().virtual_time().build().expect("a loop");
    let fired = Rc::new(Cell::new(0));
    let start = Instant::now();
    let counter = fired.clone();
    let main = async move {
        for index in 0..count {
            let fired = counter.clone();
            set_timeout(Duration::from_millis(1 + index), move || {
                fired.set(fired.get() + 1)
            });
        }
    };
    event_loop.run(main).expect("no error");
    assert_eq!(fired.get(), count);
    start.elapsed().as_nanos() as f64
}

/// One signal calls all its listeners, which were added before and are removed after it.
fn listeners_of_one_signal(count: u64) -> f64 {
    timed::<Nodeloop, _>(move || async move {
        let (promise, done) = with_resolver();
        let called = Rc::new(Cell::new(0));
        let add = |_| {
            let (called, done) = (called.clone(), done.clone());
            let listener = on_signal(SignalKind::user_defined1(), move || {
                called.set(called.get() + 1);
                if called.get() == count {
                    done.resolve(());
                }
            });
            listener.expect("a listener")
        };
        let listeners: Vec<_> = (0..count).map(add).collect();
        listeners[0].ref_();
        kill_process(getpid(), Signal::USR1).expect("a process");
        promise.await;
        assert_eq!(called.get(), count);
        assert!(listeners.iter().all(|listener| listener.remove()));
    })
}

fn tasks_of_one_promise(count: u64) -> f64 {
    timed::<Nodeloop, _>(move || async move {
        let (promise, resolver) = with_resolver();
        let promise = promise.shared();
        let sum = Rc::new(Cell::new(0));
        let wait = |_| {
            let (promise, sum) = (promise.clone(), sum.clone());
            spawn(async move {
                let value = promise.await;
                sum.set(sum.get() + value);
            })
        };
        let tasks: Vec<_> = (0..count).map(wait).collect();
        resolver.resolve(1);
        for task in tasks {
            task.await;
        }
        assert_eq!(sum.get(), count);
    })
}

/// Promises are rejected, reported as unhandled, and handled in a later turn, in the order of rejection.
fn late_handlers(count: u64) -> f64 {
    timed::<Nodeloop, _>(move || async move {
        let (unhandled, handled) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (counter, late) = (unhandled.clone(), handled.clone());
        let reports = nodeloop::on_unhandled_rejection(move |_| counter.set(counter.get() + 1));
        let late_reports = nodeloop::on_rejection_handled(move |_| late.set(late.get() + 1));
        let rejected: Vec<TryPromise<(), String>> =
            (0..count).map(|_| promise::reject(String::new())).collect();
        let (promise, resolver) = with_resolver();
        let rejected = RefCell::new(rejected);
        set_immediate(move || resolver.resolve(rejected.take()));
        let mut caught = 0;
        for promise in promise.await {
            caught += u64::from(promise.await.is_err());
        }
        let (promise, resolver) = with_resolver();
        set_immediate(move || resolver.resolve(()));
        promise.await;
        assert_eq!(
            (unhandled.get(), caught, handled.get()),
            (count, count, count)
        );
        assert!(reports.remove() && late_reports.remove());
    })
}

/// Sockets receive a datagram each before the poll phase, and each wakes its task. The datagrams are sent
/// before the time starts.
fn ready_at_once(count: u64) -> f64 {
    nodeloop::block_on(async move {
        let sender = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        let mut addresses: Vec<SocketAddr> = Vec::new();
        let mut tasks = Vec::new();
        for _ in 0..count {
            let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
            addresses.push(socket.local_addr().expect("an address"));
            tasks.push(spawn(async move {
                let mut message = [0; 8];
                let (length, _) = socket.recv_from(&mut message).await.expect("a datagram");
                length as u64
            }));
        }
        for address in addresses {
            sender
                .send_to(b"1", address)
                .expect("a socket that is alive");
        }
        let start = Instant::now();
        let mut received = 0;
        for task in tasks {
            received += task.await;
        }
        assert_eq!(received, count);
        start.elapsed().as_nanos() as f64
    })
}

/// The report of what pending tasks wait for.
fn tasks_of_a_report(count: u64) -> f64 {
    nodeloop::block_on(async move {
        let tasks: Vec<_> = (0..count)
            .map(|_| spawn(std::future::pending::<()>()))
            .collect();
        let start = Instant::now();
        let report = nodeloop::why_alive();
        let time = start.elapsed();
        assert!(report.tasks().len() >= tasks.len());
        time.as_nanos() as f64
    })
}
