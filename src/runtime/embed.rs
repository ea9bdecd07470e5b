//! A loop that another one, the host, drives: single turns, and how long the host may wait between
//! two of them.
//!
//! The host waits; this loop never does. The order is that of [`EventLoop::run_script`] with the
//! same work, because the turns are the same (`event_loop/embed.rs`).

use std::cell::RefCell;
use std::future::Future;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use super::{EventLoop, RunError, refuse_nesting};
use crate::event_loop::current::enter;
use crate::event_loop::runner::Runner;
use crate::event_loop::status::LoopStatus;
use crate::phases::macrotask::SourceLocation;
use crate::promise::{Promise, spawn_at};

/// The state of a run that a host drives, and that continues between the calls of the host.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hosting {
    /// No host drives the loop.
    Off,
    /// The host has started a script or a future, and the first turn follows (R3).
    BeforeFirstTurn,
    /// The host has entered the loop, and the next turn needs no timers phase before it.
    Running,
}

/// Methods for a host that drives this loop from its own.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use nodeloop::{EventLoop, set_immediate, set_timeout};
///
/// let mut event_loop = EventLoop::builder().virtual_time().build()?;
/// event_loop.start_script(|| {
///     set_timeout(Duration::from_millis(20), || println!("timer"));
///     set_immediate(|| println!("immediate"));
/// })?;
/// assert_eq!(event_loop.poll_timeout(), Some(Duration::ZERO)); // do not wait: there is work
/// assert!(event_loop.turn()?); // prints "immediate"; a timer keeps it alive
/// assert_eq!(event_loop.poll_timeout(), Some(Duration::from_millis(20)));
/// event_loop.advance(Duration::from_millis(20))?; // prints "timer"
/// assert!(!event_loop.turn()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl EventLoop {
    /// Runs `script` as a main script, with its drain, but no turn of the loop; the host calls
    /// [`turn`](EventLoop::turn). It can be called again between two turns, to enter the loop from
    /// outside.
    ///
    /// Neither [`on_before_exit`](crate::on_before_exit) nor [`on_exit`](crate::on_exit) listeners
    /// are called for a loop that a host drives, because only the host knows when it ends. A later
    /// [`run`](EventLoop::run) calls them.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`run_script`](EventLoop::run_script). The loop is then empty and
    /// can be used again.
    ///
    /// # Panics
    ///
    /// Panics if a loop is running on this thread.
    #[track_caller]
    pub fn start_script(&mut self, script: impl FnOnce() + 'static) -> Result<(), RunError> {
        self.start_script_at(Location::caller(), script)
    }

    /// Does what [`start_script`](EventLoop::start_script) does for a script that was passed at `location`.
    #[track_caller]
    pub(crate) fn start_script_at(
        &mut self,
        location: SourceLocation,
        script: impl FnOnce() + 'static,
    ) -> Result<(), RunError> {
        self.hosted_at("start_script", location, |event_loop| {
            event_loop.run_main(&event_loop.runner(), location, script);
            event_loop.hosting = Hosting::BeforeFirstTurn;
        })
    }

    /// Starts `future` as the main future, with its drain, but no turn of the loop.
    ///
    /// The promise reports whether it [has finished](Promise::is_finished); pass it to
    /// [`block_on`](EventLoop::block_on) for its value.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`start_script`](EventLoop::start_script).
    ///
    /// # Panics
    ///
    /// Panics if a loop is running on this thread.
    #[track_caller]
    pub fn start<F>(&mut self, future: F) -> Result<Promise<F::Output>, RunError>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let location = Location::caller();
        let main = Rc::new(RefCell::new(None));
        let slot = main.clone();
        self.hosted("start", |event_loop| {
            let script = move || *slot.borrow_mut() = Some(spawn_at(location, future));
            event_loop.run_main(&event_loop.runner(), location, script);
            event_loop.hosting = Hosting::BeforeFirstTurn;
        })?;
        let main = main.take();
        Ok(main.expect("a main future that did not start is an error"))
    }

    /// Runs one turn through all phases, without waiting: events that have arrived are handled, and
    /// timers that are due run. Returns whether something still keeps the loop alive.
    ///
    /// A virtual clock does not move; see [`advance`](EventLoop::advance).
    ///
    /// # Errors
    ///
    /// Returns an error if the run ended early: [`RunError::Exit`], [`RunError::Uncaught`],
    /// [`RunError::Unhandled`] or [`RunError::Starvation`]. The loop is then empty and can be used
    /// again.
    ///
    /// # Panics
    ///
    /// Panics if a loop is running on this thread, or if the operating system cannot poll.
    #[track_caller]
    pub fn turn(&mut self) -> Result<bool, RunError> {
        self.hosted("turn", |event_loop| {
            event_loop.timers_before_first_turn();
            event_loop.runner().turn_without_waiting();
        })?;
        Ok(self.state.is_alive())
    }

    /// Runs turns until nothing more can run unless time passes or something arrives from outside.
    /// Returns whether something still keeps the loop alive.
    ///
    /// It does not return while there is always something to run, such as an immediate that
    /// queues the next one.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`turn`](EventLoop::turn).
    ///
    /// # Panics
    ///
    /// Panics like [`turn`](EventLoop::turn).
    #[track_caller]
    pub fn run_until_stalled(&mut self) -> Result<bool, RunError> {
        self.hosted("run_until_stalled", |event_loop| {
            event_loop.timers_before_first_turn();
            event_loop.runner().turn_until_stalled();
        })?;
        Ok(self.state.is_alive())
    }

    /// Returns how long the host may wait before the next [`turn`](EventLoop::turn): zero if there
    /// is something to run, the time until the first timer is due, or `None` if only an event from
    /// outside can cause work. This is libuv's `uv_backend_timeout`.
    ///
    /// Wait for the loop's file descriptor (`AsFd`, on Unix) at the same time. Call this right
    /// before waiting: from this call until the next turn, a message from another thread makes the
    /// descriptor readable. A host that waits in whole milliseconds must round up. With a virtual
    /// clock the result is virtual time, which passes only by [`advance`](EventLoop::advance).
    #[doc(alias = "uv_backend_timeout")]
    pub fn poll_timeout(&mut self) -> Option<Duration> {
        let state = &self.state;
        state.poll.must_poll_os.set(true); // the descriptor may be readable without an event
        state.remote_queue.prepare_park(); // before the queue is checked
        state.host_timeout()
    }

    /// Advances virtual time by `duration`, and returns whether something still keeps the loop alive.
    ///
    /// Everything that is due by then runs at its own time, in order, together with the work that
    /// it causes without time passing. Afterwards the clock is exactly `duration` later, unless a
    /// callback blocked past that.
    ///
    /// This is for calls between two turns; use [`time::advance`](crate::time::advance) in `async`
    /// code.
    ///
    /// Jobs of the pool hold the clock, so this waits for them (see
    /// [`jobs_hold_time`](crate::Builder::jobs_hold_time)); so do sockets with
    /// [`io_holds_time`](crate::Builder::io_holds_time).
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`turn`](EventLoop::turn).
    ///
    /// # Panics
    ///
    /// Panics like [`turn`](EventLoop::turn), and if the clock is real.
    #[track_caller]
    pub fn advance(&mut self, duration: Duration) -> Result<bool, RunError> {
        assert!(
            self.state.clock.is_virtual(),
            "`EventLoop::advance` needs a virtual clock: build the loop with `virtual_time()`"
        );
        self.hosted("advance", |event_loop| {
            event_loop.timers_before_first_turn();
            let target = event_loop.state.clock.now().saturating_add(duration);
            event_loop.runner().advance_to(target);
        })?;
        Ok(self.state.is_alive())
    }

    /// Calls `step` inside of the loop. If `step` stops the run, everything is cancelled.
    #[track_caller]
    pub(crate) fn hosted(
        &mut self,
        function: &str,
        step: impl FnOnce(&mut EventLoop),
    ) -> Result<(), RunError> {
        self.hosted_at(function, Location::caller(), step)
    }

    /// Does what [`hosted`](EventLoop::hosted) does for a run that begins at `location`, if it begins here.
    #[track_caller]
    fn hosted_at(
        &mut self,
        function: &str,
        location: SourceLocation,
        step: impl FnOnce(&mut EventLoop),
    ) -> Result<(), RunError> {
        refuse_nesting(function);
        self.state.set_status(LoopStatus::Open);
        let _entered = enter(&self.state);
        if self.hosting == Hosting::Off {
            self.hosting = Hosting::Running;
            self.state.begin_run(location);
        }
        step(self);
        if self.state.is_stopping() {
            self.end_hosting();
        }
        self.take_error(&self.runner()).map_or(Ok(()), Err)
    }

    /// Returns this loop as one that runs without a main future.
    pub(crate) fn runner(&self) -> Runner<'_> {
        Runner::new(&self.state)
    }

    /// Ends the run of a host, which was stopped, or which another run follows.
    pub(super) fn end_hosting(&mut self) {
        if self.hosting != Hosting::Off {
            self.hosting = Hosting::Off;
            self.state.end_run();
        }
    }

    /// Runs the timers phase before the first turn (R3). Returns whether it has run.
    pub(crate) fn timers_before_first_turn(&mut self) -> bool {
        if self.hosting != Hosting::BeforeFirstTurn {
            return false;
        }
        self.hosting = Hosting::Running;
        let is_alive = self.state.is_alive();
        if is_alive {
            self.runner().initial_timers_phase();
        }
        is_alive
    }
}
