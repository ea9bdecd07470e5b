//! The process of one run: it reads a program from its standard input, runs it in a sandbox, and writes
//! what happened to its standard output, as JSON.
//!
//! A program is bounded three times: QuickJS limits its memory and its stack, and asks for the time; the
//! system refuses this process any file or socket; and the server kills it when nothing else helps.

use std::convert::Infallible;
use std::io::{Read, Write, stdin, stdout};
use std::process::exit;
use std::time::Duration;

use nodeloop::NodeRelease;
use nodeloop_js::{Bound, Bounds, Ended, Program, Watch};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde_json::{Value, json};

use crate::replay;

/// The longest program, in bytes.
pub(crate) const MAX_SOURCE: usize = 64 * 1024;
/// The time of the processor for a run on virtual time, in which nothing waits.
pub(crate) const VIRTUAL_TIME: Duration = Duration::from_secs(2);
/// The time of a run on real time.
pub(crate) const REAL_TIME: Duration = Duration::from_secs(10);
/// The time of the processor after which the system ends a process whose engine does not look at the time.
const ENGINE_GRACE: Duration = Duration::from_secs(4);
/// The memory of the engine.
const MEMORY: usize = 64 << 20;
/// The memory of the process, with what the loop and the recording need. The binary is a part of it.
const ADDRESS_SPACE: u64 = 1 << 30;
/// The output of a program, in bytes.
const OUTPUT: usize = 256 * 1024;
/// The events of a recording, marks included.
const EVENTS: usize = 60_000;

/// Runs the program of the standard input.
pub(crate) fn run() -> ! {
    let mut request = String::new();
    let read = stdin().lock().read_to_string(&mut request);
    let program = read
        .map_err(|error| error.to_string())
        .and_then(|_| parse(&request));
    let program = match program {
        Ok(program) => program,
        Err(message) => {
            answer(&json!({ "error": message }));
            exit(0)
        }
    };
    let bounds = Bounds {
        memory: MEMORY,
        time: match program.virtual_time {
            true => VIRTUAL_TIME,
            false => REAL_TIME,
        },
        output: OUTPUT,
        events: EVENTS,
    };
    let source = program.source.clone();
    nodeloop_js::run_in_sandbox(program, bounds, Report { source, bounds })
}

/// Reads a request: `{"source": TEXT, "node": 24, "virtualTime": true, "module": false}`. All but `source` may be
/// missing or null; other fields are ignored.
pub(crate) fn parse(request: &str) -> Result<Program, String> {
    let request: Value = serde_json::from_str(request)
        .map_err(|error| format!("the request is not JSON: {error}"))?;
    let source = request["source"]
        .as_str()
        .ok_or("the request has no `source`: send the text of the program")?;
    if source.len() > MAX_SOURCE {
        return Err(format!(
            "the program has {} bytes: shorten it to {MAX_SOURCE}",
            source.len()
        ));
    }
    let node = match &request["node"] {
        Value::Null => NodeRelease::default(),
        major => major
            .as_u64()
            .and_then(|major| u8::try_from(major).ok())
            .and_then(|major| NodeRelease::from_major(major.into()))
            .ok_or_else(|| {
                format!("there is no release {major}: set `node` to 20, 22, 24 or 26, a number")
            })?,
    };
    Ok(Program {
        source: source.to_owned(),
        is_module: flag(&request, "module", false)?,
        node,
        virtual_time: flag(&request, "virtualTime", true)?,
    })
}

/// Reads a field that is true or false.
fn flag(request: &Value, field: &str, default: bool) -> Result<bool, String> {
    match &request[field] {
        Value::Null => Ok(default),
        Value::Bool(is_set) => Ok(*is_set),
        other => Err(format!(
            "the field `{field}` is {other}: set it to true or false"
        )),
    }
}

struct Report {
    source: String,
    bounds: Bounds,
}

impl Watch for Report {
    /// From here on this process can open nothing: no file, no socket, no pipe.
    fn before_start(&self) {
        let limits = [
            (Resource::Nofile, 0),
            (Resource::Fsize, 0),
            (Resource::Core, 0),
            (Resource::As, ADDRESS_SPACE),
            (Resource::Cpu, (self.bounds.time + ENGINE_GRACE).as_secs()),
        ];
        for (resource, limit) in limits {
            let limit = Rlimit {
                current: Some(limit),
                maximum: Some(limit),
            };
            if let Err(error) = setrlimit(resource, limit) {
                answer(&json!({ "error": format!("the limit {resource:?} was refused: {error}") }));
                exit(0);
            }
        }
    }

    fn at_end(&self, ended: Ended) -> Infallible {
        let is_out_of_memory = ended.stopped.is_none()
            && ended.exit_code != 0
            && ended.output.last().is_some_and(|(fd, text)| {
                *fd == 2 && text.contains("InternalError: out of memory")
            });
        let message = match ended.stopped {
            Some(Bound::Time) => format!(
                "The program was stopped after {} seconds. Does it have an endless loop?",
                self.bounds.time.as_secs()
            ),
            Some(Bound::Output) => {
                format!(
                    "The program was stopped: it had printed {} KiB.",
                    OUTPUT / 1024
                )
            }
            None if is_out_of_memory => {
                format!(
                    "The program ran out of memory: it may use {} MiB.",
                    MEMORY >> 20
                )
            }
            None => String::new(),
        };
        let recording = replay::page_data(&ended, &self.source, &message);
        answer(&json!({
            "exitCode": ended.exit_code,
            "stopped": ended.stopped.map(|bound| match bound {
                Bound::Time => "time",
                Bound::Output => "output",
            }).or(is_out_of_memory.then_some("memory")),
            "message": message,
            "output": ended.output,
            "recording": recording,
        }));
        exit(0)
    }
}

/// Writes the answer. The server may have gone, which nobody would be told.
fn answer(answer: &Value) {
    let mut stdout = stdout().lock();
    let _ = stdout.write_all(answer.to_string().as_bytes());
    let _ = stdout.flush();
}
