//! The operation of a file that is in progress, and its result.
//!
//! ```text
//!                  start                       completion of the job
//!      Idle ───────────────▶ Running ─────────────────────────▶ Completed
//!       ▲                                                           │
//!       └───────────────────────────────────────────────────────────┘
//!                      poll_done, idle: the next operation
//! ```
//!
//! The completion stores the result here, so that any number of tasks can wait for it.
//!
//! Invariant: at most one job that moves the cursor of the descriptor is in progress.
//!
//! Invariant: nothing is borrowed while a promise is polled.

use std::cell::RefCell;
use std::future::Future;
use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::fs::job::{Call, job_at};
use crate::fs::read_buffer::ReadBuffer;
use crate::promise::SharedPromise;
use crate::reactor::journal::value::Value;

/// What a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Read,
    Write,
    Seek(SeekFrom),
}

#[derive(Clone, Default)]
pub(super) struct Progress {
    state: Rc<RefCell<State>>,
}

/// The result of an operation.
#[derive(Default)]
pub(super) struct State {
    running: Option<(Operation, SharedPromise<()>)>,
    /// Moved into the job of a read, and back.
    pub(super) buffer: ReadBuffer,
    /// The result of a read that was not returned yet.
    pub(super) read: Option<io::Result<()>>,
    /// The result of a seek that was not returned yet.
    pub(super) sought: Option<io::Result<u64>>,
    /// The error of a write that was not returned yet.
    pub(super) write_error: Option<io::Error>,
}

impl Progress {
    /// Calls `access` with the result of the last operation. It must not call user code.
    pub(super) fn with<R>(&self, access: impl FnOnce(&mut State) -> R) -> R {
        access(&mut self.state.borrow_mut())
    }

    /// Returns the operation that runs, or whose result was not taken yet.
    pub(super) fn operation(&self) -> Option<Operation> {
        self.with(|state| state.running.as_ref().map(|(operation, _)| *operation))
    }

    /// Submits the job of an operation. `store` stores its result.
    pub(super) fn start<R: Value + Send + 'static>(
        &self,
        (operation, call): (Operation, Call<'static>),
        work: impl FnOnce() -> R + Send + 'static,
        store: impl FnOnce(&mut State, R) + 'static,
    ) {
        debug_assert!(
            self.operation().is_none(),
            "two operations of a file run at once: wait for `poll_idle` first"
        );
        let progress = self.clone();
        let done = job_at(call, work, move |result| {
            progress.with(|state| store(state, result));
        });
        self.with(|state| state.running = Some((operation, done.shared())));
    }

    /// Waits for the operation in progress. Its result can be taken then.
    pub(super) fn poll_done(&self, cx: &mut Context<'_>) -> Poll<()> {
        let running = self.with(|state| state.running.take());
        let Some((operation, mut done)) = running else {
            return Poll::Ready(());
        };
        let poll = Pin::new(&mut done).poll(cx);
        if poll.is_pending() {
            self.with(|state| state.running = Some((operation, done)));
        }
        poll
    }

    /// Waits for the operation in progress, whose result is not returned: read bytes stay in the
    /// buffer and the error of a write is stored, but the error of a read is not, because the next
    /// read fails again.
    pub(super) fn poll_idle(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_done(cx).map(|()| self.discard_results())
    }

    /// Waits as [`poll_idle`](Progress::poll_idle) does, for any number of tasks.
    pub(super) async fn idle(&self) {
        loop {
            let running = self.with(|state| {
                let (_, done) = state.running.as_ref()?;
                Some(done.clone())
            });
            match running {
                Some(done) => done.await,
                None => return self.discard_results(),
            }
            // Another task may have begun to wait for the same operation, but not another operation.
            let done = self.with(|state| state.running.take());
            drop(done);
        }
    }

    /// Waits for the operation in progress on behalf of the file that was dropped during it.
    pub(super) async fn settled(self) {
        let running = self.with(|state| state.running.take());
        if let Some((_, done)) = running {
            let _ = done.settled().await; // an error means that the loop has ended
        }
    }

    fn discard_results(&self) {
        let results = self.with(|state| (state.read.take(), state.sought.take()));
        drop(results);
    }
}
