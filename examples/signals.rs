//! Signals: a graceful end, which finishes what is in flight.
//!
//! The program sends the signals itself, as an operator would with `kill`. A listener keeps
//! nothing alive: when the work is done the loop ends by itself.
//!
//! Compared with Node: exactly
//!
//! ```js
//! const requests = [1, 2, 3];
//! let accepting = true;
//!
//! process.on('SIGTERM', () => {
//!   console.log('SIGTERM: no new requests; in flight:', requests.join(' '));
//!   accepting = false;
//!   process.nextTick(() => console.log('tick, behind the listener'));
//! });
//! process.on('SIGHUP', () => console.log('SIGHUP: settings read again'));
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

/// There are no such signals.
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
        let stops = service.clone();
        let stop = move || {
            let in_flight: Vec<_> = stops.requests.borrow().iter().map(u32::to_string).collect();
            println!(
                "SIGTERM: no new requests; in flight: {}",
                in_flight.join(" ")
            );
            stops.accepting.set(false);
            next_tick(|| println!("tick, behind the listener"));
        };
        let reload = || println!("SIGHUP: settings read again");
        on_signal(SignalKind::terminate(), stop).expect("it can be listened to");
        on_signal(SignalKind::hangup(), reload).expect("it can be listened to");

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
            kill_process(getpid(), Signal::HUP).expect("it can be sent");
            kill_process(getpid(), Signal::TERM).expect("it can be sent");
        }
        if !service.requests.borrow().is_empty() {
            set_immediate(|| serve(service));
        }
    }
}
