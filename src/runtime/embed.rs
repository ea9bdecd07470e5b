//! A loop that lives inside of another one: single turns, and what the host has to know to wait.
//!
//! The host waits, this loop never does. The order is that of [`EventLoop::run_script`] with the
//! same work, because the turns are the same.

use std::future::Future;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use super::{EventLoop, RunError, refuse_nesting};
use crate::event_loop::current::enter;
use crate::event_loop::state::LoopState;
use crate::event_loop::status::LoopStatus;
use crate::promise::{Promise, spawn_at};

/// The turns of a host.
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
    /// Runs `script` as a main script, with its drain, and no turn of the loop: those are the
    /// host's to give. It can be called again at any time, to enter the loop from outside.
    ///
    /// Neither [`on_before_exit`](crate::on_before_exit) nor [`on_exit`](crate::on_exit) listeners
    /// are called at the end of a loop that a host drives: only the host knows where that is. A
    /// [`run`](EventLoop::run) behind it calls them.
    ///
    /// # Errors
    ///
    /// As [`run_script`](EventLoop::run_script); the loop is then empty, and can be used anew.
    ///
    /// # Panics
    ///
    /// If a loop is running on this thread.
    #[track_caller]
    pub fn start_script(&mut self, script: impl FnOnce() + 'static) -> Result<(), RunError> {
        let location = Location::caller();
        self.hosted("start_script", |event_loop| {
            event_loop.run_main(location, script);
            event_loop.at_first_turn = true;
        })
    }

    /// Starts `future` as the main future, with its drain, and no turn of the loop.
    ///
    /// The promise says whether it [has finished](Promise::is_finished); a
    /// [`block_on`](EventLoop::block_on) gives its value.
    ///
    /// # Errors
    ///
    /// As [`start_script`](EventLoop::start_script).
    ///
    /// # Panics
    ///
    /// If a loop is running on this thread.
    #[track_caller]
    pub fn start<F>(&mut self, future: F) -> Result<Promise<F::Output>, RunError>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let location = Location::caller();
        let mut main = None;
        self.hosted("start", |event_loop| {
            main = event_loop.start_main(location, move || spawn_at(location, future));
            event_loop.at_first_turn = true;
        })?;
        Ok(main.expect("a main future that did not start is an error"))
    }

    /// One turn through all phases, without waiting: what is there is handed out, and what is due
    /// runs. True if something still keeps the loop alive.
    ///
    /// A virtual clock stands still; [`advance`](EventLoop::advance) moves it.
    ///
    /// # Errors
    ///
    /// Why the run ended early: [`RunError::Exit`], [`RunError::Uncaught`] or
    /// [`RunError::Unhandled`]. The loop is then empty, and can be used anew.
    ///
    /// # Panics
    ///
    /// If a loop is running on this thread, or the system's poll fails.
    #[track_caller]
    pub fn turn(&mut self) -> Result<bool, RunError> {
        self.hosted("turn", |event_loop| {
            event_loop.before_a_turn();
            event_loop.state.turn_without_waiting();
        })?;
        Ok(self.state.is_alive())
    }

    /// Turns until nothing more can run unless time passes or something arrives from outside.
    /// True if something still keeps the loop alive.
    ///
    /// A loop that always has something to run, such as an immediate that makes the next one,
    /// never comes to that point.
    ///
    /// # Errors
    ///
    /// As [`turn`](EventLoop::turn).
    ///
    /// # Panics
    ///
    /// As [`turn`](EventLoop::turn).
    #[track_caller]
    pub fn run_until_stalled(&mut self) -> Result<bool, RunError> {
        self.hosted("run_until_stalled", |event_loop| {
            event_loop.before_a_turn();
            event_loop.state.turn_until_stalled();
        })?;
        Ok(self.state.is_alive())
    }

    /// How long the host may wait in front of the next [`turn`](EventLoop::turn), libuv's
    /// `uv_backend_timeout`: zero if there is something to run, the time until the first timer is
    /// due, or `None` for as long as nothing arrives. Wait for the loop's descriptor (`AsFd`, on
    /// Unix) at the same time.
    ///
    /// Ask right before waiting: from this call until the next turn, a message from another thread
    /// makes the descriptor readable. A host that waits in whole milliseconds rounds up. On a
    /// virtual clock it is virtual time, which passes only by [`advance`](EventLoop::advance).
    #[doc(alias = "uv_backend_timeout")]
    pub fn poll_timeout(&mut self) -> Option<Duration> {
        let state = &self.state;
        state.poll.must_poll_os.set(true); // the bell may have rung for nothing
        state.remote_queue.prepare_park();
        state.hosts_wait() // looks at the door behind lying down
    }

    /// Lets virtual time pass by `duration`: whatever is due runs at its time, in order, and
    /// everything it leads to that needs no more time. The clock is then exactly `duration` later,
    /// unless a callback blocked past that. Called between turns; the form for `async` code is
    /// [`time::advance`](crate::time::advance).
    ///
    /// Jobs of the pool hold the clock, so their threads are waited for (see
    /// [`jobs_hold_time`](crate::Builder::jobs_hold_time)), and so do waits on sockets if
    /// [`io_holds_time`](crate::Builder::io_holds_time) says so.
    ///
    /// # Errors
    ///
    /// As [`turn`](EventLoop::turn).
    ///
    /// # Panics
    ///
    /// As [`turn`](EventLoop::turn), and if the clock is real.
    #[track_caller]
    pub fn advance(&mut self, duration: Duration) -> Result<bool, RunError> {
        assert!(
            self.state.clock.is_virtual(),
            "`EventLoop::advance` needs a virtual clock: build the loop with `virtual_time()`"
        );
        self.hosted("advance", |event_loop| {
            event_loop.before_a_turn();
            let target = event_loop.state.clock.now().saturating_add(duration);
            event_loop.state.advance_to(target);
        })?;
        Ok(self.state.is_alive())
    }

    /// Enters the loop for `what`. If that ended the run early nothing is left of it.
    #[track_caller]
    pub(crate) fn hosted(
        &mut self,
        verb: &str,
        what: impl FnOnce(&mut EventLoop),
    ) -> Result<(), RunError> {
        refuse_nesting(verb);
        self.state.set_status(LoopStatus::Open);
        let _entered = enter(&self.state);
        if !self.is_hosted.replace(true) {
            self.state.begin_run(Location::caller());
        }
        what(self);
        match self.state.take_stop() {
            None => Ok(()),
            stop => {
                self.end_hosting();
                let stuck_policy = self.stuck_report(None);
                self.state.cancel_all();
                Err(RunError::from_stop(stop, Some(stuck_policy)))
            }
        }
    }

    /// The run of a host is over: it has ended early, or another run begins.
    pub(super) fn end_hosting(&self) {
        if self.is_hosted.replace(false) {
            self.state.end_run();
        }
    }

    /// R3: the timers phase in front of the first turn.
    /// True if it has been run.
    pub(crate) fn before_a_turn(&mut self) -> bool {
        let is_first = std::mem::take(&mut self.at_first_turn) && self.state.is_alive();
        if is_first {
            self.state.timers_before_the_first_turn();
        }
        is_first
    }

    pub(crate) fn state(&self) -> &Rc<LoopState> {
        &self.state
    }
}
