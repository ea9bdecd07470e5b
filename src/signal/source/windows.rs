//! How signals reach a loop on Windows: the handler of Ctrl-C counts them and sends a message to every
//! loop that listens. The system calls the handler on a thread of its own.
//!
//! The handler stays installed once a loop has listened. While no loop listens, it ends the process as
//! the default handler of the system does.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_signal::Signal;
use futures::Stream;

use crate::reactor::registrations::{Registrations, SignalNumber};
use crate::reactor::remote_queue::{Message, RemoteQueue};

/// The number under which a thread announces the end of a child. The API has no such signal.
pub(crate) const CHILD: SignalNumber = 17;

/// `SIGINT`, as the C library and Node number it.
pub(crate) const INTERRUPT: SignalNumber = 2;

/// For how long a signal is ignored after its last listener was removed.
pub(crate) const IN_FLIGHT: Duration = Duration::ZERO;

/// `STATUS_CONTROL_C_EXIT`, with which the default handler ends the process.
const CONTROL_C_EXIT: u32 = 0xC000_013A;

/// Announces the end of a child, called by the thread that waits for it.
pub(crate) type OnChildEnd = Box<dyn FnOnce() + Send>;

pub(crate) struct SignalSources {
    remote_queue: Arc<RemoteQueue>,
}

impl SignalSources {
    pub(crate) fn new(remote_queue: &Arc<RemoteQueue>) -> SignalSources {
        let remote_queue = remote_queue.clone();
        SignalSources { remote_queue }
    }

    pub(crate) fn watch(
        &self,
        _: &RefCell<Registrations>,
        number: SignalNumber,
    ) -> io::Result<SignalSource> {
        if number == CHILD {
            return Ok(SignalSource(None)); // the threads of the children know the loop
        }
        let subscriber = Arc::new(Subscriber {
            remote_queue: self.remote_queue.clone(),
            arrived: AtomicUsize::new(0),
        });
        subscribe(subscriber.clone())?;
        Ok(SignalSource(Some(subscriber)))
    }

    pub(crate) fn on_child_end(&self) -> OnChildEnd {
        let remote_queue = self.remote_queue.clone();
        Box::new(move || drop(remote_queue.push(Message::Signal(CHILD)))) // refused after the end
    }
}

/// Returns an error if nothing can listen to a signal.
pub(crate) fn check(number: SignalNumber) -> io::Result<()> {
    match number {
        INTERRUPT => Ok(()),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "cannot listen to a signal that Windows does not have: use `SignalKind::interrupt`",
        )),
    }
}

/// Returns whether the system has a signal of this number.
pub(crate) fn exists(number: SignalNumber) -> bool {
    matches!(number, INTERRUPT | CHILD)
}

/// Returns whether a signal that nobody listens to has no effect on a running process.
pub(crate) fn is_harmless(number: SignalNumber) -> bool {
    number == CHILD
}

/// Returns the name of a signal, for messages.
pub(crate) fn name(number: SignalNumber) -> String {
    match number {
        INTERRUPT => "Ctrl-C".to_owned(),
        _ => format!("signal {number}"),
    }
}

/// The signals of one number.
pub(crate) struct SignalSource(Option<Arc<Subscriber>>);

impl SignalSource {
    /// Returns how many signals have arrived since the last call.
    pub(crate) fn drain(&self) -> usize {
        let arrived = self.0.as_ref();
        // Relaxed: the message that the handler has sent after counting orders the accesses.
        arrived.map_or(0, |subscriber| {
            subscriber.arrived.swap(0, Ordering::Relaxed)
        })
    }

    pub(crate) fn close(&mut self, _: &RefCell<Registrations>) {
        if let Some(subscriber) = self.0.take() {
            unsubscribe(&subscriber);
        }
    }
}

/// A loop that listens to Ctrl-C.
pub(crate) struct Subscriber {
    remote_queue: Arc<RemoteQueue>,
    arrived: AtomicUsize,
}

/// The handler of Ctrl-C of the whole process.
static HANDLER: Mutex<Handler> = Mutex::new(Handler {
    signals: None,
    subscribers: Vec::new(),
});

struct Handler {
    /// `None` until a loop has listened.
    signals: Option<async_signal::Signals>,
    subscribers: Vec<Arc<Subscriber>>,
}

fn handler() -> MutexGuard<'static, Handler> {
    // The lists are consistent between any two statements.
    HANDLER.lock().unwrap_or_else(PoisonError::into_inner)
}

fn subscribe(subscriber: Arc<Subscriber>) -> io::Result<()> {
    let mut handler = handler();
    if handler.signals.is_none() {
        handler.signals = Some(async_signal::Signals::new([Signal::Int])?);
    }
    handler.subscribers.push(subscriber);
    drop(handler);
    dispatch();
    Ok(())
}

fn unsubscribe(subscriber: &Arc<Subscriber>) {
    let mut handler = handler();
    handler
        .subscribers
        .retain(|other| !Arc::ptr_eq(other, subscriber));
    drop(handler);
    dispatch_if_due();
}

/// Whether [`Handler::dispatch`] has to be called. The accesses are sequentially consistent: a thread
/// that fails to acquire the lock has set this before, and the one that releases the lock reads it
/// afterwards.
static IS_DUE: AtomicBool = AtomicBool::new(false);

fn dispatch() {
    IS_DUE.store(true, Ordering::SeqCst);
    dispatch_if_due();
}

/// Does not wait for the lock: registering the waker may call it on the thread that holds the lock.
fn dispatch_if_due() {
    while IS_DUE.load(Ordering::SeqCst) {
        let mut handler = match HANDLER.try_lock() {
            Ok(handler) => handler,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        while IS_DUE.swap(false, Ordering::SeqCst) {
            handler.dispatch();
        }
    }
}

impl Handler {
    /// Passes on the signals that have arrived, and asks to be woken by the next one.
    fn dispatch(&mut self) {
        let Some(signals) = &mut self.signals else {
            return;
        };
        let waker = Waker::from(Arc::new(OnArrival));
        let mut cx = Context::from_waker(&waker);
        let mut count = 0;
        while let Poll::Ready(Some(Ok(_))) = Pin::new(&mut *signals).poll_next(&mut cx) {
            count += 1;
        }
        if count == 0 {
            return;
        }
        for subscriber in &self.subscribers {
            subscriber.arrived.fetch_add(count, Ordering::Relaxed);
            let _ = subscriber.remote_queue.push(Message::Signal(INTERRUPT)); // refused after the end
        }
        if self.subscribers.is_empty() {
            std::process::exit(CONTROL_C_EXIT.cast_signed());
        }
    }
}

/// Woken on the system's thread by each Ctrl-C.
struct OnArrival;

impl Wake for OnArrival {
    fn wake(self: Arc<Self>) {
        dispatch();
    }
}

/// Performs the default action of a signal: ends the process.
pub(crate) fn raise_default(number: SignalNumber) -> io::Result<()> {
    check(number)?;
    std::process::exit(CONTROL_C_EXIT.cast_signed())
}
