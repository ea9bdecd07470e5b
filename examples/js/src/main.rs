//! `nodeloop-js FILE ARGUMENTS`: runs a script as `node FILE ARGUMENTS` does.

use std::io::{self, Read};
use std::path::PathBuf;
use std::process::exit;

use nodeloop::NodeRelease;
use nodeloop_js::{Options, Text, TextOrigin};

const USAGE: &str = "usage: nodeloop-js [OPTIONS] FILE [ARGUMENTS]
       nodeloop-js [OPTIONS] - [ARGUMENTS]             runs the script from standard input
       nodeloop-js [OPTIONS] --eval TEXT [ARGUMENTS]

  --node 20|22|24|26   the release of Node whose order the loop has (24)
  --virtual-time       waiting takes no time
  --html PAGE          writes a page that replays the run
  --trace FILE         writes a trace of the run, for Perfetto
  -e, --eval TEXT      runs the text in place of a file
  -p, --print TEXT     the same, and prints the value of the text
  --places             reports name the lines of the script, which takes time
  -v, --version        prints the version of Node whose order the loop has
  -h, --help           prints this

and, as Node has them, --expose-gc, --expose-internals, --no-warnings, --no-deprecation, --throw-deprecation, --trace-warnings,
--trace-deprecation, --trace-uncaught and --unhandled-rejections=MODE";

const REJECTIONS: &str = "--unhandled-rejections";

/// The options that take a value, as `--option VALUE` or `--option=VALUE`.
const WITH_VALUE: [&str; 6] = [
    "--node", "--html", "--trace", "--eval", "--print", REJECTIONS,
];

/// The options of Node that `js/process.js` knows, but for the one with a value.
const FLAGS: [&str; 10] = [
    "--expose-internals",
    "--expose_internals",
    "--expose-gc",
    "--expose_gc",
    "--no-warnings",
    "--no-deprecation",
    "--throw-deprecation",
    "--trace-warnings",
    "--trace-deprecation",
    "--trace-uncaught",
];

/// Returns the option that chooses the mode of unhandled rejections.
fn rejections(mode: &str) -> Result<String, String> {
    const MODES: [&str; 5] = ["throw", "strict", "warn", "warn-with-error-code", "none"];
    match mode {
        "" => Err(format!("{REJECTIONS} requires an argument")),
        mode if MODES.contains(&mode) => Ok(format!("{REJECTIONS}={mode}")),
        _ => Err(format!("invalid value for {REJECTIONS}")),
    }
}

/// Checks the mode of unhandled rejections in `NODE_OPTIONS`. Other options of the variable are for Node alone.
fn check_environment() -> Result<(), String> {
    let given = std::env::var("NODE_OPTIONS").unwrap_or_default();
    let mut given = given.split_ascii_whitespace();
    while let Some(option) = given.next() {
        match split(option) {
            (REJECTIONS, Some(mode)) => rejections(mode)?,
            (REJECTIONS, None) => rejections(given.next().unwrap_or_default())?,
            _ => continue,
        };
    }
    Ok(())
}

/// Splits `--option=VALUE`, if the option takes a value.
fn split(argument: &str) -> (&str, Option<&str>) {
    match argument.split_once('=') {
        Some((name, value)) if WITH_VALUE.contains(&name) => (name, Some(value)),
        _ => (argument, None),
    }
}

fn main() {
    match options() {
        Ok(options) => nodeloop_js::run(options),
        Err(message) => {
            eprintln!("{message}\n\n{USAGE}");
            exit(9);
        }
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        script: String::new(),
        arguments: Vec::new(),
        virtual_time: false,
        html: None,
        trace: None,
        places: false,
        node: NodeRelease::default(),
        evaluated: None,
        node_flags: Vec::new(),
    };
    check_environment()?;
    let mut prints_version = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let (name, given) = split(&argument);
        let mut value = || {
            let value = given.map(str::to_owned).or_else(|| arguments.next());
            value.ok_or(format!("{name} needs a value"))
        };
        match name {
            "--virtual-time" => options.virtual_time = true,
            "--html" => options.html = Some(PathBuf::from(value()?)),
            "--trace" => options.trace = Some(PathBuf::from(value()?)),
            "--places" => options.places = true,
            "--node" => {
                let major = value()?;
                let release = major.parse().ok().and_then(NodeRelease::from_major);
                options.node =
                    release.ok_or(format!("there is no release {major}: use 20, 22, 24 or 26"))?;
            }
            "-e" | "--eval" => options.evaluated = Some(text(value()?, TextOrigin::Eval)),
            "-p" | "-pe" | "--print" => {
                options.evaluated = Some(text(value()?, TextOrigin::Print));
            }
            "-v" | "--version" => prints_version = true,
            "-" if options.evaluated.is_none() && !prints_version => {
                options.evaluated = Some(text(read_stdin()?, TextOrigin::Stdin));
                options.arguments = [argument].into_iter().chain(arguments).collect();
                return Ok(options);
            }
            REJECTIONS => options.node_flags.push(rejections(&value()?)?),
            "-h" | "--help" => {
                println!("Runs a script as Node does.\n\n{USAGE}");
                exit(0);
            }
            flag if FLAGS.contains(&flag) => options.node_flags.push(flag.to_owned()),
            unknown if unknown.starts_with('-') && unknown != "-" => {
                return Err(format!("unknown option: {unknown}"));
            }
            first => {
                options.arguments = arguments.collect();
                if prints_version {
                    break;
                }
                // The text takes the place of the file.
                match options.evaluated {
                    Some(_) => options.arguments.insert(0, first.to_owned()),
                    None => options.script = first.to_owned(),
                }
                return Ok(options);
            }
        }
    }
    if prints_version {
        options.evaluated = Some(text("process.version".to_owned(), TextOrigin::Print));
    }
    match options.evaluated {
        Some(_) => Ok(options),
        None => Err("a file is missing".to_owned()),
    }
}

fn text(script: String, origin: TextOrigin) -> Text {
    Text { script, origin }
}

fn read_stdin() -> Result<String, String> {
    let mut script = Vec::new();
    let read = io::stdin().read_to_end(&mut script);
    read.map_err(|error| format!("standard input could not be read: {error}"))?;
    Ok(String::from_utf8_lossy(&script).into_owned())
}
