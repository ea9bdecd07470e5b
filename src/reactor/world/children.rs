//! The child processes of a host, which a test scripts.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::panic::Location;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use super::errors::Errno;
use super::network::{Event, Network, SocketId};
use super::socket::WorldSocket;
use super::{HostId, WorldHost};
use crate::reactor::registrations::SignalNumber;

/// What a child process of a simulated host does; see [`Host::on_spawn`](crate::test::Host::on_spawn).
///
/// The methods describe its steps, in order. What it is sent through its standard input is read and has no
/// effect. A child without [`exit`](SimulatedChild::exit) runs until it is killed.
#[derive(Clone, Default)]
#[must_use = "a child does nothing until `on_spawn` returns it"]
pub struct SimulatedChild {
    /// When the next step takes place, after the start.
    at: Duration,
    steps: Vec<(Duration, Step)>,
}

#[derive(Clone)]
enum Step {
    Write(Stream, Rc<[u8]>),
    End(Ending),
}

/// A standard stream of a child, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Output = 1,
    Error = 2,
}

/// How a child has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Code(i32),
    Signal(SignalNumber),
}

impl SimulatedChild {
    /// Creates a child without steps.
    pub fn new() -> SimulatedChild {
        SimulatedChild::default()
    }

    /// Writes to the standard output. The pipe has room for everything.
    #[track_caller]
    pub fn stdout(self, bytes: impl AsRef<[u8]>) -> SimulatedChild {
        self.step(Step::Write(Stream::Output, bytes.as_ref().into()))
    }

    /// Writes to the standard error.
    #[track_caller]
    pub fn stderr(self, bytes: impl AsRef<[u8]>) -> SimulatedChild {
        self.step(Step::Write(Stream::Error, bytes.as_ref().into()))
    }

    /// Waits before the next step, on the clock of the world.
    #[track_caller]
    pub fn sleep(mut self, duration: Duration) -> SimulatedChild {
        self.check_runs();
        self.at = self.at.saturating_add(duration);
        self
    }

    /// Ends with this code, and closes its pipes. It is the last step.
    ///
    /// # Panics
    ///
    /// Panics if `code` is not between 0 and 255, which is all that a parent receives. Panics, as the other
    /// methods do, if the child has exited already.
    #[track_caller]
    pub fn exit(self, code: i32) -> SimulatedChild {
        assert!(
            (0..=255).contains(&code),
            "the exit code of a child is {code}: pass a number between 0 and 255"
        );
        self.step(Step::End(Ending::Code(code)))
    }

    #[track_caller]
    fn step(mut self, step: Step) -> SimulatedChild {
        self.check_runs();
        self.steps.push((self.at, step));
        self
    }

    #[track_caller]
    fn check_runs(&self) {
        let is_over = matches!(self.steps.last(), Some((_, Step::End(_))));
        assert!(
            !is_over,
            "a step of a child comes after `exit`: let `exit` be the last step"
        );
    }
}

impl fmt::Debug for SimulatedChild {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedChild")
            .field("steps", &self.steps.len())
            .field("lasts", &self.at)
            .finish_non_exhaustive()
    }
}

/// Decides what the child of a command does.
type Decide = Rc<dyn Fn(&Command) -> io::Result<SimulatedChild>>;

/// A function of `on_spawn`.
pub(crate) struct OnSpawn {
    decide: Decide,
    /// Where it was set.
    pub(crate) location: &'static Location<'static>,
    /// Whether a program has started a child.
    pub(crate) is_asked: bool,
}

impl OnSpawn {
    pub(crate) fn new(decide: Decide, location: &'static Location<'static>) -> OnSpawn {
        OnSpawn {
            decide,
            location,
            is_asked: cfg!(not(unix)), // where starting a child fails before the function is called
        }
    }
}

/// The children of a host.
#[derive(Default)]
pub(super) struct HostChildren {
    children: BTreeMap<ChildNumber, RunningChild>,
    last: ChildNumber,
}

/// Identifies a child of a host. Numbers are not used twice.
pub(crate) type ChildNumber = u32;

struct RunningChild {
    /// The child's ends of its pipes, by the number of the stream.
    pipes: [Option<SocketId>; 3],
    ending: Option<Ending>,
    /// The signal that announces its end to the host.
    signal: SignalNumber,
}

/// A step of a child that is due.
pub(super) struct ChildStep {
    host: HostId,
    child: ChildNumber,
    step: Step,
}

impl HostChildren {
    /// Forgets the children at a crash of the host.
    pub(super) fn clear(&mut self) {
        self.children.clear();
    }
}

impl Network {
    fn child(&mut self, host: HostId, child: ChildNumber) -> Option<&mut RunningChild> {
        self.host(host).children.children.get_mut(&child)
    }

    /// Starts a child. Returns its number, and the parent's ends of its pipes.
    fn start_child(
        &mut self,
        host: HostId,
        script: SimulatedChild,
        piped: [bool; 3],
        signal: SignalNumber,
    ) -> Result<(ChildNumber, [Option<SocketId>; 3]), Errno> {
        let (mut ends, mut own_ends) = ([None; 3], [None; 3]);
        for (number, _) in piped.iter().enumerate().filter(|(_, piped)| **piped) {
            let (end, own_end) = match self.add_local_pair(host, false) {
                Ok(pair) => pair,
                Err(error) => {
                    let opened = ends.into_iter().chain(own_ends).flatten();
                    opened.for_each(|id| self.close_local(id));
                    return Err(error);
                }
            };
            self.set_internal(own_end);
            (ends[number], own_ends[number]) = (Some(end), Some(own_end));
        }
        let now = self.now;
        let children = &mut self.host(host).children;
        children.last += 1;
        let child = children.last;
        let running = RunningChild {
            pipes: own_ends,
            ending: None,
            signal,
        };
        children.children.insert(child, running);
        for (after, step) in script.steps {
            let step = ChildStep { host, child, step };
            self.add_event(now.saturating_add(after), Event::Child(step));
        }
        Ok((child, ends))
    }

    pub(super) fn run_child(&mut self, ChildStep { host, child, step }: ChildStep) {
        let Some(running) = self.child(host, child) else {
            return; // of a host that has crashed
        };
        if running.ending.is_some() {
            return; // killed
        }
        match step {
            Step::Write(stream, bytes) => {
                if let Some(pipe) = running.pipes[stream as usize] {
                    self.feed_local(pipe, &bytes);
                }
            }
            Step::End(ending) => {
                running.ending = Some(ending);
                let (pipes, signal) = (running.pipes, running.signal);
                for pipe in pipes.into_iter().flatten() {
                    self.close_local(pipe);
                }
                self.host(host).signals.deliver(signal);
            }
        }
    }
}

impl WorldHost {
    /// Returns what the child of a command does.
    ///
    /// # Errors
    ///
    /// Returns the error of the test, and one with advice if the test has not decided about children.
    pub(crate) fn script_of(&self, command: &Command) -> io::Result<SimulatedChild> {
        let decide = self.world.with_host(self.id, |host| {
            let on_spawn = host.on_spawn.last_mut()?;
            on_spawn.is_asked = true;
            Some(on_spawn.decide.clone())
        });
        match decide {
            Some(decide) => decide(command),
            None => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "a host of a simulated world starts no process: describe what the child does with \
                 `Host::on_spawn`, run its program on another host, or test this part outside of the world",
            )),
        }
    }

    /// Starts a child. Returns its number, and the pipes of its standard streams that are `piped`.
    pub(crate) fn start_child(
        &self,
        script: SimulatedChild,
        piped: [bool; 3],
        signal: SignalNumber,
    ) -> io::Result<(ChildNumber, [Option<WorldSocket>; 3])> {
        let start = |network: &mut Network| network.start_child(self.id, script, piped, signal);
        let (child, pipes) = self.with_network(start)?;
        let pipes = pipes.map(|id| id.map(|id| WorldSocket::of(self, id)));
        Ok((child, pipes))
    }

    /// Returns how a child has ended, if it has.
    pub(crate) fn child_ending(&self, child: ChildNumber) -> Option<Ending> {
        self.with_network(|network| network.child(self.id, child)?.ending)
    }

    /// Ends a child by a signal, unless it has ended.
    pub(crate) fn kill_child(&self, child: ChildNumber, signal: SignalNumber) {
        let step = ChildStep {
            host: self.id,
            child,
            step: Step::End(Ending::Signal(signal)),
        };
        self.with_network(|network| network.run_child(step));
    }
}
