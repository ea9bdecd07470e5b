//! Futures that wait for another future for a limited time.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::FusedFuture;
use pin_project_lite::pin_project;

use super::{Instant, Sleep};
use crate::event_loop::current::current;

/// Waits for `future`, for at most `duration`.
///
/// This call arms the timer. If the future and the timer are ready in the same poll, the output of
/// the future is returned.
///
/// # Errors
///
/// Resolves to [`Elapsed`] if `duration` has passed and the future is still pending.
///
/// # Panics
///
/// Panics if called outside of an event loop.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use nodeloop::time::{sleep, timeout};
///
/// nodeloop::test::run(async |_| {
///     let ms = Duration::from_millis;
///     assert!(timeout(ms(20), sleep(ms(10))).await.is_ok());
///     assert!(timeout(ms(10), sleep(ms(20))).await.is_err());
/// });
/// ```
#[track_caller]
pub fn timeout<F: Future>(duration: Duration, future: F) -> Timeout<F> {
    let state = current("time::timeout");
    Timeout::new(future, Sleep::after(state, duration))
}

/// Waits for `future`, until `deadline` at the latest.
///
/// A deadline that has passed is one millisecond from now. Otherwise it behaves like [`timeout`].
///
/// # Errors
///
/// Resolves to [`Elapsed`] if the deadline has passed and the future is still pending.
///
/// # Panics
///
/// Panics if called outside of an event loop.
///
/// # Examples
///
/// One deadline for several steps:
///
/// ```
/// use std::time::Duration;
/// use nodeloop::time::{Elapsed, Instant, sleep, timeout_at};
///
/// async fn two_steps(limit: Duration) -> Result<(), Elapsed> {
///     let deadline = Instant::now() + limit;
///     timeout_at(deadline, sleep(Duration::from_millis(10))).await?;
///     timeout_at(deadline, sleep(Duration::from_millis(10))).await?;
///     Ok(())
/// }
///
/// nodeloop::test::run(async |_| {
///     assert_eq!(two_steps(Duration::from_millis(25)).await, Ok(()));
///     assert_eq!(two_steps(Duration::from_millis(15)).await, Err(Elapsed));
/// });
/// ```
#[track_caller]
pub fn timeout_at<F: Future>(deadline: Instant, future: F) -> Timeout<F> {
    let state = current("time::timeout_at");
    Timeout::new(future, Sleep::until(state, deadline))
}

pin_project! {
    /// The future of [`timeout`] and [`timeout_at`].
    ///
    /// If it is polled again after it has resolved to [`Elapsed`], it polls its future again, and
    /// resolves to the output or to another [`Elapsed`]. After it has resolved to the output, it
    /// behaves as its future does.
    ///
    /// # Cancel safety
    ///
    /// It is cancel safe if its future is. Dropping it drops that future and clears the timer.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        sleep: Sleep,
        is_done: bool,
    }
}

impl<F> Timeout<F> {
    fn new(future: F, sleep: Sleep) -> Timeout<F> {
        Timeout {
            future,
            sleep,
            is_done: false,
        }
    }

    /// Returns a reference to the future.
    pub fn get_ref(&self) -> &F {
        &self.future
    }

    /// Returns a mutable reference to the future.
    pub fn get_mut(&mut self) -> &mut F {
        &mut self.future
    }

    /// Returns the future, and clears the timer.
    pub fn into_inner(self) -> F {
        self.future
    }

    /// Returns the deadline.
    pub fn deadline(&self) -> Instant {
        self.sleep.deadline()
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = match this.future.poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => Pin::new(this.sleep).poll(cx).map(|()| Err(Elapsed)),
        };
        *this.is_done |= polled.is_ready();
        polled
    }
}

impl<F: Future> FusedFuture for Timeout<F> {
    fn is_terminated(&self) -> bool {
        self.is_done
    }
}

/// The error of [`timeout`] and [`timeout_at`]: the time passed before the future was ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the duration passed before the future was ready")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> io::Error {
        io::Error::new(io::ErrorKind::TimedOut, elapsed)
    }
}
