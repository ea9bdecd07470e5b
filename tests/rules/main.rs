//! The rules of order, and the promises, tasks and events that they concern. The deliberate breaks
//! and the mutants run this binary alone.

#[path = "../common/mod.rs"]
mod common;

mod abort;
mod async_local;
mod bad_input;
mod destructors;
mod drain;
mod emitter;
mod error_types;
mod errors;
mod event_loop;
mod exit_code;
mod host_errors;
mod host_exit;
mod host_external;
mod host_groups;
mod host_labels;
mod host_rejections;
mod host_source;
mod host_timers;
mod immediates;
mod intervals;
mod listeners;
mod main_future;
mod main_output;
#[cfg(unix)] // only a connect of a Unix socket fails at once
mod panics;
#[cfg(unix)] // only a connect of a Unix socket fails at once
mod pending;
mod pool;
mod promise_api;
mod promise_waiters;
mod promises;
mod reactions;
#[cfg(unix)] // only a socket pair is readable as soon as its peer has written
mod reactor;
mod ready_promises;
mod runtime_api;
mod settled;
mod shared_clones;
mod task_group;
mod timer_lists;
mod timers;
mod wakers;
mod warnings;
mod woken_tasks;
