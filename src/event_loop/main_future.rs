//! The main future of a run, which its drains poll.
//!
//! It is a task like any other, with one difference: it stays on the stack of the caller of `run`,
//! pinned, and nothing owns it beyond the run. The microtask queue and the remote queue contain only
//! that it is to be polled, and its wakers share a [`MainWaker`], which owns nothing of it.
//!
//! Invariant: after the run every waker is without effect.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use super::current::schedule_main;
use super::state::LoopState;
use crate::observe::event::PromiseId;
use crate::phases::macrotask::{SourceLocation, StepKind};
use crate::reactor::journal::Operation;
use crate::reactor::main_waker::{MainWaker, OWN_WAKERS};
use crate::reactor::remote_queue::MainMeta;

/// The task of a main future, of any type.
pub(crate) trait MainTask {
    /// Creates the promise that the task settles.
    fn create(&mut self, owner: &Rc<LoopState>) -> PromiseId;
    /// Polls the future, or drops it if the loop is cancelling or the promise was aborted.
    fn poll(&mut self, owner: &LoopState, cx: &mut Context<'_>) -> Poll<()>;
    /// Drops a future that has never been polled.
    fn discard(&mut self);
}

/// The main future of a run.
pub(crate) struct MainFuture<'a> {
    task: RefCell<&'a mut (dyn MainTask + 'a)>,
    location: SourceLocation,
    /// Set when it starts.
    started: OnceCell<Started>,
}

struct Started {
    state: Arc<MainWaker>,
    waker: Waker,
}

impl<'a> MainFuture<'a> {
    pub(crate) fn new(
        location: SourceLocation,
        task: &'a mut (dyn MainTask + 'a),
    ) -> MainFuture<'a> {
        MainFuture {
            task: RefCell::new(task),
            location,
            started: OnceCell::new(),
        }
    }

    /// Returns where the run was called.
    pub(crate) fn location(&self) -> SourceLocation {
        self.location
    }

    /// Returns the shared state of its wakers once it has started.
    pub(super) fn waker(&self) -> Option<&MainWaker> {
        self.started.get().map(|started| &*started.state)
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.waker().is_some_and(MainWaker::is_finished)
    }

    /// Returns whether it can never be woken: all of its wakers are in the loop's own lists, or wait for a
    /// promise that can never settle. Any other waker may be used by another thread, a resource or a
    /// combinator, which the loop cannot know.
    pub(crate) fn is_out_of_reach(&self, owner: &LoopState) -> bool {
        owner.condition(Operation::IsOutOfReach, || self.has_no_other_waker(owner))
    }

    fn has_no_other_waker(&self, owner: &LoopState) -> bool {
        let Some(started) = self.started.get() else {
            return false;
        };
        let (promise, wakers) = (started.state.meta.promise, started.state.count());
        let others = wakers.saturating_sub(OWN_WAKERS) + owner.count_wakes_of(promise);
        let mut without_effect = 0;
        if others > 0 {
            owner.awaited.for_each_waker_out_of_reach(|waker| {
                // Not `will_wake`, which may be `false` for a clone: the vtables of two wakers of one kind
                // need not have the same address.
                without_effect += usize::from(waker.data() == started.waker.data());
            });
        }
        others == without_effect
    }

    /// Creates its promise and polls it for the first time, on the caller's stack (R46).
    pub(crate) fn start(&self, owner: &Rc<LoopState>) {
        let promise = self.task.borrow_mut().create(owner);
        let meta = MainMeta {
            remote_queue: owner.remote_queue.clone(),
            location: self.location,
            promise: promise.get(),
        };
        let started = self.started.get_or_init(|| {
            let state = Arc::new(MainWaker::running(meta));
            let waker = new_waker(&state);
            drop(owner.main_waker.replace(Some(state.clone())));
            Started { state, waker }
        });
        owner.eagerly(promise, self.location, || self.poll_with(started, owner));
    }

    /// Polls it, if it is scheduled.
    pub(super) fn poll(&self, owner: &LoopState) {
        if let Some(started) = self.started.get()
            && started.state.begin_poll()
        {
            self.poll_with(started, owner);
        }
    }

    /// Drops it unless it has finished. The loop must be cancelling, or the promise be aborted.
    pub(super) fn cancel(&self, owner: &LoopState) {
        match self.started.get() {
            Some(started) => {
                started.state.begin_last_poll();
                self.poll_with(started, owner);
            }
            None => self.task.borrow_mut().discard(),
        }
    }

    #[inline]
    fn poll_with(&self, started: &Started, owner: &LoopState) {
        let mut cx = Context::from_waker(&started.waker);
        owner.begin_main_poll(&cx);
        let polled = self.task.borrow_mut().poll(owner, &mut cx);
        owner.end_main_poll();
        if started.state.end_poll(polled.is_ready()) {
            owner.push_main(&started.state);
        }
    }
}

/// Returns a waker of a main future. All are made here, so that they can be compared.
#[inline(never)]
pub(super) fn new_waker(state: &Arc<MainWaker>) -> Waker {
    state.clone().into()
}

impl Wake for MainWaker {
    fn wake(self: Arc<MainWaker>) {
        schedule_main(&self);
    }

    fn wake_by_ref(self: &Arc<MainWaker>) {
        schedule_main(self);
    }
}

impl LoopState {
    /// Wakes the main future of the loop that is running.
    #[inline]
    pub(crate) fn schedule_main(&self, waker: &MainWaker) {
        if waker.schedule() {
            self.push_main(waker);
        }
    }

    /// Appends the main future to the microtask queue.
    #[inline]
    fn push_main(&self, waker: &MainWaker) {
        if self.observers.is_on() {
            self.enqueued(waker.meta.origin(StepKind::Task), None);
        }
        self.queues.push_main();
    }

    /// Wakes the main future, unless it has finished.
    #[inline]
    pub(super) fn wake_main(&self) {
        let is_woken = match &*self.main_waker.borrow() {
            Some(waker) => waker.schedule(),
            None => false, // it has finished
        };
        if !is_woken {
            return;
        }
        if self.observers.is_on() {
            self.enqueue_main();
        }
        self.queues.push_main();
    }

    /// Notifies the observers that the main future is about to be queued.
    #[cold]
    fn enqueue_main(&self) {
        let waker = self.main_waker.borrow().clone();
        if let Some(waker) = waker {
            self.enqueued(waker.meta.origin(StepKind::Task), None);
        }
    }

    /// Queues the main future of a loop that is cancelling.
    pub(super) fn queue_cancelled_main(&self) {
        let main = self.main_waker.borrow();
        if main.as_ref().is_some_and(|main| main.schedule_last_poll()) {
            self.queues.push_main();
        }
    }
}
