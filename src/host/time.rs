//! The cached time of the loop.

use crate::event_loop::current::current;

/// Returns the time that the loop has read last, in milliseconds: libuv's `uv_now`.
///
/// Arming or refreshing a timer reads the clock (R26), and so does each timers phase. Right after a timer
/// was armed, this is the time from which its delay counts, Node's `timeout._idleStart`. A virtual clock
/// starts at zero, a real one at an arbitrary point.
///
/// # Panics
///
/// Panics if no event loop is running on this thread.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use nodeloop::{EventLoop, host::loop_time_ms, set_timeout, time};
///
/// EventLoop::builder().virtual_time().build()?.run_script(|| {
///     time::block_for(Duration::from_millis(30));
///     assert_eq!(loop_time_ms(), 0); // nothing has read the clock since
///     set_timeout(Duration::from_millis(10), || assert_eq!(loop_time_ms(), 40));
///     assert_eq!(loop_time_ms(), 30);
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "uv_now")]
#[track_caller]
pub fn loop_time_ms() -> u64 {
    current("host::loop_time_ms").timers.borrow().cached_ms()
}
