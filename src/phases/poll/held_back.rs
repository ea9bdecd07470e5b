//! What has arrived in a loop that is explored: kept in lanes until the seed says what is next.
//!
//! It is filled and emptied by `event_loop/explore.rs`, and stays empty in any other loop.

use std::collections::VecDeque;
use std::thread::ThreadId;

use mio::Token;
use rustc_hash::FxHashMap;

use super::Batched;
use crate::blocking::pool::{JobId, JobResult};
use crate::reactor::remote_queue::Message;

/// What has arrived in a loop that is explored, and was not handed out yet.
#[derive(Default)]
pub(crate) struct HeldBack {
    pub(crate) held: VecDeque<(Lane, Batched)>,
    pub(crate) finished: FxHashMap<JobId, JobResult>,
    /// Jobs that did not come when they were waited for.
    pub(crate) slow: Vec<JobId>,
}

/// What keeps its own order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    Simulated,
    /// Signals, behind everything else of their poll phase (R64).
    Signals,
    Thread(Option<ThreadId>),
    Source(Token),
    /// The jobs of one poll phase, in the order of the seed already.
    Jobs,
}

impl HeldBack {
    /// Whether something is held back that would be handed out by further turns.
    pub(crate) fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// Puts messages back, for [`take_all`](Arrived::take_all).
    pub(crate) fn keep(&mut self, messages: Vec<Message>) {
        let held = messages.into_iter().map(Batched::Message);
        self.held.extend(held.map(|one| (Lane::Simulated, one)));
    }

    /// Takes everything out: messages, and what else is to be dropped. The caller does it outside
    /// of any borrow.
    pub(crate) fn take_all(&mut self) -> (Vec<Message>, impl Sized + use<>) {
        let (mut messages, mut others) = (Vec::new(), Vec::new());
        for (_, one) in std::mem::take(&mut self.held) {
            match one {
                Batched::Message(message) => messages.push(message),
                other => others.push(other),
            }
        }
        (messages, (others, std::mem::take(&mut self.finished)))
    }
}
