//! Ticks that queue ticks block the loop; immediates that queue immediates do not.
//!
//! All ticks run before the loop continues, including those that are queued by ticks. An immediate
//! that is queued by an immediate waits for the next turn, so timers and I/O run in between. Here
//! each chain ends after 1,000 links. Without that limit the timer of the first would never run.
//!
//! Compared with Node: exactly
//!
//! ```js
//! const LINKS = 1000;
//!
//! function chain(name, schedule, whenTimerRan) {
//!   let links = 0;
//!   const link = () => {
//!     links += 1;
//!     if (links === 1) {
//!       setTimeout(() => {
//!         console.log(`${name}: the timer runs after link ${links}`);
//!         whenTimerRan();
//!       }, 1);
//!       blockFor(5); // from now on the timer is due
//!     }
//!     if (links < LINKS) schedule(link);
//!     else console.log(`${name}: the chain is over`);
//!   };
//!   schedule(link);
//! }
//!
//! function blockFor(ms) {
//!   Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
//! }
//!
//! chain('ticks', process.nextTick, () => chain('immediates', setImmediate, () => {}));
//! ```

use std::cell::Cell;
use std::error::Error;
use std::rc::Rc;
use std::time::Duration;

use nodeloop::recording::println;
use nodeloop::{EventLoop, next_tick, set_immediate, set_timeout, time};

const LINKS: u32 = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let _recording = nodeloop::recording::from_args(); // `-- --html page.html`
    let mut event_loop = EventLoop::builder().virtual_time().build()?;
    event_loop.run_script(|| {
        let ticks = Chain {
            name: "ticks",
            schedule: |link| next_tick(link),
            links: Cell::new(0),
            when_timer_ran: || {
                let immediates = Chain {
                    name: "immediates",
                    schedule: |link| drop(set_immediate(link)),
                    links: Cell::new(0),
                    when_timer_ran: || {},
                };
                Rc::new(immediates).schedule_link();
            },
        };
        Rc::new(ticks).schedule_link();
    })?;
    Ok(())
}

struct Chain {
    name: &'static str,
    schedule: fn(Box<dyn FnOnce()>),
    links: Cell<u32>,
    when_timer_ran: fn(),
}

impl Chain {
    fn schedule_link(self: Rc<Self>) {
        (self.schedule)(Box::new(move || self.link()));
    }

    fn link(self: Rc<Self>) {
        self.links.set(self.links.get() + 1);
        if self.links.get() == 1 {
            self.clone().set_timer();
            time::block_for(Duration::from_millis(5)); // from now on the timer is due
        }
        if self.links.get() < LINKS {
            self.schedule_link();
        } else {
            println!("{}: the chain is over", self.name);
        }
    }

    fn set_timer(self: Rc<Self>) {
        set_timeout(Duration::from_millis(1), move || {
            let (name, links) = (self.name, self.links.get());
            println!("{name}: the timer runs after link {links}");
            (self.when_timer_ran)();
        });
    }
}
