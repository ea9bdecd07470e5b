//! The steps of a run, from the main script to `exit`, and how its end becomes a result.
//!
//! A run (R1, R2): the main script is the first macrotask, with its drain; then the loop runs until
//! nothing keeps it alive; then `before_exit`, and the loop again if that scheduled work; finally
//! `exit`. A `block_on` ends as soon as its future has finished, without the listeners.
//!
//! [`EventLoop::drive`] is a state machine: each time the loop has nothing left to do, or has been
//! stopped, [`EventLoop::next`] decides which step follows, and `drive` executes it.
//!
//! Invariant: the reason why a run was stopped stays in the loop's
//! [`RunStatus`](crate::event_loop::status::RunStatus) until the last step of the run,
//! [`EventLoop::take_error`].

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::{EntryMode, EventLoop, RunError, Stuck, StuckPolicy, refuse_nesting};
use crate::event_loop::PollMode;
use crate::event_loop::current::{Entered, enter};
use crate::event_loop::main_future::MainFuture;
use crate::event_loop::runner::Runner;
use crate::event_loop::status::{LoopStatus, Stop};
use crate::hooks::uncaught::{Source, Uncaught, drop_quietly};
use crate::hooks::warning::Warning;
use crate::observe::why_alive::PendingTask;
use crate::phases::macrotask::{Origin, SourceLocation, StepKind};
use crate::phases::queues::QueuedCallback;
use crate::promise::PromiseError;
use crate::promise::main_task::{MainPromise, MainResult, main_task};

/// How long, in real time, a main future waits for another thread before that is reported.
const REPORT_AFTER: Duration = Duration::from_secs(1);

/// When a run ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// The end of the program: nothing keeps the loop alive, and the listeners have been called.
    Exit,
    /// The end of the main future.
    MainFuture,
}

/// What a run does when the loop has nothing left to do.
enum Next {
    /// Runs the loop again: the `before_exit` listeners scheduled work (R2), or another thread did.
    RunLoop,
    /// Waits for another thread: the main future is pending, which keeps nothing alive (R50).
    WaitForWake,
    /// Ends the run: it has reached its target, or has been stopped.
    End,
    /// Ends the run: the main future can never finish.
    GiveUp(Stuck),
}

impl EventLoop {
    #[track_caller]
    pub(super) fn enter(&mut self, function: &str, location: SourceLocation) -> Entered {
        refuse_nesting(function);
        self.state.set_status(LoopStatus::Open);
        self.has_reported.set(false);
        let entered = enter(&self.state);
        self.end_hosting();
        self.state.begin_run(location);
        entered
    }

    /// Runs with a main future that stays in its place on the stack of a caller, so that it may borrow.
    /// If `result_of` returns an error for the output, that is tracked as a rejection is.
    pub(super) fn run_future<F: Future>(
        &self,
        target: Target,
        location: SourceLocation,
        future: Pin<&mut Option<F>>,
        result_of: fn(&F::Output) -> MainResult,
    ) -> Result<F::Output, RunError> {
        let state = &self.state;
        let (promise, output) = (MainPromise::new(), Cell::new(None));
        let mut task = main_task(location, &promise, future, |value| {
            if target == Target::MainFuture {
                state.stop_at_target();
            }
            let result = result_of(&value);
            output.set(Some(value));
            result
        });
        let main = MainFuture::new(location, &mut task);
        let run = MainRun {
            runner: Runner::with_main(state, &main),
            promise: &promise,
            location,
        };
        self.start_main(&run.runner, &main);
        let stuck = self.drive(target, &run.runner);
        run.finish();
        let result = self.result(&run, stuck);
        let output = output.take();
        match result {
            Ok(()) => Ok(output.expect("a main future that was fulfilled has an output")),
            Err(error) => {
                drop_quietly(output);
                Err(error)
            }
        }
    }

    pub(super) fn run_to_exit(
        &self,
        location: SourceLocation,
        script: impl FnOnce() + 'static,
    ) -> Result<(), RunError> {
        let runner = Runner::new(&self.state);
        self.run_main(&runner, location, script);
        self.drive(Target::Exit, &runner);
        self.state.end_run();
        self.take_error(&runner).map_or(Ok(()), Err)
    }

    /// Runs the main script as a macrotask with its drain (R1).
    pub(super) fn run_main(
        &self,
        runner: &Runner<'_>,
        location: SourceLocation,
        script: impl FnOnce() + 'static,
    ) {
        match self.entry {
            EntryMode::CommonJs => {
                let _ = runner.invoke(Origin::new(StepKind::MainScript, location), script);
            }
            EntryMode::Module => {
                // R19: the body of a module is a promise job, so its jobs run before its ticks.
                let callback: Box<dyn FnOnce()> = Box::new(script);
                runner.push_microtask(QueuedCallback { callback, location });
            }
        }
        drain_main(runner);
    }

    /// Starts the main future as the main script.
    fn start_main(&self, runner: &Runner<'_>, main: &MainFuture<'_>) {
        match self.entry {
            EntryMode::CommonJs => {
                let origin = Origin::new(StepKind::MainScript, main.location());
                let _ = runner.invoke(origin, || main.start(&self.state));
            }
            EntryMode::Module => runner.push_main_start(main.location()), // R19
        }
        drain_main(runner);
    }

    /// Runs the loop until the run ends (R2). Returns a report if the main future is stuck.
    fn drive(&self, target: Target, runner: &Runner<'_>) -> Option<Stuck> {
        let stuck = loop {
            run_until_idle(runner);
            match self.next(target, runner) {
                Next::RunLoop => {}
                Next::WaitForWake => self.wait_for_wake(runner),
                Next::End => break None,
                Next::GiveUp(stuck) => break Some(stuck),
            }
        };
        if target == Target::Exit {
            runner.emit_exit(runner.final_exit_code());
        }
        stuck
    }

    fn next(&self, target: Target, runner: &Runner<'_>) -> Next {
        if target == Target::Exit && !runner.is_stopping() {
            runner.emit_before_exit();
            if runner.is_alive() && !runner.is_stopping() {
                return Next::RunLoop;
            }
        }
        let main = runner.main().filter(|main| !main.is_finished());
        let (Some(main), false) = (main, runner.is_stopping()) else {
            return Next::End;
        };
        if main.is_out_of_reach(runner) {
            // Checked after the wakers: one that is gone may have sent a message before.
            return match runner.is_alive() {
                true => Next::RunLoop,
                false => Next::GiveUp(Stuck {
                    is_out_of_reach: true,
                    ..self.stuck_report(runner)
                }),
            };
        }
        match self.stuck_policy {
            StuckPolicy::Wait => Next::WaitForWake,
            StuckPolicy::Error => Next::GiveUp(self.stuck_report(runner)),
        }
    }

    /// Waits until another thread sends a message. Warns of a long wait, once in a run.
    fn wait_for_wake(&self, runner: &Runner<'_>) {
        if runner.turn_within(REPORT_AFTER) && !runner.is_stopping() {
            if !self.has_reported.replace(true) {
                self.warn_of_long_wait(runner);
            }
            if !runner.is_stopping() {
                runner.turn(PollMode::EvenIfIdle);
            }
        }
        runner.leave_phase();
    }

    /// Returns why there is no output of the main future, if there is none.
    fn result(&self, run: &MainRun<'_>, stuck: Option<Stuck>) -> Result<(), RunError> {
        let error = self.take_error(&run.runner);
        let finished = run.promise.get().filter(|promise| promise.is_settled());
        let location = run.location;
        match (finished.map(|promise| promise.outcome()), error) {
            (Some(Ok(_)), None) => Ok(()),
            (_, Some(error @ RunError::Exit(_))) => Err(error), // it also unwinds the main future
            (Some(Err(PromiseError::Panicked(payload))), _) => {
                let error = Uncaught::of(payload, location).of_source(Source::MainFuture);
                Err(RunError::Uncaught(error))
            }
            (_, Some(error)) => Err(error),
            (_, None) => Err(RunError::Stuck(stuck.unwrap_or_default())),
        }
    }

    /// Takes the error of a run that was stopped early, and cancels everything that is left.
    pub(super) fn take_error(&self, runner: &Runner<'_>) -> Option<RunError> {
        let error = match runner.take_stop()? {
            Stop::MainRejected => {
                runner.cancel_all();
                return None; // the error is the output of the main future
            }
            Stop::Exit => RunError::Exit(runner.exit_code()), // an `exit` listener may have set it
            Stop::ClockHeld => RunError::Stuck(Stuck {
                is_clock_held: true,
                ..self.stuck_report(runner)
            }),
            Stop::Uncaught(error) => RunError::Uncaught(error),
            Stop::Unhandled { reason, location } => RunError::Unhandled { reason, location },
            Stop::Starvation(starvation) => RunError::Starvation(starvation),
        };
        if !matches!(error, RunError::Exit(_)) {
            runner.set_error_code();
        }
        runner.cancel_all();
        Some(error)
    }

    fn warn_of_long_wait(&self, runner: &Runner<'_>) {
        let main = runner.main().expect("a run that waits has a main future");
        let report = self.stuck_report(runner);
        let warning = Warning::new(format!(
            "{report}\n  if another thread wakes it, hold a `KeepAlive` there, which silences this warning; if \
             nothing does, end such a run with `StuckPolicy::Error`"
        ));
        let warning = warning.with_name("StillWaitingWarning");
        runner.shared().emit_warning(warning.at(main.location()));
        let _ = runner.checkpoint(); // nothing else would run the tick
    }

    fn stuck_report(&self, runner: &Runner<'_>) -> Stuck {
        let report = self.why_alive();
        Stuck {
            is_clock_held: false,
            is_out_of_reach: false,
            main: runner.main().map(MainFuture::location),
            pending: report.tasks().iter().map(PendingTask::location).collect(),
            report,
        }
    }
}

/// Drains after the main script (R1). A panic does not prevent the drain (R52).
fn drain_main(runner: &Runner<'_>) {
    if !runner.is_stopping() {
        let _ = runner.checkpoint();
    }
}

/// Runs the loop until nothing keeps it alive and no idle callback is left.
fn run_until_idle(runner: &Runner<'_>) {
    while !runner.is_stopping() {
        runner.run_while_alive();
        runner.poll.delivery.end_turns();
        if runner.is_stopping() || !runner.call_idle() {
            break;
        }
    }
}

/// A run with a main future.
struct MainRun<'a> {
    runner: Runner<'a>,
    promise: &'a MainPromise,
    location: SourceLocation,
}

impl MainRun<'_> {
    /// Ends the run, and drops a main future that is stuck, inside of the run: its destructors may stop
    /// this run, but not the next one.
    fn finish(&self) {
        let runner = &self.runner;
        if self.is_pending() && !runner.is_stopping() {
            self.abort();
            let _ = runner.checkpoint();
            if !runner.is_stopping() {
                self.cancel(); // the wake of another thread has not arrived yet
            }
        }
        runner.end_run();
    }

    fn is_pending(&self) -> bool {
        self.runner.main().is_some_and(|main| !main.is_finished())
    }

    fn abort(&self) {
        if let Some(promise) = self.promise.get() {
            promise.abort();
        }
    }

    /// Drops a main future that is still pending, without a turn.
    fn cancel(&self) {
        if self.is_pending() {
            self.abort();
            self.runner.cancel_main();
        }
    }
}

impl Drop for MainRun<'_> {
    /// Nothing of the main future outlives the run, even if a panic of the loop itself ends it.
    fn drop(&mut self) {
        self.cancel();
    }
}
