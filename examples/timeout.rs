//! A timer does not block the script: its callback runs when the delay is over.
//!
//! The clock is virtual and jumps to the timer as soon as nothing else can run, so the program does
//! not wait for two seconds. Without `.virtual_time()` it waits and prints the same lines.
//!
//! Compared with Node: exactly
//!
//! ```js
//! console.log('Start');
//! setTimeout(() => console.log('Async Code'), 2000);
//! console.log('End.. or is it!');
//! ```

use std::error::Error;
use std::time::Duration;

use nodeloop::recording::println;
use nodeloop::{EventLoop, set_timeout};

fn main() -> Result<(), Box<dyn Error>> {
    let _recording = nodeloop::recording::from_args(); // `-- --html page.html`
    let mut event_loop = EventLoop::builder().virtual_time().build()?;
    event_loop.run_script(|| {
        println!("Start");
        set_timeout(Duration::from_millis(2_000), || println!("Async Code"));
        println!("End.. or is it!");
    })?;
    Ok(())
}
