//! The hooks of the loop: the engine's jobs, its exceptions, and the end of the run.

use std::rc::Rc;

use nodeloop::host::{MicrotaskSource, report_thrown, set_microtask_source};

use crate::host::{Host, Thrown, thrown};

/// Registers the source of jobs, and the listeners.
pub(crate) fn install(host: &Rc<Host>) {
    set_microtask_source(Jobs(host.clone()));
    let for_uncaught = host.clone();
    nodeloop::on_uncaught(move |uncaught| {
        let value = uncaught.with_value(|value| {
            let thrown = value.downcast_ref::<Thrown>();
            thrown.map(|Thrown(value)| value.clone())
        });
        match value.flatten() {
            Some(value) => for_uncaught.enter(|entries| &entries.uncaught, (value, false)),
            None => panic!("{uncaught}"), // of the host itself
        }
    });
    let for_before_exit = host.clone();
    nodeloop::on_before_exit(move || for_before_exit.enter(|entries| &entries.before_exit, ()));
    let for_exit = host.clone();
    nodeloop::on_exit(move |_| for_exit.enter(|entries| &entries.exit, ()));
    host.rejections.install(host);
}

/// The job queue of the engine, which becomes a part of the microtask queue (R10).
struct Jobs(Rc<Host>);

impl MicrotaskSource for Jobs {
    fn run_job(&self) -> bool {
        match &self.0.sandbox {
            Some(sandbox) => sandbox.run_job(&self.0, || self.run()),
            None => self.run(),
        }
    }

    fn has_job(&self) -> bool {
        self.0.runtime.is_job_pending()
    }
}

impl Jobs {
    fn run(&self) -> bool {
        let host = &self.0;
        match host.places.of_job(|| host.runtime.execute_pending_job()) {
            Ok(had_job) => had_job,
            Err(job) => {
                report_thrown(job.0.with(|ctx| thrown(&ctx))); // R54
                true
            }
        }
    }
}
