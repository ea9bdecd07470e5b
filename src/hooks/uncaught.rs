//! Panics that leave a callback, and the hooks that are told of errors (R51, R18).
//!
//! Bottom of the error path: it knows payloads and listeners, not the loop.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use crate::hooks::rejection::{Reason, Tracked};
use crate::phases::macrotask::SourceLocation;

/// The payload with which `exit` unwinds the callback that called it.
pub(crate) struct ExitUnwind;

/// What a panic says, for reports.
pub(crate) fn payload_text(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a payload that is not text".to_owned()
    }
}

/// Drops a value of the user's where a panic has nobody to go to: the panic hook has printed it.
pub(crate) fn drop_quietly<T>(value: T) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(value)));
}

/// A panic that nothing in the program has caught, as the
/// [`on_uncaught`](crate::on_uncaught) hook and [`RunError`](crate::RunError) see it.
pub struct Uncaught {
    pub(crate) payload: Box<dyn Any + Send>,
    pub(crate) location: SourceLocation,
}

impl Uncaught {
    /// The panic's payload: what was given to `panic!` (a `&'static str` or a `String`), to
    /// `panic_any` or to `resume_unwind`.
    pub fn payload(&self) -> &(dyn Any + Send) {
        &*self.payload
    }

    /// The panic's payload, for `resume_unwind`.
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        self.payload
    }

    /// Where the callback was handed to the loop.
    pub fn location(&self) -> SourceLocation {
        self.location
    }
}

impl fmt::Display for Uncaught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = payload_text(&*self.payload);
        write!(
            f,
            "uncaught panic in the callback made at {}: {text}",
            self.location
        )
    }
}

impl fmt::Debug for Uncaught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A rejected promise as the hooks see it.
pub struct Rejection {
    pub(crate) promise: Rc<dyn Tracked>,
}

impl Rejection {
    /// Where the promise was made.
    pub fn location(&self) -> SourceLocation {
        self.promise.location()
    }

    /// Calls `look` with the reason: the error with which the promise was rejected, or a
    /// [`PanicReason`]. Downcast it with [`Reason::as_any`].
    pub fn with_reason<R>(&self, look: impl FnOnce(&dyn Reason) -> R) -> R {
        let mut look = Some(look);
        let mut result = None;
        self.promise.with_reason(&mut |reason| {
            if let Some(look) = look.take() {
                result = Some(look(reason));
            }
        });
        result.expect("a rejected promise has a reason")
    }

    /// The reason as `Debug` prints it.
    pub fn reason_text(&self) -> String {
        self.with_reason(|reason| format!("{reason:?}"))
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the promise made at {} was rejected: {}",
            self.location(),
            self.reason_text()
        )
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The [`Reason`] of a promise whose task panicked.
pub struct PanicReason {
    pub(crate) text: String,
}

impl PanicReason {
    /// The text of the panic.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for PanicReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panic: {}", self.text)
    }
}

/// One list of listeners, called in the order in which they were added.
pub(crate) struct Listeners<T: ?Sized> {
    list: RefCell<Vec<(u64, Callback<T>)>>,
    next_id: Cell<u64>,
}

type Callback<T> = Rc<RefCell<dyn FnMut(&T)>>;

impl<T: ?Sized> Listeners<T> {
    pub(crate) fn new() -> Listeners<T> {
        Listeners {
            list: RefCell::new(Vec::new()),
            next_id: Cell::new(0),
        }
    }

    pub(crate) fn add(&self, listener: impl FnMut(&T) + 'static) -> u64 {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        let listener = Rc::new(RefCell::new(listener));
        self.list.borrow_mut().push((id, listener));
        id
    }

    /// Takes a listener out, to be dropped by the caller outside of any borrow.
    pub(crate) fn remove(&self, id: u64) -> Option<Callback<T>> {
        let mut list = self.list.borrow_mut();
        let index = list.iter().position(|(other, _)| *other == id)?;
        Some(list.remove(index).1)
    }

    #[cfg(unix)]
    pub(crate) fn contains(&self, id: u64) -> bool {
        self.list.borrow().iter().any(|(other, _)| *other == id)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.borrow().is_empty()
    }

    /// Calls every listener that is there now, also one that another of them removes meanwhile;
    /// one that is running already is passed over.
    pub(crate) fn call(&self, event: &T) {
        let listeners = self.list.borrow().clone();
        for (_, listener) in listeners {
            if let Ok(mut listener) = listener.try_borrow_mut() {
                listener(event);
            }
        }
    }

    /// Takes all out, to be dropped by the caller outside of any borrow.
    pub(crate) fn take_all(&self) -> impl Sized + use<T> {
        std::mem::take(&mut *self.list.borrow_mut())
    }
}
