//! The machine of a host: its program, and the loop that runs it while the host is up.

use std::any::Any;
use std::cell::RefCell;
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::rc::Rc;

use futures::FutureExt;

use crate::phases::macrotask::SourceLocation;
use crate::promise::{PromiseError, Settled, spawn_at};
use crate::runtime::{EventLoop, MainOutput, RunError};

/// Makes the main future of a host, whose output is the text of its error.
pub(super) type Program = Rc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>>>>>;

/// Whether the world waits for the end of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waited {
    Yes,
    No,
}

/// What the scheduler does next with a machine.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Power {
    /// It has no program, or its program has ended.
    #[default]
    Off,
    /// The scheduler starts the program.
    Starting,
    On,
    /// The scheduler drops the loop, and starts the program again if `restarts`.
    Crashing {
        restarts: bool,
    },
}

#[derive(Default)]
pub(super) struct Machine {
    pub(super) program: Option<(Waited, Program, SourceLocation)>,
    pub(super) power: Power,
    /// Whether it is off because of a crash.
    crashed: bool,
    /// The loop, while the host is up and does not run.
    pub(super) running: Option<Running>,
}

/// The outcome of a main future: the text of its error, or why there is none.
type Outcome = Result<Result<(), String>, PromiseError>;

/// The loop of a host that is up.
pub(super) struct Running {
    pub(super) event_loop: EventLoop,
    /// The main future, whose output is the text of its error.
    main: Settled<Result<(), String>>,
    pub(super) outcome: Option<Outcome>,
    /// Whether the first turn has begun, which follows the main script without a wait (R3).
    pub(super) has_turned: bool,
}

pub(super) fn program_of<T: MainOutput + 'static>(
    program: impl AsyncFn() -> T + 'static,
) -> Program {
    let program = Rc::new(program);
    Rc::new(move || {
        let program = program.clone();
        Box::pin(async move {
            let output = program().await;
            let Some(error) = output.error() else {
                return Ok(());
            };
            let text = output.typed_error().and_then(text_of);
            Err(text.unwrap_or_else(|| format!("{error:?}")))
        })
    })
}

/// Returns the text of an `io::Error` or of a boxed error, followed by those of its sources. Their `Debug` is
/// hard to read; nothing is known of other types.
fn text_of(error: &dyn Any) -> Option<String> {
    type Boxed = Box<dyn Error>;
    type BoxedSend = Box<dyn Error + Send + Sync>;
    let io = error.downcast_ref::<io::Error>();
    let boxed = error.downcast_ref::<Boxed>();
    let boxed_send = error.downcast_ref::<BoxedSend>();
    let error: &dyn Error = match (io, boxed, boxed_send) {
        (Some(error), ..) => error,
        (_, Some(error), _) => &**error,
        (_, _, Some(error)) => &**error,
        _ => return None,
    };
    let chain = std::iter::successors(Some(error), |&error| error.source());
    Some(
        chain
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(": "),
    )
}

impl Machine {
    /// Sets the program; returns `false` if there is one.
    pub(super) fn install(
        &mut self,
        waited: Waited,
        program: Program,
        location: SourceLocation,
    ) -> bool {
        if self.program.is_some() {
            return false;
        }
        self.program = Some((waited, program, location));
        self.power = Power::Starting;
        true
    }

    pub(super) fn crash(&mut self) {
        self.crashed |= self.power != Power::Off;
        self.power = match self.power {
            Power::Off | Power::Starting => Power::Off,
            Power::On | Power::Crashing { .. } => Power::Crashing { restarts: false },
        };
    }

    /// Returns whether it was running, so that it crashes first.
    pub(super) fn restart(&mut self) -> bool {
        let was_on = self.power == Power::On;
        self.crashed = false;
        self.power = match self.power {
            Power::Off | Power::Starting if self.program.is_some() => Power::Starting,
            Power::Off | Power::Starting => Power::Off,
            Power::On | Power::Crashing { .. } => Power::Crashing { restarts: true },
        };
        was_on
    }

    /// Records that the program has ended.
    pub(super) fn end(&mut self) {
        if self.power == Power::On {
            self.power = Power::Off;
        }
    }

    /// Returns whether the world waits for the end of the program.
    pub(super) fn is_awaited(&self) -> bool {
        self.power != Power::Off && self.is_waited()
    }

    /// Returns whether it has a program that the world waits for.
    pub(super) fn is_waited(&self) -> bool {
        let is_waited = |(waited, ..): &(Waited, Program, SourceLocation)| *waited == Waited::Yes;
        self.program.as_ref().is_some_and(is_waited)
    }

    /// Returns whether the program has crashed that the world waited for.
    pub(super) fn has_crashed(&self) -> bool {
        self.crashed && self.is_waited()
    }
}

impl Running {
    /// Starts the program as the main future of a new loop.
    pub(super) fn start(
        mut event_loop: EventLoop,
        program: &Program,
        location: SourceLocation,
    ) -> Result<Running, RunError> {
        let main = Rc::new(RefCell::new(None));
        let (program, slot) = (program.clone(), main.clone());
        event_loop.start_script_at(location, move || {
            let mut main = spawn_at(location, program()).settled();
            // Polled, so that its error counts as handled: the scheduler reports it.
            let outcome = (&mut main).now_or_never();
            *slot.borrow_mut() = Some((main, outcome));
        })?;
        let (main, outcome) = main
            .take()
            .expect("a script that ran has started the program");
        Ok(Running {
            event_loop,
            main,
            outcome,
            has_turned: false,
        })
    }

    /// Returns the outcome of the main future, if it has finished.
    pub(super) fn outcome(&mut self) -> Option<&Outcome> {
        if self.outcome.is_none() {
            self.outcome = (&mut self.main).now_or_never();
        }
        self.outcome.as_ref()
    }
}
