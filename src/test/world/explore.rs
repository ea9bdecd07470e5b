//! Runs a world with many seeds, and reports a seed that fails.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::super::explore::explore_seeds;
use super::super::{Explored, FinishedRun, TestFailure, report};
use super::trace::Trace;
use super::{Stage, World, WorldBuilder};
use crate::phases::poll::delivery::Seed;
use crate::phases::poll::delivery::order::OrderRecord;
use crate::reactor::world::Source;

/// The faults and the actions of all runs so far, each with whether it has happened in any of them.
type Outcomes = RefCell<BTreeMap<String, bool>>;

impl WorldBuilder {
    /// Runs the world that `body` sets up once in the plain order and once for each of the seeds 1 to
    /// `seeds`. Each seed chooses other faults, delays and orders.
    ///
    /// `body` adds hosts and a script to a new world, and may run it, to check afterwards what it has left.
    /// A world that `body` has not run is run after it.
    ///
    /// | chosen by the seed | in the plain order |
    /// |---|---|
    /// | whether a fault with a probability happens: loss, duplication and reordering of datagrams, short reads and writes, resets, faults of a [disk](crate::test::DiskFault) | it does not, unless the probability is 1 |
    /// | how long a packet and a job take, within their ranges | the shortest time |
    /// | when an action of [`at_within`](World::at_within) is due | at the earliest time |
    /// | which changes a crash loses that were not synced, for each sector, each length and each directory | none |
    /// | which host runs first of those that have something to do at one instant | the one that was created first |
    /// | which packet comes first of those that arrive at one host at the same instant, except for those of one connection | the one that was sent first |
    /// | what the loop of each host leaves open; see [`explore`](crate::test::explore()) | as there |
    ///
    /// Each of these is a decision, which has a number. Each link and each part of a host counts its own, so
    /// that the others keep their numbers when one is left out. The report about a seed that fails lists the
    /// fewest decisions that still fail, with their times, and a command that replays exactly these
    /// (`NODELOOP_SEED=… cargo test …`). It prints the difference of the [log](World::log) from that of
    /// the most similar run that passes or, if their logs are equal, of the entries into the code of all
    /// hosts.
    ///
    /// A replay continues in the plain order where a decision does not apply any more, because the program
    /// has changed, and prints which ones these are. It fails if none applies.
    ///
    /// What the program itself chooses at random, and what bypasses the world, is not repeated:
    /// [`check_deterministic`](WorldBuilder::check_deterministic) finds it.
    ///
    /// # Panics
    ///
    /// Panics if a run fails as [`World::run`] does, or if `body` panics. Panics if a fault or an action of
    /// the script has not happened in any run, unless that is
    /// [permitted](WorldBuilder::permit_unfired_faults): a single run need not have all of them. Panics if
    /// `NODELOOP_SEED` is not a valid seed, or lists decisions of which none applies.
    ///
    /// # Examples
    ///
    /// ```should_panic
    /// use nodeloop::net::UdpSocket;
    /// use nodeloop::test::World;
    ///
    /// // The client never asks again, so that it waits forever if its question or the answer is lost.
    /// World::builder().datagram_loss(0.1).explore(20, |world| {
    ///     world.host("echo").serve(async || {
    ///         let socket = UdpSocket::bind("0.0.0.0:7").await.unwrap();
    ///         let mut buffer = [0; 16];
    ///         while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
    ///             socket.send_to(&buffer[..length], from).await.unwrap();
    ///         }
    ///     });
    ///     world.host("client").run(async || {
    ///         let socket = UdpSocket::bind("0.0.0.0:0").await?;
    ///         socket.send_to(b"ping", "echo:7").await?;
    ///         socket.recv(&mut [0; 16]).await
    ///     });
    /// });
    /// ```
    #[track_caller]
    pub fn explore(self, seeds: u64, body: impl Fn(&World)) -> Explored {
        report::refuse_loop("WorldBuilder::explore");
        let outcomes = Outcomes::default();
        let run = |seed: Seed| self.run_explored(seed, &body, None, &outcomes);
        let trace_of = |seed: Seed| {
            let trace = Trace::without_times();
            self.run_explored(seed, &body, Some(trace.clone()), &outcomes);
            trace.into_lines()
        };
        let replayed = report::seed_to_replay();
        let is_replay = replayed.is_some();
        if let Some(seed) = replayed {
            let _ = self.clone().seed(seed); // is refused here, with the location of the caller
        }
        let explored = explore_seeds(seeds, run, Some(&trace_of));
        if !self.permits_unfired && !is_replay {
            let outcomes = outcomes.take().into_iter();
            let unfired =
                outcomes.filter_map(|(text, has_happened)| (!has_happened).then_some(text));
            let unfired: Vec<String> = unfired.collect();
            let (subject, object) = match unfired.len() {
                1 => ("it was", "it"),
                _ => ("they were", "them"),
            };
            assert!(
                unfired.is_empty(),
                "{} did not happen in any of {} runs, so {subject} not tested; raise the number of seeds, make \
                 {object} happen, or call `WorldBuilder::permit_unfired_faults`",
                unfired.join(", "),
                explored.runs()
            );
        }
        explored
    }

    fn run_explored(
        &self,
        seed: Seed,
        body: &impl Fn(&World),
        trace: Option<Trace>,
        outcomes: &Outcomes,
    ) -> FinishedRun<()> {
        let settings = WorldBuilder {
            is_explored: true,
            trace: trace.clone(),
            ..self.clone()
        };
        let world = settings.seed(seed).build();
        if let Some(trace) = trace {
            trace.set_log(&world.log());
        }
        let result = catch_unwind(AssertUnwindSafe(|| world.run_body(body)));
        let log = world.log();
        let result = result.map_err(|payload| match world.inner.failure.take() {
            Some(failure) => failure.into_test_failure(world.now(), &log),
            None => TestFailure::of_panic(payload, &log),
        });
        let mut all = outcomes.borrow_mut();
        for (text, has_happened) in world.inner.outcomes.take() {
            *all.entry(text).or_default() |= has_happened;
        }
        let choices = world.inner.state.choices(Source::Turns);
        FinishedRun {
            result,
            log,
            decisions: choices.decisions(),
            inapplicable: choices.inapplicable(),
            record: OrderRecord::default(),
            not_followed: None,
        }
    }
}

impl World {
    /// Calls `body` with a new world, and runs the world if `body` has not.
    #[track_caller]
    pub(super) fn run_body(&self, body: &impl Fn(&World)) {
        body(self);
        if self.inner.stage.get() == Stage::New {
            self.run();
        }
    }
}
