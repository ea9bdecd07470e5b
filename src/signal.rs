//! Signals: Ctrl-C, and all that a Unix process can be sent (R64).
//!
//! | Node | nodeloop |
//! |---|---|
//! | `process.on('SIGINT', listener)` | [`on_signal`]`(SignalKind::interrupt(), listener)` |
//! | `for await (const _ of on(process, 'SIGTERM'))` | [`signal`]`(SignalKind::terminate())`, a stream |
//! | `await once(process, 'SIGINT')` | [`ctrl_c`] |
//!
//! - Every signal is a macrotask of the poll phase, with a drain behind it, **behind all other
//!   events of that phase**. It calls the listeners in the order in which they were added.
//! - **Listening does not keep the loop alive**, as in Node; `ref_` changes that.
//! - As long as nobody listens, a signal does what it did before, also after the last listener has
//!   gone: Ctrl-C then ends the process again.
//! - Every loop of the process that listens is told, each on its own thread.
//! - Signals of one kind are counted: a thousand that are raised one by one are a thousand
//!   macrotasks. The system itself merges those that are on their way to a process at once, so
//!   don't count what *others* send. Of different kinds that arrive in one poll phase, those of a
//!   kind come together, where Node keeps the order.
//!
//! ```
//! use nodeloop::signal::{SignalKind, on_signal, signal};
//!
//! nodeloop::run(async {
//!     let mut hangup = signal(SignalKind::hangup())?;
//!     on_signal(SignalKind::user_defined1(), || println!("told"))?;
//!     signal_hook::low_level::raise(SignalKind::hangup().as_raw())?;
//!     hangup.recv().await;
//!     std::io::Result::Ok(())
//! })
//! .unwrap();
//! ```
//!
//! It never blocks a signal, starts no thread, and allocates nothing in a handler.

pub(crate) mod dispatch;
mod disposition;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use futures::Stream;
use futures::future::poll_fn;
use signal_hook::consts as system;

use crate::event_loop::current::current;
use crate::event_loop::invoke::call_listeners;
use crate::event_loop::state::LoopState;
use crate::hooks::uncaught::drop_quietly;
use crate::io::loop_ended;
use crate::phases::macrotask::SourceLocation;
use crate::signal::dispatch::ListenerKey;

/// A kind of signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignalKind {
    number: i32,
}

impl SignalKind {
    /// The signal of this number. Real-time signals are given so.
    ///
    /// Whether it can be listened to is said when that is tried.
    pub const fn from_raw(number: i32) -> SignalKind {
        SignalKind { number }
    }

    /// The number, as the system counts.
    #[doc(alias = "as_raw_value")]
    pub const fn as_raw(self) -> i32 {
        self.number
    }

    /// `SIGALRM`, of a timer of the system's.
    pub const fn alarm() -> SignalKind {
        SignalKind::from_raw(system::SIGALRM)
    }

    /// `SIGCHLD`: a child has ended, or was stopped.
    pub const fn child() -> SignalKind {
        SignalKind::from_raw(system::SIGCHLD)
    }

    /// `SIGHUP`: the terminal has gone; for a service, by custom, to read its settings again.
    pub const fn hangup() -> SignalKind {
        SignalKind::from_raw(system::SIGHUP)
    }

    /// `SIGINT`: Ctrl-C.
    pub const fn interrupt() -> SignalKind {
        SignalKind::from_raw(system::SIGINT)
    }

    /// `SIGIO`.
    pub const fn io() -> SignalKind {
        SignalKind::from_raw(system::SIGIO)
    }

    /// `SIGKILL`, which can be sent but not listened to.
    pub const fn kill() -> SignalKind {
        SignalKind::from_raw(system::SIGKILL)
    }

    /// `SIGPIPE`. A Rust program ignores it from the start.
    pub const fn pipe() -> SignalKind {
        SignalKind::from_raw(system::SIGPIPE)
    }

    /// `SIGQUIT`: Ctrl-\\.
    pub const fn quit() -> SignalKind {
        SignalKind::from_raw(system::SIGQUIT)
    }

    /// `SIGTERM`: a service is asked to end.
    pub const fn terminate() -> SignalKind {
        SignalKind::from_raw(system::SIGTERM)
    }

    /// `SIGUSR1`.
    pub const fn user_defined1() -> SignalKind {
        SignalKind::from_raw(system::SIGUSR1)
    }

    /// `SIGUSR2`.
    pub const fn user_defined2() -> SignalKind {
        SignalKind::from_raw(system::SIGUSR2)
    }

    /// `SIGWINCH`: the terminal has another size.
    pub const fn window_change() -> SignalKind {
        SignalKind::from_raw(system::SIGWINCH)
    }
}

impl From<i32> for SignalKind {
    fn from(number: i32) -> SignalKind {
        SignalKind::from_raw(number)
    }
}

/// Calls `listener` for every signal of this kind: `process.on`.
///
/// The listener itself is in the macrotask, so ticks it makes come before promise jobs (R12). All
/// listeners of a kind on a loop share one macrotask, and the context (see
/// [`AsyncLocalStorage`](crate::AsyncLocalStorage)) of the one that was added first.
///
/// It stays until it is removed or the loop cancels everything: when it is dropped, or a run ends
/// early.
///
/// # Errors
///
/// If the signal can't be listened to (`SIGKILL`, `SIGSTOP`, and those of faults as `SIGSEGV`), is
/// none, or the process is out of descriptors; and if the loop is ending.
///
/// # Panics
///
/// Outside of an event loop.
#[doc(alias = "process.on")]
#[track_caller]
pub fn on_signal(
    kind: SignalKind,
    mut listener: impl FnMut() + 'static,
) -> io::Result<SignalListener> {
    let state = current("signal::on_signal");
    let key = add_listener(&state, kind, Location::caller(), move |()| listener())?;
    let state = Rc::downgrade(&state); // the listener may hold its own handle
    Ok(SignalListener { state, kind, key })
}

/// A listener that was added with [`on_signal`]. Dropping it changes nothing.
#[derive(Clone)]
pub struct SignalListener {
    state: Weak<LoopState>,
    kind: SignalKind,
    key: ListenerKey,
}

impl SignalListener {
    /// Removes the listener and drops it; false if it was removed before. While the listeners of
    /// its signal are being called it is still called this once.
    #[doc(alias = "off")]
    pub fn remove(&self) -> bool {
        let state = self.state.upgrade();
        state.is_some_and(|state| remove_listener(&state, &self.key))
    }

    /// Makes the listener keep the loop alive until it is removed. It does not at first.
    #[doc(alias = "ref")]
    pub fn ref_(&self) -> &SignalListener {
        self.set_refed(true)
    }

    /// Makes the listener not keep the loop alive.
    pub fn unref(&self) -> &SignalListener {
        self.set_refed(false)
    }

    /// Whether the listener keeps the loop alive.
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

impl fmt::Debug for SignalListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SignalListener").field(&self.kind).finish()
    }
}

/// The signals of a kind from now on, as a stream.
///
/// # Errors
///
/// As [`on_signal`].
///
/// # Panics
///
/// Outside of an event loop.
#[track_caller]
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
    let state = current("signal::signal");
    let inbox = Rc::new(Inbox::default());
    let sender = Sender(inbox.clone());
    let key = add_listener(&state, kind, Location::caller(), move |()| sender.send())?;
    let (state, kind) = (state.clone(), kind);
    Ok(Signal {
        state,
        kind,
        key,
        inbox,
    })
}

/// The signals of a kind, from [`signal`]. As a stream it never ends while the loop exists.
///
/// What has come while nobody waited is kept as a number. Dropping it ends the listening: the
/// default of the signal is back if nobody else listens.
pub struct Signal {
    state: Rc<LoopState>,
    kind: SignalKind,
    key: ListenerKey,
    inbox: Rc<Inbox>,
}

impl Signal {
    /// Waits for the next signal; nothing comes when the loop has cancelled everything.
    ///
    /// Waiting does not keep the loop alive unless [`ref_`](Signal::ref_) was called. Cancel safe:
    /// no signal is lost by dropping the future.
    pub async fn recv(&mut self) -> Option<()> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`recv`](Signal::recv), for `poll_*` methods: the task of the latest call is woken.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        if self.inbox.take_one() {
            return Poll::Ready(Some(()));
        }
        if !self.state.signals.contains(&self.key) {
            return Poll::Ready(None);
        }
        let replaced = self.inbox.waker.borrow_mut().replace(cx.waker().clone());
        drop(replaced); // behind the borrow
        Poll::Pending
    }

    /// Makes listening keep the loop alive until the stream is dropped. It does not at first.
    #[doc(alias = "ref")]
    pub fn ref_(&self) -> &Signal {
        self.state.signals.set_refed(&self.key, true);
        self
    }

    /// Makes listening not keep the loop alive.
    pub fn unref(&self) -> &Signal {
        self.state.signals.set_refed(&self.key, false);
        self
    }

    /// Whether listening keeps the loop alive.
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

/// Waits for Ctrl-C (`SIGINT`), which does not end the process from this call on, until the future
/// is dropped.
///
/// Waiting for it does not keep the loop alive: a server does, and a main future that waits for
/// nothing else [waits](crate::StuckPolicy) all the same. Behind it Ctrl-C ends the process again,
/// so a second one cuts a shutdown short that takes too long; hold a [`signal`] stream if it is
/// not to. Cancel safe.
///
/// # Errors
///
/// If the process is out of descriptors, and if the loop cancels everything meanwhile.
///
/// # Panics
///
/// Outside of an event loop.
///
/// ```no_run
/// # async fn serve() {}
/// nodeloop::run(async {
///     let server = nodeloop::spawn(serve());
///     nodeloop::signal::ctrl_c().await.unwrap();
///     server.abort();
/// });
/// ```
#[track_caller]
pub fn ctrl_c() -> impl Future<Output = io::Result<()>> {
    let stream = signal(SignalKind::interrupt());
    async move { stream?.recv().await.ok_or_else(loop_ended) }
}

/// The names that tokio's users know.
pub mod unix {
    pub use super::{Signal, SignalKind, signal};
}

/// What has arrived and was not received.
#[derive(Default)]
struct Inbox {
    count: Cell<u64>,
    waker: RefCell<Option<Waker>>,
}

impl Inbox {
    fn take_one(&self) -> bool {
        let count = self.count.get();
        self.count.set(count.saturating_sub(1));
        count > 0
    }

    fn wake(&self) {
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The loop's end of an inbox. Whoever waits learns of its end.
struct Sender(Rc<Inbox>);

impl Sender {
    fn send(&self) {
        self.0.count.set(self.0.count.get() + 1);
        self.0.wake();
    }
}

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
    let registrations = &state.poll.registrations;
    let call = |listeners: Rc<crate::hooks::listeners::Listeners<()>>| -> Rc<dyn Fn()> {
        Rc::new(move || {
            if let Some(state) = owner.upgrade() {
                state.context.set(context.clone());
            }
            call_listeners(&listeners, &());
        })
    };
    state
        .signals
        .add(registrations, kind.number, location, listener, call)
}

fn remove_listener(state: &LoopState, key: &ListenerKey) -> bool {
    let removed = state.signals.remove(&state.poll.registrations, key);
    removed.map(drop_quietly).is_some()
}
