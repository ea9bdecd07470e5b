//! A channel of messages from one loop to another.
//!
//! A message is queued here, and a callback is posted to the receiving loop. That callback is the
//! macrotask of the message: it makes the message receivable. The lock is held for operations on
//! the queue, and never while user code runs. `tests/loom` is a loom model of this file.
//!
//! Invariant: the number of messages received does not exceed the number of macrotasks run.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use super::sync::{Mutex, MutexGuard};
use crate::runtime::handle::{Handle, LoopClosed};

pub(super) struct Channel<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    /// Unbounded: a sender must not block on a loop that may be waiting for it.
    queue: VecDeque<T>,
    /// The number of messages at the front of the queue whose macrotask has run.
    receivable: usize,
    sender: SenderState,
    /// The receiving loop, once it was built.
    receiver: Option<Handle>,
    is_receiver_closed: bool,
    waker: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SenderState {
    Open,
    /// Closed, but the macrotask of the close has not run on the receiving loop.
    Closed,
    /// Closed, and the macrotask of the close has run, after those of all messages.
    CloseReceived,
}

impl<T> Default for Channel<T> {
    fn default() -> Channel<T> {
        let state = State {
            queue: VecDeque::new(),
            receivable: 0,
            sender: SenderState::Open,
            receiver: None,
            is_receiver_closed: false,
            waker: None,
        };
        Channel {
            state: Mutex::new(state),
        }
    }
}

impl<T> Channel<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the next receivable message, or `None` if the sender is closed.
    pub(super) fn poll_recv(&self, cx: &Context<'_>) -> Poll<Option<T>> {
        let mut state = self.lock();
        if state.receivable > 0 {
            state.receivable -= 1;
            return Poll::Ready(state.queue.pop_front());
        }
        if state.sender == SenderState::CloseReceived {
            return Poll::Ready(None);
        }
        let replaced = state.waker.replace(cx.waker().clone());
        drop(state);
        drop(replaced);
        Poll::Pending
    }

    #[must_use]
    pub(super) fn close_receiver(&self) -> impl Sized + use<T> {
        let mut state = self.lock();
        state.is_receiver_closed = true;
        state.receivable = 0;
        (std::mem::take(&mut state.queue), state.waker.take())
    }
}

impl<T: Send + 'static> Channel<T> {
    /// Sets the receiving loop, and posts to it the messages that were sent before.
    pub(super) fn set_receiver(self: &Arc<Self>, handle: Handle) {
        let mut state = self.lock();
        // A loop that has ended receives nothing; its end of the channel will be dropped.
        for _ in 0..state.queue.len() {
            let _ = self.post_message(&handle);
        }
        if state.sender == SenderState::Closed {
            self.post_close(&handle);
        }
        state.receiver = Some(handle);
    }

    /// Sends a message. Returns it if the receiver is closed or its loop has ended.
    pub(super) fn send(self: &Arc<Self>, message: T) -> Result<(), T> {
        let mut state = self.lock();
        let is_accepted = match &state.receiver {
            _ if state.is_receiver_closed => false,
            Some(handle) => self.post_message(handle).is_ok(),
            None => true, // `set_receiver` posts it
        };
        if !is_accepted {
            return Err(message);
        }
        // Its macrotask needs the lock, and so runs after this.
        state.queue.push_back(message);
        Ok(())
    }

    pub(super) fn close_sender(self: &Arc<Self>) {
        let mut state = self.lock();
        state.sender = SenderState::Closed;
        if let Some(handle) = &state.receiver {
            self.post_close(handle);
        }
    }

    fn post_message(self: &Arc<Self>, handle: &Handle) -> Result<(), LoopClosed> {
        let channel = self.clone();
        handle.post(move || channel.update(|state| state.receivable += 1))
    }

    fn post_close(self: &Arc<Self>, handle: &Handle) {
        let channel = self.clone();
        let close = move || channel.update(|state| state.sender = SenderState::CloseReceived);
        let _ = handle.post(close); // fails if the loop has ended and so receives nothing
    }

    /// Runs on the receiving loop, as the macrotask of a message or of the close.
    fn update(&self, change: impl FnOnce(&mut State<T>)) {
        let mut state = self.lock();
        if state.is_receiver_closed {
            return;
        }
        change(&mut state);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
