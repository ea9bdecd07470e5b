//! `Local`: values of the loop in a type that is `Send`, for crates that require it.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::task::{Context, Poll};

use ::hyper::rt::{Read, ReadBufCursor, Write};
use futures::Stream;
use futures::future::FusedFuture;
use futures::io::{AsyncRead, AsyncWrite};
use send_wrapper::SendWrapper;

use crate::runtime::handle::Handle;

/// Wraps a value that stays on the thread of its event loop in a type that is `Send + Sync`.
///
/// Streams, promises and futures of the loop are not `Send`, but some crates require it: axum of the
/// futures of its handlers and of their state, hyper of a stream that it upgrades, hyper-util's
/// client of its connections. On the loop, all of their work happens on one thread anyway. `Local`
/// satisfies the bound, and checks at run time that the value is used on its thread only.
///
/// It implements [`Future`], [`Stream`], hyper's `rt::{Read, Write}` and `futures`'
/// [`AsyncRead`] and [`AsyncWrite`] if the value does, and it dereferences to the value.
///
/// # On another thread
///
/// Reads and writes return an error. Polling a future or a stream, cloning and dereferencing panic,
/// with the location of the use. Dropping is allowed everywhere: the value is sent back to its loop and
/// dropped there, as a macrotask of the poll phase. If that loop has ended, the value is leaked.
///
/// # Cancel safety
///
/// As the wrapped value.
///
/// # Examples
///
/// A handler of axum awaits promises of the loop inside of a `Local`:
///
/// ```
/// use nodeloop::{hyper::Local, spawn_blocking};
///
/// fn as_axum_requires<F: Future + Send>(handler: F) -> F {
///     handler
/// }
///
/// nodeloop::run(async {
///     let handler = as_axum_requires(async {
///         Local::new(async { spawn_blocking(|| 6 * 7).await }).await
///     });
///     assert_eq!(handler.await, 42);
/// });
/// ```
pub struct Local<T: 'static> {
    /// `None` only while the value is dropped or taken out.
    value: Option<SendWrapper<Pin<Box<T>>>>,
    home: Handle,
}

impl<T: 'static> Local<T> {
    /// Wraps a value of the event loop that runs on this thread.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn new(value: T) -> Local<T> {
        Local {
            value: Some(SendWrapper::new(Box::pin(value))),
            home: Handle::current(),
        }
    }

    /// Returns whether this is the thread of the value.
    pub fn is_here(&self) -> bool {
        self.value.as_ref().is_some_and(SendWrapper::valid)
    }

    /// Returns the value.
    ///
    /// # Panics
    ///
    /// Panics on another thread than that of the value.
    #[track_caller]
    pub fn into_inner(mut self) -> T
    where
        T: Unpin,
    {
        if !self.is_here() {
            panic!("{ELSEWHERE}");
        }
        let value = self.value.take().expect("the value is still wrapped");
        *Pin::into_inner(value.take())
    }

    /// Returns the pinned value, or `None` on another thread.
    fn try_pin(&mut self) -> Option<Pin<&mut T>> {
        let value = self.value.as_mut().filter(|value| value.valid());
        value.map(|value| value.as_mut())
    }

    #[track_caller]
    fn pin(&mut self) -> Pin<&mut T> {
        self.try_pin().unwrap_or_else(|| panic!("{ELSEWHERE}"))
    }

    fn pin_for_io(&mut self) -> io::Result<Pin<&mut T>> {
        self.try_pin().ok_or_else(|| io::Error::other(ELSEWHERE))
    }
}

/// The text of errors and panics.
const ELSEWHERE: &str = "a `Local` was used on another thread than that of its event loop: use it in a \
                         task of that loop, as `HyperExecutor` spawns";

impl<T: 'static> Deref for Local<T> {
    type Target = T;

    #[track_caller]
    fn deref(&self) -> &T {
        let value = self.value.as_ref().filter(|value| value.valid());
        value.unwrap_or_else(|| panic!("{ELSEWHERE}"))
    }
}

impl<T: Unpin + 'static> DerefMut for Local<T> {
    #[track_caller]
    fn deref_mut(&mut self) -> &mut T {
        self.pin().get_mut()
    }
}

impl<T: Clone + 'static> Clone for Local<T> {
    #[track_caller]
    fn clone(&self) -> Local<T> {
        Local {
            value: Some(SendWrapper::new(Box::pin(T::clone(self)))),
            home: self.home.clone(),
        }
    }
}

impl<T: 'static> Drop for Local<T> {
    fn drop(&mut self) {
        let Some(value) = self.value.take_if(|value| !value.valid()) else {
            return; // dropped here, with the field
        };
        // A message that is never run must not drop the value on the wrong thread.
        let value = ManuallyDrop::new(value);
        let _ = self
            .home
            .post(move || drop(ManuallyDrop::into_inner(value)));
    }
}

impl<T: fmt::Debug + 'static> fmt::Debug for Local<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_here() {
            true => f.debug_tuple("Local").field(&**self).finish(),
            false => f.write_str("Local(<on another thread>)"),
        }
    }
}

impl<T: Future + 'static> Future for Local<T> {
    type Output = T::Output;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T::Output> {
        self.pin().poll(cx)
    }
}

impl<T: FusedFuture + 'static> FusedFuture for Local<T> {
    #[track_caller]
    fn is_terminated(&self) -> bool {
        T::is_terminated(self)
    }
}

impl<T: Stream + 'static> Stream for Local<T> {
    type Item = T::Item;

    #[track_caller]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T::Item>> {
        self.pin().poll_next(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self.is_here() {
            true => T::size_hint(self),
            false => (0, None),
        }
    }
}

impl<T: Read + 'static> Read for Local<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.pin_for_io()?.poll_read(cx, buffer)
    }
}

impl<T: Write + 'static> Write for Local<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.pin_for_io()?.poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pin_for_io()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pin_for_io()?.poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.is_here() && T::is_write_vectored(self)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.pin_for_io()?.poll_write_vectored(cx, buffers)
    }
}

impl<T: AsyncRead + 'static> AsyncRead for Local<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.pin_for_io()?.poll_read(cx, buffer)
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.pin_for_io()?.poll_read_vectored(cx, buffers)
    }
}

impl<T: AsyncWrite + 'static> AsyncWrite for Local<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.pin_for_io()?.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.pin_for_io()?.poll_write_vectored(cx, buffers)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pin_for_io()?.poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pin_for_io()?.poll_close(cx)
    }
}
