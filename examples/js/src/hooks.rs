//! The seam to the loop's hooks: jobs of the engine, exceptions, and the end of the run.

use std::cell::{Cell, RefCell};
use std::panic::resume_unwind;
use std::rc::Rc;

use crate::host::{Host, Thrown, thrown};

/// What the hooks keep.
#[derive(Default)]
pub(crate) struct State {
    drain_is_queued: Cell<bool>,
    thrown: RefCell<Option<Thrown>>,
}

/// The payload with which a callback ends whose JavaScript threw.
struct JavaScriptThrew;

/// Reports an exception as the uncaught error of the running callback (R51, R53-R58).
pub(crate) fn report_thrown(host: &Host, thrown: Thrown) {
    host.hooks.thrown.replace(Some(thrown));
    resume_unwind(Box::new(JavaScriptThrew));
}

/// Registers the listeners of the loop.
pub(crate) fn install(host: &Rc<Host>) {
    let for_uncaught = host.clone();
    nodeloop::on_uncaught(move |uncaught| match for_uncaught.hooks.thrown.take() {
        Some(Thrown(error)) => for_uncaught.enter(|entries| &entries.uncaught, (error, false)),
        None => panic!("{uncaught}"),
    });
    let for_before_exit = host.clone();
    nodeloop::on_before_exit(move || for_before_exit.enter(|entries| &entries.before_exit, ()));
    let for_exit = host.clone();
    nodeloop::on_exit(move |_| for_exit.enter(|entries| &entries.exit, ()));
    host.rejections.install(host);
}

impl Host {
    /// Queues a microtask that empties the engine's queue (R10), if that may have jobs.
    pub(crate) fn jobs_may_be_queued(self: &Rc<Host>) {
        if self.runtime.is_job_pending() && !self.hooks.drain_is_queued.replace(true) {
            let host = self.clone();
            nodeloop::queue_microtask(move || host.run_jobs());
        }
    }

    fn run_jobs(self: &Rc<Host>) {
        self.hooks.drain_is_queued.set(false);
        loop {
            match self.runtime.execute_pending_job() {
                Ok(true) => {}
                Ok(false) => break,
                Err(job) => {
                    let Thrown(error) = job.0.with(|ctx| thrown(&ctx));
                    self.enter(|entries| &entries.uncaught, (error, false));
                    nodeloop::set_immediate(|| {}); // R51
                }
            }
        }
    }
}
