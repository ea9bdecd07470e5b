//! Labels of running steps.

use crate::event_loop::current::current;

/// Gives the running step a label, such as a place in a script, for [observers](crate::observe) and a
/// [`Recording`](crate::recording::Recording).
///
/// It is for entries into the engine that have no handle: ticks, jobs of a
/// [`MicrotaskSource`](super::MicrotaskSource), macrotasks from outside. Without observers it has no effect. A
/// later call replaces the label.
///
/// # Panics
///
/// Panics if no event loop is running on this thread.
///
/// # Examples
///
/// ```
/// use nodeloop::host::set_step_label;
/// use nodeloop::recording::Recording;
/// use nodeloop::{EventLoop, next_tick};
///
/// let recording = Recording::new("script.js");
/// EventLoop::builder().observer(recording.clone()).build()?.run_script(|| {
///     next_tick(|| set_step_label("script.js:2:9"));
/// })?;
/// let mut trace = Vec::new();
/// recording.write_trace(&mut trace)?;
/// assert!(String::from_utf8(trace)?.contains("next_tick script.js:2"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn set_step_label(label: &str) {
    let state = current("host::set_step_label");
    state.refuse_if_observer();
    state.step_labeled(label);
}
