//! What a promise is made of: its outcome, who reacts to it, and whether anybody has.
//!
//! ```text
//!            1 settle                     2 take
//!   Pending ─────────▶ Settled(outcome) ─────────▶ Taken
//!      │                   │
//!      └─ reactions wait   └─ reactions are queued at once, one turn each
//! ```
//!
//! 1 [`State::settle`], 2 [`State::take`] (only the one owner of an unshared promise).
//!
//! Invariants: only the first settling counts (R44); reactions are woken in the order in which
//! they were added (R13); nothing is borrowed while a waker or a value of the user's is dropped.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use crate::async_local::context::AsyncContext;
use crate::blocking::pool::JobId;
use crate::event_loop::state::LoopState;
use crate::hooks::rejection::{PanicReason, Reason, Tracked, Tracking};
use crate::hooks::uncaught::{drop_quietly, payload_text};
use crate::observe::active_resource::PendingPromise;
use crate::observe::event::{Event, PromiseId, SettledAs};
use crate::phases::macrotask::SourceLocation;

/// Why a promise has no value.
pub enum PromiseError {
    /// The task behind it panicked; this is the payload.
    Panicked(Box<dyn Any + Send>),
    /// It was aborted, or its loop has ended.
    Aborted,
    /// It was resolved with itself, JavaScript's `TypeError` (R44).
    SelfResolution,
}

impl PromiseError {
    /// Whether the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self, PromiseError::Panicked(_))
    }

    /// Whether the promise was aborted.
    pub fn is_aborted(&self) -> bool {
        matches!(self, PromiseError::Aborted)
    }
}

impl PromiseError {
    /// The same failure for one more reaction of a shared promise. A payload can't be cloned;
    /// its text can.
    pub(crate) fn for_another(&self) -> PromiseError {
        match self {
            PromiseError::Panicked(payload) => {
                PromiseError::Panicked(Box::new(payload_text(&**payload)))
            }
            PromiseError::Aborted => PromiseError::Aborted,
            PromiseError::SelfResolution => PromiseError::SelfResolution,
        }
    }
}

impl fmt::Debug for PromiseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PromiseError::Panicked(payload) => {
                write!(f, "Panicked({:?})", payload_text(&**payload))
            }
            PromiseError::Aborted => f.write_str("Aborted"),
            PromiseError::SelfResolution => f.write_str("SelfResolution"),
        }
    }
}

impl fmt::Display for PromiseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PromiseError::Panicked(payload) => {
                write!(f, "the task panicked: {}", payload_text(&**payload))
            }
            PromiseError::Aborted => f.write_str("the promise was aborted, or its loop has ended"),
            PromiseError::SelfResolution => f.write_str("the promise was resolved with itself"),
        }
    }
}

impl std::error::Error for PromiseError {}

/// How a promise ended: with the output of its task, or without.
pub(crate) type Outcome<O> = Result<O, PromiseError>;

enum Settlement<O> {
    Pending,
    Settled(Outcome<O>),
    Taken,
}

/// What stands behind a pending promise, to be told when it is aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A task that has not been pending yet, or nothing any more.
    None,
    /// Whoever holds the resolvers.
    TryResolver,
    /// A task, by its key in the registry.
    Task(usize),
    /// A job of the pool.
    Job(JobId),
}

/// In this order: what every poll of a task looks at comes first, on one line of the cache.
#[repr(C)]
pub(crate) struct State<O> {
    owner: Rc<LoopState>,
    pub(crate) source: Cell<Source>,
    abort_requested: Cell<bool>,
    /// Whether one of its resolvers has been called: only their first call counts (R44).
    pub(super) is_resolved: Cell<bool>,
    /// Whether it has ever had a reaction (R17).
    handled: Cell<bool>,
    tracking: Cell<Tracking>,
    settlement: RefCell<Settlement<O>>,
    reactions: RefCell<Reactions>,
    id: PromiseId,
    location: SourceLocation,
    context: AsyncContext,
    /// How many resolvers there are; nothing if it is not resolved by hand.
    pub(super) resolver_count: Cell<Option<u32>>,
    /// Its key in the list of the promises that somebody waits for; [`UNLISTED`] without.
    listed: Cell<usize>,
    /// The reason in an output that is a rejection.
    reason_of: Cell<ReasonOf<O>>,
    /// The reason of a rejection without an output.
    failure_reason: RefCell<Option<Box<dyn Reason>>>,
}

/// The key of a promise that is in no list.
const UNLISTED: usize = usize::MAX;

/// Finds the error in an output: an `Err` for the fallible promises, nothing for the others.
pub(crate) type ReasonOf<O> = fn(&O) -> Option<&dyn Reason>;

/// Those who wait, in order. Nearly always there is one.
#[derive(Default)]
struct Reactions {
    first: Option<(u64, Reaction)>,
    more: Vec<(u64, Reaction)>,
    next_id: u64,
}

enum Reaction {
    /// A task that awaits: one turn.
    Wake(Waker),
    /// A conversion of the output's type: no turn.
    Convert(Box<dyn FnOnce()>),
}

/// How far an awaiting side has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaiting {
    NotPolled,
    /// A reaction is registered.
    Registered(u64),
    /// The promise was settled already, and the turn it costs all the same is under way (R45).
    TurnQueued,
    Done,
}

impl<O: 'static> State<O> {
    pub(crate) fn new(
        owner: Rc<LoopState>,
        location: SourceLocation,
        reason_of: ReasonOf<O>,
    ) -> Rc<State<O>> {
        let context = owner.context.get();
        let id = owner.new_promise(location);
        Rc::new(State {
            owner,
            id,
            location,
            settlement: RefCell::new(Settlement::Pending),
            reactions: RefCell::default(),
            handled: Cell::new(false),
            tracking: Cell::new(Tracking::Untracked),
            context,
            source: Cell::new(Source::None),
            resolver_count: Cell::new(None),
            listed: Cell::new(UNLISTED),
            is_resolved: Cell::new(false),
            abort_requested: Cell::new(false),
            reason_of: Cell::new(reason_of),
            failure_reason: RefCell::new(None),
        })
    }

    pub(crate) fn owner(&self) -> &Rc<LoopState> {
        &self.owner
    }

    pub(crate) fn id(&self) -> PromiseId {
        self.id
    }

    pub(crate) fn location(&self) -> SourceLocation {
        self.location
    }

    pub(crate) fn is_settled(&self) -> bool {
        !matches!(*self.settlement.borrow(), Settlement::Pending)
    }

    /// Settles the promise and queues its reactions (R13). Only the first call counts.
    pub(crate) fn settle(self: &Rc<Self>, outcome: Outcome<O>) {
        if self.is_settled() {
            return drop_quietly(outcome);
        }
        self.owner.notify_observers(|| self.settled_event(&outcome));
        let rejected = match &outcome {
            Ok(output) => self.reason_of.get()(output).is_some(),
            Err(PromiseError::Aborted) => false, // somebody wanted it so
            Err(PromiseError::Panicked(payload)) => {
                let reason = PanicReason {
                    text: payload_text(&**payload),
                };
                *self.failure_reason.borrow_mut() = Some(Box::new(reason));
                true
            }
            Err(PromiseError::SelfResolution) => {
                *self.failure_reason.borrow_mut() = Some(Box::new(SelfResolution));
                true
            }
        };
        *self.settlement.borrow_mut() = Settlement::Settled(outcome);
        self.source.set(Source::None);
        self.unlist();
        if rejected && !self.handled.get() && self.owner.is_open() {
            self.owner.rejections.rejected(self.clone()); // a loop that ends tells nobody
        }
        let Reactions { first, more, .. } = std::mem::take(&mut *self.reactions.borrow_mut());
        if let Some((_, reaction)) = first {
            self.react(reaction);
        }
        for (_, reaction) in more {
            self.react(reaction);
        }
    }

    fn settled_event(&self, outcome: &Outcome<O>) -> Event {
        let settled = match outcome {
            Ok(output) if self.reason_of.get()(output).is_some() => SettledAs::Rejected,
            Ok(_) => SettledAs::Fulfilled,
            Err(PromiseError::Aborted) => SettledAs::Aborted,
            Err(PromiseError::Panicked(_)) => SettledAs::Panicked,
            Err(PromiseError::SelfResolution) => SettledAs::Rejected,
        };
        Event::PromiseSettled {
            promise: self.id,
            location: self.location,
            settled,
        }
    }

    fn react(self: &Rc<Self>, reaction: Reaction) {
        match reaction {
            Reaction::Wake(waker) => waker.wake(),
            Reaction::Convert(convert) => {
                let settled = self.clone(); // it is looked for when its turn has come
                self.owner.trampoline.run(Box::new(move || {
                    convert();
                    drop(settled);
                }));
            }
        }
    }

    /// Gives the outcome to `map` within the settling, or now if that has been.
    pub(crate) fn when_settled(self: &Rc<Self>, convert: impl FnOnce(Outcome<O>) + 'static) {
        self.mark_handled();
        if self.is_settled() {
            convert(self.take());
        } else {
            let settled = Rc::downgrade(self); // a promise must not hold itself
            let convert = move || {
                if let Some(settled) = settled.upgrade() {
                    convert(settled.take());
                }
            };
            self.add_reaction(Reaction::Convert(Box::new(convert)));
        }
    }

    /// Changes which outputs count as rejections. One that has settled is looked at again.
    pub(crate) fn set_reason_of(self: &Rc<Self>, reason_of: ReasonOf<O>) {
        self.reason_of.set(reason_of);
        let rejected = match &*self.settlement.borrow() {
            Settlement::Settled(Ok(output)) => reason_of(output).is_some(),
            _ => return,
        };
        match (rejected, self.tracking.get()) {
            (true, Tracking::Untracked) if !self.handled.get() && self.owner.is_open() => {
                self.owner.rejections.rejected(self.clone());
            }
            (false, Tracking::Fresh) => self.owner.rejections.handled(self.clone()),
            _ => {}
        }
    }

    /// Marks the promise as handled (R17).
    pub(crate) fn mark_handled(self: &Rc<Self>) {
        if !self.handled.replace(true) && self.tracking.get() != Tracking::Untracked {
            self.owner.rejections.handled(self.clone());
        }
    }

    /// One poll of somebody who awaits: ready exactly one turn behind the settling, or behind
    /// the first poll if it was settled by then (R42, R45).
    pub(crate) fn poll_settled(
        self: &Rc<Self>,
        awaiting: &mut Awaiting,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        match *awaiting {
            Awaiting::NotPolled => {
                self.mark_handled();
                if self.is_settled() {
                    *awaiting = Awaiting::TurnQueued;
                    cx.waker().wake_by_ref();
                } else {
                    let id = self.add_reaction(Reaction::Wake(cx.waker().clone()));
                    *awaiting = Awaiting::Registered(id);
                }
                Poll::Pending
            }
            Awaiting::Registered(_) | Awaiting::TurnQueued if self.is_settled() => {
                *awaiting = Awaiting::Done;
                Poll::Ready(())
            }
            Awaiting::Registered(id) => {
                let replaced = self.reactions.borrow_mut().replace(id, cx.waker());
                drop(replaced);
                Poll::Pending
            }
            Awaiting::TurnQueued => unreachable!("a settled promise stays settled"),
            Awaiting::Done => panic!("a promise was polled after it had given its value"),
        }
    }

    /// Somebody waits from now on. A promise with a task is listed with the tasks already.
    fn add_reaction(self: &Rc<Self>, reaction: Reaction) -> u64 {
        let is_by_hand = matches!(self.source.get(), Source::TryResolver | Source::Job(_));
        if is_by_hand && self.listed.get() == UNLISTED {
            let promise: Weak<State<O>> = Rc::downgrade(self);
            self.listed.set(self.owner.awaited.add(promise));
        }
        self.reactions.borrow_mut().add(reaction)
    }

    /// Somebody who awaited is gone.
    pub(crate) fn forget_reaction(&self, awaiting: Awaiting) {
        if let Awaiting::Registered(id) = awaiting {
            let forgotten = self.reactions.borrow_mut().remove(id);
            drop(forgotten);
        }
    }

    /// Takes the outcome out of a settled promise.
    pub(crate) fn take(&self) -> Outcome<O> {
        match std::mem::replace(&mut *self.settlement.borrow_mut(), Settlement::Taken) {
            Settlement::Settled(outcome) => outcome,
            Settlement::Pending => unreachable!("taken before it was settled"),
            Settlement::Taken => panic!("the value of this promise has been taken already"),
        }
    }

    /// Looks at the outcome of a settled promise.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Outcome<O>) -> R) -> R {
        match &*self.settlement.borrow() {
            Settlement::Settled(outcome) => look(outcome),
            Settlement::Pending => unreachable!("looked at before it was settled"),
            Settlement::Taken => panic!("the value of this promise has been taken already"),
        }
    }

    /// Asks whatever stands behind the promise to stop. The promise settles as
    /// [`PromiseError::Aborted`] when it has.
    pub(crate) fn abort(self: &Rc<Self>) {
        self.owner.refuse_if_observer();
        if self.is_settled() || self.abort_requested.replace(true) {
            return;
        }
        match self.source.get() {
            Source::Task(key) => {
                let waker = self
                    .owner
                    .tasks
                    .borrow()
                    .get(key)
                    .map(|task| task.waker.clone());
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
            Source::Job(id) => {
                self.owner.cancel_job(id);
                self.settle(Err(PromiseError::Aborted));
            }
            Source::TryResolver => self.settle(Err(PromiseError::Aborted)),
            Source::None => {}
        }
    }

    pub(crate) fn abort_requested(&self) -> bool {
        self.abort_requested.get()
    }
}

impl<O> State<O> {
    fn unlist(&self) {
        let key = self.listed.replace(UNLISTED);
        if key != UNLISTED {
            self.owner.awaited.remove(key);
        }
    }
}

impl<O> Drop for State<O> {
    /// An outcome that nobody took goes here, perhaps inside a task: async-task ends the process
    /// when a destructor panics there. A conversion that never came holds the next promise.
    fn drop(&mut self) {
        self.unlist();
        if let Some((_, Reaction::Convert(convert))) = self.reactions.get_mut().first.take() {
            self.owner
                .trampoline
                .run(Box::new(move || drop_quietly(convert)));
        }
        if std::mem::needs_drop::<O>()
            && let Settlement::Settled(outcome) =
                std::mem::replace(self.settlement.get_mut(), Settlement::Taken)
        {
            drop_quietly(outcome);
        }
    }
}

impl<O: 'static> Tracked for State<O> {
    fn tracking(&self) -> &Cell<Tracking> {
        &self.tracking
    }

    fn location(&self) -> SourceLocation {
        self.location
    }

    fn id(&self) -> u64 {
        self.id.get()
    }

    fn context(&self) -> AsyncContext {
        self.context.clone()
    }

    fn with_reason(&self, look: &mut dyn FnMut(&dyn Reason)) {
        if let Some(reason) = &*self.failure_reason.borrow() {
            return look(&**reason);
        }
        if let Settlement::Settled(Ok(output)) = &*self.settlement.borrow()
            && let Some(reason) = self.reason_of.get()(output)
        {
            return look(reason);
        }
        look(&TakenReason);
    }
}

impl<O: 'static> PendingPromise for State<O> {
    fn created_at(&self) -> SourceLocation {
        self.location
    }

    fn is_awaited_by(&self, task: &Waker) -> bool {
        let reactions = self.reactions.borrow();
        let mut all = reactions.first.iter().chain(&reactions.more);
        all.any(|(_, reaction)| matches!(reaction, Reaction::Wake(waker) if waker.will_wake(task)))
    }

    fn is_out_of_reach(&self) -> bool {
        let by_hand = self.source.get() == Source::TryResolver && !self.is_resolved.get();
        by_hand && self.resolver_count.get() == Some(0)
    }

    fn is_job(&self) -> bool {
        matches!(self.source.get(), Source::Job(_))
    }
}

/// The [`Reason`] of a promise that was resolved with itself, JavaScript's `TypeError` (R44).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelfResolution;

impl fmt::Display for SelfResolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the promise was resolved with itself")
    }
}

impl std::error::Error for SelfResolution {}

/// Stands for a reason that whoever handled the promise has taken.
struct TakenReason;

impl fmt::Debug for TakenReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(handled meanwhile; the reason has been taken)")
    }
}

impl Reactions {
    fn add(&mut self, reaction: Reaction) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        if self.first.is_none() && self.more.is_empty() {
            self.first = Some((id, reaction));
        } else {
            self.more.push((id, reaction));
        }
        id
    }

    fn replace(&mut self, id: u64, waker: &Waker) -> Option<Reaction> {
        let entry = self
            .first
            .iter_mut()
            .chain(&mut self.more)
            .find(|(known, _)| *known == id)?;
        match &entry.1 {
            Reaction::Wake(known) if known.will_wake(waker) => None,
            _ => Some(std::mem::replace(
                &mut entry.1,
                Reaction::Wake(waker.clone()),
            )),
        }
    }

    fn remove(&mut self, id: u64) -> Option<Reaction> {
        if let Some((_, reaction)) = self.first.take_if(|(known, _)| *known == id) {
            return Some(reaction);
        }
        let index = self.more.iter().position(|(known, _)| *known == id)?;
        Some(self.more.remove(index).1)
    }
}

/// What tells one promise from another.
pub(crate) fn identity_of<O>(state: &Rc<State<O>>) -> *const () {
    Rc::as_ptr(state).cast()
}
