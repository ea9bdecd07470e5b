//! The wait of a loop without sources: `src/reactor/remote_queue/parker.rs`, unchanged.

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use crate::unchanged::parker::Parker;

/// What other threads write before they notify the loop, which waits until it has seen all of it.
struct Written {
    parker: Parker,
    count: AtomicUsize,
}

impl Written {
    fn new() -> Arc<Written> {
        Arc::new(Written {
            parker: Parker::new(),
            count: AtomicUsize::new(0),
        })
    }

    fn write(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.parker.notify();
    }

    /// Each wait ends after a notice only, so a lost one is a deadlock.
    fn wait_for(&self, count: usize) {
        while self.count.load(Ordering::Relaxed) < count {
            self.parker.wait(None);
        }
    }
}

#[test]
fn a_notice_ends_the_wait_whenever_it_comes() {
    loom::model(|| {
        let written = Written::new();
        let writer = written.clone();
        let thread = thread::spawn(move || writer.write());
        written.wait_for(1);
        thread.join().unwrap();
    });
}

/// The second notice may come while the first wait ends.
#[test]
fn each_notice_of_a_thread_ends_a_wait() {
    super::explore(|| {
        let written = Written::new();
        let writer = written.clone();
        let thread = thread::spawn(move || {
            writer.write();
            writer.write();
        });
        written.wait_for(1);
        written.wait_for(2);
        thread.join().unwrap();
    });
}

#[test]
fn the_notices_of_two_threads_end_waits() {
    super::explore(|| {
        let written = Written::new();
        let threads = [(); 2].map(|()| {
            let writer = written.clone();
            thread::spawn(move || writer.write())
        });
        written.wait_for(2);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}
