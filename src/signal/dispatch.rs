//! The signals that a loop listens to, and what they bring (R64).
//!
//! The handler of a signal writes a byte into a pipe, and the poll phase watches its other end: a
//! pipe for each loop and each number. Every byte is a macrotask of the poll phase, behind all
//! other events of that phase, as in libuv (`signal.c` `uv__signal_event`). `SIGCHLD` makes the
//! loop ask for its children first; those that have ended are macrotasks in front of its listeners'.
//!
//! It never calls a listener: it hands out macrotasks, as a phase does. The API is in `signal.rs`.
//!
//! Invariants: a number is watched as long as it has a listener, and `SIGCHLD` also as long as a
//! child runs; a signal is counted unless 65,536
//! of its number are there already.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::io::{self, Read};
use std::rc::{Rc, Weak};

use mio::unix::pipe::Receiver;
use signal_hook::consts::SIGCHLD;

use super::disposition::Listening;
use crate::hooks::listeners::Listeners;
use crate::observe::active_resource::{ResourceEntry, ResourceKind};
use crate::phases::macrotask::{Macrotask, Origin, SourceLocation, StepKind};
pub(crate) use crate::process::children::{ChildKey, Started};
use crate::process::children::{Children, Running};
use crate::reactor::registrations::{Registrations, SignalNumber};

#[derive(Default)]
pub(crate) struct Signals {
    watches: RefCell<BTreeMap<SignalNumber, Listened>>,
    children: RefCell<Children>,
    /// How many listeners and children keep the loop alive.
    refed: Cell<usize>,
}

struct Listened {
    pipe: Receiver,
    listeners: Rc<Listeners<()>>,
    /// The listeners that keep the loop alive.
    refed: BTreeSet<u64>,
    /// Calls the listeners, in the context in which the first of them was added; absent before.
    call: Option<(Rc<dyn Fn()>, SourceLocation)>,
    _listening: Listening,
}

/// Which listener of a signal. It means nothing any more when the listener was taken out.
#[derive(Clone)]
pub(crate) struct ListenerKey {
    number: SignalNumber,
    listeners: Weak<Listeners<()>>,
    id: u64,
}

impl Signals {
    /// Adds a listener. `call` makes what calls a list of them; it is asked for the first one.
    pub(crate) fn add(
        &self,
        registrations: &RefCell<Registrations>,
        number: SignalNumber,
        location: SourceLocation,
        listener: impl FnMut(&()) + 'static,
        call: impl FnOnce(Rc<Listeners<()>>) -> Rc<dyn Fn()>,
    ) -> io::Result<ListenerKey> {
        let mut watches = self.watches.borrow_mut();
        let watch = watch(&mut watches, registrations, number)?;
        if watch.call.is_none() {
            watch.call = Some((call(watch.listeners.clone()), location));
        }
        Ok(ListenerKey {
            number,
            id: watch.listeners.add(listener),
            listeners: Rc::downgrade(&watch.listeners),
        })
    }

    /// Removes a listener, and watches the signal no more if it was the last one. The caller drops
    /// what comes back outside of any borrow.
    #[must_use]
    pub(crate) fn remove(
        &self,
        registrations: &RefCell<Registrations>,
        key: &ListenerKey,
    ) -> Option<impl Sized + use<>> {
        self.set_refed(key, false);
        let mut watches = self.watches.borrow_mut();
        let watch = watch_of(&mut watches, key)?;
        let listener = watch.listeners.remove(key.id)?;
        let call = match watch.listeners.is_empty() {
            true => watch.call.take(),
            false => None,
        };
        let unused = self.unwatch(&mut watches, registrations, key.number);
        Some((listener, call, unused))
    }

    /// Forgets a number that nobody needs any more.
    fn unwatch(
        &self,
        watches: &mut BTreeMap<SignalNumber, Listened>,
        registrations: &RefCell<Registrations>,
        number: SignalNumber,
    ) -> Option<Listened> {
        let needed = number == SIGCHLD && !self.children.borrow().is_empty();
        let watch = watches.get_mut(&number)?;
        if needed || !watch.listeners.is_empty() {
            return None;
        }
        registrations.borrow_mut().unwatch_signal(&mut watch.pipe);
        watches.remove(&number)
    }

    /// Starts a child and watches for its end; `start` is called behind the preparations, so that
    /// a child that ends at once is not missed.
    pub(crate) fn start_child<T>(
        &self,
        registrations: &RefCell<Registrations>,
        location: SourceLocation,
        start: impl FnOnce() -> io::Result<(Started, T)>,
    ) -> io::Result<(ChildKey, T)> {
        let mut watches = self.watches.borrow_mut();
        watch(&mut watches, registrations, SIGCHLD)?;
        match start() {
            Ok((started, rest)) => {
                let key = self.children.borrow_mut().add(started, location);
                self.refed.set(self.refed.get() + 1);
                Ok((key, rest))
            }
            Err(error) => {
                let unused = self.unwatch(&mut watches, registrations, SIGCHLD);
                drop(unused); // nothing of the user's is in it
                Err(error)
            }
        }
    }

    /// Does something with a child that the loop does not know to have ended.
    pub(crate) fn with_child<R>(
        &self,
        key: ChildKey,
        act: impl FnOnce(&mut Running) -> R,
    ) -> Option<R> {
        self.children.borrow_mut().get_mut(key).map(act)
    }

    /// Whether a child keeps the loop alive until it has ended. It does at first.
    pub(crate) fn set_child_refed(&self, key: ChildKey, refed: bool) {
        let before = self.with_child(key, |child| std::mem::replace(&mut child.refed, refed));
        match (before, refed) {
            (Some(false), true) => self.refed.set(self.refed.get() + 1),
            (Some(true), false) => self.refed.set(self.refed.get() - 1),
            _ => {}
        }
    }

    /// Whether a listener is still there.
    pub(crate) fn contains(&self, key: &ListenerKey) -> bool {
        watch_of(&mut self.watches.borrow_mut(), key).is_some()
    }

    /// Whether a listener keeps the loop alive. None does at first.
    pub(crate) fn set_refed(&self, key: &ListenerKey, refed: bool) {
        let mut watches = self.watches.borrow_mut();
        if let Some(watch) = watch_of(&mut watches, key) {
            if refed && watch.refed.insert(key.id) {
                self.refed.set(self.refed.get() + 1);
            } else if !refed && watch.refed.remove(&key.id) {
                self.refed.set(self.refed.get() - 1);
            }
        }
    }

    pub(crate) fn has_ref(&self, key: &ListenerKey) -> bool {
        watch_of(&mut self.watches.borrow_mut(), key)
            .is_some_and(|watch| watch.refed.contains(&key.id))
    }

    /// The children, and the numbers that are listened to, for a report.
    pub(crate) fn active_resources(&self) -> Vec<ResourceEntry> {
        let mut resources = self.children.borrow().active_resources();
        for watch in self.watches.borrow().values() {
            if let Some((_, location)) = &watch.call {
                resources.push(ResourceEntry {
                    refed: !watch.refed.is_empty(),
                    ..ResourceEntry::new(ResourceKind::Signal, Some(location))
                });
            }
        }
        resources
    }

    pub(crate) fn has_refed(&self) -> bool {
        self.refed.get() > 0
    }

    /// What the signals of a number bring that have come by now: a macrotask for each child that
    /// has ended, and one for each signal if anybody listens.
    pub(crate) fn arrived(
        &self,
        registrations: &RefCell<Registrations>,
        number: SignalNumber,
    ) -> Vec<Macrotask> {
        let mut watches = self.watches.borrow_mut();
        let Some(watch) = watches.get(&number) else {
            return Vec::new(); // the last listener has gone since
        };
        let count = drain(&watch.pipe);
        let mut callbacks = Vec::new();
        if number == SIGCHLD {
            for (macrotask, refed) in self.children.borrow_mut().take_ended() {
                self.refed.set(self.refed.get() - usize::from(refed));
                callbacks.push(macrotask);
            }
        }
        if let Some((call, location)) = &watch.call {
            let macrotask = |_| {
                let call = call.clone();
                Macrotask::callback(move || call(), Origin::new(StepKind::Signal, location))
            };
            callbacks.extend((0..count).map(macrotask));
        }
        let unused = self.unwatch(&mut watches, registrations, number);
        drop(unused); // nothing of the user's is in it
        callbacks
    }

    /// Takes everything out, to be dropped by the caller outside of any borrow.
    pub(crate) fn take_all(&self, registrations: &RefCell<Registrations>) -> impl Sized + use<> {
        let mut watches = std::mem::take(&mut *self.watches.borrow_mut());
        let mut registrations = registrations.borrow_mut();
        for watch in watches.values_mut() {
            registrations.unwatch_signal(&mut watch.pipe);
        }
        self.refed.set(0);
        (watches, self.children.borrow_mut().take_all())
    }
}

/// The watch of a number, which begins now if it is the first of its number.
fn watch<'a>(
    watches: &'a mut BTreeMap<SignalNumber, Listened>,
    registrations: &RefCell<Registrations>,
    number: SignalNumber,
) -> io::Result<&'a mut Listened> {
    match watches.entry(number) {
        Entry::Occupied(watch) => Ok(watch.into_mut()),
        Entry::Vacant(vacant) => {
            let (writer, mut pipe) = mio::unix::pipe::new()?;
            let listening = Listening::new(number, writer)?;
            registrations.borrow_mut().watch_signal(&mut pipe, number)?;
            Ok(vacant.insert(Listened {
                pipe,
                listeners: Rc::new(Listeners::new()),
                refed: BTreeSet::new(),
                call: None,
                _listening: listening,
            }))
        }
    }
}

/// The watch of a listener that is still there.
fn watch_of<'a>(
    watches: &'a mut BTreeMap<SignalNumber, Listened>,
    key: &ListenerKey,
) -> Option<&'a mut Listened> {
    let watch = watches.get_mut(&key.number)?;
    let is_the_same = key.listeners.as_ptr() == Rc::as_ptr(&watch.listeners);
    (is_the_same && watch.listeners.contains(key.id)).then_some(watch)
}

/// How many bytes are in the pipe, which is empty then.
fn drain(mut pipe: &Receiver) -> usize {
    let mut buffer = [0; 512];
    let mut count = 0;
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) => return count,
            Ok(length) => count += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return count, // nothing is left
        }
    }
}
