//! The cost of a report.

use std::cell::Cell;
use std::panic::Location;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Wake;

use super::*;

const COUNT: usize = 10_000;

/// The waker of a task, which the report never calls.
struct Task(
    #[expect(
        dead_code,
        reason = "it must have a size, and so an address of its own"
    )]
    u8,
);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        panic!("a report woke a task");
    }
}

/// A pending promise that counts how often it is visited.
struct CountingPromise {
    visits: Rc<Cell<usize>>,
    waker: Waker,
}

impl PendingPromise for CountingPromise {
    fn created_at(&self) -> SourceLocation {
        Location::caller()
    }

    fn for_each_waker(&self, visit: &mut dyn FnMut(&Waker)) {
        self.visits.set(self.visits.get() + 1);
        visit(&self.waker);
        visit(Waker::noop()); // of no task
        visit(&self.waker); // a task that awaits it twice
    }

    fn is_out_of_reach(&self) -> bool {
        false
    }

    fn is_job(&self) -> bool {
        false
    }
}

/// Each task awaits the promise of the next task and another one.
#[test]
fn a_report_visits_each_promise_once() {
    let visits = Rc::new(Cell::new(0));
    let wakers: Vec<Waker> = (0..COUNT).map(|_| Arc::new(Task(0)).into()).collect();
    let promise_for = |waker: &Waker| {
        let (visits, waker) = (visits.clone(), waker.clone());
        Rc::new(CountingPromise { visits, waker })
    };
    let (mut tasks, awaited) = (Vec::new(), Awaited::default());
    let mut others = Vec::new();
    for (n, waker) in wakers.iter().enumerate() {
        let promise = promise_for(&wakers[(n + COUNT - 1) % COUNT]);
        tasks.push(ListedTask {
            location: promise.created_at(),
            promise: Some(promise),
            waker: waker.clone(),
        });
        let other = promise_for(waker);
        let weak: Weak<CountingPromise> = Rc::downgrade(&other);
        awaited.add(weak);
        others.push(other);
    }
    let report = pending_tasks(&tasks, &awaited, &[], Duration::ZERO);
    assert_eq!(visits.get(), 2 * COUNT);
    assert_eq!(report.len(), COUNT);
    assert!(report.iter().all(|task| task.blocked_on.len() == 2));
}
