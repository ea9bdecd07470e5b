//! `nodeloop-js FILE ARGUMENTS`: runs a script as `node FILE ARGUMENTS` does.

use std::path::PathBuf;
use std::process::exit;

use nodeloop::NodeRelease;
use nodeloop_js::Options;

const USAGE: &str = "usage: nodeloop-js [OPTIONS] FILE [ARGUMENTS]

  --node 20|22|24|26   the release of Node whose order the loop has (24)
  --virtual-time       waiting takes no time
  --html PAGE          writes a page that replays the run
  --trace FILE         writes a trace of the run, for Perfetto
  -e, --eval TEXT      runs the text in place of a file; -p also prints its value
  --places             reports name the lines of the script, which takes time

and, as Node has them, --expose-gc, --expose-internals, --no-warnings, --no-deprecation, --throw-deprecation, --trace-warnings,
--trace-deprecation, --trace-uncaught and --unhandled-rejections=MODE";

const REJECTIONS: &str = "--unhandled-rejections=";

/// Returns whether an option is one of Node that `js/process.js` knows.
fn is_of_node(option: &str) -> bool {
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
    const MODES: [&str; 5] = ["throw", "strict", "warn", "warn-with-error-codes", "none"];
    let mode = option.strip_prefix(REJECTIONS);
    FLAGS.contains(&option) || mode.is_some_and(|mode| MODES.contains(&mode))
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
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
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
            "-e" | "--eval" => options.evaluated = Some((value()?, false)),
            "-p" | "-pe" | "--print" => options.evaluated = Some((value()?, true)),
            "--help" => return Err("Runs a script as Node does.".to_owned()),
            flag if flag.starts_with(REJECTIONS) && !is_of_node(flag) => {
                return Err(format!(
                    "invalid value for {}",
                    &REJECTIONS[..REJECTIONS.len() - 1]
                ));
            }
            flag if is_of_node(flag) => options.node_flags.push(flag.to_owned()),
            unknown if unknown.starts_with('-') => {
                return Err(format!("unknown option: {unknown}"));
            }
            first => {
                options.arguments = arguments.collect();
                // The text takes the place of the file.
                match options.evaluated {
                    Some(_) => options.arguments.insert(0, first.to_owned()),
                    None => options.script = first.to_owned(),
                }
                return Ok(options);
            }
        }
    }
    match options.evaluated {
        Some(_) => Ok(options),
        None => Err("a file is missing".to_owned()),
    }
}
