//! The signals that a loop watches, and their macrotasks (R64).
//!
//! `source` reports which signals have arrived: by a pipe on Unix, by messages on Windows. On a host of a
//! simulated world, the test delivers them, and nothing listens to the system. Every one
//! becomes a macrotask of the poll phase, after all other events of that phase, as in libuv
//! (`signal.c` `uv__signal_event`). [`CHILD`] makes the loop query its children first; the macrotasks
//! of children that have ended run before those of its listeners.
//!
//! This module never calls a listener: it returns macrotasks, as a phase does. The public API is in
//! `signal.rs`.
//!
//! Invariant: a number is watched as long as it has a listener, and [`CHILD`] also as long as a
//! child runs.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::io;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use super::source::{self, CHILD, SignalSource, SignalSources};
use crate::hooks::listener_list::ListenerList;
use crate::observe::active_resource::{ResourceEntry, ResourceKind};
use crate::phases::macrotask::{Macrotask, Origin, SourceLocation, StepKind};
use crate::phases::poll::PollPhase;
use crate::process::children::{ChildKey, Children, NewChild, RunningChild};
use crate::reactor::journal::{Journal, Operation, Subject};
use crate::reactor::registrations::{Registrations, SignalNumber};
use crate::reactor::remote_queue::RemoteQueue;
use crate::reactor::world::WorldHost;

pub(crate) struct Signals {
    sources: SignalSources,
    watched: RefCell<WatchedSignals>,
    children: RefCell<Children>,
    /// The number of listeners and children that keep the loop alive.
    refed: Cell<usize>,
    /// The journal that arrivals and children pass through, if there is one.
    journal: Option<Journal>,
    /// The simulated host whose signals the loop receives; `None` in the real world.
    world: Option<WorldHost>,
}

/// The most arrivals of a signal in one poll phase: a damaged recording must not exhaust the memory.
const MOST_ARRIVALS: usize = 1 << 20;

type WatchedSignals = BTreeMap<SignalNumber, WatchedSignal>;

/// A number whose signals the loop receives.
struct WatchedSignal {
    source: Source,
    listeners: Rc<ListenerList<()>>,
    /// The listeners that keep the loop alive.
    refed: BTreeSet<u64>,
    /// `None` as long as there is no listener.
    call: Option<ListenersCall>,
}

/// Where the signals of a number come from.
enum Source {
    System(SignalSource),
    World(WorldHost, SignalNumber),
}

impl Source {
    /// Returns how many signals have arrived since the last call.
    fn drain(&self) -> usize {
        match self {
            Source::System(source) => source.drain(),
            Source::World(host, number) => host.take_signals(*number),
        }
    }

    fn close(&mut self, registrations: &RefCell<Registrations>) {
        match self {
            Source::System(source) => source.close(registrations),
            Source::World(host, number) => host.ignore_signal(*number),
        }
    }
}

/// Calls the listeners of a signal, in the context in which the first of them was added.
pub(crate) struct ListenersCall {
    pub(crate) call: Rc<dyn Fn()>,
    /// Where the first listener was added.
    pub(crate) location: SourceLocation,
}

/// Identifies a listener of a signal. It is dangling after the listener was removed.
#[derive(Clone)]
pub(crate) struct ListenerKey {
    number: SignalNumber,
    listeners: Weak<ListenerList<()>>,
    id: u64,
}

impl Signals {
    pub(crate) fn new(remote_queue: &Arc<RemoteQueue>, poll: &PollPhase) -> Signals {
        Signals {
            sources: SignalSources::new(remote_queue),
            watched: RefCell::default(),
            children: RefCell::default(),
            refed: Cell::new(0),
            journal: poll.delivery.journal().cloned(),
            world: poll.world.clone(),
        }
    }

    /// Adds a listener. `first_call` is called if it is the first listener of its signal.
    pub(crate) fn add(
        &self,
        registrations: &RefCell<Registrations>,
        number: SignalNumber,
        (location, listener): (SourceLocation, impl FnMut(&()) + 'static),
        first_call: impl FnOnce(Rc<ListenerList<()>>) -> ListenersCall,
    ) -> io::Result<ListenerKey> {
        source::check(number)?;
        let mut watched = self.watched.borrow_mut();
        let signal = self.watch(&mut watched, registrations, number)?;
        if signal.call.is_none() {
            signal.call = Some(first_call(signal.listeners.clone()));
        }
        Ok(ListenerKey {
            number,
            id: signal.listeners.add(location, listener),
            listeners: Rc::downgrade(&signal.listeners),
        })
    }

    /// Removes a listener, and stops watching its signal if no longer needed. The caller drops the
    /// result outside of any borrow.
    #[must_use]
    pub(crate) fn remove(
        &self,
        registrations: &RefCell<Registrations>,
        key: &ListenerKey,
    ) -> Option<impl Sized + use<>> {
        self.set_refed(key, false);
        let mut watched = self.watched.borrow_mut();
        let signal = find(&mut watched, key)?;
        let listener = signal.listeners.remove(key.id)?;
        let was_last = signal.listeners.is_empty();
        let call = was_last.then(|| signal.call.take());
        let unwatched = self.unwatch_if_unused(&mut watched, registrations, key.number);
        Some((listener, call, unwatched))
    }

    /// Stops watching a number without listeners and children.
    fn unwatch_if_unused(
        &self,
        watched: &mut WatchedSignals,
        registrations: &RefCell<Registrations>,
        number: SignalNumber,
    ) -> Option<WatchedSignal> {
        let has_children = number == CHILD && !self.children.borrow().is_empty();
        let signal = watched.get_mut(&number)?;
        if has_children || !signal.listeners.is_empty() {
            return None;
        }
        signal.source.close(registrations);
        watched.remove(&number)
    }

    /// Starts a child and watches for its end. [`CHILD`] is watched before `start` is called, so that a
    /// child that ends at once is not missed. `start` receives what a thread that waits for the child
    /// has to call at its end.
    pub(crate) fn start_child<T>(
        &self,
        registrations: &RefCell<Registrations>,
        location: SourceLocation,
        start: impl FnOnce(source::OnChildEnd) -> io::Result<(NewChild, T)>,
    ) -> io::Result<(ChildKey, T)> {
        let mut watched = self.watched.borrow_mut();
        self.watch(&mut watched, registrations, CHILD)?;
        match start(self.sources.on_child_end()) {
            Ok((child, rest)) => {
                let key = self.children.borrow_mut().add(child, location);
                self.count_refed(true);
                Ok((key, rest))
            }
            Err(error) => {
                // It has no listeners, so dropping it in the borrow runs no user code.
                drop(self.unwatch_if_unused(&mut watched, registrations, CHILD));
                Err(error)
            }
        }
    }

    /// Calls `act` with a child; `None` if its end was dispatched.
    pub(crate) fn with_child<R>(
        &self,
        key: ChildKey,
        act: impl FnOnce(&mut RunningChild) -> R,
    ) -> Option<R> {
        self.children.borrow_mut().get_mut(key).map(act)
    }

    /// Sets whether a child keeps the loop alive until it has ended, which is the default.
    pub(crate) fn set_child_refed(&self, key: ChildKey, refed: bool) {
        let before = self.with_child(key, |child| std::mem::replace(&mut child.refed, refed));
        if before.is_some_and(|before| before != refed) {
            self.count_refed(refed);
        }
    }

    /// Returns whether a listener has not been removed.
    pub(crate) fn contains(&self, key: &ListenerKey) -> bool {
        find(&mut self.watched.borrow_mut(), key).is_some()
    }

    /// Sets whether a listener keeps the loop alive. By default it does not.
    pub(crate) fn set_refed(&self, key: &ListenerKey, refed: bool) {
        let mut watched = self.watched.borrow_mut();
        let has_changed = find(&mut watched, key).is_some_and(|signal| match refed {
            true => signal.refed.insert(key.id),
            false => signal.refed.remove(&key.id),
        });
        if has_changed {
            self.count_refed(refed);
        }
    }

    pub(crate) fn has_ref(&self, key: &ListenerKey) -> bool {
        find(&mut self.watched.borrow_mut(), key)
            .is_some_and(|signal| signal.refed.contains(&key.id))
    }

    fn count_refed(&self, refed: bool) {
        let count = self.refed.get();
        self.refed.set(if refed { count + 1 } else { count - 1 });
    }

    /// Returns the running children and the signals with listeners, for a report.
    pub(crate) fn active_resources(&self) -> Vec<ResourceEntry> {
        let mut resources = self.children.borrow().active_resources();
        for signal in self.watched.borrow().values() {
            if let Some(call) = &signal.call {
                resources.push(ResourceEntry {
                    refed: !signal.refed.is_empty(),
                    ..ResourceEntry::new(ResourceKind::Signal, Some(call.location))
                });
            }
        }
        resources
    }

    pub(crate) fn has_refed(&self) -> bool {
        self.refed.get() > 0
    }

    /// Returns the macrotasks of the signals of a number that have arrived: one for each child
    /// that has ended, and one for each signal if it has a listener.
    pub(crate) fn take_arrived(
        &self,
        registrations: &RefCell<Registrations>,
        number: SignalNumber,
    ) -> Vec<Macrotask> {
        let mut watched = self.watched.borrow_mut();
        let Some(signal) = watched.get(&number) else {
            return Vec::new(); // the last listener was removed in the meantime
        };
        let drain = || Ok(signal.source.drain());
        let count = match &self.journal {
            None => drain(),
            Some(journal) => {
                let subject = Subject::Number(u64::from(number.cast_unsigned()));
                journal.call(Operation::CountSignals, subject, drain)
            }
        };
        // A replay that has diverged is about to end.
        let count = count.unwrap_or(0).min(MOST_ARRIVALS);
        let mut macrotasks = Vec::new();
        if number == CHILD {
            let journal = self.journal.as_ref();
            for (macrotask, refed) in self.children.borrow_mut().take_ended(journal) {
                if refed {
                    self.count_refed(false);
                }
                macrotasks.push(macrotask);
            }
        }
        if let Some(ListenersCall { call, location }) = &signal.call {
            macrotasks.extend((0..count).map(|_| {
                let call = call.clone();
                Macrotask::callback(move || call(), Origin::new(StepKind::Signal, location))
            }));
        }
        // It has no listeners, so dropping it in the borrow runs no user code.
        drop(self.unwatch_if_unused(&mut watched, registrations, number));
        macrotasks
    }

    /// Removes everything. The caller drops the result outside of any borrow.
    pub(crate) fn take_all(&self, registrations: &RefCell<Registrations>) -> impl Sized + use<> {
        let mut watched = std::mem::take(&mut *self.watched.borrow_mut());
        for signal in watched.values_mut() {
            signal.source.close(registrations);
        }
        self.refed.set(0);
        (watched, self.children.borrow_mut().take_all())
    }

    /// Watches a number, if it is not watched yet.
    fn watch<'a>(
        &self,
        watched: &'a mut WatchedSignals,
        registrations: &RefCell<Registrations>,
        number: SignalNumber,
    ) -> io::Result<&'a mut WatchedSignal> {
        match watched.entry(number) {
            Entry::Occupied(signal) => Ok(signal.into_mut()),
            Entry::Vacant(vacant) => Ok(vacant.insert(WatchedSignal {
                source: self.source_of(registrations, number)?,
                listeners: Rc::default(),
                refed: BTreeSet::new(),
                call: None,
            })),
        }
    }

    fn source_of(
        &self,
        registrations: &RefCell<Registrations>,
        number: SignalNumber,
    ) -> io::Result<Source> {
        match &self.world {
            None => Ok(Source::System(self.sources.watch(registrations, number)?)),
            Some(host) => {
                host.listen_to_signal(number);
                Ok(Source::World(host.clone(), number))
            }
        }
    }
}

/// Returns the signal of a listener that has not been removed.
fn find<'a>(watched: &'a mut WatchedSignals, key: &ListenerKey) -> Option<&'a mut WatchedSignal> {
    let signal = watched.get_mut(&key.number)?;
    let is_same_list = key.listeners.as_ptr() == Rc::as_ptr(&signal.listeners);
    (is_same_list && signal.listeners.contains(key.id)).then_some(signal)
}
