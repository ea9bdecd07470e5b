//! The object `native`: what the host's JavaScript calls. `js/` contains everything that needs no Rust.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::time::Duration;

use nodeloop::host::loop_time_ms;
use nodeloop::time;
use rquickjs::context::EvalOptions;
use rquickjs::function::IntoJsFunc;
use rquickjs::promise::PromiseState;
use rquickjs::{ArrayBuffer, Ctx, FromJs, Function, IntoJs, Object, Promise, Result, Value};

use crate::HOST_FAILED;
use crate::files;
use crate::host::{Host, TextOrigin};
use crate::modules;
use crate::operations::bytes_of;
use crate::places;
use crate::sources::source;

/// Makes the object, with the facts and the functions.
pub(crate) fn object<'js>(ctx: &Ctx<'js>, host: &Host) -> Result<Object<'js>> {
    let native = Object::new(ctx.clone())?;
    facts(ctx, &native, host)?;
    timers(&native)?;
    process(&native)?;
    engine(&native)?;
    places::functions(&native)?;
    native.set("sync", Function::new(ctx.clone(), files::sync)?)?;
    native.set("job", Function::new(ctx.clone(), files::job)?)?;
    native.set("script", Function::new(ctx.clone(), script)?)?;
    native.set("runModule", Function::new(ctx.clone(), modules::run)?)?;
    if let Some(sandbox) = &host.sandbox {
        sandbox.define(&native)?;
    }
    Ok(native)
}

fn facts<'js>(ctx: &Ctx<'js>, native: &Object<'js>, host: &Host) -> Result<()> {
    let options = &host.options;
    let program = std::env::current_exe().unwrap_or_default();
    let program = program.to_string_lossy().into_owned();
    let mut arguments = vec![program.clone()];
    match &options.evaluated {
        Some(text) => {
            native.set("evaluated", text.script.as_str())?;
            native.set("evaluatedName", text.origin.name())?;
            native.set("isPrinted", text.origin == TextOrigin::Print)?;
        }
        None => arguments.push(options.script.clone()),
    }
    arguments.extend(options.arguments.iter().cloned());
    let environment = Object::new(ctx.clone())?;
    for (name, value) in std::env::vars_os() {
        environment.set(
            name.to_string_lossy().as_ref(),
            value.to_string_lossy().as_ref(),
        )?;
    }
    native.set("args", arguments)?;
    native.set("env", environment)?;
    native.set("execPath", program)?;
    native.set("release", options.node.major())?;
    native.set("isVirtualTime", options.virtual_time)?;
    native.set("showsPlaces", host.places.is_on)?;
    native.set("isRecorded", host.recording.is_some())?;
    native.set("wrapperLength", WRAPPER.len())?;
    native.set("nodeFlags", options.node_flags.clone())?;
    native.set(
        "nodeOptions",
        std::env::var("NODE_OPTIONS").unwrap_or_default(),
    )?;
    native.set("engine", "ng")?;
    native.set("pid", std::process::id())?;
    native.set("ppid", std::os::unix::process::parent_id())?;
    native.set("platform", std::env::consts::OS.replace("macos", "darwin"))?;
    let arch = std::env::consts::ARCH;
    native.set(
        "arch",
        arch.replace("x86_64", "x64").replace("aarch64", "arm64"),
    )
}

/// Adds a function to the object.
pub(crate) fn define<'js, P, F>(object: &Object<'js>, name: &str, function: F) -> Result<()>
where
    F: IntoJsFunc<'js, P> + 'js,
{
    object.set(name, Function::new(object.ctx().clone(), function)?)
}

fn timers(native: &Object<'_>) -> Result<()> {
    define(native, "armTimer", |slot: usize, ms: f64, repeats: bool| {
        let host = Host::current();
        let fire = move || host.enter(|entries| &entries.timer, (slot,));
        host.timers.arm(slot, ms, repeats, fire)
    })?;
    define(native, "refreshTimer", |slot: usize| {
        Host::current().timers.refresh(slot)
    })?;
    define(native, "clearTimer", |slot: usize| {
        Host::current().timers.clear(slot)
    })?;
    define(native, "repeatTimer", |slot: usize, ms: f64| {
        Host::current().timers.repeat(slot, ms)
    })?;
    define(native, "refTimer", |slot: usize, is_refed: bool| {
        Host::current().timers.set_refed(slot, is_refed)
    })?;
    define(native, "immediate", |slot: usize| {
        let host = Host::current();
        let run = move || host.enter(|entries| &entries.immediate, (slot,));
        host.timers.queue_immediate(slot, run)
    })?;
    define(native, "clearImmediate", |slot: usize| {
        Host::current().timers.clear_immediate(slot)
    })?;
    define(native, "refImmediate", |slot: usize, is_refed: bool| {
        Host::current().timers.set_immediate_refed(slot, is_refed)
    })?;
    define(native, "tick", || {
        let host = Host::current();
        nodeloop::next_tick(|| host.enter(|entries| &entries.tick, ()));
    })
}

fn process(native: &Object<'_>) -> Result<()> {
    define(native, "write", |fd: i32, text: String| {
        write(fd, text.as_bytes())
    })?;
    define(native, "writeBytes", |fd: i32, bytes: String| {
        write(fd, &bytes_of(&bytes))
    })?;
    define(native, "isTerminal", |fd: i32| match fd {
        0 => std::io::stdin().is_terminal(),
        1 => stdout().is_terminal(),
        _ => stderr().is_terminal(),
    })?;
    define(native, "exit", |code: i32| -> () {
        exit(Host::current(), code)
    })?;
    define(native, "setExitCode", |code: i32| {
        Host::current().exit_code.set(code)
    })?;
    define(native, "cwd", || {
        std::env::current_dir()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    })?;
    define(native, "hrtime", || {
        Host::current().started.elapsed().as_nanos() as f64
    })?;
    define(native, "loopTime", || loop_time_ms() as f64)?;
    define(native, "blockFor", |ms: f64| {
        time::block_for(Duration::from_secs_f64(ms.max(0.0) / 1000.0));
    })?;
    define(native, "whyAlive", || nodeloop::why_alive().to_string())?;
    define(native, "memoryUsage", memory_usage)?;
    define(native, "rejected", |number: u32| {
        Host::current().rejections.rejected(number)
    })?;
    define(native, "rejectionHandled", |number: u32| {
        Host::current().rejections.handled(number)
    })?;
    define(native, "forgetRejection", |number: u32| {
        Host::current().rejections.forget(number)
    })
}

/// Writes to standard output or standard error. A closed pipe ends nothing: Node would emit an event that
/// no listener takes.
fn write(fd: i32, bytes: &[u8]) {
    if let Some(sandbox) = &Host::current().sandbox {
        return sandbox.write(fd, bytes);
    }
    let _ = match fd {
        1 => stdout().write_all(bytes),
        _ => stderr().write_all(bytes),
    };
}

/// Ends the process, as `process.reallyExit` does.
pub(crate) fn exit(host: &Host, code: i32) -> ! {
    if let Some(sandbox) = &host.sandbox {
        sandbox.end(code, None);
    }
    let is_saved = host.save_recording();
    let _ = stdout().flush();
    // The code of a program that fails matters more.
    std::process::exit(if is_saved || code != 0 {
        code
    } else {
        HOST_FAILED
    })
}

fn memory_usage<'js>(ctx: Ctx<'js>) -> Result<Object<'js>> {
    const PAGE: f64 = 4096.0;
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let mut pages = text.split(' ').map(|count| count.parse().unwrap_or(0.0));
    let (size, resident) = (pages.next().unwrap_or(0.0), pages.next().unwrap_or(0.0));
    let usage = Object::new(ctx)?;
    usage.set("rss", resident * PAGE)?;
    usage.set("heapTotal", size * PAGE)?;
    usage.set("heapUsed", resident * PAGE)?;
    usage.set("external", 0)?;
    usage.set("arrayBuffers", 0)?;
    Ok(usage)
}

fn engine(native: &Object<'_>) -> Result<()> {
    define(native, "builtin", builtin)?;
    define(native, "compile", compile)?;
    define(native, "isError", |value: Value<'_>| value.is_error())?;
    define(native, "promiseState", promise_state)?;
    define(native, "encode", encode)?;
    define(native, "decode", |bytes: String, is_strict: bool| {
        let bytes = bytes_of(&bytes);
        match is_strict {
            true => String::from_utf8(bytes).ok(),
            false => Some(String::from_utf8_lossy(&bytes).into_owned()),
        }
    })?;
    define(native, "gc", |ctx: Ctx<'_>| ctx.run_gc())
}

fn encode<'js>(ctx: Ctx<'js>, text: String) -> Result<ArrayBuffer<'js>> {
    ArrayBuffer::new(ctx, text.into_bytes())
}

/// Compiles a built-in module into its function.
fn builtin<'js>(ctx: Ctx<'js>, name: String) -> Result<Function<'js>> {
    let text =
        source(&name).unwrap_or_else(|| panic!("`js/{name}.js` is not in `sources.rs`: add it"));
    let text = format!("(function (exports, require, module, native, internals) {{{text}\n}})");
    evaluate(&ctx, text, &format!("node:{name}"))
}

/// Compiles a CommonJS module into the function that Node wraps around it.
fn compile<'js>(ctx: Ctx<'js>, text: String, file: String) -> Result<Function<'js>> {
    evaluate(&ctx, format!("{WRAPPER}{text}\n}})"), &file)
}

/// What precedes the text of a CommonJS module. The columns of its first line count from the end of it.
const WRAPPER: &str = "(function (exports, require, module, __filename, __dirname) {";

/// Runs a script that is in no file, and returns its value.
fn script<'js>(ctx: Ctx<'js>, text: String, name: String) -> Result<Value<'js>> {
    evaluate(&ctx, text, &name)
}

/// Evaluates a script that is not strict by itself.
pub(crate) fn evaluate<'js, V: FromJs<'js>>(ctx: &Ctx<'js>, text: String, file: &str) -> Result<V> {
    let mut options = EvalOptions::default();
    options.strict = false;
    options.filename = Some(file.to_owned());
    ctx.eval_with_options(text, options)
}

/// Returns the state of a promise, and its value or reason.
fn promise_state<'js>(ctx: Ctx<'js>, promise: Promise<'js>) -> Result<Value<'js>> {
    let undefined = Value::new_undefined(ctx.clone());
    let (state, value) = match (promise.state(), promise.result::<Value<'js>>()) {
        (PromiseState::Pending, _) | (_, None) => ("pending", undefined),
        (_, Some(Ok(value))) => ("fulfilled", value),
        (_, Some(Err(_))) => ("rejected", ctx.catch()),
    };
    vec![state.into_js(&ctx)?, value].into_js(&ctx)
}
