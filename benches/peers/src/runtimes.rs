//! The runtimes, and how their programs are built.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How the program of a runtime is made.
#[derive(Clone, Copy)]
enum Source {
    /// A package of `sides`, with arguments before the others.
    Package(&'static str, &'static [&'static str]),
    Node,
    Libuv,
}

struct Definition {
    name: &'static str,
    source: Source,
}

/// A runtime whose program can be started.
pub struct Side {
    pub name: &'static str,
    pub version: String,
    program: PathBuf,
    arguments: Vec<String>,
    /// The names of its workloads.
    pub workloads: Vec<String>,
}

/// The first one is measured against the others. The last two are limits, not peers.
const RUNTIMES: &[Definition] = &[
    package("nodeloop", "nodeloop", &[]),
    package("tokio", "tokio", &[]),
    package("tokio local", "tokio", &["--local-runtime"]),
    package("smol", "smol", &[]),
    package("monoio", "monoio", &[]),
    package("compio", "compio", &[]),
    package("glommio", "glommio", &[]),
    package("runite", "runite", &[]),
    Definition {
        name: "Node",
        source: Source::Node,
    },
    Definition {
        name: "libuv",
        source: Source::Libuv,
    },
    package("limit", "limit", &[]),
    package("safe limit", "limit", &["--safe"]),
];

const fn package(
    name: &'static str,
    package: &'static str,
    arguments: &'static [&'static str],
) -> Definition {
    Definition {
        name,
        source: Source::Package(package, arguments),
    }
}

/// Returns whether a name is that of what shows the least possible cost.
pub fn is_limit(name: &str) -> bool {
    ["limit", "safe limit"].contains(&name)
}

/// The runtimes that need io_uring.
pub const ON_IO_URING: &[&str] = &["monoio", "compio", "glommio", "runite"];

/// Returns the names of all runtimes.
pub fn names() -> impl Iterator<Item = &'static str> {
    RUNTIMES.iter().map(|definition| definition.name)
}

/// Where and how the programs are built.
pub struct Builder {
    sides: PathBuf,
    target: PathBuf,
    is_optimized: bool,
}

impl Builder {
    pub fn new(is_optimized: bool) -> Result<Builder, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        // This program is in `target/PROFILE`.
        let target = program.ancestors().nth(2).ok_or("no target directory")?;
        Ok(Builder {
            sides: Path::new(env!("CARGO_MANIFEST_DIR")).join("sides"),
            target: target.join("peers"),
            is_optimized,
        })
    }

    /// Builds the runtimes of which `is_wanted` is true. Returns those that can run, and for each of the
    /// others its name and the reason.
    pub fn build(
        &self,
        is_wanted: impl Fn(&str) -> bool,
    ) -> (Vec<Side>, Vec<(&'static str, String)>) {
        let wanted = || RUNTIMES.iter().filter(|each| is_wanted(each.name));
        let packages = wanted().filter_map(|definition| match definition.source {
            Source::Package(package, _) => Some(package),
            Source::Node | Source::Libuv => None,
        });
        let errors = self.cargo_build(packages.collect());
        let (mut sides, mut failures) = (Vec::new(), Vec::new());
        for definition in wanted() {
            match self.side(definition, &errors) {
                Ok(side) => sides.push(side),
                Err(reason) => {
                    eprintln!("{} is not measured: {reason}", definition.name);
                    failures.push((definition.name, reason));
                }
            }
        }
        (sides, failures)
    }

    fn side(&self, definition: &Definition, errors: &str) -> Result<Side, String> {
        let (program, arguments, version) = match definition.source {
            Source::Package(package, arguments) => {
                let program = self.program(package);
                if !program.exists() {
                    return Err(reason(errors, "it was not built"));
                }
                let arguments = arguments.iter().map(|each| (*each).to_owned()).collect();
                (program, arguments, self.locked_version(package))
            }
            Source::Node => {
                let version = output_of(Command::new("node").arg("--version"))?;
                let script = self.sides.join("node/side.mjs").display().to_string();
                (
                    PathBuf::from("node"),
                    vec!["--expose-gc".into(), script],
                    version,
                )
            }
            Source::Libuv => {
                let program = self.compile_libuv()?;
                let version = output_of(Command::new(&program).arg("version"))?;
                (program, Vec::new(), version)
            }
        };
        let mut side = Side {
            name: definition.name,
            version: version.trim().to_owned(),
            program,
            arguments,
            workloads: Vec::new(),
        };
        let list = output_of(side.command().arg("list"))?;
        side.workloads = list.lines().map(str::to_owned).collect();
        Ok(side)
    }

    /// Builds the packages and returns the errors. One that does not build here leaves no program, and
    /// does not stop the others.
    fn cargo_build(&self, packages: Vec<&str>) -> String {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        command
            .args(["build", "--quiet", "--locked", "--keep-going"])
            .arg("--manifest-path")
            .arg(self.sides.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&self.target);
        if self.is_optimized {
            command.arg("--release");
        }
        for package in packages {
            command.args(["-p", &format!("side-{package}")]);
            // Not that of an earlier build.
            let _ = std::fs::remove_file(self.program(package));
        }
        eprintln!("building the programs");
        output_of(&mut command).err().unwrap_or_default()
    }

    fn program(&self, package: &str) -> PathBuf {
        let profile = if self.is_optimized {
            "release"
        } else {
            "debug"
        };
        self.target.join(profile).join(format!("side-{package}"))
    }

    fn compile_libuv(&self) -> Result<PathBuf, String> {
        std::fs::create_dir_all(&self.target).map_err(|error| error.to_string())?;
        let program = self.target.join("side-libuv");
        let mut command = Command::new("cc");
        command
            .args(["-O2", "-Wall", "-Wextra", "-o"])
            .arg(&program)
            .arg(self.sides.join("libuv/side.c"))
            .args(["-luv", "-lpthread"]);
        let reason = |error| format!("needs cc and libuv1-dev: {error}");
        output_of(&mut command).map_err(reason)?;
        Ok(program)
    }

    /// The version of a runtime in the lock file. That of smol is its executor's.
    fn locked_version(&self, package: &str) -> String {
        let name = match package {
            "smol" => "async-executor",
            "limit" => "async-task",
            other => other,
        };
        let lock = std::fs::read_to_string(self.sides.join("Cargo.lock")).unwrap_or_default();
        let entry = lock.split_once(&format!("name = \"{name}\"\nversion = \""));
        let version = entry.and_then(|(_, rest)| rest.split('"').next());
        version.unwrap_or("unknown").to_owned()
    }
}

impl Side {
    /// Returns the command that starts the program.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env("BLOCKING_MAX_THREADS", "4") // smol, which starts up to 500 otherwise
            .env("UV_THREADPOOL_SIZE", "4")
            .stdin(Stdio::null());
        command
    }

    pub fn has(&self, workload: &str) -> bool {
        self.workloads.iter().any(|name| name == workload)
    }
}

/// Runs a command to its end. The error has the first line of what it printed that says why.
pub fn output_of(command: &mut Command) -> Result<String, String> {
    let output = command.output();
    let output = output
        .map_err(|error| format!("{} cannot be run: {error}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(reason(
        &String::from_utf8_lossy(&output.stderr),
        &output.status.to_string(),
    ))
}

/// The first line of `errors` that says why, or else `status`.
pub fn reason(errors: &str, status: &str) -> String {
    let lines = || {
        errors
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
    };
    // Rust's panics have their message in the line after the position.
    let panic = lines()
        .skip_while(|line| !line.contains("panicked at"))
        .nth(1);
    let error = lines().find(|line| line.to_lowercase().contains("error"));
    match panic.or(error).or(lines().next()) {
        Some(line) => format!("{line} ({status})"),
        None => status.to_owned(),
    }
}
