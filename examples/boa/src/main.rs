//! `nodeloop-boa FILE ARGUMENTS`: a host of JavaScript on nodeloop, with Boa as the engine.
//!
//! It shows that `nodeloop::host` depends on no engine: `examples/js` is a larger host, of QuickJS. The two
//! share the parts of Node that are JavaScript (`examples/js/js`), and what needs no engine: the operations on
//! files, the handles of timers, the rejections.

#![forbid(unsafe_code)]

mod files;
mod hooks;
mod host;
mod native;
mod scheduling;
mod values;

#[path = "../../js/src/operations.rs"]
mod operations;
#[path = "../../js/src/processes.rs"]
mod processes;
#[path = "../../js/src/rejections.rs"]
mod rejections;
#[path = "../../js/src/sources.rs"]
mod sources;
#[path = "../../js/src/timers.rs"]
mod timers;

use std::process::exit;

use boa_engine::{JsResult, JsValue, js_string};
use nodeloop::{EventLoop, NodeRelease};

use crate::host::{Host, Options};

const USAGE: &str = "usage: nodeloop-boa [OPTIONS] FILE [ARGUMENTS]

  --node 20|22|24|26   the release of Node whose order the loop has (24)
  --virtual-time       waiting takes no time";

fn main() {
    let options = options().unwrap_or_else(|message| {
        eprintln!("{message}\n\n{USAGE}");
        exit(9);
    });
    let mut builder = EventLoop::builder().node(options.node);
    if options.virtual_time {
        builder = builder.virtual_time();
    }
    let event_loop = builder.build();
    let result = event_loop.map(|mut event_loop| event_loop.run_script(move || start(options)));
    match result {
        Ok(Ok(())) => native::exit(Host::current().exit_code.get()),
        Ok(Err(error)) => fail(&error.to_string()),
        Err(error) => fail(&error.to_string()),
    }
}

/// Makes the globals, registers the hooks, and runs the script.
fn start(options: Options) {
    let script = js_string!(options.script.as_str());
    let host = Host::install(options).unwrap_or_else(|error| fail(&error.to_string()));
    if let Err(error) = host.with_context(|context| bootstrap(host, context)) {
        fail(&format!("the bootstrap script failed: {error}"));
    }
    hooks::install(host);
    host.enter("main", &[script.into()]);
}

fn bootstrap(host: &Host, context: &mut boa_engine::Context) -> JsResult<()> {
    let text = sources::source("bootstrap").expect("the bootstrap script is in `sources.rs`");
    let bootstrap = native::evaluate(context, text)?;
    let native = native::object(context, host)?;
    let entries =
        values::callable(&bootstrap).call(&JsValue::undefined(), &[native.into()], context)?;
    host.set_entries(entries.to_object(context)?);
    Ok(())
}

fn fail(message: &str) -> ! {
    eprintln!("nodeloop-boa: {message}");
    exit(70)
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        script: String::new(),
        arguments: Vec::new(),
        virtual_time: false,
        node: NodeRelease::default(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--virtual-time" => options.virtual_time = true,
            "--node" => {
                let major = arguments.next().unwrap_or_default();
                let release = major.parse().ok().and_then(NodeRelease::from_major);
                options.node = release.ok_or("--node needs a release: 20, 22, 24 or 26")?;
            }
            unknown if unknown.starts_with('-') => {
                return Err(format!("unknown option: {unknown}"));
            }
            script => {
                options.script = script.to_owned();
                options.arguments = arguments.collect();
                return Ok(options);
            }
        }
    }
    Err("a file is missing".to_owned())
}
