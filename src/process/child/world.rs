//! Child processes of a simulated host, which the test scripts.

use std::io;
use std::rc::Rc;

use super::{Child, ExitNotifier, Starting, on_exit};
use crate::event_loop::state::LoopState;
use crate::phases::macrotask::SourceLocation;
use crate::process::children::{NewChild, Process};
use crate::process::pipes::{ChildStderr, ChildStdin, ChildStdout};
use crate::reactor::world::WorldHost;
use crate::signal::source::CHILD;

/// Starts a child that does what the test has described.
pub(super) fn start(
    state: &Rc<LoopState>,
    host: &WorldHost,
    starting: &Starting<'_>,
    location: SourceLocation,
) -> io::Result<Child> {
    let script = host.script_of(starting.command)?;
    let exit = Rc::default();
    let on_exit = on_exit(state, ExitNotifier(Rc::clone(&exit)));
    let registrations = &state.poll.registrations;
    let (key, (number, pipes)) = state.signals.start_child(registrations, location, |_| {
        let (number, pipes) = host.start_child(script, starting.piped, CHILD)?;
        let new = NewChild {
            process: Process::of_world(host.clone(), number),
            on_exit,
            kill_on_drop: starting.kill_on_drop,
        };
        Ok((new, (number, pipes)))
    })?;
    let [stdin, stdout, stderr] = pipes;
    let mut child = Child {
        state: state.clone(),
        key,
        id: number,
        exit,
        kill_on_drop: starting.kill_on_drop,
        stdin: None,
        stdout: None,
        stderr: None,
    };
    let stdin = stdin.map(|pipe| ChildStdin::of_world(state, pipe, location));
    let stdout = stdout.map(|pipe| ChildStdout::of_world(state, pipe, location));
    let stderr = stderr.map(|pipe| ChildStderr::of_world(state, pipe, location));
    child.stdin = stdin.transpose()?;
    child.stdout = stdout.transpose()?;
    child.stderr = stderr.transpose()?;
    Ok(child)
}
