//! Signals, such as Ctrl-C (R64).
//!
//! | Node | nodeloop |
//! |---|---|
//! | `process.on('SIGINT', listener)` | [`on_signal`]`(SignalKind::interrupt(), listener)` |
//! | `for await (const _ of on(process, 'SIGTERM'))` | [`signal`]`(SignalKind::terminate())`, a stream |
//! | `await once(process, 'SIGINT')` | [`ctrl_c`] |
//!
//! - **Order.** Every signal is a macrotask of the poll phase, followed by a drain, **after all
//!   other events of that phase**. It calls the listeners in the order in which they were added.
//! - **Listening does not keep the loop alive**, as in Node, unless `ref_` is called.
//! - A signal without a listener has its original effect: when the last listener of `SIGINT` was
//!   removed, Ctrl-C ends the process again. The effect returns 100 ms after the removal, whereas in
//!   Node it returns at once. Signals that arrive in between are ignored, because they may have been
//!   sent while there was a listener. A program that ends itself by a signal after its clean-up calls
//!   [`raise_default`], which does not wait.
//!
//!   The delay needs a thread of the [worker pool](crate::spawn_blocking) for 100 ms. It does not
//!   delay the end of the process.
//! - Every loop of the process that listens to a signal receives it, on its own thread.
//! - Signals of one kind are counted: a thousand signals raised one by one are a thousand
//!   macrotasks. The operating system merges signals of a kind that are pending for the process at
//!   the same time, so the count of signals sent by *other processes* is not reliable. When
//!   several kinds arrive in one poll phase, they are grouped by kind; Node keeps their order.
//! - Listening masks no signal and starts no thread.
//!
//! # Windows
//!
//! Ctrl-C is [`SignalKind::interrupt`], and the only signal: [`ctrl_c`], [`signal()`] and [`on_signal`]
//! accept it and return an error for any other number. While no loop listens, it ends the process with
//! the code `0xC000013A` (`STATUS_CONTROL_C_EXIT`), which is the default of the system. That default
//! returns at once when the last listener was removed, as in Node.
//!
//! Ctrl-Break and the closing of the console keep their default effects, which end the process. (Node
//! reports them as `SIGBREAK` and `SIGHUP`.) No crate reports them without unsafe code in the program and
//! apart from Ctrl-C.
//!
//! # Examples
//!
//! ```
//! # #[cfg(unix)] {
//! use nodeloop::signal::{SignalKind, on_signal, signal};
//!
//! nodeloop::run(async {
//!     let mut hangup = signal(SignalKind::hangup())?;
//!     on_signal(SignalKind::user_defined1(), || println!("SIGUSR1"))?;
//!     signal_hook::low_level::raise(SignalKind::hangup().as_raw())?;
//!     hangup.recv().await;
//!     std::io::Result::Ok(())
//! })
//! .unwrap();
//! # }
//! ```

pub(crate) mod dispatch;
pub(crate) mod kind;
pub(crate) mod source;

use std::fmt;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use futures::future::{FusedFuture, poll_fn};
use futures::stream::FusedStream;
use futures::{FutureExt, Stream};

use crate::event_loop::current::{current, try_current};
use crate::event_loop::invoke::call_listeners;
use crate::event_loop::state::LoopState;
use crate::hooks::exit;
use crate::hooks::listener::{Listener, Registration};
use crate::hooks::listener_list::ListenerList;
use crate::io::loop_ended;
use crate::phases::macrotask::SourceLocation;
use crate::reactor::event_counter::EventCounter;
use dispatch::{ListenerKey, ListenersCall};

pub use kind::SignalKind;

/// Calls `listener` for every signal of this kind: Node's `process.on`.
///
/// The listener runs in the macrotask itself, so ticks that it queues run before promise jobs
/// (R12). All listeners of a kind on a loop share one macrotask, and the context (see
/// [`AsyncLocalStorage`](crate::AsyncLocalStorage)) of the one that was added first.
///
/// The listener stays until it is removed, the loop is dropped, or a run ends early.
///
/// # Errors
///
/// Returns an error if the signal does not exist or cannot be listened to (`SIGKILL`, `SIGSTOP`,
/// and those of faults such as `SIGSEGV`), if the process is out of descriptors, and if the loop is
/// ending.
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[doc(alias = "process.on")]
#[track_caller]
pub fn on_signal(
    kind: SignalKind,
    mut listener: impl FnMut() + 'static,
) -> io::Result<SignalListener> {
    let state = current("signal::on_signal");
    let key = add_listener(&state, kind, Location::caller(), move |()| listener())?;
    let state = Rc::downgrade(&state); // the listener may hold its own handle
    Ok(SignalListener {
        state,
        kind,
        key,
        location: Location::caller(),
    })
}

/// A listener added with [`on_signal`]: a [`Listener`] that can also keep the loop alive.
///
/// Dropping it does not remove the listener. Clones refer to the same listener.
#[derive(Clone)]
pub struct SignalListener {
    state: Weak<LoopState>,
    kind: SignalKind,
    key: ListenerKey,
    location: SourceLocation,
}

impl SignalListener {
    /// Removes and drops the listener.
    ///
    /// Returns `false` if it was removed before.
    ///
    /// If the listeners of its signal are being called, it is still called this time.
    #[doc(alias = "off")]
    pub fn remove(&self) -> bool {
        let Some(state) = self.state.upgrade() else {
            return false;
        };
        let removed = remove_listener(&state, &self.key);
        removed
            .map(|listener| state.drop_value(listener, self.location))
            .is_some()
    }

    /// Makes the listener keep the loop alive until it is removed.
    ///
    /// By default it does not.
    #[doc(alias = "ref")]
    pub fn ref_(&self) -> &SignalListener {
        self.set_refed(true)
    }

    /// Makes the listener not keep the loop alive, which is the default.
    pub fn unref(&self) -> &SignalListener {
        self.set_refed(false)
    }

    /// Returns whether the listener keeps the loop alive.
    pub fn has_ref(&self) -> bool {
        let state = self.state.upgrade();
        state.is_some_and(|state| state.signals.has_ref(&self.key))
    }

    fn set_refed(&self, refed: bool) -> &SignalListener {
        if let Some(state) = self.state.upgrade() {
            state.signals.set_refed(&self.key, refed);
        }
        self
    }
}

impl Registration for SignalListener {
    fn remove(&self) -> bool {
        SignalListener::remove(self)
    }

    fn subject(&self) -> &dyn fmt::Debug {
        &self.kind
    }
}

/// Converts the handle to the common type, without `ref_` and `unref`.
impl From<SignalListener> for Listener {
    fn from(listener: SignalListener) -> Listener {
        Listener::new(listener)
    }
}

impl fmt::Debug for SignalListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SignalListener").field(&self.kind).finish()
    }
}

/// Returns a stream of the signals of this kind that arrive from now on.
///
/// # Errors
///
/// Returns an error in the same cases as [`on_signal`].
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
    let state = current("signal::signal");
    let received = Rc::new(EventCounter::default());
    let sender = Sender(received.clone());
    let key = add_listener(&state, kind, Location::caller(), move |()| sender.0.add())?;
    Ok(Signal {
        state,
        kind,
        key,
        received,
        has_ended: false,
    })
}

/// A stream of the signals of one kind, returned by [`signal`].
///
/// It ends only with its loop. Signals that arrive while no task waits are counted and returned
/// later. Dropping it removes its listener.
#[must_use = "streams do nothing unless polled, and dropping this one removes its listener"]
pub struct Signal {
    state: Rc<LoopState>,
    kind: SignalKind,
    key: ListenerKey,
    received: Rc<EventCounter>,
    /// Whether the end was returned.
    has_ended: bool,
}

impl Signal {
    /// Waits for the next signal.
    ///
    /// Returns `None` when the loop has ended.
    ///
    /// Waiting does not keep the loop alive unless [`ref_`](Signal::ref_) was called.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no signal.
    pub async fn recv(&mut self) -> Option<()> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Polls for the next signal, as [`recv`](Signal::recv) does.
    ///
    /// Only the task of the latest call is woken.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        match self.received.poll(cx) {
            Poll::Pending if !self.state.signals.contains(&self.key) => {
                self.has_ended = true;
                Poll::Ready(None)
            }
            received => received.map(Some),
        }
    }

    /// Makes listening keep the loop alive until the stream is dropped.
    ///
    /// By default it does not.
    #[doc(alias = "ref")]
    pub fn ref_(&self) -> &Signal {
        self.state.signals.set_refed(&self.key, true);
        self
    }

    /// Makes listening not keep the loop alive, which is the default.
    pub fn unref(&self) -> &Signal {
        self.state.signals.set_refed(&self.key, false);
        self
    }

    /// Returns whether listening keeps the loop alive.
    pub fn has_ref(&self) -> bool {
        self.state.signals.has_ref(&self.key)
    }
}

impl Stream for Signal {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        self.poll_recv(cx)
    }
}

impl FusedStream for Signal {
    fn is_terminated(&self) -> bool {
        self.has_ended
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        remove_listener(&self.state, &self.key);
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signal").field(&self.kind).finish()
    }
}

/// Waits for Ctrl-C (`SIGINT`), on Unix and on Windows.
///
/// From this call until the future is dropped, Ctrl-C does not end the process. Afterwards it does, on
/// Unix from 100 ms after the drop, so a second Ctrl-C ends a slow shutdown; hold a [`signal`] stream to
/// prevent that.
///
/// The future is not `Unpin`: in `select!`, call `ctrl_c()` in the branch, or pin the future with
/// [`pin!`](std::pin::pin) before.
///
/// Waiting does not keep the loop alive. A server usually does, and a main future that waits for
/// nothing else [blocks](crate::StuckPolicy) until the signal arrives.
///
/// # Errors
///
/// Returns an error if the process is out of descriptors, and if the loop ends before the signal.
///
/// # Panics
///
/// Panics if called outside of an event loop.
///
/// # Cancel safety
///
/// The future can be dropped at any time.
///
/// # Examples
///
/// ```no_run
/// # async fn serve() {}
/// nodeloop::run(async {
///     let server = nodeloop::spawn(serve()).settled();
///     nodeloop::signal::ctrl_c().await.unwrap();
///     server.abort();
/// });
/// ```
#[track_caller]
pub fn ctrl_c() -> impl FusedFuture<Output = io::Result<()>> {
    let stream = signal(SignalKind::interrupt());
    async move { stream?.recv().await.ok_or_else(loop_ended) }.fuse()
}

/// Performs the default action of a signal, which for most signals ends the process.
///
/// The action is performed even while there are listeners, which are not called. The parent of the
/// process learns that the signal has ended it, as if it had not been listened to. Neither destructors
/// nor the listeners of `exit` run. If the default action is to stop the process, this function returns
/// when the process continues. If it is to do nothing, it returns at once.
///
/// On a host of a [simulated world](crate::test::World), it ends the program as [`exit(0)`](crate::exit)
/// does, unless the default action is to do nothing.
///
/// # Errors
///
/// Returns an error if the default action is not known, which is the case for real-time signals and, on
/// Windows, for everything but Ctrl-C.
///
/// # Examples
///
/// A service that cleans up after `SIGTERM` and then ends by it:
///
/// ```no_run
/// # #[cfg(unix)] {
/// use nodeloop::signal::{SignalKind, raise_default, signal};
///
/// # async fn clean_up() {}
/// nodeloop::run(async {
///     signal(SignalKind::terminate())?.recv().await;
///     clean_up().await;
///     raise_default(SignalKind::terminate())
/// })
/// # .unwrap();
/// # }
/// ```
#[doc(alias = "process.kill")]
pub fn raise_default(kind: SignalKind) -> io::Result<()> {
    let is_of_world = try_current().is_some_and(|state| state.world().is_some());
    if is_of_world && !source::is_harmless(kind.as_raw()) {
        exit(0);
    }
    source::raise_default(kind.as_raw())
}

/// The same types under the path that they have in tokio (Unix only).
#[cfg(unix)]
pub mod unix {
    pub use super::{Signal, SignalKind, signal};
}

/// The listener's reference to the signals of a [`Signal`]. Dropping it wakes the task, whose
/// stream has ended.
struct Sender(Rc<EventCounter>);

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.wake();
    }
}

fn add_listener(
    state: &Rc<LoopState>,
    kind: SignalKind,
    location: SourceLocation,
    listener: impl FnMut(&()) + 'static,
) -> io::Result<ListenerKey> {
    if !state.is_open() {
        return Err(loop_ended());
    }
    let (context, owner) = (state.context.get(), Rc::downgrade(state));
    let first_call = |listeners: Rc<ListenerList<()>>| ListenersCall {
        call: Rc::new(move || {
            if let Some(state) = owner.upgrade() {
                state.context.set(context.clone());
                call_listeners(&state, &listeners, &());
            }
        }),
        location,
    };
    let registrations = &state.poll.registrations;
    state.signals.add(
        registrations,
        kind.as_raw(),
        (location, listener),
        first_call,
    )
}

/// Removes a listener, which the caller drops outside of any borrow.
fn remove_listener(state: &LoopState, key: &ListenerKey) -> Option<impl Sized + use<>> {
    state.signals.remove(&state.poll.registrations, key)
}
