//! Explores other orders of what arrived in a recording.

use std::cell::Cell;
use std::panic::Location;
use std::rc::Rc;

use super::super::explore::explore_seeds;
use super::super::report::{quietly, refuse_loop};
use super::super::{Explored, FinishedRun, Log, TestFailure};
use super::{Replay, ReplayFailure, Replayed, ended};
use crate::phases::macrotask::SourceLocation;
use crate::phases::poll::delivery::Seed;
use crate::phases::poll::delivery::order::OrderRecord;
use crate::reactor::choices::Choices;
use crate::reactor::journal::{Journal, Reader, Segment, Segments};
use crate::runtime::{Builder, EventLoop, MainOutput};

impl Replay {
    /// Replays the recording once as it is, and once for each of the seeds 1 to `seeds` with the arrivals of
    /// each poll phase in another order.
    ///
    /// `program` is the program that was recorded. It must log what it logged in the recording to the log
    /// that it receives. The report of a seed that fails is that of [`explore`](super::super::explore()): the
    /// fewest decisions that still fail, a command that replays these, and the difference of the log.
    ///
    /// | permuted | kept |
    /// |---|---|
    /// | the sources, jobs and simulated completions that one poll phase of the recording delivered | the poll phase of an arrival: nothing comes earlier or later |
    /// | | the events of one source; simulated completions; a job that had no thread before another had finished (R60); signals, which come last (R64) |
    /// | | timers, immediates, ticks and microtasks, whose order follows |
    ///
    /// # Orders that can't be followed
    ///
    /// There is no world in a replay that could answer what the program did not ask for in the recording. In
    /// another order it must therefore do for each arrival, and in the rest of the turn, what it did there:
    /// the same calls of the operating system, readings of the clock and submissions of jobs. Labels, the
    /// lengths of what it writes and everything within the program may differ. A write of more bytes than in the
    /// recording is one in part, and the program writes the rest, which can't be followed. A reading of the clock returns
    /// the recorded time, or the latest time that was read if that is later. If the program does anything
    /// else, the run ends there. It is neither a failure nor a success, and counted by
    /// [`Explored::not_followed`].
    ///
    /// A failure is found if it shows in such a run: the program panics, it leaves an error that no code
    /// handles, or its output is an error ([`MainOutput`]).
    ///
    /// # Panics
    ///
    /// Panics if a seed fails, and if the recorded order fails or can't be replayed, which
    /// [`run`](Replay::run) reports in detail. Panics if the file is [damaged](Replay::damage), because what is
    /// lost can't be permuted. Panics if other threads have sent messages to the loop by a
    /// handle, a waker or a worker: they run again in each replay, and nothing holds them to another order.
    ///
    /// # Examples
    ///
    /// [`guide::flight_recorder`](crate::guide::flight_recorder) has a complete example.
    #[track_caller]
    pub fn explore<T, F>(self, seeds: u64, program: F) -> Explored
    where
        T: MainOutput,
        F: AsyncFn(Log) -> T,
    {
        refuse_loop("Replay::explore");
        let location = Location::caller();
        let Some(builder) = self.builder else {
            panic!("{}", ReplayFailure::NoStart)
        };
        if let Some(damage) = &self.damage {
            panic!(
                "a damaged recording can't be explored: {damage}: record the run again, or call \
                 `Replay::run`, which replays it up to the damage"
            );
        }
        let open = || Reader::new(self.bytes.clone()).expect("it was opened before");
        assert!(
            !open().has_messages_of_threads(),
            "other threads have sent messages to the recorded loop, which can't be explored: record a run \
             without handles, workers and wakes of other threads"
        );
        let exploration = Exploration {
            builder,
            location,
            program,
        };
        let learned = quietly(|| exploration.learn(open().with_segments(Segments::learning())));
        let segments = match learned {
            Ok(segments) => segments,
            Err(failure) => panic!("the recorded order can't be replayed: {failure}"),
        };
        let run = |seed: Seed| {
            let choices = Rc::new(Choices::new(seed));
            let segments = Segments::following(segments.clone(), choices.clone());
            exploration.follow(open().with_segments(segments), &choices)
        };
        explore_seeds(seeds, run, None)
    }
}

struct Exploration<F> {
    builder: Builder,
    location: SourceLocation,
    program: F,
}

impl<T: MainOutput, F: AsyncFn(Log) -> T> Exploration<F> {
    /// Replays the recorded order, and returns its segments.
    fn learn(&self, reader: Reader) -> Result<Vec<Segment>, ReplayFailure> {
        let (result, journal) = self.run(reader, &Log::new(), |_, _| {});
        let _ended: Replayed<T> = result?; // also a recording that ends early has orders
        Ok(journal.reader().expect("a replay").learned())
    }

    /// Replays an order that a seed chooses.
    fn follow(&self, reader: Reader, choices: &Choices) -> FinishedRun<()> {
        let log = Log::new();
        let returned = Cell::new(None);
        let note_error = |output: &T, journal: &Journal| {
            if let Some(error) = output.error().filter(|_| !has_diverged(journal)) {
                returned.set(Some(format!("the program has returned {error:?}")));
                journal.failed(); // the run ends here, before the recording does
            }
        };
        let (result, _) = self.run(reader, &log, note_error);
        let (result, not_followed) = match (returned.take(), result) {
            (Some(error), _) => (Err(TestFailure::of_panic(Box::new(error), &log)), None),
            (None, Ok(_)) => (Ok(()), None),
            (None, Err(ReplayFailure::Run(error) | ReplayFailure::RunWithoutPayloads(error))) => {
                (Err(TestFailure::of_run(error, self.location, &log)), None)
            }
            (None, Err(failure)) => (Ok(()), Some(failure.to_string())),
        };
        FinishedRun {
            result,
            log,
            decisions: choices.decisions(),
            inapplicable: choices.inapplicable(),
            record: OrderRecord::default(),
            not_followed,
        }
    }

    /// Replays an order. `note_output` is called when the program has ended, before what is left is dropped.
    fn run(
        &self,
        reader: Reader,
        log: &Log,
        note_output: impl FnOnce(&T, &Journal),
    ) -> (Result<Replayed<T>, ReplayFailure>, Journal) {
        let builder = self.builder.clone().replaying(reader);
        let mut event_loop: EventLoop = match builder.build() {
            Ok(event_loop) => event_loop,
            Err(error) => panic!("{}", ReplayFailure::Build(error)),
        };
        let journal = event_loop.state().journal().cloned().expect("a replay");
        let main = async {
            let output = (self.program)(log.clone()).await;
            note_output(&output, &journal);
            output
        };
        let result = event_loop.run_pinned(self.location, std::pin::pin!(Some(main)));
        drop(event_loop);
        (ended(&journal, result), journal)
    }
}

fn has_diverged(journal: &Journal) -> bool {
    journal.reader().is_some_and(Reader::has_diverged)
}
