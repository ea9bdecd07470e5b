//! The handle to a listener, of whatever it listens to.

use std::fmt;
use std::rc::Rc;

/// A listener that was added to something: a hook such as [`on_exit`](crate::on_exit), an
/// [`AbortSignal`](crate::AbortSignal), an [`EventEmitter`](crate::events::EventEmitter).
///
/// **Dropping it does not remove the listener.** It keeps neither the listener nor what it listens
/// to alive, so a listener may own its own handle. Clones refer to the same listener. It cannot be
/// sent to another thread.
///
/// # Examples
///
/// ```
/// nodeloop::run(async {
///     let mut listeners = vec![
///         nodeloop::on_exit(|_| unreachable!("it was removed")),
///         nodeloop::AbortController::new().signal().on_abort(|| {}),
///     ];
///     let last = listeners.pop().unwrap();
///     assert!(!last.remove(), "its signal is gone");
///     assert!(listeners.iter().all(nodeloop::Listener::remove));
/// });
/// ```
#[derive(Clone)]
pub struct Listener {
    registration: Rc<dyn Registration>,
}

/// What a listener is registered with.
pub(crate) trait Registration {
    /// Removes the listener. Returns whether it was there.
    fn remove(&self) -> bool;
    /// Returns what it listens to, for `Debug`.
    fn subject(&self) -> &dyn fmt::Debug;
}

impl Listener {
    pub(crate) fn new(registration: impl Registration + 'static) -> Listener {
        Listener {
            registration: Rc::new(registration),
        }
    }

    /// Removes the listener and drops it. Returns `false` if it is not there any more: it was
    /// removed before, was called and is called only once, or what it listened to is gone.
    ///
    /// If the listeners are being called, it is still called this time, as in Node (R51, R67). An
    /// [`AbortSignal`](crate::AbortSignal) is the exception: there, a listener that was removed is not
    /// called. Without any listener for errors or rejections, the next error or rejection ends the run.
    #[doc(alias = "off")]
    #[doc(alias = "removeListener")]
    #[doc(alias = "removeEventListener")]
    pub fn remove(&self) -> bool {
        self.registration.remove()
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.registration.subject();
        f.debug_tuple("Listener").field(subject).finish()
    }
}
