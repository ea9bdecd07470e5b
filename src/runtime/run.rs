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

use std::cell::RefCell;
use std::future::Future;
use std::ops::ControlFlow;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use super::{EntryMode, EventLoop, RunError, Stuck, StuckPolicy, refuse_nesting};
use crate::event_loop::PollMode;
use crate::event_loop::current::{Entered, enter};
use crate::event_loop::status::{LoopStatus, Stop};
use crate::hooks::uncaught::Uncaught;
use crate::observe::why_alive::PendingTask;
use crate::phases::macrotask::{Origin, SourceLocation, StepKind};
use crate::phases::queues::QueuedCallback;
use crate::promise::{Promise, PromiseError, spawn_at};

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
    /// Runs the loop again: the `before_exit` listeners scheduled work (R2).
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
    pub(super) fn enter(&mut self, function: &str) -> Entered {
        refuse_nesting(function);
        self.state.set_status(LoopStatus::Open);
        self.has_reported = false;
        let entered = enter(&self.state);
        self.end_hosting();
        self.state.begin_run(Location::caller());
        entered
    }

    pub(super) fn run_future<F>(
        &mut self,
        target: Target,
        location: SourceLocation,
        future: F,
    ) -> Result<F::Output, RunError>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let state = self.state.clone();
        let main = self.start_main(location, move || match target {
            Target::Exit => spawn_at(location, future),
            Target::MainFuture => spawn_at(location, async move {
                let output = future.await;
                state.stop_at_target();
                output
            }),
        });
        let is_done = || main.as_ref().is_none_or(Promise::is_finished);
        let stuck = self.drive(target, location, &is_done);
        let main = self.finish_main(main);
        self.result(main, location, stuck)
    }

    pub(super) fn run_to_exit(
        &mut self,
        location: SourceLocation,
        script: impl FnOnce() + 'static,
    ) -> Result<(), RunError> {
        self.run_main(location, script);
        self.drive(Target::Exit, location, &|| true);
        self.state.end_run();
        self.take_error(None).map_or(Ok(()), Err)
    }

    pub(super) fn start_main<T>(
        &self,
        location: SourceLocation,
        start: impl FnOnce() -> Promise<T> + 'static,
    ) -> Option<Promise<T>> {
        let main = Rc::new(RefCell::new(None));
        let slot = main.clone();
        self.run_main(location, move || *slot.borrow_mut() = Some(start()));
        main.take()
    }

    /// Runs the main macrotask and its drain (R1). A panic does not prevent the drain (R52).
    pub(super) fn run_main(&self, location: SourceLocation, script: impl FnOnce() + 'static) {
        let state = &self.state;
        let _ = match self.entry {
            EntryMode::CommonJs => {
                state.invoke(Origin::new(StepKind::MainScript, location), script)
            }
            EntryMode::Module => {
                // R19: the body of a module is a promise job, so its jobs run before its ticks.
                let callback: Box<dyn FnOnce()> = Box::new(script);
                state.push_microtask(QueuedCallback { callback, location });
                ControlFlow::Continue(())
            }
        };
        if !state.is_stopping() {
            let _ = state.checkpoint();
        }
    }

    /// Runs the loop until the run ends (R2). Returns a report if the main future is stuck.
    fn drive(
        &mut self,
        target: Target,
        main: SourceLocation,
        main_is_done: &dyn Fn() -> bool,
    ) -> Option<Stuck> {
        let stuck = loop {
            self.run_until_idle();
            match self.next(target, main, main_is_done) {
                Next::RunLoop => {}
                Next::WaitForWake => self.wait_for_wake(main),
                Next::End => break None,
                Next::GiveUp(stuck) => break Some(stuck),
            }
        };
        if target == Target::Exit {
            let code = match &*self.state.stop_reason() {
                Some(Stop::Exit(code)) => *code,
                Some(_) => 1,
                None => 0,
            };
            self.state.emit_exit(code);
        }
        stuck
    }

    /// Runs the loop until nothing keeps it alive and no idle callback is left.
    fn run_until_idle(&self) {
        while !self.state.is_stopping() {
            self.state.run_while_alive();
            if self.state.is_stopping() || !self.state.call_idle() {
                break;
            }
        }
    }

    fn next(&self, target: Target, main: SourceLocation, main_is_done: &dyn Fn() -> bool) -> Next {
        let state = &self.state;
        if target == Target::Exit && !state.is_stopping() {
            state.emit_before_exit();
            if state.is_alive() && !state.is_stopping() {
                return Next::RunLoop;
            }
        }
        if state.is_stopping() || main_is_done() {
            return Next::End;
        }
        match self.stuck_policy {
            StuckPolicy::Wait => Next::WaitForWake,
            StuckPolicy::Error => Next::GiveUp(self.stuck_report(Some(main))),
        }
    }

    /// Waits until another thread sends a message. Reports a long wait, once in a run.
    fn wait_for_wake(&mut self, main: SourceLocation) {
        if !self.state.turn_within(REPORT_AFTER) && !self.state.is_stopping() {
            if !self.has_reported {
                self.has_reported = true;
                eprintln!("nodeloop: still waiting: {}", self.stuck_report(Some(main)));
            }
            self.state.turn(PollMode::EvenIfIdle);
        }
        self.state.leave_phase();
    }

    /// Drops a main future that is stuck, inside of the run: its destructors may stop this run, but
    /// not the next one. Returns the main future if it has finished.
    fn finish_main<T>(&self, main: Option<Promise<T>>) -> Option<Promise<T>> {
        let state = &self.state;
        let finished = main.filter(|main| {
            let is_finished = main.is_finished();
            if !is_finished && !state.is_stopping() {
                main.state().abort();
                let _ = state.checkpoint();
            }
            is_finished
        });
        state.end_run();
        finished
    }

    /// Returns the output of the main future, or why there is none.
    fn result<T>(
        &self,
        main: Option<Promise<T>>,
        location: SourceLocation,
        stuck: Option<Stuck>,
    ) -> Result<T, RunError> {
        let error = self.take_error(Some(location));
        let outcome = main.map(|main| main.state().outcome());
        match (outcome, error) {
            (Some(Ok(output)), None) => Ok(output),
            (_, Some(error @ RunError::Exit(_))) => Err(error), // it also unwinds the main future
            (Some(Err(PromiseError::Panicked(payload))), _) => {
                Err(RunError::Uncaught(Uncaught { payload, location }))
            }
            (_, Some(error)) => Err(error),
            (_, None) => Err(RunError::Stuck(stuck.unwrap_or_default())),
        }
    }

    /// Takes the error of a run that was stopped early, and cancels everything that is left.
    pub(super) fn take_error(&self, main: Option<SourceLocation>) -> Option<RunError> {
        let error = match self.state.take_stop()? {
            Stop::Exit(code) => RunError::Exit(code),
            Stop::ClockHeld => RunError::Stuck(Stuck {
                is_clock_held: true,
                ..self.stuck_report(main)
            }),
            Stop::Uncaught(error) => RunError::Uncaught(error),
            Stop::Unhandled { reason, location } => RunError::Unhandled { reason, location },
            Stop::Starvation(starvation) => RunError::Starvation(starvation),
        };
        self.state.cancel_all();
        Some(error)
    }

    fn stuck_report(&self, main: Option<SourceLocation>) -> Stuck {
        let report = self.why_alive();
        Stuck {
            is_clock_held: false,
            main,
            pending: report.tasks().iter().map(PendingTask::location).collect(),
            report,
        }
    }
}
