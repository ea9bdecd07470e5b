//! Compares the cost of nodeloop's operations with that of other runtimes.
//!
//! `--help` prints the options.
//!
//! Each runtime is a program of its own (`sides`), which this one builds. In each round, each workload
//! runs on all runtimes, one process after the other, and each time another one is the first.

mod documents;
#[path = "../../serve/src/echo_load.rs"]
mod echo_load;
mod growth;
mod machine;
mod measure;
mod process;
mod recorded;
mod report;
mod results;
mod runtimes;
mod servers;
mod workloads;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use machine::Machine;
use recorded::Recorded;
use report::Report;
use runtimes::{Builder, Side};
use workloads::{WORKLOADS, Workload};

const USAGE: &str = "\
usage: cargo run --release -p nodeloop-peers -- [OPTION ...] [WORKLOAD [RUNTIME]]

Without a workload, all are measured. With a runtime, only that runtime and nodeloop.

--rounds N   the number of rounds, 5 by default; with fewer than 3 no row can be seen to be unsteady
--quick      checks the answers of small runs of unoptimized programs, and measures nothing;
             without the runtimes on io_uring, whose dependencies are many
--all        with `--quick`: also the runtimes on io_uring
--growth     nodeloop alone, at three sizes; exit code 1 if a cost grows by more than half, which means
             something on a quiet machine only; with a WORKLOAD, only that one and six that are no
             workloads of the comparison
--json       prints the results as JSON
--out DIR    writes the tables and the JSON there
--from FILE  measures nothing: makes the tables of an earlier run from its JSON
--documents  writes the tables into the documents of this checkout that contain them";

/// What `echo_load` measures.
struct Sample {
    operations: u64,
    cpu: Duration,
    #[allow(dead_code, reason = "only the other user of `echo_load` prints it")]
    wall: Duration,
}

#[derive(Default)]
struct Options {
    rounds: usize,
    quick: bool,
    all: bool,
    growth: bool,
    json: bool,
    documents: bool,
    help: bool,
    out: Option<PathBuf>,
    from: Option<PathBuf>,
    workload: Option<String>,
    runtime: Option<String>,
}

fn main() -> ExitCode {
    let result = Options::from_arguments(std::env::args().skip(1)).and_then(|options| {
        if options.help {
            println!("{USAGE}");
            Ok(true)
        } else if options.growth {
            growth(&options)
        } else if let Some(path) = &options.from {
            print(&Recorded::read(path)?.report(), &options)
        } else {
            compare(&options)
        }
    });
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

impl Options {
    fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            rounds: 5,
            ..Options::default()
        };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--all" => options.all = true,
                "--growth" => options.growth = true,
                "--json" => options.json = true,
                "--documents" => options.documents = true,
                "--help" | "-h" => options.help = true,
                "--rounds" => {
                    let number = arguments.next().and_then(|number| number.parse().ok());
                    let number = number.filter(|number| *number > 0);
                    options.rounds = number.ok_or("`--rounds` needs a number of at least 1")?;
                }
                "--out" => {
                    let directory = arguments.next().ok_or("`--out` needs a directory")?;
                    options.out = Some(directory.into());
                }
                "--from" => {
                    let file = arguments.next().ok_or("`--from` needs a file")?;
                    options.from = Some(file.into());
                }
                unknown if unknown.starts_with('-') => {
                    return Err(format!("unknown option `{unknown}`\n\n{USAGE}"));
                }
                _ if options.workload.is_none() => options.workload = Some(argument),
                _ if options.runtime.is_none() => options.runtime = Some(argument),
                _ => return Err(format!("`{argument}` is one argument too many")),
            }
        }
        options.check_names()?;
        let has_peers = options.runtime.is_some() || options.all;
        if options.growth && (has_peers || options.quick || options.json || options.from.is_some())
        {
            return Err("`--growth` measures nodeloop alone: of the others, only a WORKLOAD, `--rounds` and `--out` \
                        go with it"
                .to_owned());
        }
        let is_part = options.workload.is_some() || options.quick || options.growth;
        if options.documents && is_part {
            return Err("`--documents` needs the results of all workloads".to_owned());
        }
        if options.documents && options.rounds < 3 {
            return Err(
                "`--documents` needs 3 rounds, so that an unsteady row can be seen".to_owned(),
            );
        }
        if options.from.is_some() && (is_part || options.all) {
            return Err(
                "`--from` measures nothing: only `--json`, `--out` and `--documents` go with it"
                    .to_owned(),
            );
        }
        if let Some(name) = options.workload.as_deref().filter(|_| options.growth)
            && !growth::has(name)
        {
            return Err(format!(
                "`{name}` has no growth: it needs a client, or its size is fixed"
            ));
        }
        Ok(options)
    }

    fn check_names(&self) -> Result<(), String> {
        if let Some(name) = &self.workload
            && !WORKLOADS.iter().any(|workload| workload.name == name)
        {
            let names: Vec<&str> = WORKLOADS.iter().map(|workload| workload.name).collect();
            return Err(format!(
                "no workload `{name}`; there are {}",
                quoted(&names)
            ));
        }
        if let Some(name) = &self.runtime
            && !runtimes::names().any(|runtime| runtime == name)
        {
            let names: Vec<&str> = runtimes::names().collect();
            return Err(format!("no runtime `{name}`; there are {}", quoted(&names)));
        }
        Ok(())
    }

    /// Checks that the runtime, if one was named, has one of the workloads.
    fn check_peer(&self, workloads: &[&Workload], sides: &[Side]) -> Result<(), String> {
        let Some(name) = self.runtime.as_deref() else {
            return Ok(());
        };
        let side = sides.iter().find(|side| side.name == name);
        let side = side.ok_or_else(|| format!("`{name}` was not built"))?;
        match workloads
            .iter()
            .any(|workload| measure::has(side, workload))
        {
            true => Ok(()),
            false => Err(format!(
                "`{name}` does not have the workload; it has {}",
                side.workloads.join(", ")
            )),
        }
    }

    fn selected(&self) -> Vec<&'static Workload> {
        let is_selected = |workload: &&Workload| {
            self.workload
                .as_deref()
                .is_none_or(|name| name == workload.name)
        };
        WORKLOADS.iter().filter(is_selected).collect()
    }
}

/// Some names have two words.
fn quoted(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// Returns whether every runtime that could be built gave the right answers.
fn compare(options: &Options) -> Result<bool, String> {
    let builder = Builder::new(!options.quick)?;
    let is_wanted = |name: &str| match options.runtime.as_deref() {
        Some(peer) => name == peer || name == "nodeloop",
        None => options.all || !options.quick || !runtimes::ON_IO_URING.contains(&name),
    };
    let (sides, missing) = builder.build(is_wanted);
    let selected = options.selected();
    options.check_peer(&selected, &sides)?;
    let rows = if options.quick {
        measure::check(&selected, &sides)
    } else {
        measure::measure(&selected, &sides, options.rounds)
    };
    let versions = versions_of(&sides);
    let report = Report {
        machine: Machine::read().text(),
        rounds: options.rounds,
        versions: &versions,
        missing: &missing,
        rows: &rows,
    };
    let is_right = print(&report, options)?;
    // A check needs the runtimes that cargo builds. Node and libuv may be missing.
    let is_package = |name: &str| !["Node", "libuv"].contains(&name);
    let is_complete = !options.quick || !missing.iter().any(|(name, _)| is_package(name));
    Ok(is_right && is_complete)
}

/// Prints and writes what the options want. Returns whether nothing has failed.
fn print(report: &Report<'_>, options: &Options) -> Result<bool, String> {
    let failed: Vec<String> = report.failures().collect();
    if options.quick {
        let runs: usize = report.rows.iter().map(|row| row.cells.len()).sum();
        println!("{runs} runs, {} failed", failed.len());
    } else if options.json {
        println!("{:#}", report.json());
    } else {
        println!("{}", report.tables());
    }
    for failure in &failed {
        eprintln!("failed: {failure}");
    }
    if let Some(directory) = &options.out {
        write(directory, report)?;
    }
    if options.documents {
        documents::update(report)?;
    }
    Ok(failed.is_empty())
}

fn versions_of(sides: &[Side]) -> Vec<(&'static str, String)> {
    sides
        .iter()
        .map(|side| (side.name, side.version.clone()))
        .collect()
}

fn write(directory: &Path, report: &Report<'_>) -> Result<(), String> {
    std::fs::create_dir_all(directory).map_err(|error| error.to_string())?;
    let files = [
        ("peers.md", report.tables()),
        ("guide.md", report.guide()),
        ("readme.md", report.readme()),
        ("results.json", format!("{:#}\n", report.json())),
    ];
    for (name, text) in files {
        let path = directory.join(name);
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        eprintln!("wrote {}", path.display());
    }
    Ok(())
}

/// Returns whether no cost has grown too much.
fn growth(options: &Options) -> Result<bool, String> {
    let builder = Builder::new(true)?;
    let (sides, missing) = builder.build(|name| name == "nodeloop");
    let Some(side) = sides.first() else {
        return Err(missing.into_iter().map(|(_, reason)| reason).collect());
    };
    let growth = growth::measure(side, &options.selected(), options.rounds);
    let text = growth.table(&Machine::read());
    println!("{text}");
    if let Some(directory) = &options.out {
        std::fs::create_dir_all(directory).map_err(|error| error.to_string())?;
        let path = directory.join("growth.md");
        std::fs::write(&path, text).map_err(|error| error.to_string())?;
    }
    Ok(growth.is_within_limit())
}
