//! The hooks of the loop and those of the engine: jobs, exceptions, rejections, and the end of the run.

use std::cell::RefCell;
use std::rc::Rc;

use boa_engine::builtins::promise::{OperationType, Promise, PromiseState};
use boa_engine::context::HostHooks;
use boa_engine::job::{Job, JobExecutor};
use boa_engine::object::builtins::JsPromise;
use boa_engine::{Context, JsObject, JsResult, JsValue};
use nodeloop::Rejection;
use nodeloop::host::{TrackedRejection, queue_macrotask, track_rejection};
use rustc_hash::FxHashMap;

use crate::host::{Host, Thrown};

/// Registers the listeners of the loop.
pub(crate) fn install(host: &Rc<Host>) {
    let for_uncaught = host.clone();
    nodeloop::on_uncaught(move |uncaught| {
        let value = uncaught.with_value(|value| {
            let thrown = value.downcast_ref::<Thrown>();
            thrown.map(|Thrown(value)| value.clone())
        });
        match value.flatten() {
            Some(value) => for_uncaught.enter("uncaught", &[value, false.into()]),
            None => panic!("{uncaught}"), // of the host itself
        }
    });
    let for_unhandled = host.clone();
    nodeloop::on_unhandled_rejection(move |rejection| {
        if let Some(number) = number_of(rejection) {
            for_unhandled.enter("unhandled", &[number.into()]);
        }
    });
    let for_handled = host.clone();
    nodeloop::on_rejection_handled(move |rejection| {
        if let Some(number) = number_of(rejection) {
            for_handled.rejections.known.borrow_mut().remove(&number);
            for_handled.enter("handledLate", &[number.into()]);
        }
    });
    let for_before_exit = host.clone();
    nodeloop::on_before_exit(move || for_before_exit.enter("beforeExit", &[]));
    let for_exit = host.clone();
    nodeloop::on_exit(move |_| for_exit.enter("exit", &[]));
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
            other => panic!("no function of this host queues such a job: {other:?}"),
        }
    }

    /// Does nothing: the loop runs the jobs.
    fn run_jobs(self: Rc<Self>, _context: &mut Context) -> JsResult<()> {
        Ok(())
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

/// The number of a rejection: `js/rejections.js` keeps the promise and its reason under it.
#[derive(Debug)]
struct Number(u32);

/// The rejections that the loop knows, by number.
#[derive(Default)]
pub(crate) struct Rejections {
    known: RefCell<FxHashMap<u32, TrackedRejection>>,
}

impl Rejections {
    pub(crate) fn rejected(&self, number: u32) {
        let rejection = track_rejection(Number(number));
        self.known.borrow_mut().insert(number, rejection);
    }

    pub(crate) fn handled(&self, number: u32) {
        if let Some(rejection) = self.known.borrow().get(&number) {
            rejection.handled();
        }
    }

    /// Forgets a rejection that was handled before it was reported.
    pub(crate) fn forget(&self, number: u32) {
        let rejection = self.known.borrow_mut().remove(&number);
        drop(rejection);
    }
}

fn number_of(rejection: &Rejection) -> Option<u32> {
    rejection.with_reason(|reason| reason.downcast_ref::<Number>().map(|number| number.0))
}
