//! One turn of the loop: one line from each of its queues and phases.
//!
//! Everything is started inside of an I/O callback, in the poll phase, because only from there
//! the order is guaranteed: a turn goes on from poll to check to timers. Started in the main
//! script, it would depend on the machine whether the timer or the immediate is first.
//!
//! Compared with Node: exactly
//!
//! ```js
//! const fs = require('node:fs');
//!
//! fs.stat('.', () => {
//!   console.log('poll: the callback itself');
//!   setTimeout(() => console.log('timers: the end of the turn'), 1);
//!   setImmediate(() => console.log('check: behind the poll phase'));
//!   Promise.resolve().then(() => console.log('microtask: behind all ticks'));
//!   process.nextTick(() => console.log('tick: behind the callback'));
//!   // The timer is due when the turn ends.
//!   Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
//! });
//! ```

use std::error::Error;
use std::time::Duration;

use nodeloop::{EventLoop, next_tick, queue_work, set_immediate, set_timeout, spawn_lazy, time};

fn main() -> Result<(), Box<dyn Error>> {
    let mut event_loop = EventLoop::builder().virtual_time().build()?;
    event_loop.run_script(|| {
        queue_work(|| std::fs::metadata("."), |_| one_turn());
    })?;
    Ok(())
}

fn one_turn() {
    println!("poll: the callback itself");
    set_timeout(Duration::from_millis(1), || {
        println!("timers: the end of the turn");
    });
    set_immediate(|| println!("check: behind the poll phase"));
    spawn_lazy(async { println!("microtask: behind all ticks") });
    next_tick(|| println!("tick: behind the callback"));
    // The timer is due when the turn ends.
    time::block_for(Duration::from_millis(5));
}
