//! Operations on files: each runs on the thread of the loop, or as a job on its pool.

use std::time::Duration;

use nodeloop::host::set_step_label;
use nodeloop::{queue_work, time};
use rquickjs::function::Rest;
use rquickjs::{ArrayBuffer, Ctx, Exception, IntoJs, Object, Result, Value};

use crate::host::Host;
use crate::operations::{Argument, Failure, Reply, perform};

/// Performs an operation at once, and throws its error.
pub(crate) fn sync<'js>(
    ctx: Ctx<'js>,
    name: String,
    arguments: Rest<Value<'js>>,
) -> Result<Value<'js>> {
    match perform(&name, &arguments_of(&arguments)) {
        Ok(reply) => value_of(&ctx, reply),
        Err(failure) => {
            let error = error_of(&ctx, &failure)?;
            Err(ctx.throw(error))
        }
    }
}

/// Starts an operation whose result the entry `completion` receives, in the poll phase.
///
/// On virtual time a job takes no time, and its result waits for the next poll phase.
/// `place` is that of the script, in a run that shows places.
pub(crate) fn job(id: u32, place: Option<String>, name: String, arguments: Rest<Value<'_>>) {
    let arguments = arguments_of(&arguments);
    if Host::current().options.virtual_time {
        let outcome = perform(&name, &arguments);
        time::simulate_completion(Duration::ZERO, move || {
            if let Some(place) = place {
                set_step_label(&place);
            }
            complete(id, outcome);
        });
    } else {
        let job = queue_work(
            move || perform(&name, &arguments),
            move |outcome| complete(id, outcome),
        );
        if let Some(place) = place {
            job.set_label(place);
        }
    }
}

fn complete(id: u32, outcome: std::result::Result<Reply, Failure>) {
    Host::current().enter(|entries| &entries.completion, (id, Outcome(outcome)));
}

/// The outcome of a job: for JavaScript an array of the error and the value.
struct Outcome(std::result::Result<Reply, Failure>);

impl<'js> IntoJs<'js> for Outcome {
    fn into_js(self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        let (error, value) = match self.0 {
            Ok(reply) => (Value::new_null(ctx.clone()), value_of(ctx, reply)?),
            Err(failure) => (error_of(ctx, &failure)?, Value::new_undefined(ctx.clone())),
        };
        vec![error, value].into_js(ctx)
    }
}

fn arguments_of(values: &[Value<'_>]) -> Vec<Argument> {
    let arguments = values.iter().map(|value| {
        if let Some(text) = value.as_string() {
            Argument::Text(text.to_string().unwrap_or_default())
        } else if let Some(number) = value.as_number() {
            Argument::Number(number)
        } else if let Some(flag) = value.as_bool() {
            Argument::Number(f64::from(u8::from(flag)))
        } else {
            Argument::Nothing
        }
    });
    arguments.collect()
}

fn value_of<'js>(ctx: &Ctx<'js>, reply: Reply) -> Result<Value<'js>> {
    match reply {
        Reply::Nothing => Ok(Value::new_undefined(ctx.clone())),
        Reply::Number(number) => number.into_js(ctx),
        Reply::Text(text) => text.into_js(ctx),
        Reply::Numbers(numbers) => numbers.into_js(ctx),
        Reply::Texts(texts) => texts.into_js(ctx),
        Reply::Bytes(bytes) => Ok(ArrayBuffer::new(ctx.clone(), bytes)?.into_value()),
    }
}

/// Makes the error that Node makes of an error of the system.
fn error_of<'js>(ctx: &Ctx<'js>, failure: &Failure) -> Result<Value<'js>> {
    let error: Object<'js> =
        Exception::from_message(ctx.clone(), &failure.message())?.into_object();
    error.set("errno", -failure.errno)?;
    error.set("code", failure.code())?;
    error.set("syscall", failure.syscall)?;
    if let Some(path) = &failure.path {
        error.set("path", path.as_str())?;
    }
    if let Some(destination) = &failure.destination {
        error.set("dest", destination.as_str())?;
    }
    Ok(error.into_value())
}
