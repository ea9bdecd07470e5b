//! Compares servers on nodeloop with the same servers on other runtimes.
//!
//! ```text
//! cargo run --profile bench -p nodeloop-serve -- hello [--rounds N] [--seconds S]  needs `wrk`
//! cargo run --profile bench -p nodeloop-serve -- rest [--rounds N] [--seconds S]   needs `wrk`
//! cargo run --profile bench -p nodeloop-serve -- echo [--rounds N] [--messages M]
//! cargo run --profile bench -p nodeloop-serve -- instructions                      needs valgrind
//! cargo run -p nodeloop-serve -- check          only checks the answers
//! ```
//!
//! Every server runs in its own process. In each round all of them get their load one after the
//! other, each round starting with another server, so that other work of the machine affects all of
//! them. The result is the processor time (user and system, all threads) of the server during the
//! load. The answers are checked.

mod echo_load;
mod http_load;
mod process;
mod servers;
mod table;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use process::ServerProcess;
use servers::{Server, servers};
use table::Table;

/// The number of connections of every load.
const CONNECTIONS: usize = 64;

struct Options {
    rounds: usize,
    seconds: u64,
    messages: usize,
    only: Option<String>,
}

/// The result of one load.
struct Sample {
    operations: u64,
    cpu: Duration,
    wall: Duration,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.split_first() {
        Some((&"serve", [kind, name])) => serve(kind, name),
        Some((&"check", [])) => check(),
        Some((&"instructions", [])) => count_instructions(),
        Some((&kind, rest)) if !servers(kind).is_empty() => match Options::parse(kind, rest) {
            Ok(options) => measure(kind, &options),
            Err(message) => return usage(&message),
        },
        _ => return usage("usage:"),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn usage(message: &str) -> ExitCode {
    eprintln!(
        "{message}\n\
         hello [--rounds N] [--seconds S] [--only NAME]\n\
         rest [--rounds N] [--seconds S] [--only NAME]\n\
         echo [--rounds N] [--messages M] [--only NAME]\n\
         instructions\n\
         check"
    );
    ExitCode::from(2)
}

impl Options {
    fn parse(kind: &str, arguments: &[&str]) -> Result<Options, String> {
        let mut options = Options {
            rounds: 3,
            seconds: 3,
            messages: 2_000,
            only: None,
        };
        for pair in arguments.chunks(2) {
            let name = pair[0];
            if !["--rounds", "--seconds", "--messages", "--only"].contains(&name) {
                return Err(format!("unknown option `{name}`"));
            }
            let &[_, value] = pair else {
                return Err(format!("`{name}` needs a value"));
            };
            let number = value.parse::<usize>().ok().filter(|number| *number > 0);
            let number = number.ok_or_else(|| format!("`{name}` needs a number of at least 1"));
            match name {
                "--rounds" => options.rounds = number?,
                "--seconds" => options.seconds = number? as u64,
                "--messages" => options.messages = number?,
                _ => options.only = Some(known_server(kind, value)?),
            }
        }
        Ok(options)
    }
}

fn known_server(kind: &str, name: &str) -> Result<String, String> {
    let names: Vec<&str> = servers(kind).into_iter().map(|(name, _)| name).collect();
    match names.contains(&name) {
        true => Ok(name.to_owned()),
        false => Err(format!(
            "no server `{name}`; there are {}",
            names.join(", ")
        )),
    }
}

/// Runs a server in this process.
fn serve(kind: &str, name: &str) -> io::Result<()> {
    match servers(kind).into_iter().find(|(other, _)| *other == name) {
        Some((_, Server::Native(run))) => run(),
        _ => Err(io::Error::other(format!("no such server: {kind} {name}"))),
    }
}

/// A running server and its load.
struct Measured {
    name: &'static str,
    process: ServerProcess,
    load: Load,
}

enum Load {
    Echo {
        load: echo_load::Load,
        messages: usize,
    },
    Http {
        page: http_load::Page,
        seconds: u64,
    },
}

fn measure(kind: &str, options: &Options) -> io::Result<()> {
    let mut measured = Vec::new();
    for (name, server) in servers(kind) {
        if options.only.as_deref().is_none_or(|only| only == name) {
            let started = Measured::start(kind, name, &server, options);
            measured.push(started.map_err(|error| io::Error::other(format!("{name}: {error}")))?);
        }
    }
    let names: Vec<&str> = measured.iter().map(|server| server.name).collect();
    let mut table = Table::new(&names);
    let count = measured.len();
    for round in 0..options.rounds {
        for position in 0..count {
            let index = (round + position) % count;
            let server = &mut measured[index];
            let sample = server.run();
            let sample =
                sample.map_err(|error| io::Error::other(format!("{}: {error}", server.name)))?;
            table.add(index, &sample);
        }
    }
    let operation = if kind == "echo" { "message" } else { "request" };
    table.print(kind, operation, options.rounds);
    Ok(())
}

impl Measured {
    fn start(
        kind: &str,
        name: &'static str,
        server: &Server,
        options: &Options,
    ) -> io::Result<Measured> {
        let process = ServerProcess::start(kind, name, server)?;
        let load = if kind == "echo" {
            Load::Echo {
                load: echo_load::Load::new(&process, CONNECTIONS)?,
                messages: options.messages,
            }
        } else {
            let page = http_load::page(kind);
            page.warm_up(&process, CONNECTIONS)?;
            Load::Http {
                page,
                seconds: options.seconds,
            }
        };
        Ok(Measured {
            name,
            process,
            load,
        })
    }

    fn run(&mut self) -> io::Result<Sample> {
        match &mut self.load {
            Load::Echo { load, messages } => load.run(&self.process, *messages),
            Load::Http { page, seconds } => page.run(&self.process, CONNECTIONS, *seconds),
        }
    }
}

/// Prints the instructions of each server for a request of `hello` on one connection, and for a message of
/// `echo` on all.
///
/// Each server runs twice, the second time with twice the load, and the difference is divided, so that start and
/// end are not counted.
fn count_instructions() -> io::Result<()> {
    for (kind, load) in [("hello", 1_000), ("echo", 200)] {
        let mut first = None;
        for (name, server) in servers(kind) {
            if matches!(server, Server::Node(_)) {
                continue; // it compiles meanwhile
            }
            let counted = count(kind, name, load)
                .and_then(|once| Ok((once, count(kind, name, 2 * load)?)))
                .map(|((once, operations), (twice, _))| twice.saturating_sub(once) / operations);
            match counted {
                Ok(number) => {
                    let ratio = number as f64 / *first.get_or_insert(number) as f64;
                    println!("{kind} on {name}: {number} instructions, {ratio:.2} of the first");
                }
                // Valgrind may lack what another runtime needs.
                Err(error) if first.is_some() => println!("{kind} on {name}: not counted: {error}"),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Returns the instructions that a server executes for a load, and the number of its operations.
fn count(kind: &str, name: &str, load: u64) -> io::Result<(u64, u64)> {
    let process = ServerProcess::start_counted(kind, name)?;
    let operations = match kind {
        "echo" => echo_load::Load::new(&process, CONNECTIONS)?.exchange(load as usize)?,
        _ => {
            http_load::page(kind).request(process.address(), load)?;
            load
        }
    };
    Ok((process.end_and_count()?, operations))
}

/// Checks the answers of every server that can run on this machine.
fn check() -> io::Result<()> {
    for kind in ["hello", "rest", "echo"] {
        for (name, server) in servers(kind) {
            if matches!(server, Server::Node(_)) && !process::has_node() {
                println!("{kind} on {name}: skipped: `node` is not on the PATH");
                continue;
            }
            let process = ServerProcess::start(kind, name, &server)?;
            let answers = if kind == "echo" {
                echo_load::Load::new(&process, CONNECTIONS).map(drop)
            } else {
                http_load::page(kind).prepare(process.address())
            };
            answers.map_err(|error| io::Error::other(format!("{kind} on {name}: {error}")))?;
            println!("{kind} on {name}: ok");
        }
    }
    Ok(())
}
