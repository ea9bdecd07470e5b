//! The object `native`: what the host's JavaScript calls, which is that of `examples/js/js`.

use std::io::{IsTerminal, Write, stderr, stdin, stdout};
use std::time::Duration;

use boa_engine::builtins::error::Error;
use boa_engine::builtins::promise::PromiseState;
use boa_engine::native_function::{NativeFunction, NativeFunctionPointer};
use boa_engine::object::FunctionObjectBuilder;
use boa_engine::object::builtins::JsPromise;
use boa_engine::{Context, JsArgs, JsObject, JsResult, JsString, JsValue};
use nodeloop::host::loop_time_ms;
use nodeloop::time;

use crate::host::Host;
use crate::operations::bytes_of;
use crate::sources::source;
use crate::values::{array, bytes, flag, number, text, text_value};
use crate::{files, scheduling};

/// Makes the object, with the facts and the functions.
pub(crate) fn object(context: &mut Context, host: &Host) -> JsResult<JsObject> {
    let native = JsObject::with_object_proto(context.intrinsics());
    facts(&native, host, context)?;
    process(&native, context)?;
    rejections(&native, context)?;
    engine(&native, context)?;
    scheduling::functions(&native, context)?;
    files::functions(&native, context)?;
    Ok(native)
}

/// Adds a function to the object.
pub(crate) fn define(
    native: &JsObject,
    name: &str,
    context: &mut Context,
    function: NativeFunctionPointer,
) -> JsResult<()> {
    let name = JsString::from(name);
    let function = NativeFunction::from_fn_ptr(function);
    let function = FunctionObjectBuilder::new(context.realm(), function);
    let function = function.name(name.clone()).build();
    native.set(name, function, true, context).map(drop)
}

fn facts(native: &JsObject, host: &Host, context: &mut Context) -> JsResult<()> {
    let options = &host.options;
    let program = std::env::current_exe().unwrap_or_default();
    let program = text_value(&program.to_string_lossy());
    let script = [&options.script].into_iter().chain(&options.arguments);
    let script = script.map(|argument| text_value(argument));
    let arguments = array([program.clone()].into_iter().chain(script), context);
    let environment = JsObject::with_object_proto(context.intrinsics());
    for (name, value) in std::env::vars_os() {
        let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
        environment.set(JsString::from(&*name), text_value(&value), true, context)?;
    }
    let node_options = std::env::var("NODE_OPTIONS").unwrap_or_default();
    let arch = std::env::consts::ARCH.replace("x86_64", "x64");
    let facts: [(&str, JsValue); 14] = [
        ("args", arguments),
        ("env", environment.into()),
        ("execPath", program),
        ("release", options.node.major().into()),
        ("isVirtualTime", options.virtual_time.into()),
        ("showsPlaces", false.into()),
        ("isRecorded", false.into()),
        ("wrapperLength", (WRAPPER.len() as f64).into()),
        ("nodeOptions", text_value(&node_options)),
        ("engine", text_value("boa")),
        ("pid", std::process::id().into()),
        ("ppid", std::os::unix::process::parent_id().into()),
        (
            "platform",
            text_value(&std::env::consts::OS.replace("macos", "darwin")),
        ),
        ("arch", text_value(&arch.replace("aarch64", "arm64"))),
    ];
    for (name, value) in facts {
        native.set(JsString::from(name), value, true, context)?;
    }
    Ok(())
}

fn process(native: &JsObject, context: &mut Context) -> JsResult<()> {
    define(native, "write", context, |_, arguments, _| {
        Ok(write(arguments, text(arguments, 1).as_bytes()))
    })?;
    define(native, "writeBytes", context, |_, arguments, _| {
        Ok(write(arguments, &bytes_of(&text(arguments, 1))))
    })?;
    define(native, "isTerminal", context, |_, arguments, _| {
        Ok(match number(arguments, 0) {
            0.0 => stdin().is_terminal(),
            1.0 => stdout().is_terminal(),
            _ => stderr().is_terminal(),
        }
        .into())
    })?;
    define(native, "exit", context, |_, arguments, _| {
        exit(number(arguments, 0) as i32)
    })?;
    define(native, "setExitCode", context, |_, arguments, _| {
        Host::current().exit_code.set(number(arguments, 0) as i32);
        Ok(JsValue::undefined())
    })?;
    define(native, "cwd", context, |_, _, _| {
        let directory = std::env::current_dir().unwrap_or_default();
        Ok(text_value(&directory.to_string_lossy()))
    })?;
    define(native, "hrtime", context, |_, _, _| {
        Ok((Host::current().started.elapsed().as_nanos() as f64).into())
    })?;
    define(native, "loopTime", context, |_, _, _| {
        Ok((loop_time_ms() as f64).into())
    })?;
    define(native, "blockFor", context, |_, arguments, _| {
        let seconds = number(arguments, 0).max(0.0) / 1000.0;
        time::block_for(Duration::from_secs_f64(seconds));
        Ok(JsValue::undefined())
    })?;
    define(native, "whyAlive", context, |_, _, _| {
        Ok(text_value(&nodeloop::why_alive().to_string()))
    })
}

/// Writes to standard output or standard error. A closed pipe ends nothing.
fn write(arguments: &[JsValue], bytes: &[u8]) -> JsValue {
    let _ = match number(arguments, 0) {
        1.0 => stdout().write_all(bytes),
        _ => stderr().write_all(bytes),
    };
    JsValue::undefined()
}

/// Ends the process, as `process.reallyExit` does.
pub(crate) fn exit(code: i32) -> ! {
    let _ = stdout().flush();
    std::process::exit(code)
}

fn rejections(native: &JsObject, context: &mut Context) -> JsResult<()> {
    define(native, "rejected", context, |_, arguments, _| {
        let host = Host::current();
        host.rejections.rejected(number(arguments, 0) as u32);
        Ok(JsValue::undefined())
    })?;
    define(native, "rejectionHandled", context, |_, arguments, _| {
        let host = Host::current();
        host.rejections.handled(number(arguments, 0) as u32);
        Ok(JsValue::undefined())
    })?;
    define(native, "forgetRejection", context, |_, arguments, _| {
        let host = Host::current();
        host.rejections.forget(number(arguments, 0) as u32);
        Ok(JsValue::undefined())
    })
}

fn engine(native: &JsObject, context: &mut Context) -> JsResult<()> {
    define(native, "builtin", context, builtin)?;
    define(native, "compile", context, |_, arguments, context| {
        let text = format!("{WRAPPER}{}\n}})", text(arguments, 0));
        evaluate(context, &text)
    })?;
    define(native, "isError", context, |_, arguments, _| {
        let object = arguments.get_or_undefined(0).as_object();
        Ok(object.is_some_and(|object| object.is::<Error>()).into())
    })?;
    define(native, "promiseState", context, promise_state)?;
    define(native, "encode", context, |_, arguments, context| {
        bytes(text(arguments, 0).into_bytes(), context)
    })?;
    define(native, "decode", context, |_, arguments, _| {
        let bytes = bytes_of(&text(arguments, 0));
        let decoded = match flag(arguments, 1) {
            true => String::from_utf8(bytes).ok(),
            false => Some(String::from_utf8_lossy(&bytes).into_owned()),
        };
        Ok(decoded.map_or(JsValue::undefined(), |text| text_value(&text)))
    })?;
    define(native, "gc", context, |_, _, _| {
        boa_engine::gc::force_collect();
        Ok(JsValue::undefined())
    })
}

/// Compiles a built-in module into its function.
fn builtin(_: &JsValue, arguments: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let name = text(arguments, 0);
    let text =
        source(&name).unwrap_or_else(|| panic!("`js/{name}.js` is not in `sources.rs`: add it"));
    let text = format!("(function (exports, require, module, native, internals) {{{text}\n}})");
    evaluate(context, &text)
}

/// Evaluates a script, in the global scope, also while other code runs. In that case `Script::evaluate` would
/// use the scope of the code that runs.
pub(crate) fn evaluate(context: &mut Context, text: &str) -> JsResult<JsValue> {
    let evaluate = context.intrinsics().objects().eval();
    evaluate.call(&JsValue::undefined(), &[text_value(text)], context)
}

/// What precedes the text of a CommonJS module.
const WRAPPER: &str = "(function (exports, require, module, __filename, __dirname) {";

/// Returns the state of a promise, and its value or reason.
fn promise_state(_: &JsValue, arguments: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let promise = arguments.get_or_undefined(0).to_object(context)?;
    let (state, value) = match JsPromise::from_object(promise)?.state() {
        PromiseState::Pending => ("pending", JsValue::undefined()),
        PromiseState::Fulfilled(value) => ("fulfilled", value),
        PromiseState::Rejected(reason) => ("rejected", reason),
    };
    Ok(array([text_value(state), value], context))
}
