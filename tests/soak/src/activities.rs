//! The activities that the soak chooses from. Each is a future that ends when everything that it
//! has added to its ledger has come back, and panics if a value is wrong.

mod callbacks;
mod files;
pub mod panics;
mod processes;
mod promises;
mod sockets;
mod streams;
mod tasks;
mod threads;

use std::time::Duration;

use fastrand::Rng;
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use nodeloop::spawn;

use crate::account::Ledger;

/// One kind of activity.
#[derive(Clone, Copy)]
pub struct Activity {
    pub name: &'static str,
    /// How often it is chosen, in relation to the others.
    pub weight: u32,
    /// Whether it runs on every loop, also of a worker.
    pub is_portable: bool,
    pub start: fn(Ledger, Rng) -> LocalBoxFuture<'static, ()>,
}

/// All activities.
pub const ACTIVITIES: &[Activity] = &[
    activity("timers", 8, ANYWHERE, |ledger, rng| {
        callbacks::timers(ledger, rng).boxed_local()
    }),
    activity("intervals", 4, ANYWHERE, |ledger, rng| {
        callbacks::intervals(ledger, rng).boxed_local()
    }),
    activity("immediates_and_queues", 6, ANYWHERE, |ledger, rng| {
        callbacks::immediates_and_queues(ledger, rng).boxed_local()
    }),
    activity("contexts", 5, ANYWHERE, |ledger, rng| {
        callbacks::contexts(ledger, rng).boxed_local()
    }),
    activity("emitters", 5, ANYWHERE, |ledger, rng| {
        callbacks::emitters(ledger, rng).boxed_local()
    }),
    activity("promises", 8, ANYWHERE, |ledger, rng| {
        promises::promises(ledger, rng).boxed_local()
    }),
    activity("combinators", 5, ANYWHERE, |ledger, rng| {
        promises::combinators(ledger, rng).boxed_local()
    }),
    activity("shared_promises", 4, ANYWHERE, |ledger, rng| {
        promises::shared_promises(ledger, rng).boxed_local()
    }),
    activity("task_trees", 6, ANYWHERE, |ledger, rng| {
        tasks::task_trees(ledger, rng).boxed_local()
    }),
    activity("task_groups", 5, ANYWHERE, |ledger, rng| {
        tasks::task_groups(ledger, rng).boxed_local()
    }),
    activity("aborts", 6, ANYWHERE, |ledger, rng| {
        tasks::aborts(ledger, rng).boxed_local()
    }),
    activity("timeouts", 5, ANYWHERE, |ledger, rng| {
        tasks::timeouts(ledger, rng).boxed_local()
    }),
    activity("panics_of_callbacks", 4, ANYWHERE, |ledger, rng| {
        panics::panics_of_callbacks(ledger, rng).boxed_local()
    }),
    activity("panics_of_tasks", 4, ANYWHERE, |ledger, rng| {
        panics::panics_of_tasks(ledger, rng).boxed_local()
    }),
    activity("rejections", 4, ANYWHERE, |ledger, rng| {
        panics::rejections(ledger, rng).boxed_local()
    }),
    activity("tcp_echo", 8, ANYWHERE, |ledger, rng| {
        sockets::tcp_echo(ledger, rng).boxed_local()
    }),
    activity("tcp_resets", 3, ANYWHERE, |ledger, rng| {
        sockets::tcp_resets(ledger, rng).boxed_local()
    }),
    activity("udp", 5, ANYWHERE, |ledger, rng| {
        sockets::udp(ledger, rng).boxed_local()
    }),
    activity("unix", 5, ANYWHERE, |ledger, rng| {
        sockets::unix(ledger, rng).boxed_local()
    }),
    activity("refusals", 2, ANYWHERE, |ledger, rng| {
        sockets::refusals(ledger, rng).boxed_local()
    }),
    activity("pipes", 3, ANYWHERE, |ledger, rng| {
        streams::pipes(ledger, rng).boxed_local()
    }),
    activity("split_sockets", 3, ANYWHERE, |ledger, rng| {
        streams::split_sockets(ledger, rng).boxed_local()
    }),
    activity("files", 4, ANYWHERE, |ledger, rng| {
        files::files(ledger, rng).boxed_local()
    }),
    activity("directories", 2, ANYWHERE, |ledger, rng| {
        files::directories(ledger, rng).boxed_local()
    }),
    activity("children", 2, MAIN_LOOP, |ledger, rng| {
        processes::children(ledger, rng).boxed_local()
    }),
    activity("killed_children", 1, MAIN_LOOP, |ledger, rng| {
        processes::killed_children(ledger, rng).boxed_local()
    }),
    activity("signals", 2, MAIN_LOOP, |ledger, rng| {
        processes::signals(ledger, rng).boxed_local()
    }),
    activity("jobs", 5, ANYWHERE, |ledger, rng| {
        threads::jobs(ledger, rng).boxed_local()
    }),
    activity("queued_work", 4, ANYWHERE, |ledger, rng| {
        threads::queued_work(ledger, rng).boxed_local()
    }),
    activity("handles", 2, ANYWHERE, |ledger, rng| {
        threads::handles(ledger, rng).boxed_local()
    }),
    activity("workers", 1, MAIN_LOOP, |ledger, rng| {
        threads::workers(ledger, rng).boxed_local()
    }),
    activity("ended_workers", 1, MAIN_LOOP, |ledger, rng| {
        threads::ended_workers(ledger, rng).boxed_local()
    }),
    activity("dropped_loops", 1, MAIN_LOOP, |ledger, rng| {
        threads::dropped_loops(ledger, rng).boxed_local()
    }),
];

const ANYWHERE: bool = true;
const MAIN_LOOP: bool = false;

const fn activity(
    name: &'static str,
    weight: u32,
    is_portable: bool,
    start: fn(Ledger, Rng) -> LocalBoxFuture<'static, ()>,
) -> Activity {
    Activity {
        name,
        weight,
        is_portable,
        start,
    }
}

/// Chooses the activities of a loop, each with a seed of its own.
pub struct Chooser {
    activities: Vec<Activity>,
    rng: Rng,
}

impl Chooser {
    pub fn new(seed: u64, accepts: impl Fn(&Activity) -> bool) -> Chooser {
        let activities: Vec<Activity> = ACTIVITIES.iter().copied().filter(accepts).collect();
        Chooser {
            activities,
            rng: Rng::with_seed(seed),
        }
    }

    /// Returns whether there is nothing to choose from.
    pub fn is_empty(&self) -> bool {
        self.activities.is_empty()
    }

    /// Returns the next activity and its seed.
    pub fn next(&mut self) -> (Activity, u64) {
        let total = self.activities.iter().map(|activity| activity.weight).sum();
        let mut chosen = self.rng.u32(0..total);
        let mut activities = self.activities.iter();
        let activity = activities.find(|activity| match chosen.checked_sub(activity.weight) {
            Some(rest) => {
                chosen = rest;
                false
            }
            None => true,
        });
        (
            *activity.expect("less than the sum of all"),
            self.rng.u64(..),
        )
    }
}

/// Runs an activity to its end, and closes its ledger.
pub async fn run(activity: Activity, number: u64, (seed, own_seed): (u64, u64)) {
    let ledger = Ledger::open(activity.name, number, seed);
    let work = spawn((activity.start)(ledger.clone(), Rng::with_seed(own_seed)));
    let error = match work.settled().await {
        Ok(()) => None,
        Err(error) => Some(error.to_string()),
    };
    ledger.close(error.as_deref());
}

/// A delay of at most `most_ms` milliseconds, zero included.
fn short(rng: &mut Rng, most_ms: u64) -> Duration {
    Duration::from_millis(rng.u64(0..=most_ms))
}

/// Bytes that only this seed has.
fn bytes(rng: &mut Rng, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rng.fill(&mut bytes);
    bytes
}
