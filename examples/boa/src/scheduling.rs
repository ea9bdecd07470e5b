//! What `js/timers.js`, `js/process.js` and `js/globals.js` call to schedule callbacks.

use boa_engine::{Context, JsObject, JsResult, JsValue};

use crate::host::Host;
use crate::native::define;
use crate::values::{callable, flag, number};

/// Adds the functions to the object `native`.
pub(crate) fn functions(native: &JsObject, context: &mut Context) -> JsResult<()> {
    timeouts(native, context)?;
    immediates(native, context)?;
    define(native, "tick", context, |_, _, _| {
        nodeloop::next_tick(|| Host::current().enter("tick", &[]));
        Ok(JsValue::undefined())
    })?;
    define(native, "queueMicrotask", context, |_, arguments, _| {
        let callback = callable(&arguments[0]);
        nodeloop::queue_microtask(move || {
            Host::current().run(|context| callback.call(&JsValue::undefined(), &[], context));
        });
        Ok(JsValue::undefined())
    })
}

fn timeouts(native: &JsObject, context: &mut Context) -> JsResult<()> {
    define(native, "armTimer", context, |_, arguments, _| {
        let (host, slot) = (Host::current(), slot(arguments));
        let fire = move || host.enter("timer", &[slot.into()]);
        let (ms, repeats) = (number(arguments, 1), flag(arguments, 2));
        Ok(host.timers.arm(slot, ms, repeats, fire).into())
    })?;
    define(native, "refreshTimer", context, |_, arguments, _| {
        Ok(Host::current().timers.refresh(slot(arguments)).into())
    })?;
    define(native, "clearTimer", context, |_, arguments, _| {
        Host::current().timers.clear(slot(arguments));
        Ok(JsValue::undefined())
    })?;
    define(native, "repeatTimer", context, |_, arguments, _| {
        let timers = &Host::current().timers;
        timers.repeat(slot(arguments), number(arguments, 1));
        Ok(JsValue::undefined())
    })?;
    define(native, "refTimer", context, |_, arguments, _| {
        let timers = &Host::current().timers;
        timers.set_refed(slot(arguments), flag(arguments, 1));
        Ok(JsValue::undefined())
    })
}

fn immediates(native: &JsObject, context: &mut Context) -> JsResult<()> {
    define(native, "immediate", context, |_, arguments, _| {
        let (host, slot) = (Host::current(), slot(arguments));
        let run = move || host.enter("immediate", &[slot.into()]);
        host.timers.queue_immediate(slot, run);
        Ok(JsValue::undefined())
    })?;
    define(native, "clearImmediate", context, |_, arguments, _| {
        Host::current().timers.clear_immediate(slot(arguments));
        Ok(JsValue::undefined())
    })?;
    define(native, "refImmediate", context, |_, arguments, _| {
        let timers = &Host::current().timers;
        timers.set_immediate_refed(slot(arguments), flag(arguments, 1));
        Ok(JsValue::undefined())
    })
}

fn slot(arguments: &[JsValue]) -> usize {
    number(arguments, 0) as usize
}
