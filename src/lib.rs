//! An async/await executor with the event loop of Node.js.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod abort;
mod async_local;
mod blocking;
mod checkpoint;
mod clock;
mod context;
mod current;
mod entry;
mod event_loop;
pub mod fs;
mod handle;
mod hooks;
pub mod io;
mod macrotask;
pub mod net;
mod phases;
mod pool;
pub mod promise;
mod queues;
mod rejection;
mod remote;
mod schedule;
mod teardown;
pub mod time;
mod uncaught;
mod yield_now;

pub use abort::{
    AbortController, AbortListener, AbortReason, AbortSignal, Aborted, FutureExt, WithSignal,
};
pub use async_local::AsyncLocalStorage;
pub use blocking::{QueuedWork, queue_work, spawn_blocking};
pub use checkpoint::UnhandledRejection;

pub use entry::{
    Builder, Entry, EventLoop, RunError, Stuck, StuckPolicy, block_on, run, run_script,
};
pub use handle::{Handle, KeepAlive, LoopClosed, RemoteError, RemotePromise, handle, keep_alive};
pub use hooks::{
    exit, on_before_exit, on_exit, on_rejection_handled, on_uncaught, on_unhandled_rejection,
};
pub use promise::{Promise, TryPromise, spawn, spawn_lazy, try_spawn, try_spawn_lazy};
pub use rejection::Reason;
pub use schedule::{
    Immediate, MAX_DELAY, Timeout, next_tick, queue_microtask, set_immediate, set_interval,
    set_timeout, set_timeout_mut,
};
pub use uncaught::{PanicReason, Rejection, Uncaught};
pub use yield_now::{YieldNow, yield_now};
