//! Ends the process if an activity, or the whole program, does not end.
//!
//! It is a limit against hangs and no measure of speed: it is far above what the slowest machine
//! needs.

use std::process;
use std::thread;
use std::time::{Duration, Instant};

use crate::account::overdue;

/// Starts the thread that limits each activity to `activity`, and the program to `program`.
pub fn start(activity: Duration, program: Duration) {
    let started = Instant::now();
    let watch = move || {
        loop {
            thread::park_timeout(Duration::from_millis(500));
            let mut late = overdue(activity);
            if started.elapsed() > program {
                late.push(format!("the program has not ended within {program:?}"));
                late.extend(overdue(Duration::ZERO));
            }
            if !late.is_empty() {
                late.iter()
                    .for_each(|failure| eprintln!("FAILED: {failure}"));
                eprintln!("the watchdog ends the process");
                process::exit(1);
            }
        }
    };
    let thread = thread::Builder::new().name("watchdog".to_owned());
    thread.spawn(watch).expect("a thread for the watchdog");
}
