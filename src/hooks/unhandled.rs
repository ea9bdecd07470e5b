//! The reason of a rejection that ended a run or became an uncaught error.
//!
//! A reason need not be `Send`, but the errors that contain it are. The promise that has it stays in
//! a list of its thread; the error contains only its number there and the text.
//!
//! Invariant: only the thread that made a reason reads or drops its value.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::thread::{self, ThreadId};

use rustc_hash::FxHashMap;

use crate::hooks::rejection::{Reason, Rejection, TakenReason, Tracked};
use crate::phases::macrotask::SourceLocation;

thread_local! {
    static KEPT: Kept = const { Kept { promises: RefCell::new(None), next_id: Cell::new(0) } };
}

/// The rejected promises of this thread that an error refers to.
struct Kept {
    promises: RefCell<Option<FxHashMap<u64, Rc<dyn Tracked>>>>,
    next_id: Cell<u64>,
}

/// The reason of an unhandled rejection: its text, and on its own thread also its value.
///
/// It can be sent to another thread, where only the text is available. If it is dropped there, its
/// value is dropped when the thread that made it ends; until then the memory and the descriptors of the
/// loop stay in use.
///
/// # Examples
///
/// ```
/// use nodeloop::{EventLoop, RunError, promise};
///
/// let result = EventLoop::builder().build()?.run_script(|| {
///     promise::reject::<(), _>(std::io::Error::other("out of paper"));
/// });
/// let Err(RunError::Unhandled { reason, .. }) = result else { unreachable!() };
/// assert_eq!(reason.text(), "out of paper");
/// let kind = reason.with_value(|value| value.downcast_ref::<std::io::Error>().unwrap().kind());
/// assert_eq!(kind, Some(std::io::ErrorKind::Other));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UnhandledReason {
    text: String,
    /// The number of the promise in the list of its thread.
    kept: Option<KeptId>,
}

/// The number of a promise in the list of its thread.
#[derive(Clone, Copy)]
pub(crate) struct KeptId {
    thread: ThreadId,
    id: u64,
}

impl KeptId {
    /// Returns the promise; `None` on another thread.
    pub(crate) fn promise(self) -> Option<Rc<dyn Tracked>> {
        if self.thread != thread::current().id() {
            return None;
        }
        let promise = KEPT.try_with(|kept| {
            let promises = kept.promises.borrow();
            let promise = promises
                .as_ref()
                .and_then(|promises| promises.get(&self.id));
            promise.cloned()
        });
        promise.ok().flatten()
    }

    /// Calls `read` with the reason and returns its result; `None` if there is none any more.
    pub(crate) fn with_value<R>(self, read: impl FnOnce(&dyn Reason) -> R) -> Option<R> {
        let mut read = Some(read);
        let mut result = None;
        self.promise()?.with_reason(&mut |reason| {
            if !reason.is::<TakenReason>() {
                result = read.take().map(|read| read(reason));
            }
        });
        result
    }
}

impl UnhandledReason {
    pub(crate) fn of(rejection: &Rejection) -> UnhandledReason {
        let promise = rejection.promise.clone();
        let kept = KEPT.try_with(|kept| {
            let id = kept.next_id.get();
            kept.next_id.set(id + 1);
            let mut promises = kept.promises.borrow_mut();
            promises.get_or_insert_default().insert(id, promise);
            let thread = thread::current().id();
            KeptId { thread, id }
        });
        UnhandledReason {
            text: rejection.reason_text(),
            kept: kept.ok(),
        }
    }

    /// Creates a reason that has no value.
    pub(crate) fn of_text(text: String) -> UnhandledReason {
        UnhandledReason { text, kept: None }
    }

    /// Returns the reason as text: an `io::Error` as `Display` prints it, any other value as `Debug`
    /// does.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Calls `read` with the reason and returns its result.
    ///
    /// Returns `None` on another thread than that of the loop, and if the value has been moved out
    /// by an await of the promise meanwhile.
    pub fn with_value<R>(&self, read: impl FnOnce(&dyn Reason) -> R) -> Option<R> {
        self.kept?.with_value(read)
    }

    pub(crate) fn kept(&self) -> Option<KeptId> {
        self.kept
    }
}

impl Drop for UnhandledReason {
    fn drop(&mut self) {
        let Some(KeptId { thread, id }) = self.kept else {
            return;
        };
        if thread == thread::current().id() {
            let promise = KEPT.try_with(|kept| {
                let mut promises = kept.promises.borrow_mut();
                promises.as_mut().and_then(|promises| promises.remove(&id))
            });
            drop(promise); // outside of the borrow: it may run destructors of user code
        }
    }
}

impl fmt::Display for UnhandledReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for UnhandledReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The payload of an unhandled rejection that is reported as an uncaught error (R18).
///
/// [`on_uncaught`](crate::on_uncaught) listeners receive it if there is no
/// [`on_unhandled_rejection`](crate::on_unhandled_rejection) listener.
#[derive(Debug)]
pub struct UnhandledRejection {
    reason: UnhandledReason,
    location: SourceLocation,
}

impl UnhandledRejection {
    pub(crate) fn of(rejection: &Rejection) -> UnhandledRejection {
        UnhandledRejection {
            reason: UnhandledReason::of(rejection),
            location: rejection.location(),
        }
    }

    /// Returns the reason of the rejection.
    pub fn reason(&self) -> &UnhandledReason {
        &self.reason
    }

    /// Returns the reason of the rejection as text; see [`UnhandledReason::text`].
    pub fn reason_text(&self) -> &str {
        self.reason.text()
    }

    /// Returns where the promise was created.
    pub fn location(&self) -> SourceLocation {
        self.location
    }
}

impl fmt::Display for UnhandledRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "unhandled rejection of the promise created at {}: {}",
            self.location, self.reason
        )
    }
}

impl std::error::Error for UnhandledRejection {}
