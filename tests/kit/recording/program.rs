//! The program of the recording in `expected.json`, in a file of its own: its lines are part of
//! what is compared.

use std::time::Duration;

use nodeloop::recording::{Recording, println};
use nodeloop::time::block_for;
use nodeloop::{
    EventLoop, RunError, next_tick, promise, queue_microtask, set_immediate, set_timeout, spawn,
};

/// Runs `script` in virtual time, and records it.
pub fn run(recording: &Recording, script: impl FnOnce() + 'static) -> Result<(), RunError> {
    let event_loop = EventLoop::builder()
        .virtual_time()
        .observer(recording.clone());
    event_loop.build().unwrap().run_script(script)
}

/// One of each queue, in virtual time.
pub fn script() {
    println!("script");
    set_timeout(Duration::from_millis(5), || println!("timer"));
    let never = set_timeout(Duration::from_millis(9), || println!("never"));
    set_immediate(|| {
        block_for(Duration::from_millis(3));
        println!("immediate");
    });
    queue_microtask(|| println!("microtask"));
    next_tick(move || never.clear());
    spawn(async {
        promise::ready(()).await;
        println!("task");
    })
    .detach();
}
