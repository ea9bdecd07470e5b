//! A host of JavaScript on nodeloop: QuickJS runs the code, and the loop decides what runs next.
//!
//! `js/` contains the parts of Node that are JavaScript, `native.rs` what they call, `hooks.rs` and
//! `rejections.rs` the seam to the loop.

#![forbid(unsafe_code)]

mod files;
mod hooks;
mod host;
mod modules;
mod native;
mod operations;
mod places;
mod processes;
mod rejections;
mod sandbox;
mod sources;
mod timers;

use std::rc::Rc;

use nodeloop::host::queue_macrotask;
use nodeloop::recording::Recording;
use nodeloop::{EntryMode, EventLoop, next_tick};
use rquickjs::{Function, Object};

use crate::host::Host;
pub use crate::host::{Options, Text, TextOrigin};
use crate::sandbox::Sandbox;
pub use crate::sandbox::{Bound, Bounds, Ended, MARK, Program, Watch};

/// Runs a program, and ends the process as Node does.
pub fn run(options: Options) -> ! {
    let mut builder = EventLoop::builder().node(options.node);
    if options.virtual_time {
        builder = builder.virtual_time();
    }
    if options.script.ends_with(".mjs") {
        builder = builder.entry(EntryMode::Module); // R19
    }
    let recording = options
        .is_recorded()
        .then(|| Recording::new(options.script.clone()).labels_only());
    if let Some(recording) = &recording {
        builder = builder.observer(recording.clone());
    }
    run_host(builder, options, recording, None)
}

/// Runs a program in a sandbox. The process ends with the run.
pub fn run_in_sandbox(program: Program, bounds: Bounds, watch: impl Watch + 'static) -> ! {
    let sandbox = Rc::new(Sandbox::new(program, bounds, Box::new(watch)));
    let program = &sandbox.program;
    let mut builder = EventLoop::builder().node(program.node);
    if program.virtual_time {
        builder = builder.virtual_time();
    }
    if program.is_module {
        builder = builder.entry(EntryMode::Module); // R19
    }
    let options = Options {
        script: sandbox.file().to_owned(),
        arguments: Vec::new(),
        virtual_time: program.virtual_time,
        html: None,
        trace: None,
        places: false, // the marks have them
        node: program.node,
        evaluated: None,
        node_flags: Vec::new(),
    };
    let builder = builder.observer(sandbox.recording());
    run_host(builder, options, None, Some(sandbox))
}

fn run_host(
    builder: nodeloop::Builder,
    options: Options,
    recording: Option<Recording>,
    sandbox: Option<Rc<Sandbox>>,
) -> ! {
    let mut event_loop = match builder.build() {
        Ok(event_loop) => event_loop,
        Err(error) => fail(&format!("the event loop could not be built: {error}")),
    };
    let result = event_loop.run_script(move || {
        let host = Host::install(options, recording, sandbox);
        let host =
            host.unwrap_or_else(|error| fail(&format!("QuickJS could not be started: {error}")));
        start(host);
    });
    if let Err(error) = result {
        fail(&error.to_string());
    }
    let host = Host::current();
    native::exit(host, host.exit_code.get())
}

/// Makes the globals, registers the hooks, and runs the script.
fn start(host: &'static Host) {
    let text = sources::source("bootstrap").expect("the bootstrap script is in `sources.rs`");
    let made = host.context.with(|ctx| -> Result<(), String> {
        let bootstrap = native::evaluate(&ctx, text.to_owned(), "node:bootstrap");
        let entries = bootstrap.and_then(|bootstrap: Function<'_>| {
            let native = native::object(&ctx, host)?;
            let entries = bootstrap.call::<_, Object<'_>>((native,))?;
            host.set_entries(&ctx, &entries)
        });
        entries.map_err(|error| match error.is_exception() {
            true => {
                let error = ctx.catch();
                let error = error.as_exception().map(|error| error.to_string());
                error.unwrap_or_default()
            }
            false => error.to_string(),
        })
    });
    if let Err(error) = made {
        fail(&format!("the bootstrap script failed: {error}"));
    }
    host.runtime.set_loader(modules::Names, modules::Files);
    hooks::install(host);
    if let Some(sandbox) = &host.sandbox {
        sandbox.prepare(host);
    }
    places::install(host);
    let run = move || host.enter(|entries| &entries.main, (host.options.script.as_str(),));
    let text = host.options.evaluated.as_ref();
    match text.is_some_and(|text| text.origin == TextOrigin::Stdin) {
        // Node runs it at the end of the stream, in a tick of the poll phase.
        true => queue_macrotask(move || next_tick(run)),
        false => run(),
    }
}

fn fail(message: &str) -> ! {
    eprintln!("nodeloop-js: {message}");
    std::process::exit(HOST_FAILED)
}

/// The exit code for a failure of the host, not of the program.
pub(crate) const HOST_FAILED: i32 = 70;
