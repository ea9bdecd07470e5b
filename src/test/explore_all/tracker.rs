//! Records what each event touches inside of the loop.
//!
//! It is an observer: what has no event is touched by the code itself, which is only code of tests and
//! of sources. Whatever an event might tell a program about others that is not recorded must be a part
//! of [`Key::User`].

use std::cell::RefCell;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::observe::event::{Event, PromiseId, Step};
use crate::observe::registry::{EventContext, Observer};
use crate::phases::macrotask::StepKind;
use crate::phases::poll::delivery::footprint::{Access, Footprints, Key};

/// Whether the steps of a program share only state that is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::test) enum SharedState {
    /// They may share anything, so every two steps depend on each other.
    Unknown,
    /// They share what is declared or belongs to the loop.
    Declared,
}

pub(in crate::test) struct Tracker {
    footprints: Rc<Footprints>,
    state: SharedState,
    /// The name of each promise, and the event that created it.
    promises: RefCell<FxHashMap<PromiseId, (u64, u64)>>,
    /// The tasks that are being polled, the innermost last.
    polled: RefCell<Vec<Option<PromiseId>>>,
}

impl Tracker {
    pub(in crate::test) fn new(state: SharedState, footprints: Rc<Footprints>) -> Tracker {
        Tracker {
            footprints,
            state,
            promises: RefCell::default(),
            polled: RefCell::default(),
        }
    }

    fn touch(&self, key: Key, access: Access) {
        self.footprints.touch(key, access);
    }

    /// Touches a promise. Returns whether the running event has created it.
    fn touch_promise(&self, promise: Option<PromiseId>) -> bool {
        let known = promise.and_then(|promise| self.promises.borrow().get(&promise).copied());
        let (name, created_by) = known.unwrap_or_default(); // 0 for the main future
        self.touch(Key::Promise(name), Access::Write);
        known.is_some() && self.footprints.event() == created_by
    }

    fn create_promise(&self, promise: PromiseId) {
        let named = (self.footprints.new_name(), self.footprints.event());
        self.promises.borrow_mut().insert(promise, named);
        self.touch_promise(Some(promise));
    }

    fn enqueue(&self, step: &Step) {
        match step.kind {
            StepKind::Timeout | StepKind::Interval => self.touch(Key::Timers, Access::Write),
            StepKind::Immediate | StepKind::Pending | StepKind::Close => {
                self.touch(Key::Turn, Access::Write);
            }
            StepKind::Simulated => self.touch(Key::Simulated, Access::Write),
            StepKind::JobDone => {
                self.touch(Key::Pool, Access::Write);
                self.touch(Key::Outstanding, Access::Add);
            }
            StepKind::Tick | StepKind::Microtask => {} // run by the drain of this event
            StepKind::Task | StepKind::Reaction => {
                let is_new = self.touch_promise(step.promise());
                let is_polled = self.polled.borrow().last() == Some(&step.promise());
                if is_new || is_polled {
                    // It may go on because a promise has been settled before.
                    self.touch(Key::Settled, Access::Read);
                }
            }
            _ => self.touch(Key::User, Access::Write),
        }
    }

    fn begin_step(&self, step: &Step) {
        self.footprints.note_step();
        if self.state == SharedState::Unknown {
            self.touch(Key::User, Access::Write);
        }
        match step.kind {
            StepKind::Task | StepKind::Reaction | StepKind::RemoteWake => {
                self.touch_promise(step.promise());
            }
            StepKind::ErrorListener | StepKind::BeforeExit | StepKind::Exit => {
                self.touch(Key::User, Access::Write);
            }
            _ => {}
        }
        self.polled.borrow_mut().push(step.promise());
    }
}

impl Observer for Tracker {
    fn observe(&self, event: &Event, _: &EventContext<'_>) {
        match event {
            Event::Enqueued { step, .. } => self.enqueue(step),
            Event::Cleared(_) => {
                for key in [
                    Key::Timers,
                    Key::Turn,
                    Key::Simulated,
                    Key::Pool,
                    Key::Outstanding,
                ] {
                    self.touch(key, Access::Write);
                }
            }
            Event::StepBegin(step) => self.begin_step(step),
            Event::StepEnd(_) | Event::EagerEnd { .. } => {
                self.polled.borrow_mut().pop();
            }
            Event::EagerBegin { promise, .. } => {
                self.touch_promise(Some(*promise));
                self.polled.borrow_mut().push(Some(*promise));
            }
            Event::PromiseCreated { promise, .. } => self.create_promise(*promise),
            Event::PromiseSettled { promise, .. } => {
                let access = match self.touch_promise(Some(*promise)) {
                    true => Access::Read, // another promise that is settled may have settled it
                    false => Access::Add,
                };
                self.touch(Key::Settled, access);
            }
            Event::RejectionReported { .. }
            | Event::RejectionHandled { .. }
            | Event::Panicked(_) => {
                self.touch(Key::User, Access::Write);
            }
            _ => {}
        }
    }
}
