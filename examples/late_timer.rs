//! A delay is a lower bound: a callback that runs when the time is over makes the timer late.
//!
//! The timer is due at 100 ms. The operation finishes at 95 ms, its callback is busy for 10 ms, and
//! only then the loop looks at its timers again. With a virtual clock that is 105 ms on every
//! machine; in Node, where a child process stands for the operation, it is a bit more.
//!
//! Compared with Node: up to numbers
//!
//! ```js
//! const { execFile } = require('node:child_process');
//!
//! function operation(callback) {
//!   execFile('sleep', ['0.095'], callback);
//! }
//!
//! const scheduled = Date.now();
//! setTimeout(() => {
//!   console.log(`${Date.now() - scheduled}ms have passed since I was scheduled`);
//! }, 100);
//!
//! operation(() => {
//!   const start = Date.now();
//!   while (Date.now() - start < 10); // busy
//! });
//! ```

use std::error::Error;
use std::time::Duration;

use nodeloop::recording::println;
use nodeloop::time::{Instant, block_for, simulate_completion};
use nodeloop::{EventLoop, set_timeout};

fn main() -> Result<(), Box<dyn Error>> {
    let _recording = nodeloop::recording::from_args(); // `-- --html page.html`
    let mut event_loop = EventLoop::builder().virtual_time().build()?;
    event_loop.run_script(|| {
        let scheduled = Instant::now();
        set_timeout(Duration::from_millis(100), move || {
            let delay_ms = scheduled.elapsed().as_millis();
            println!("{delay_ms}ms have passed since I was scheduled");
        });

        operation(|| block_for(Duration::from_millis(10))); // busy
    })?;
    Ok(())
}

/// Reads a file, say, which takes 95 ms.
fn operation(callback: impl FnOnce() + 'static) {
    simulate_completion(Duration::from_millis(95), callback);
}
