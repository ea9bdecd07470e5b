//! The hooks of the loop and those of the engine: jobs, exceptions, rejections, and the end of the run.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{self, Poll, Waker};

use boa_engine::builtins::promise::{OperationType, Promise, PromiseState};
use boa_engine::context::HostHooks;
use boa_engine::job::{Job, JobExecutor, NativeAsyncJob};
use boa_engine::object::builtins::JsPromise;
use boa_engine::{Context, JsNativeError, JsObject, JsResult, JsValue};
use nodeloop::host::queue_macrotask;

use crate::host::{Host, Thrown};

/// Registers the listeners of the loop.
pub(crate) fn install(host: &'static Host) {
    nodeloop::on_uncaught(move |uncaught| {
        let value = uncaught.with_value(|value| {
            let thrown = value.downcast_ref::<Thrown>();
            thrown.map(|Thrown(value)| value.clone())
        });
        match value.flatten() {
            Some(value) => host.enter("uncaught", &[value, false.into()]),
            None => panic!("{uncaught}"), // of the host itself
        }
    });
    host.rejections.listen(
        |number| host.enter("unhandled", &[number.into()]),
        |number| host.enter("handledLate", &[number.into()]),
    );
    nodeloop::on_before_exit(move || host.enter("beforeExit", &[]));
    nodeloop::on_exit(move |_| host.enter("exit", &[]));
}

/// Receives each job of the engine when it is queued, and makes a microtask of it: the jobs and the
/// microtasks of the loop are in one queue (R13).
pub(crate) struct Jobs;

impl JobExecutor for Jobs {
    fn enqueue_job(self: Rc<Self>, job: Job, _context: &mut Context) {
        match job {
            Job::PromiseJob(job) => {
                nodeloop::queue_microtask(|| Host::current().run(|context| job.call(context)));
            }
            Job::GenericJob(job) => {
                queue_macrotask(|| Host::current().run(|context| job.call(context)));
            }
            // The engine loads a module with such a job. It has no loader, so the job ends at once with an error.
            Job::AsyncJob(job) => {
                queue_macrotask(|| Host::current().run(|context| end_now(job, context)));
            }
            other => panic!("no function of this host queues such a job: {other:?}"),
        }
    }

    /// Does nothing: the loop runs the jobs.
    fn run_jobs(self: Rc<Self>, _context: &mut Context) -> JsResult<()> {
        Ok(())
    }
}

/// Polls a job that is ready at its first poll.
fn end_now(job: NativeAsyncJob, context: &mut Context) -> JsResult<JsValue> {
    let context = RefCell::new(context);
    let mut polled = job.call(&context);
    match Pin::new(&mut polled).poll(&mut task::Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(JsNativeError::error()
            .with_message("this host waits for no async job")
            .into()),
    }
}

/// Receives the promises that are rejected without a reaction, and those that get one later.
pub(crate) struct Tracker;

impl HostHooks for Tracker {
    fn promise_rejection_tracker(
        &self,
        promise: &JsObject<Promise>,
        operation: OperationType,
        context: &mut Context,
    ) {
        let promise = promise.clone().upcast();
        let state = JsPromise::from_object(promise.clone()).map(|promise| promise.state());
        let reason = match state {
            Ok(PromiseState::Rejected(reason)) => reason,
            _ => JsValue::undefined(),
        };
        let is_handled = matches!(operation, OperationType::Handle);
        let arguments = [promise.into(), reason, is_handled.into()];
        // The recorder of `js/rejections.js` throws only if a limit of the engine is reached.
        let _ = Host::current().call("rejection", &arguments, context);
    }
}
