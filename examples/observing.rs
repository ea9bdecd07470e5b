//! Observers of a loop: slow callbacks, metrics, the cause of a callback, and starvation.
//!
//! The clock is virtual, so the numbers are the same in every run. The first run has a slow timer
//! and a chain of callbacks that queue each other. In the second run a tick and a microtask queue
//! each other endlessly, and the run ends with a report instead of hanging.
//!
//! Compared with Node: not, because Node has no observers and would hang in the second run

use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error;
use std::rc::Rc;
use std::time::Duration;

use nodeloop::observe::{
    Event, EventContext, Metrics, Observer, Step, StepId, position, slow_callbacks,
};
use nodeloop::{EventLoop, RunError, next_tick, queue_microtask, set_immediate, set_timeout, time};

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn main() -> Result<(), Box<dyn Error>> {
    let metrics = Metrics::new();
    let causes = Rc::new(Causes::default());
    let recorded = causes.clone();
    let mut event_loop = EventLoop::builder()
        .virtual_time()
        .observer(metrics.clone())
        .observer(move |event: &Event, context: &EventContext<'_>| recorded.observe(event, context))
        .observer(slow_callbacks(ms(50), |slow| {
            println!("slow: a {} took {:?}", slow.step.kind, slow.took);
        }))
        .build()?;
    event_loop.run_script(move || {
        set_timeout(ms(40), || time::block_for(ms(60)));
        set_timeout(ms(160), move || {
            set_immediate(move || {
                next_tick(move || {
                    println!("here: {} in turn {}", position().queue(), position().turn);
                    let step = position().step.expect("an observer is installed");
                    println!("why: {}", causes.of(step));
                });
            });
        });
    })?;
    let busy = metrics.event_loop_utilization();
    println!("busy: {:?} of {:?}", busy.active, busy.active + busy.idle);
    println!("the longest delay: {:?}", metrics.delay().max());

    let mut event_loop = EventLoop::builder().drain_limit(1_000).build()?;
    match event_loop.run_script(ping) {
        Err(RunError::Starvation(starvation)) => {
            for link in &starvation.links {
                println!("starvation: {} × a {}", link.count, link.kind); // and `link.location`
            }
            Ok(())
        }
        other => panic!("an endless chain must be reported: {other:?}"),
    }
}

fn ping() {
    queue_microtask(pong);
}

fn pong() {
    next_tick(ping);
}

/// Stores for each step the step that queued it.
#[derive(Default)]
struct Causes {
    known: RefCell<HashMap<StepId, (Step, Option<StepId>)>>,
}

impl Observer for Causes {
    fn observe(&self, event: &Event, _: &EventContext<'_>) {
        let mut known = self.known.borrow_mut();
        match event {
            Event::Enqueued { step, by, .. } => {
                known.insert(step.id, (*step, by.map(|by| by.id)));
            }
            Event::StepBegin(step) => {
                known.entry(step.id).or_insert((*step, None));
            }
            _ => {}
        }
    }
}

impl Causes {
    /// Returns the chain from a step back to the main script.
    fn of(&self, step: StepId) -> String {
        let known = self.known.borrow();
        let mut chain = Vec::new();
        let mut next = Some(step);
        while let Some((step, by)) = next.and_then(|id| known.get(&id)) {
            chain.push(step.kind.to_string());
            next = *by;
        }
        chain.join(", queued by the ")
    }
}
