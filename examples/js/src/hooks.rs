//! The hooks of the loop: the engine's jobs, its exceptions, and the end of the run.

use nodeloop::host::{MicrotaskSource, fail_callback, set_microtask_source};
use rquickjs::Function;

use crate::host::{Host, Thrown, thrown};

/// Registers the source of jobs, and the listeners.
pub(crate) fn install(host: &'static Host) {
    set_microtask_source(Jobs(host));
    nodeloop::on_uncaught(move |uncaught| {
        let value = uncaught.with_value(|value| {
            let thrown = value.downcast_ref::<Thrown>();
            thrown.map(|Thrown(value)| value.clone())
        });
        match value.flatten() {
            Some(value) => host.enter(|entries| &entries.uncaught, (value, false)),
            None => panic!("{uncaught}"), // of the host itself
        }
    });
    nodeloop::on_before_exit(move || host.enter(|entries| &entries.before_exit, ()));
    nodeloop::on_exit(move |_| host.enter(|entries| &entries.exit, ()));
    track_rejections(host);
    host.rejections.listen(
        |number| host.enter(|entries| &entries.unhandled, (number,)),
        |number| host.enter(|entries| &entries.handled_late, (number,)),
    );
}

/// Makes the engine tell `js/rejections.js` of rejected promises.
fn track_rejections(host: &'static Host) {
    let entries = host.entries();
    host.runtime
        .set_host_promise_rejection_tracker(Some(Box::new(
            move |ctx, promise, reason, handled| {
                let record = entries.rejection.clone().restore(&ctx);
                let record = record.and_then(|record: Function<'_>| {
                    record.call::<_, ()>((promise, reason, handled))
                });
                // The recorder throws only if memory is exhausted.
                if record.is_err() {
                    ctx.catch();
                }
            },
        )));
}

/// The job queue of the engine, which becomes a part of the microtask queue (R10).
struct Jobs(&'static Host);

impl MicrotaskSource for Jobs {
    fn run_job(&self) -> bool {
        match &self.0.sandbox {
            Some(sandbox) => sandbox.run_job(self.0, || self.run()),
            None => self.run(),
        }
    }

    fn has_job(&self) -> bool {
        self.0.runtime.is_job_pending()
    }
}

impl Jobs {
    fn run(&self) -> bool {
        let host = self.0;
        match host.places.of_job(|| host.runtime.execute_pending_job()) {
            Ok(had_job) => had_job,
            Err(job) => {
                fail_callback(job.0.with(|ctx| thrown(&ctx))); // R54
                true
            }
        }
    }
}
