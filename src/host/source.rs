//! The microtask queue of an engine.

use std::panic::Location;
use std::rc::Rc;

use crate::event_loop::current::current;
use crate::hooks::microtask_source::MicrotaskSource;

/// Makes the job queue of an engine a part of the microtask queue of the loop (R10, R13).
///
/// Whenever a drain finds the loop's own microtask queue empty, it runs one job of `source`, and then
/// continues with the loop's own queue. Ticks, and the reports of rejections, follow when both are
/// empty. Each job is a microtask for [limits](crate::Builder::drain_limit) and
/// [observers](crate::observe), and begins in an empty async context.
///
/// The loop owns `source` until it is dropped itself, also between its runs, so a source is set once for
/// each loop: in the main script, or before it within
/// [`EventLoop::with_current`](crate::EventLoop::with_current). Jobs that are queued there run in the first
/// drain of the next run.
///
/// # Order
///
/// * The jobs of the engine run in the engine's order, and the microtasks of the loop (its promises,
///   tasks and [`queue_microtask`](crate::queue_microtask)) in that of R13.
/// * Between the two queues there is no common order: a microtask of the loop runs before all jobs of the
///   engine that are queued, even if it was queued after them. That is all that an engine permits whose
///   queue can only be emptied, such as QuickJS. It makes no difference to code that uses only one of the
///   two.
/// * An engine that hands each job to its host, such as Boa with its `JobExecutor`, needs no source: the
///   host passes each job to [`queue_microtask`](crate::queue_microtask). All jobs and microtasks are then
///   in one queue, first in, first out.
///
/// # Panics
///
/// Panics if no event loop is running on this thread, or if the loop has a source already.
///
/// # Examples
///
/// ```
/// use std::cell::RefCell;
/// use std::collections::VecDeque;
/// use std::rc::Rc;
/// use nodeloop::host::{MicrotaskSource, set_microtask_source};
/// use nodeloop::{EventLoop, next_tick, queue_microtask, test::Log};
///
/// type Job = Box<dyn FnOnce()>;
///
/// /// The engine: it can run its next job, and no more.
/// #[derive(Clone, Default)]
/// struct Engine(Rc<RefCell<VecDeque<Job>>>);
///
/// impl MicrotaskSource for Engine {
///     fn run_job(&self) -> bool {
///         let job = self.0.borrow_mut().pop_front();
///         job.map(|job| job()).is_some()
///     }
/// }
///
/// let log = Log::new();
/// let (engine, script) = (Engine::default(), log.clone());
/// EventLoop::new()?.run_script(move || {
///     set_microtask_source(engine.clone());
///     let after_job = script.callback("tick of the job");
///     let mut job = script.callback("job 1");
///     engine.0.borrow_mut().push_back(Box::new(move || {
///         job();
///         next_tick(after_job);
///     }));
///     engine.0.borrow_mut().push_back(Box::new(script.callback("job 2")));
///     queue_microtask(script.callback("microtask"));
///     next_tick(script.callback("tick"));
/// })?;
/// log.assert_order(["tick", "microtask", "job 1", "job 2", "tick of the job"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn set_microtask_source(source: impl MicrotaskSource) {
    let state = current("host::set_microtask_source");
    let is_new = state
        .hooks
        .microtask_source
        .set(Rc::new(source), Location::caller());
    assert!(
        is_new,
        "the loop has a microtask source already: let that one run the jobs of all engines"
    );
}
