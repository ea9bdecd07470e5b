//! Cancellation from outside: `AbortController` and `AbortSignal`.
//!
//! A signal is aborted once, with a reason. Aborting calls the listeners at once, in the order in
//! which they were added, and then aborts the signals that depend on it ([`AbortSignal::any`]), as
//! Node's `EventTarget` does. If a listener panics, the others are still called, and the panic
//! resumes in a tick.
//!
//! A signal can abort any future ([`AbortExt::with_signal`]), promises
//! ([`Settled::abort_on`](crate::promise::Settled::abort_on)), timers
//! ([`TimeoutHandle::abort_on`](crate::TimeoutHandle::abort_on)) and immediates
//! ([`ImmediateHandle::abort_on`](crate::ImmediateHandle::abort_on)).

mod abort_on;
mod listeners;

use std::fmt;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

pub use abort_on::{AbortExt, WithSignal};
use listeners::{OnAbort, SharedReason, SignalState};

use crate::hooks::listener::{Listener, Registration};
use crate::hooks::rejection::Reason;
use crate::schedule::set_timeout;

/// Aborts everything that uses its [`signal`](AbortController::signal).
///
/// Clones abort the same signal. Dropping a controller does not abort the signal.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use nodeloop::{AbortController, AbortExt, set_timeout, time};
///
/// let result = nodeloop::EventLoop::builder().virtual_time().build().unwrap().run(async {
///     let controller = AbortController::new();
///     let signal = controller.signal();
///     set_timeout(Duration::from_millis(10), move || controller.abort());
///     time::sleep(Duration::from_secs(3600)).with_signal(&signal).await
/// });
/// assert!(result.unwrap().is_err());
/// ```
#[derive(Debug, Clone, Default)]
pub struct AbortController {
    signal: AbortSignal,
}

impl AbortController {
    /// Creates a controller with a signal that is not aborted.
    pub fn new() -> AbortController {
        AbortController::default()
    }

    /// Returns the signal.
    pub fn signal(&self) -> AbortSignal {
        self.signal.clone()
    }

    /// Aborts the signal with [`AbortReason::Aborted`].
    ///
    /// Only the first call has an effect.
    pub fn abort(&self) {
        self.abort_with(AbortReason::Aborted);
    }

    /// Aborts the signal with `reason`.
    ///
    /// Only the first call has an effect.
    pub fn abort_with(&self, reason: impl Reason + Send + Sync) {
        self.signal.state.abort(Arc::new(reason));
    }
}

/// Reports that an operation must be aborted; created by an [`AbortController`].
///
/// Clones are the same signal. It cannot be sent to another thread. Dropping it removes no
/// listener.
#[derive(Clone, Default)]
pub struct AbortSignal {
    state: Rc<SignalState>,
}

/// The abort reasons of this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbortReason {
    /// [`AbortController::abort`]: Node's `AbortError`.
    Aborted,
    /// [`AbortSignal::timeout`]: Node's `TimeoutError`.
    TimedOut,
}

impl fmt::Display for AbortReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AbortReason::Aborted => "the operation was aborted",
            AbortReason::TimedOut => "the operation was aborted due to timeout",
        })
    }
}

impl std::error::Error for AbortReason {}

impl AbortSignal {
    /// Creates a signal that is already aborted.
    pub fn aborted_with(reason: impl Reason + Send + Sync) -> AbortSignal {
        let signal = AbortSignal::default();
        signal.state.abort(Arc::new(reason));
        signal
    }

    /// Creates a signal that is aborted after `duration`, with [`AbortReason::TimedOut`].
    ///
    /// Its timer does not keep the loop alive, as in Node. It is cleared when the signal and all signals
    /// that depend on it are dropped: keep one of them as long as its listeners are to be called. (Node
    /// keeps a signal that has listeners.)
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn timeout(duration: Duration) -> AbortSignal {
        let signal = AbortSignal::default();
        let state = Rc::downgrade(&signal.state);
        let timer = set_timeout(duration, move || {
            if let Some(state) = state.upgrade() {
                state.abort(Arc::new(AbortReason::TimedOut));
            }
        });
        timer.unref();
        let _ = signal.state.timer.set(timer);
        signal
    }

    /// Creates a signal that is aborted as soon as one of `signals` is, with the same reason.
    ///
    /// If one of them is already aborted, so is the new signal.
    pub fn any<'a>(signals: impl IntoIterator<Item = &'a AbortSignal>) -> AbortSignal {
        let any = AbortSignal::default();
        for signal in signals {
            match signal.state.reason.get() {
                Some(reason) => any.state.abort(reason.clone()),
                None => any.state.depend_on(&signal.state),
            }
            if any.is_aborted() {
                break;
            }
        }
        any
    }

    /// Returns whether the signal has been aborted.
    pub fn is_aborted(&self) -> bool {
        self.state.reason.get().is_some()
    }

    /// Returns the reason of the abort, or `None` if the signal has not been aborted.
    pub fn reason(&self) -> Option<&dyn Reason> {
        self.state
            .reason
            .get()
            .map(|reason| &**reason as &dyn Reason)
    }

    /// Returns an error if the signal has been aborted: JavaScript's `throwIfAborted()`.
    ///
    /// # Errors
    ///
    /// Returns [`Aborted`] with the reason.
    #[doc(alias = "throwIfAborted")]
    pub fn check(&self) -> Result<(), Aborted> {
        match self.state.reason.get() {
            Some(reason) => Err(Aborted {
                reason: reason.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Calls `listener` when the signal is aborted, within the call that aborts it.
    ///
    /// If the signal is already aborted, `listener` is dropped without being called, as in Node:
    /// check [`is_aborted`](AbortSignal::is_aborted) first. Dropping the returned handle does not
    /// remove the listener.
    pub fn on_abort(&self, listener: impl FnOnce() + 'static) -> Listener {
        let id = self.state.add(OnAbort::Callback(Box::new(listener)));
        Listener::new(AbortListener {
            state: Rc::downgrade(&self.state),
            id,
        })
    }

    /// Waits until the signal is aborted, and returns the reason.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe.
    pub async fn aborted(&self) -> Aborted {
        let never = std::future::pending::<std::convert::Infallible>();
        match never.with_signal(self).await {
            Ok(never) => match never {},
            Err(aborted) => aborted,
        }
    }
}

/// A listener added with [`AbortSignal::on_abort`].
struct AbortListener {
    state: Weak<SignalState>,
    id: Option<u64>,
}

impl Registration for AbortListener {
    fn remove(&self) -> bool {
        match (self.state.upgrade(), self.id) {
            (Some(state), Some(id)) => state.remove(id),
            _ => false,
        }
    }

    fn subject(&self) -> &dyn fmt::Debug {
        &"abort"
    }
}

/// The error of an operation whose signal was aborted.
#[derive(Clone)]
pub struct Aborted {
    reason: SharedReason,
}

impl Aborted {
    /// Returns the reason of the abort.
    pub fn reason(&self) -> &dyn Reason {
        &*self.reason
    }

    /// Returns whether the reason is [`AbortReason::TimedOut`].
    pub fn is_timeout(&self) -> bool {
        self.reason().downcast_ref() == Some(&AbortReason::TimedOut)
    }
}

impl fmt::Debug for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Aborted").field(&&*self.reason).finish()
    }
}

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason().downcast_ref::<AbortReason>() {
            Some(reason) => reason.fmt(f),
            None => write!(f, "the operation was aborted: {:?}", self.reason),
        }
    }
}

impl std::error::Error for Aborted {}

/// The kind is `TimedOut` for a timeout and `Other` for every other reason.
impl From<Aborted> for std::io::Error {
    fn from(aborted: Aborted) -> std::io::Error {
        let kind = match aborted.is_timeout() {
            true => std::io::ErrorKind::TimedOut,
            false => std::io::ErrorKind::Other,
        };
        std::io::Error::new(kind, aborted)
    }
}

impl fmt::Debug for AbortSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortSignal")
            .field("reason", &self.state.reason.get())
            .finish_non_exhaustive()
    }
}
