//! What a main future may return, and which of it is an error.

use std::any::Any;
use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fmt;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::num::NonZero;
use std::ops::{ControlFlow, Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, RwLock, mpsc};
use std::task::{Poll, Waker};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::promise::{Promise, Resolver, SharedPromise, SharedTryPromise, TryPromise, TryResolver};
use crate::runtime::handle::{Handle, KeepAlive};
use crate::schedule::{ImmediateHandle, TimeoutHandle};
use crate::time::Instant;

/// The output of a main future that [`run`](crate::run) accepts.
///
/// An `Err` of the main future ends the run as an unhandled rejection ends Node, so `run` has to know
/// whether an output is an error. This trait tells it: a `Result` is an error if it is an `Err`, whose
/// error must implement `Debug`; no other type of std is one, not even `None`.
///
/// Implement it for a type of your own without a method if no value of the type is an error. A method
/// [`error`](MainOutput::error) makes some of its values errors. [`block_on`](crate::block_on) returns
/// any output and needs no implementation.
///
/// # Examples
///
/// ```
/// use std::fmt::Debug;
/// use nodeloop::MainOutput;
///
/// enum Checked {
///     Passed,
///     Failed(String),
/// }
///
/// impl MainOutput for Checked {
///     fn error(&self) -> Option<&dyn Debug> {
///         match self {
///             Checked::Passed => None,
///             Checked::Failed(why) => Some(why),
///         }
///     }
/// }
///
/// let checked = nodeloop::run(async {
///     nodeloop::set_interval(std::time::Duration::from_secs(1), || {}); // cancelled by the failure
///     Checked::Failed("no input".to_owned())
/// });
/// assert!(matches!(checked, Checked::Failed(_)));
/// assert!(nodeloop::run(async { Checked::Passed }).error().is_none());
/// ```
#[diagnostic::on_unimplemented(
    message = "`run` does not know whether `{Self}` is an error",
    label = "the output of the main future is a `{Self}`",
    note = "write `impl nodeloop::MainOutput for {Self} {{}}` if it never is one",
    note = "or use `block_on`, which returns any output; the error of a `Result` must implement `Debug`"
)]
pub trait MainOutput {
    /// Returns the error that this is, if it is one.
    fn error(&self) -> Option<&dyn fmt::Debug> {
        None
    }

    /// Returns the error with its type, so that a report can print known types by `Display`.
    #[doc(hidden)]
    fn typed_error(&self) -> Option<&dyn Any>
    where
        Self: 'static,
    {
        None
    }
}

impl<T, E: fmt::Debug> MainOutput for Result<T, E> {
    fn error(&self) -> Option<&dyn fmt::Debug> {
        self.as_ref().err().map(|error| error as &dyn fmt::Debug)
    }

    fn typed_error(&self) -> Option<&dyn Any>
    where
        Self: 'static,
    {
        self.as_ref().err().map(|error| error as &dyn Any)
    }
}

// Nothing, and what ends.
impl MainOutput for () {}
impl MainOutput for ExitCode {}

/// The type `!`, the output of a main future that only ends in [`exit`](crate::exit) or never. Stable
/// Rust names it only as the return type of a function.
///
/// `Infallible` has no implementation of its own, because newer compilers define it as `!`.
impl<Never> MainOutput for Never where fn() -> !: FnOnce() -> Never {}

impl<T> MainOutput for Option<T> {}
impl<B, C> MainOutput for ControlFlow<B, C> {}
impl<T> MainOutput for Poll<T> {}

impl MainOutput for bool {}
impl MainOutput for char {}
impl MainOutput for u8 {}
impl MainOutput for u16 {}
impl MainOutput for u32 {}
impl MainOutput for u64 {}
impl MainOutput for u128 {}
impl MainOutput for usize {}
impl MainOutput for i8 {}
impl MainOutput for i16 {}
impl MainOutput for i32 {}
impl MainOutput for i64 {}
impl MainOutput for i128 {}
impl MainOutput for isize {}
impl MainOutput for f32 {}
impl MainOutput for f64 {}
impl MainOutput for NonZero<u8> {}
impl MainOutput for NonZero<u16> {}
impl MainOutput for NonZero<u32> {}
impl MainOutput for NonZero<u64> {}
impl MainOutput for NonZero<usize> {}
impl MainOutput for Ordering {}
impl<T> MainOutput for Reverse<T> {}
impl<T> MainOutput for Range<T> {}
impl<T> MainOutput for RangeInclusive<T> {}
impl<T: ?Sized> MainOutput for PhantomData<T> {}

impl MainOutput for String {}
impl MainOutput for str {}
impl MainOutput for CString {}
impl MainOutput for CStr {}
impl MainOutput for OsString {}
impl MainOutput for OsStr {}
impl MainOutput for PathBuf {}
impl MainOutput for Path {}
impl<T: ToOwned + ?Sized> MainOutput for Cow<'_, T> {}

impl<T: ?Sized> MainOutput for &T {}
impl<T: ?Sized> MainOutput for &mut T {}
impl<T: ?Sized> MainOutput for Box<T> {}
impl<T: ?Sized> MainOutput for Rc<T> {}
impl<T: ?Sized> MainOutput for Arc<T> {}
impl<T> MainOutput for Pin<T> {}
impl<T> MainOutput for Cell<T> {}
impl<T> MainOutput for RefCell<T> {}
impl<T> MainOutput for OnceCell<T> {}
impl<T> MainOutput for Mutex<T> {}
impl<T> MainOutput for MutexGuard<'_, T> {}
impl<T> MainOutput for RwLock<T> {}

impl<T> MainOutput for [T] {}
impl<T, const N: usize> MainOutput for [T; N] {}
impl<T> MainOutput for Vec<T> {}
impl<T> MainOutput for VecDeque<T> {}
impl<T> MainOutput for LinkedList<T> {}
impl<T> MainOutput for BinaryHeap<T> {}
impl<T> MainOutput for BTreeSet<T> {}
impl<K, V> MainOutput for BTreeMap<K, V> {}
impl<T, S> MainOutput for HashSet<T, S> {}
impl<K, V, S> MainOutput for HashMap<K, V, S> {}

impl<A> MainOutput for (A,) {}
impl<A, B> MainOutput for (A, B) {}
impl<A, B, C> MainOutput for (A, B, C) {}
impl<A, B, C, D> MainOutput for (A, B, C, D) {}
impl<A, B, C, D, E> MainOutput for (A, B, C, D, E) {}
impl<A, B, C, D, E, F> MainOutput for (A, B, C, D, E, F) {}
impl<A, B, C, D, E, F, G> MainOutput for (A, B, C, D, E, F, G) {}
impl<A, B, C, D, E, F, G, H> MainOutput for (A, B, C, D, E, F, G, H) {}

impl MainOutput for IpAddr {}
impl MainOutput for Ipv4Addr {}
impl MainOutput for Ipv6Addr {}
impl MainOutput for SocketAddr {}
impl MainOutput for SocketAddrV4 {}
impl MainOutput for SocketAddrV6 {}
impl MainOutput for Duration {}
impl MainOutput for Waker {}
impl<T> MainOutput for JoinHandle<T> {}
impl<T> MainOutput for mpsc::Sender<T> {}
impl<T> MainOutput for mpsc::Receiver<T> {}

// What a later run of the same loop may use.
impl MainOutput for Handle {}
impl MainOutput for KeepAlive {}
impl<T> MainOutput for Promise<T> {}
impl<T, E> MainOutput for TryPromise<T, E> {}
impl<T> MainOutput for SharedPromise<T> {}
impl<T, E> MainOutput for SharedTryPromise<T, E> {}
impl<T> MainOutput for Resolver<T> {}
impl<T, E> MainOutput for TryResolver<T, E> {}
impl MainOutput for TimeoutHandle {}
impl MainOutput for ImmediateHandle {}
impl MainOutput for Instant {}
