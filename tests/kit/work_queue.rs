//! The queue of `examples/work_queue.rs`: the number of jobs at a time, the retries, and the progress.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use nodeloop::{test, time};

#[allow(dead_code, reason = "its `main` is not called")]
#[path = "../../examples/work_queue.rs"]
mod program;

/// Each job takes 50 ms, and `flaky` fails twice.
#[test]
fn three_jobs_run_at_a_time_and_failures_are_tried_again() {
    test::run(async |t| {
        let log = t.log();
        let start = time::Instant::now();
        let failures = Rc::new(Cell::new(2));
        let job = |name: String| {
            let (log, failures) = (log.clone(), failures.clone());
            async move {
                log.add(format_args!("{name} starts at {:?}", start.elapsed()));
                time::sleep(Duration::from_millis(50)).await;
                if name == "flaky" && failures.get() > 0 {
                    failures.set(failures.get() - 1);
                    return Err(io::Error::other("not this time"));
                }
                Ok(name.len())
            }
        };
        let names = ["a", "flaky", "c", "dd"].map(str::to_owned).to_vec();
        let progress = log.clone();
        let results = program::run_jobs(names, job, move |text| progress.add(text)).await;
        log.assert_order([
            "a starts at 0ns",
            "flaky starts at 0ns",
            "c starts at 0ns",
            "0 of 4 done, 3 running, 0 retries",
            "dd starts at 50ms",
            "1 of 4 done, 3 running, 0 retries",
            "1 of 4 done, 3 running, 1 retries",
            "2 of 4 done, 2 running, 1 retries",
            "3 of 4 done, 1 running, 1 retries",
            "flaky starts at 150ms",
            "3 of 4 done, 1 running, 2 retries",
            "flaky starts at 400ms",
            "4 of 4 done, 0 running, 2 retries",
        ]);
        let lengths: Vec<usize> = results.into_values().map(Result::unwrap).collect();
        assert_eq!(lengths, [1, 1, 2, 5]);
    });
}
