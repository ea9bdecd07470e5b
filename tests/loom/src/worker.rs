//! The channel of a worker: `src/worker/channel.rs`, unchanged, on loom's lock and a model of the
//! receiving loop.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll, Wake, Waker};

use loom::thread;

use channel::Channel;
use handle::Handle;

mod sync {
    pub(super) use loom::sync::{Mutex, MutexGuard};
}

/// The receiving loop, as its senders see it, and its macrotasks.
pub(crate) mod handle {
    use std::collections::VecDeque;
    use std::sync::Arc;

    use loom::sync::{Condvar, Mutex};

    pub(crate) struct LoopClosed;

    #[derive(Clone, Default)]
    pub(crate) struct Handle {
        shared: Arc<Shared>,
    }

    #[derive(Default)]
    struct Shared {
        callbacks: Mutex<Callbacks>,
        changed: Condvar,
    }

    type Callback = Box<dyn FnOnce() + Send>;

    #[derive(Default)]
    struct Callbacks {
        queue: VecDeque<Callback>,
        is_closed: bool,
    }

    impl Handle {
        pub(crate) fn post(
            &self,
            callback: impl FnOnce() + Send + 'static,
        ) -> Result<(), LoopClosed> {
            let mut callbacks = self.shared.callbacks.lock().unwrap();
            if callbacks.is_closed {
                return Err(LoopClosed);
            }
            callbacks.queue.push_back(Box::new(callback));
            self.shared.changed.notify_one();
            Ok(())
        }

        /// Waits for a macrotask and runs it.
        pub(super) fn run_one(&self) {
            let mut callbacks = self.shared.callbacks.lock().unwrap();
            let callback = loop {
                match callbacks.queue.pop_front() {
                    Some(callback) => break callback,
                    None => callbacks = self.shared.changed.wait(callbacks).unwrap(),
                }
            };
            drop(callbacks);
            callback();
        }

        /// Refuses all macrotasks from now on, and drops those that wait.
        pub(super) fn close(&self) {
            let mut callbacks = self.shared.callbacks.lock().unwrap();
            callbacks.is_closed = true;
            let waiting = std::mem::take(&mut callbacks.queue);
            drop(callbacks);
            drop(waiting);
        }
    }
}

#[path = "../../../src/worker/channel.rs"]
mod channel;

/// The waker of the receiving task, used on the thread of the loop only.
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Flag>) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Receives until the sender is closed. A wake that is lost is a deadlock.
fn receive_all(channel: &Channel<u32>, receiver: &Handle) -> Vec<u32> {
    let (mut received, mut macrotasks) = (Vec::new(), 0);
    loop {
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(flag.clone());
        match channel.poll_recv(&Context::from_waker(&waker)) {
            Poll::Ready(None) => return received,
            Poll::Ready(Some(message)) => received.push(message),
            Poll::Pending => {
                while !flag.0.load(std::sync::atomic::Ordering::Relaxed) {
                    receiver.run_one();
                    macrotasks += 1;
                }
            }
        }
        assert!(
            received.len() <= macrotasks,
            "a message was received before its macrotask"
        );
    }
}

/// The receiving loop is built while the sender sends and closes its end.
#[test]
fn every_message_is_received_in_order_and_then_the_close() {
    super::explore(|| {
        let channel: Arc<Channel<u32>> = Arc::default();
        let sends = channel.clone();
        let sender = thread::spawn(move || {
            sends.send(1).unwrap();
            sends.send(2).unwrap();
            sends.close_sender();
        });
        let receiver = Handle::default();
        channel.set_receiver(receiver.clone());
        assert_eq!(receive_all(&channel, &receiver), [1, 2]);
        sender.join().unwrap();
    });
}

/// The receiving end is dropped, and its loop ends, while the other end sends.
#[test]
fn a_message_that_is_not_received_is_returned_or_dropped() {
    super::explore(|| {
        let channel: Arc<Channel<Arc<()>>> = Arc::default();
        let receiver = Handle::default();
        channel.set_receiver(receiver.clone());
        let message = Arc::new(());
        let (sends, sent) = (channel.clone(), message.clone());
        let sender = thread::spawn(move || drop(sends.send(sent)));
        drop(channel.close_receiver());
        receiver.close();
        sender.join().unwrap();
        assert!(channel.send(message.clone()).is_err());
        assert_eq!(Arc::strong_count(&message), 1, "a message is left");
        assert_eq!(Arc::strong_count(&channel), 1, "a macrotask is left");
    });
}
