//! Signals: a graceful shutdown that finishes the requests in flight.
//!
//! The program sends the signals to itself, as an operator does with `kill`. Listeners do not keep
//! the loop alive: it ends when the work is done.
//!
//! Compared with Node: exactly
//! On Windows: not run, because SIGHUP and SIGTERM cannot be sent there
//!
//! ```js
//! const requests = [1, 2, 3];
//! let accepting = true;
//!
//! process.on('SIGTERM', () => {
//!   console.log('SIGTERM: no new requests; in flight:', requests.join(' '));
//!   accepting = false;
//!   process.nextTick(() => console.log('tick, after the listener'));
//! });
//! process.on('SIGHUP', () => console.log('SIGHUP: settings reloaded'));
//!
//! function serve() {
//!   const request = requests.shift();
//!   console.log('request', request, accepting ? 'served' : 'finished');
//!   if (request === 1) {
//!     process.kill(process.pid, 'SIGHUP');
//!     process.kill(process.pid, 'SIGTERM');
//!   }
//!   if (requests.length > 0) setImmediate(serve);
//! }
//!
//! setImmediate(serve);
//! process.on('exit', () => console.log('exit'));
//! ```

#[cfg(unix)]
fn main() {
    nodeloop::run_script(service::start);
}

/// Other systems do not have these signals.
#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
mod service {
    use std::cell::{Cell, RefCell};
    use std::collections::VecDeque;
    use std::rc::Rc;

    use nodeloop::signal::{SignalKind, on_signal};
    use nodeloop::{next_tick, on_exit, set_immediate};
    use rustix::process::{Signal, getpid, kill_process};

    struct Service {
        requests: RefCell<VecDeque<u32>>,
        accepting: Cell<bool>,
    }

    pub fn start() {
        let service = Rc::new(Service {
            requests: RefCell::new(VecDeque::from([1, 2, 3])),
            accepting: Cell::new(true),
        });
        let stopping = service.clone();
        let stop = move || {
            let in_flight: Vec<_> = stopping
                .requests
                .borrow()
                .iter()
                .map(u32::to_string)
                .collect();
            println!(
                "SIGTERM: no new requests; in flight: {}",
                in_flight.join(" ")
            );
            stopping.accepting.set(false);
            next_tick(|| println!("tick, after the listener"));
        };
        let reload = || println!("SIGHUP: settings reloaded");
        on_signal(SignalKind::terminate(), stop).expect("the signal can be handled");
        on_signal(SignalKind::hangup(), reload).expect("the signal can be handled");

        set_immediate(|| serve(service));
        on_exit(|_| println!("exit"));
    }

    fn serve(service: Rc<Service>) {
        let Some(request) = service.requests.borrow_mut().pop_front() else {
            return;
        };
        let accepting = service.accepting.get();
        println!(
            "request {request} {}",
            if accepting { "served" } else { "finished" }
        );
        if request == 1 {
            kill_process(getpid(), Signal::HUP).expect("a process may signal itself");
            kill_process(getpid(), Signal::TERM).expect("a process may signal itself");
        }
        if !service.requests.borrow().is_empty() {
            set_immediate(|| serve(service));
        }
    }
}
