//! What the host of an engine needs: the functions with which a JavaScript engine, or another
//! interpreter with a job queue of its own, becomes a part of the loop.
//!
//! A host calls the functions of the crate ([`set_timeout`](crate::set_timeout),
//! [`next_tick`](crate::next_tick), [`queue_work`](crate::queue_work) …) on behalf of the engine's code.
//! This module has what such a host needs in addition. It knows no engine: a value of an engine, whether its code
//! has thrown it or rejected a promise with it, is of any `'static` type that implements `Debug` (the trait
//! [`Reason`](crate::Reason)), and need not be `Send`. The chapter
//! [embedding an engine](crate::guide::embedding) shows them together.
//!
//! | the engine | use |
//! |---|---|
//! | has a queue of promise jobs | [`set_microtask_source`], or [`queue_microtask`](crate::queue_microtask) for each job |
//! | throws an exception out of a callback | [`fail_callback`], [`Uncaught::with_value`](crate::Uncaught::with_value) |
//! | has no listener for an error or a rejection | [`Uncaught::decline`](crate::Uncaught::decline), [`Rejection::decline`](crate::Rejection::decline) |
//! | reports an error that is not that of the running callback | [`trigger_uncaught_exception`], [`trigger_uncaught_rejection`] |
//! | rejects a promise that has no reaction | [`track_rejection`] |
//! | runs an operation of its own | [`Operation`], [`queue_macrotask`], [`queue_work`](crate::queue_work) |
//! | calls several callbacks for one event | [`queue_callback_scopes`], [`CallbackScopes`] |
//! | has timers with fields | [`TimeoutHandle::set_repeat`](crate::TimeoutHandle::set_repeat), [`refresh_with`](crate::TimeoutHandle::refresh_with), [`loop_time_ms`] |
//! | has places in its own sources | [`TimeoutHandle::set_label`](crate::TimeoutHandle::set_label), [`ImmediateHandle::set_label`](crate::ImmediateHandle::set_label), [`QueuedWork::set_label`](crate::QueuedWork::set_label), [`set_step_label`] |
//! | keeps async contexts | [`AsyncLocalStorage::snapshot`](crate::AsyncLocalStorage::snapshot), [`AsyncSnapshot::run`](crate::AsyncSnapshot::run) |
//! | registers hooks before the main script | [`EventLoop::with_current`](crate::EventLoop::with_current) |
//! | has several programs in one loop | [`WorkGroup`] |
//! | ends the program | [`request_exit`], [`is_stopping`], [`set_exit_code`](crate::set_exit_code) |
//!
//! A function panics if no event loop is running on this thread, unless its documentation says otherwise.

mod errors;
mod external;
mod labels;
mod rejections;
mod source;
mod time;
mod work_group;

pub use crate::hooks::foreign::ThrownValue;
pub use crate::hooks::microtask_source::MicrotaskSource;
pub use errors::{
    fail_callback, is_stopping, request_exit, trigger_uncaught_exception,
    trigger_uncaught_rejection,
};
pub use external::{CallbackScopes, Operation, queue_callback_scopes, queue_macrotask};
pub use labels::set_step_label;
pub use rejections::{TrackedRejection, track_rejection};
pub use source::set_microtask_source;
pub use time::loop_time_ms;
pub use work_group::{WorkGroup, WorkHold};
