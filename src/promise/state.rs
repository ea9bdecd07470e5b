//! The state of one promise: its outcome, its reactions, what settles it, and whether it is handled.
//!
//! ```text
//!            settle (1)              outcome (2)
//!   Pending ───────────▶ Settled ─────────────────▶ Taken
//!                           ▲  │ outcome (2), shared
//!                           └──┘
//! ```
//!
//! (1) [`State::settle`] queues every reaction; each runs one turn later.
//! (2) [`State::outcome`] moves the outcome out, or clones it if the promise is shared.
//!
//! While the promise is pending, [`SettledBy`] is what [`State::abort`] has to stop:
//!
//! ```text
//!   None ─▶ Task(index) the task is in the list of the loop               task.rs
//!   None ─▶ Resolver    made by `with_resolver` or `map`                  resolver.rs, awaiter.rs
//!   None ─▶ Job(id)     made by `spawn_blocking`                          blocking.rs
//!   any  ─▶ None        the promise settles or starts to follow another   state.rs, task.rs
//! ```
//!
//! Invariant: only the first settling counts (R44).
//! Invariant: reactions are woken in the order in which they were added (R13).
//! Invariant: no field is borrowed while a waker or a value of the program is dropped.

mod report;

use std::cell::{Cell, OnceCell, RefCell, RefMut};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use super::error::{Outcome, PromiseError, SelfResolution};
use super::identity::Identity;
use super::reaction_list::{Reaction, Reactions};
pub(crate) use super::settled_by::{SettledBy, SettledByCell};
use crate::async_local::context::AsyncContext;
use crate::event_loop::state::LoopState;
use crate::hooks::rejection::{PanicReason, Reason, TakenReason, Tracked, Tracking};
use crate::observe::event::{Event, PromiseId, SettledAs};
use crate::phases::macrotask::{SourceLocation, TaskKey};

enum Settlement<O> {
    Pending(Reactions),
    /// The rare error is boxed, because every promise has the room for this.
    Settled(Result<O, Box<PromiseError>>),
    Taken,
}

/// The state of one promise, shared by its handles, its task or resolvers, and the loop's lists.
///
/// The order of the fields is fixed: those that every poll of a task reads share a cache line.
#[repr(C)]
pub(crate) struct State<O> {
    owner: Rc<LoopState>,
    pub(crate) settled_by: SettledByCell,
    /// Whether a task has been asked to drop its future.
    abort_requested: Cell<bool>,
    /// Whether one of its resolvers has been called: only their first call counts (R44).
    pub(super) is_resolved: Cell<bool>,
    /// Whether it has ever had a reaction, or was marked (R17).
    handled: Cell<bool>,
    tracking: Cell<Tracking>,
    /// How many resolvers exist, or [`NO_RESOLVER`].
    pub(super) resolver_count: Cell<u32>,
    /// Its key in the loop's list of awaited promises, or [`UNLISTED`].
    awaited_key: Cell<u32>,
    settlement: RefCell<Settlement<O>>,
    id: PromiseId,
    location: SourceLocation,
    /// The context in which it was made; the report of a rejection runs in it.
    context: AsyncContext,
    /// Finds the rejection in an output.
    reason_of: Cell<ReasonOf<O>>,
    rare: OnceCell<Box<Rare<O>>>,
}

/// Together with the counts of `Rc` and the header of glibc's allocator this is a block of 128 bytes.
/// glibc frees and finds blocks up to this size without merging and splitting them.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<State<u64>>() <= 104);

/// What few promises have.
struct Rare<O> {
    /// Set if the promise is shared: how each awaiter gets an output of its own.
    clone_output: Cell<Option<CloneOutput<O>>>,
    /// The reason of a rejection without an output.
    failure_reason: OnceCell<Box<dyn Reason>>,
}

/// The [`State::resolver_count`] of a promise that has never had a resolver.
const NO_RESOLVER: u32 = u32::MAX;

/// The [`State::awaited_key`] of a promise that is not listed.
const UNLISTED: u32 = u32::MAX;

/// Finds the error in an output: an `Err` for the fallible promises, nothing for the others.
pub(crate) type ReasonOf<O> = fn(&O) -> Option<&dyn Reason>;

type CloneOutput<O> = fn(&O) -> O;

/// The progress of one awaiting handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaiting {
    NotPolled,
    /// Its reaction is registered under this id.
    Registered(u64),
    /// The promise had settled before the first poll; the one turn that awaiting costs is queued
    /// (R45).
    TurnQueued,
    Done,
}

/// A promise of any type, as the code that aborts it sees it.
pub(crate) trait Abortable {
    fn request_abort(self: Rc<Self>);
    fn is_finished(&self) -> bool;
}

impl<O: 'static> Abortable for State<O> {
    fn request_abort(self: Rc<Self>) {
        self.abort();
    }

    fn is_finished(&self) -> bool {
        self.is_settled()
    }
}

impl<O: 'static> State<O> {
    pub(crate) fn new(
        owner: Rc<LoopState>,
        location: SourceLocation,
        reason_of: ReasonOf<O>,
    ) -> Rc<State<O>> {
        let context = owner.context.get();
        State::of(Identity::new(owner, location), context, reason_of)
    }

    /// Creates the state of a promise that was created in `context`.
    #[inline]
    pub(super) fn of(
        promise: Identity,
        context: AsyncContext,
        reason_of: ReasonOf<O>,
    ) -> Rc<State<O>> {
        // `Rc::new` would make the state on the stack and copy it. This makes it in its place.
        Rc::new_cyclic(|_| State {
            owner: promise.owner,
            id: promise.id,
            location: promise.location,
            settlement: RefCell::new(Settlement::Pending(Reactions::default())),
            handled: Cell::new(false),
            tracking: Cell::new(Tracking::Untracked),
            context,
            settled_by: SettledByCell::default(),
            resolver_count: Cell::new(NO_RESOLVER),
            awaited_key: Cell::new(UNLISTED),
            is_resolved: Cell::new(false),
            abort_requested: Cell::new(false),
            reason_of: Cell::new(reason_of),
            rare: OnceCell::new(),
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
        !matches!(*self.settlement.borrow(), Settlement::Pending(_))
    }

    /// Settles the promise and queues its reactions (R13). Only the first call counts.
    pub(crate) fn settle(self: &Rc<Self>, outcome: Outcome<O>) {
        if self.is_settled() {
            return self.owner.drop_value(outcome, self.location);
        }
        self.owner.notify_observers(|| self.settled_event(&outcome));
        let rejected = match &outcome {
            Ok(output) => self.reason_of.get()(output).is_some(),
            Err(PromiseError::Aborted) => false, // the program asked for it
            Err(PromiseError::Panicked(payload)) => {
                let reason = PanicReason {
                    text: payload.message(),
                };
                self.fail_for(Box::new(reason))
            }
            Err(PromiseError::SelfResolution) => self.fail_for(Box::new(SelfResolution)),
        };
        let settled = Settlement::Settled(outcome.map_err(Box::new));
        let before = self.settlement.replace(settled);
        self.settled_by.set(SettledBy::None);
        self.unlist();
        if rejected {
            self.track_rejection();
        }
        let Settlement::Pending(reactions) = before else {
            unreachable!("it was pending above");
        };
        match reactions {
            Reactions::None => {}
            Reactions::One(reaction) => self.react(reaction),
            Reactions::Many(list) => list.into_iter().for_each(|(_, it)| self.react(it)),
        }
    }

    /// Fulfils a promise that had no state when it settled, so that observers know of it.
    pub(super) fn fulfil_unobserved(&self, output: O) {
        self.settlement.replace(Settlement::Settled(Ok(output)));
    }

    /// Does the same for one that has also returned its output.
    pub(super) fn take_unsettled(&self) {
        self.settlement.replace(Settlement::Taken);
    }

    /// Records the reason of a rejection without an output. Returns `true`: it is a rejection.
    #[cold]
    fn fail_for(&self, reason: Box<dyn Reason>) -> bool {
        self.rare().failure_reason.get_or_init(|| reason);
        true
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
            Reaction::WakeTask(task) => self.owner.wake_task(task),
            Reaction::Map(map) => {
                let settled = self.clone(); // `map` holds it weakly
                self.owner.trampoline.run(Box::new(move || {
                    map();
                    drop(settled);
                }));
            }
        }
    }

    /// Calls `map` with the outcome within the settling, or at once if the promise has settled.
    pub(crate) fn when_settled(self: &Rc<Self>, map: impl FnOnce(Outcome<O>) + 'static) {
        self.mark_handled();
        if self.is_settled() {
            map(self.outcome());
        } else {
            let settled = Rc::downgrade(self); // a promise must not own itself
            let map = move || {
                if let Some(settled) = settled.upgrade() {
                    map(settled.outcome());
                }
            };
            self.add_reaction(Reaction::Map(Box::new(map)));
        }
    }

    /// Calls `callback` within the settling, or at once if the promise has settled. It does not
    /// handle the promise: `callback` decides whether to [mark](State::mark_handled) it.
    pub(crate) fn notify_settled(self: &Rc<Self>, callback: impl FnOnce() + 'static) {
        if self.is_settled() {
            callback();
        } else {
            self.add_reaction(Reaction::Map(Box::new(callback)));
        }
    }

    /// Takes back that the promise was handled: if its task has panicked, that is reported at the
    /// end of the drain unless the promise is handled until then.
    pub(crate) fn mark_unhandled(self: &Rc<Self>) {
        self.handled.set(false);
        if self.failure_reason().is_some() && self.tracking.get() == Tracking::Untracked {
            self.track_rejection();
        }
    }

    /// Changes which outputs count as rejections. If the promise has settled already, its
    /// rejection enters or leaves the tracking accordingly.
    pub(crate) fn reclassify(self: &Rc<Self>, reason_of: ReasonOf<O>) {
        self.reason_of.set(reason_of);
        let is_rejected = match &*self.settlement.borrow() {
            Settlement::Settled(Ok(output)) => reason_of(output).is_some(),
            _ => return,
        };
        match self.tracking.get() {
            Tracking::Untracked if is_rejected => self.track_rejection(),
            Tracking::Fresh if !is_rejected => self.owner.rejections.handled(self.clone()),
            _ => {}
        }
    }

    /// Reports the rejection unless it is handled in time. A loop that ends reports nothing.
    fn track_rejection(self: &Rc<Self>) {
        if !self.handled.get() && self.owner.is_open() {
            self.owner.rejections.rejected(self.clone());
        }
    }

    /// Lets every awaiter have an output of its own from now on.
    pub(super) fn share(&self)
    where
        O: Clone,
    {
        self.rare().clone_output.set(Some(O::clone));
    }

    fn rare(&self) -> &Rare<O> {
        let new = || Rare {
            clone_output: Cell::new(None),
            failure_reason: OnceCell::new(),
        };
        self.rare.get_or_init(|| Box::new(new()))
    }

    fn failure_reason(&self) -> Option<&dyn Reason> {
        let reason = self.rare.get()?.failure_reason.get()?;
        Some(&**reason)
    }

    /// Marks the promise as handled (R17).
    pub(crate) fn mark_handled(self: &Rc<Self>) {
        if !self.handled.replace(true) && self.tracking.get() != Tracking::Untracked {
            self.owner.rejections.handled(self.clone());
        }
    }

    /// Polls on behalf of one awaiting handle: ready exactly one turn after the settling, or after
    /// the first poll if the promise has settled by then (R42, R45).
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
                    self.owner.wake_polled(cx);
                } else {
                    let id = match self.owner.polled_task(cx) {
                        Some(task) => self.pending_reactions().add_task(task),
                        None => self.add_reaction(Reaction::Wake(cx.waker().clone())),
                    };
                    *awaiting = Awaiting::Registered(id);
                }
                Poll::Pending
            }
            Awaiting::Registered(_) | Awaiting::TurnQueued if self.is_settled() => {
                *awaiting = Awaiting::Done;
                Poll::Ready(())
            }
            Awaiting::Registered(id) => {
                let task = self.owner.polled_task(cx);
                let replaced = self.reactions().and_then(|mut it| it.replace(id, task, cx));
                drop(replaced);
                Poll::Pending
            }
            Awaiting::TurnQueued => unreachable!("a settled promise stays settled"),
            Awaiting::Done => refuse_poll(self.location),
        }
    }

    /// Does what the first poll does by a task that is entered in the list.
    #[inline]
    pub(super) fn wait_in(self: &Rc<Self>, awaiting: &mut Awaiting, task: TaskKey) {
        self.mark_handled();
        if self.is_settled() {
            *awaiting = Awaiting::TurnQueued;
            self.owner.wake_task(task);
        } else {
            let id = self.pending_reactions().add_task(task);
            *awaiting = Awaiting::Registered(id);
        }
    }

    /// Does what a later poll does by that task.
    #[inline]
    pub(super) fn woken(&self, awaiting: &mut Awaiting) -> Option<Outcome<O>> {
        if !self.is_settled() {
            return None;
        }
        *awaiting = Awaiting::Done;
        Some(self.outcome())
    }

    /// Adds a reaction and lists the promise as awaited.
    fn add_reaction(self: &Rc<Self>, reaction: Reaction) -> u64 {
        self.pending_reactions().add(reaction)
    }

    /// Lists the promise as awaited, and returns its reactions, to which the caller adds one. A task needs
    /// no entry: it is in the list of tasks.
    #[inline]
    fn pending_reactions(self: &Rc<Self>) -> RefMut<'_, Reactions> {
        let has_task = !matches!(
            self.settled_by.get(),
            SettledBy::Resolver | SettledBy::Job(_)
        );
        if !has_task && self.awaited_key.get() == UNLISTED {
            self.list();
        }
        self.reactions()
            .expect("only a pending promise gets reactions")
    }

    #[inline(never)]
    fn list(self: &Rc<Self>) {
        let promise: Weak<State<O>> = Rc::downgrade(self);
        let key = u32::try_from(self.owner.awaited.add(promise));
        self.awaited_key
            .set(key.expect("a list of less than 2^32 promises"));
    }

    /// Returns the reactions of a pending promise.
    #[inline]
    fn reactions(&self) -> Option<RefMut<'_, Reactions>> {
        // A promise whose outcome is being cloned is settled, and borrowed meanwhile.
        let settlement = self.settlement.try_borrow_mut().ok()?;
        RefMut::filter_map(settlement, |settlement| match settlement {
            Settlement::Pending(reactions) => Some(reactions),
            _ => None,
        })
        .ok()
    }

    /// Removes the reaction of a handle that is dropped.
    pub(crate) fn forget_reaction(&self, awaiting: Awaiting) {
        if let Awaiting::Registered(id) = awaiting {
            let forgotten = self.reactions().and_then(|mut it| it.remove(id));
            drop(forgotten);
        }
    }

    /// Moves the outcome out of a settled promise, or clones it if the promise is shared.
    #[inline(always)] // every await of a promise runs it
    pub(crate) fn outcome(&self) -> Outcome<O> {
        if let Some(rare) = self.rare.get()
            && let Some(clone) = rare.clone_output.get()
        {
            return self.cloned_outcome(clone);
        }
        match self.settlement.replace(Settlement::Taken) {
            Settlement::Settled(outcome) => outcome.map_err(|failure| *failure),
            Settlement::Pending(_) => unreachable!("taken before it was settled"),
            Settlement::Taken => panic!("the value of this promise has been taken already"),
        }
    }

    fn cloned_outcome(&self, clone: CloneOutput<O>) -> Outcome<O> {
        match &*self.settlement.borrow() {
            Settlement::Settled(Ok(output)) => Ok(clone(output)),
            Settlement::Settled(Err(failure)) => Err(failure.copied()),
            Settlement::Pending(_) => unreachable!("cloned before it was settled"),
            Settlement::Taken => panic!("the value of this promise has been taken already"),
        }
    }

    /// Stops what would settle the promise. It settles as [`PromiseError::Aborted`]: a task at its
    /// next turn, everything else at once.
    pub(crate) fn abort(self: &Rc<Self>) {
        self.owner.refuse_if_observer();
        if self.is_settled() || self.abort_requested.replace(true) {
            return;
        }
        match self.settled_by.get() {
            SettledBy::Task(index) => self.owner.abort_task(TaskKey {
                index,
                promise: self.id.get(),
            }),
            SettledBy::Job(id) => {
                self.owner.cancel_job(id);
                self.settle(Err(PromiseError::Aborted));
            }
            SettledBy::Resolver => self.settle(Err(PromiseError::Aborted)),
            SettledBy::None => {}
        }
    }

    pub(crate) fn abort_requested(&self) -> bool {
        self.abort_requested.get()
    }
}

#[cold]
pub(super) fn refuse_poll(location: SourceLocation) -> ! {
    panic!(
        "the promise created at {location} was polled after it had returned its output: await it \
         once, or make it `shared()` and await one clone for each output"
    );
}

impl<O> State<O> {
    fn unlist(&self) {
        let key = self.awaited_key.replace(UNLISTED);
        if key != UNLISTED {
            self.owner.awaited.remove(key as usize);
        }
    }
}

impl<O> Drop for State<O> {
    /// Drops an outcome that no handle has taken. This may happen inside a task, where a panic in a
    /// destructor would end the process. A `map` that was never called owns the next promise of a
    /// chain, which must not be dropped recursively.
    fn drop(&mut self) {
        self.unlist();
        let settlement = self.settlement.get_mut();
        if let Settlement::Pending(reactions) = settlement
            && reactions.may_own_promise()
        {
            let reactions = std::mem::take(reactions);
            let (owner, location) = (self.owner.clone(), self.location);
            self.owner
                .trampoline
                .run(Box::new(move || owner.drop_value(reactions, location)));
        }
        if std::mem::needs_drop::<O>()
            && let Settlement::Settled(outcome) =
                std::mem::replace(self.settlement.get_mut(), Settlement::Taken)
        {
            self.owner.drop_value(outcome, self.location);
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
        if let Some(reason) = self.failure_reason() {
            return look(reason);
        }
        if let Settlement::Settled(Ok(output)) = &*self.settlement.borrow()
            && let Some(reason) = self.reason_of.get()(output)
        {
            return look(reason);
        }
        look(&TakenReason);
    }
}
