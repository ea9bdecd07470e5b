//! One direction of a line between two loops.
//!
//! A message is queued here, and the loop that receives is sent a callback that says so: that
//! callback is the macrotask of the message. The lock is held for a step on the queue, never while
//! anything of the user's runs.
//!
//! Invariant: no more messages are handed out than macrotasks have been run for them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::runtime::handle::Handle;

pub(super) struct Lane<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    /// Unbounded: a sender must not block on a loop that may be waiting for it.
    queue: VecDeque<T>,
    /// How many of the queue have arrived: their macrotask has come.
    arrived: usize,
    end: End,
    /// The loop that receives, once it is there.
    receiver: Option<Handle>,
    /// The receiving end is gone.
    refused: bool,
    waker: Option<Waker>,
}

/// How far the end of the lane has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    /// The sending end is gone.
    Sent,
    /// And the receiving loop has been told, behind all messages.
    HeldBack,
}

impl<T> Default for Lane<T> {
    fn default() -> Lane<T> {
        let state = State {
            queue: VecDeque::new(),
            arrived: 0,
            end: End::Open,
            receiver: None,
            refused: false,
            waker: None,
        };
        Lane {
            state: Mutex::new(state),
        }
    }
}

impl<T> Lane<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next message that has arrived; nothing if all have, and the end.
    pub(super) fn poll_recv(&self, cx: &Context<'_>) -> Poll<Option<T>> {
        let mut state = self.lock();
        if state.arrived > 0 {
            state.arrived -= 1;
            return Poll::Ready(state.queue.pop_front());
        }
        if state.end == End::HeldBack {
            return Poll::Ready(None);
        }
        let replaced = state.waker.replace(cx.waker().clone());
        drop(state);
        drop(replaced);
        Poll::Pending
    }

    /// The receiving end is gone.
    pub(super) fn refuse(&self) {
        let mut state = self.lock();
        state.refused = true;
        state.arrived = 0;
        let (queue, waker) = (std::mem::take(&mut state.queue), state.waker.take());
        drop(state);
        drop((queue, waker));
    }

    /// What the receiving loop runs for a message, or for the end.
    fn arrive(&self, note: impl FnOnce(&mut State<T>)) {
        let mut state = self.lock();
        if state.refused {
            return;
        }
        note(&mut state);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T: Send + 'static> Lane<T> {
    /// The loop that receives is there. What was sent before is on its way now.
    pub(super) fn receive_on(lane: &Arc<Lane<T>>, handle: Handle) {
        let mut state = lane.lock();
        // A loop that has ended receives nothing, and its end of the lane goes with it.
        for _ in 0..state.queue.len() {
            let _ = handle.post(Lane::message(lane));
        }
        if state.end == End::Sent {
            let _ = handle.post(Lane::last(lane));
        }
        state.receiver = Some(handle);
    }

    /// Gives the message back if nobody will receive it.
    pub(super) fn send(lane: &Arc<Lane<T>>, message: T) -> Result<(), T> {
        let mut state = lane.lock();
        let is_told = match &state.receiver {
            _ if state.refused => false,
            Some(handle) => handle.post(Lane::message(lane)).is_ok(),
            None => true, // it is told when it is there
        };
        if !is_told {
            return Err(message);
        }
        // The macrotask can't look for the message before the lock is given back.
        state.queue.push_back(message);
        Ok(())
    }

    /// The sending end is gone.
    pub(super) fn end(lane: &Arc<Lane<T>>) {
        let mut state = lane.lock();
        state.end = End::Sent;
        if let Some(handle) = &state.receiver {
            let _ = handle.post(Lane::last(lane)); // or nobody waits for it any more
        }
    }

    fn message(lane: &Arc<Lane<T>>) -> impl FnOnce() + Send + 'static {
        let lane = lane.clone();
        move || lane.arrive(|state| state.arrived += 1)
    }

    fn last(lane: &Arc<Lane<T>>) -> impl FnOnce() + Send + 'static {
        let lane = lane.clone();
        move || lane.arrive(|state| state.end = End::HeldBack)
    }
}
