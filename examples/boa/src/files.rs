//! Operations on files: each runs on the thread of the loop, or as a job on its pool.

use std::time::Duration;

use boa_engine::{Context, JsError, JsNativeError, JsObject, JsResult, JsValue, js_string};
use nodeloop::{queue_work, time};

use crate::host::Host;
use crate::native::define;
use crate::operations::{Argument, Failure, Reply, perform};
use crate::values::{array, bytes, number, text, text_value};

/// Adds the functions that `js/fs.js` calls.
pub(crate) fn functions(native: &JsObject, context: &mut Context) -> JsResult<()> {
    define(
        native,
        "sync",
        context,
        |_, arguments, context| match perform(&text(arguments, 0), &given(&arguments[1..])) {
            Ok(reply) => value_of(reply, context),
            Err(failure) => Err(JsError::from_opaque(error_of(&failure, context)?)),
        },
    )?;
    // The arguments: the number of the job, its place (here none), the operation, and those of the operation.
    define(native, "job", context, |_, arguments, _| {
        let id = number(arguments, 0);
        let (name, given) = (text(arguments, 2), given(&arguments[3..]));
        if Host::current().options.virtual_time {
            let outcome = perform(&name, &given);
            time::simulate_completion(Duration::ZERO, move || complete(id, outcome));
        } else {
            let done = move |outcome| complete(id, outcome);
            queue_work(move || perform(&name, &given), done);
        }
        Ok(JsValue::undefined())
    })
}

fn complete(id: f64, outcome: Result<Reply, Failure>) {
    let host = Host::current();
    host.run(|context| {
        let (error, value) = match outcome {
            Ok(reply) => (JsValue::null(), value_of(reply, context)?),
            Err(failure) => (error_of(&failure, context)?, JsValue::undefined()),
        };
        let outcome = array([error, value], context);
        host.call("completion", &[id.into(), outcome], context)
    });
}

fn given(values: &[JsValue]) -> Vec<Argument> {
    let arguments = values.iter().map(|value| {
        if let Some(text) = value.as_string() {
            Argument::Text(text.to_std_string_lossy())
        } else if let Some(number) = value.as_number() {
            Argument::Number(number)
        } else if let Some(flag) = value.as_boolean() {
            Argument::Number(f64::from(u8::from(flag)))
        } else {
            Argument::Nothing
        }
    });
    arguments.collect()
}

fn value_of(reply: Reply, context: &mut Context) -> JsResult<JsValue> {
    Ok(match reply {
        Reply::Nothing => JsValue::undefined(),
        Reply::Number(number) => number.into(),
        Reply::Text(text) => text_value(&text),
        Reply::Numbers(numbers) => array(numbers.into_iter().map(JsValue::from), context),
        Reply::Texts(texts) => array(texts.iter().map(|text| text_value(text)), context),
        Reply::Bytes(content) => bytes(content, context)?,
    })
}

/// Makes the error that Node makes of an error of the system.
fn error_of(failure: &Failure, context: &mut Context) -> JsResult<JsValue> {
    let error = JsNativeError::error().with_message(failure.message());
    let error = error.into_opaque(context);
    error.set(js_string!("errno"), -failure.errno, false, context)?;
    error.set(
        js_string!("code"),
        text_value(failure.code()),
        false,
        context,
    )?;
    error.set(
        js_string!("syscall"),
        text_value(failure.syscall),
        false,
        context,
    )?;
    if let Some(path) = &failure.path {
        error.set(js_string!("path"), text_value(path), false, context)?;
    }
    if let Some(destination) = &failure.destination {
        error.set(js_string!("dest"), text_value(destination), false, context)?;
    }
    Ok(error.into())
}
