//! A delay is a lower bound: a timer is late if another callback runs when it becomes due.
//!
//! The timer is due at 100 ms. The operation finishes at 95 ms, and its callback blocks for 10 ms.
//! Only then the loop checks its timers again. With a virtual clock the timer is called at 105 ms
//! on every machine. In Node, where the operation is a child process, it is called slightly later.
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

/// An operation that takes 95 ms, for example reading a file.
fn operation(callback: impl FnOnce() + 'static) {
    simulate_completion(Duration::from_millis(95), callback);
}
