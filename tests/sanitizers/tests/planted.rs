//! Planted faults. `.ci/sanitizers.sh` runs each ignored test under its sanitizer and fails unless the
//! sanitizer reports it.

#[allow(dead_code, reason = "a part of it is used")]
#[path = "../../common/limit.rs"]
mod limit;

use std::hint::black_box;
use std::sync::mpsc;
use std::thread;

use nodeloop::{Handle, keep_alive};

/// A value that two threads may write at the same time.
static mut UNGUARDED: u64 = 0;

fn write(value: u64) {
    // SAFETY: none where it is not ordered with other accesses, which ThreadSanitizer has to find.
    unsafe { (&raw mut UNGUARDED).write_volatile(value) }
}

/// Calls `f` on another thread, and on the loop in a callback that this thread has posted. With
/// `is_ordered` the thread calls it before it posts, so the message orders the two calls.
fn on_a_thread_and_on_the_loop(f: fn(u64), is_ordered: bool) {
    let thread = nodeloop::run(async move {
        let (handle, alive) = (Handle::current(), keep_alive());
        thread::spawn(move || {
            if is_ordered {
                f(1);
            }
            let on_the_loop = move || {
                f(2);
                drop(alive);
            };
            handle.post(on_the_loop).unwrap();
            if !is_ordered {
                f(1);
            }
        })
    });
    thread.join().unwrap();
}

/// The sanitizer must understand the order that the remote queue makes.
#[test]
fn a_message_orders_what_its_sender_has_done_before() {
    let _limit = limit::limit();
    on_a_thread_and_on_the_loop(write, true);
}

#[test]
#[ignore = "has a race on purpose"]
fn race() {
    on_a_thread_and_on_the_loop(write, false);
}

#[test]
#[ignore = "leaks on purpose"]
fn leak() {
    // On a thread that ends, so that no register and no stack contains a pointer to it.
    let leaks = || std::mem::forget(black_box(Box::new([7_u8; 1_000])));
    thread::spawn(leaks).join().unwrap();
}

/// A callback that owns itself: the mistake that `Rc` permits without unsafe code.
#[test]
#[ignore = "leaks on purpose"]
fn cycle_of_a_callback() {
    use std::cell::RefCell;
    use std::rc::Rc;
    let (sender, receiver) = mpsc::channel::<()>();
    thread::spawn(move || {
        nodeloop::run(async move {
            type Own = Rc<RefCell<Option<Box<dyn FnOnce()>>>>;
            let own: Own = Rc::default();
            let itself = own.clone();
            *own.borrow_mut() = Some(Box::new(move || drop((itself, sender))));
        });
    })
    .join()
    .unwrap();
    assert_eq!(receiver.try_recv(), Err(mpsc::TryRecvError::Empty));
}

#[test]
#[ignore = "reads freed memory on purpose"]
fn use_after_free() {
    let value = Box::new(7_u64);
    let address = &raw const *value;
    drop(value);
    // SAFETY: none, which AddressSanitizer has to find.
    black_box(unsafe { address.read_volatile() });
}
