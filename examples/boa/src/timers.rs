//! Timers, immediates and ticks: an object of the engine has the slot of its handle.

use std::time::Duration;

use boa_engine::{Context, JsObject, JsResult, JsValue};

use crate::host::Host;
use crate::native::define;
use crate::values::{callable, flag, number};

/// Adds the functions that `js/timers.js` and `js/process.js` call.
pub(crate) fn functions(native: &JsObject, context: &mut Context) -> JsResult<()> {
    define(native, "armTimer", context, |_, arguments, _| {
        Ok(arm(number(arguments, 0), flag(arguments, 1)).into())
    })?;
    define(native, "refreshTimer", context, |_, arguments, _| {
        Host::current().timers.borrow()[slot(arguments)].refresh();
        Ok(JsValue::undefined())
    })?;
    define(native, "clearTimer", context, |_, arguments, _| {
        let timer = Host::current().timers.borrow_mut().remove(slot(arguments));
        timer.clear();
        Ok(JsValue::undefined())
    })?;
    define(native, "dropTimer", context, |_, arguments, _| {
        let timer = Host::current().timers.borrow_mut().remove(slot(arguments));
        drop(timer);
        Ok(JsValue::undefined())
    })?;
    define(native, "repeatTimer", context, |_, arguments, _| {
        let period = Duration::from_millis(number(arguments, 1) as u64);
        Host::current().timers.borrow()[slot(arguments)].set_repeat(Some(period));
        Ok(JsValue::undefined())
    })?;
    define(native, "refTimer", context, |_, arguments, _| {
        let host = Host::current();
        let timers = host.timers.borrow();
        match flag(arguments, 1) {
            true => timers[slot(arguments)].ref_(),
            false => timers[slot(arguments)].unref(),
        };
        Ok(JsValue::undefined())
    })?;
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

fn immediates(native: &JsObject, context: &mut Context) -> JsResult<()> {
    define(native, "immediate", context, |_, _, _| {
        Ok(set_immediate().into())
    })?;
    define(native, "clearImmediate", context, |_, arguments, _| {
        let slot = slot(arguments);
        let immediate = Host::current().immediates.borrow_mut().remove(slot);
        immediate.clear();
        Ok(JsValue::undefined())
    })?;
    define(native, "refImmediate", context, |_, arguments, _| {
        let host = Host::current();
        let immediates = host.immediates.borrow();
        match flag(arguments, 1) {
            true => immediates[slot(arguments)].ref_(),
            false => immediates[slot(arguments)].unref(),
        };
        Ok(JsValue::undefined())
    })
}

fn slot(arguments: &[JsValue]) -> usize {
    number(arguments, 0) as usize
}

fn arm(ms: f64, repeats: bool) -> f64 {
    let host = Host::current();
    let mut timers = host.timers.borrow_mut();
    let entry = timers.vacant_entry();
    let slot = entry.key() as f64;
    let fire = move || Host::current().enter("timer", &[slot.into()]);
    let delay = Duration::from_millis(ms as u64); // R20: the fraction is dropped
    entry.insert(match repeats {
        true => nodeloop::set_interval(delay, fire),
        false => nodeloop::set_timeout_mut(delay, fire),
    });
    slot
}

fn set_immediate() -> f64 {
    let host = Host::current();
    let mut immediates = host.immediates.borrow_mut();
    let entry = immediates.vacant_entry();
    let slot = entry.key();
    entry.insert(nodeloop::set_immediate(move || {
        let host = Host::current();
        let immediate = host.immediates.borrow_mut().remove(slot);
        drop(immediate);
        host.enter("immediate", &[(slot as f64).into()]);
    }));
    slot as f64
}
