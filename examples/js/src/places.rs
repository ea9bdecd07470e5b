//! Places in the script, which observers and reports show in the place of those of the host.
//!
//! Timers, immediates and ticks have the place that queued them. The engine does not tell what a job of its
//! own is about, so a job gets the place of its first line that reaches the host, or creates a promise.

use std::cell::{Cell, RefCell};

use nodeloop::host::set_step_label;
use rquickjs::promise::PromiseHookType;
use rquickjs::{Function, Object, Result};

use crate::host::Host;
use crate::native::define;

/// What is known of the running job.
#[derive(Default)]
pub(crate) struct Places {
    /// Whether places are looked for.
    pub(crate) is_on: bool,
    needs_place: Cell<bool>,
    /// The place to use if no other is found.
    proposed: RefCell<Option<String>>,
}

impl Places {
    pub(crate) fn new(is_on: bool) -> Places {
        Places {
            is_on,
            ..Places::default()
        }
    }

    /// Runs a job, which gets a place while it runs.
    pub(crate) fn of_job<R>(&self, run: impl FnOnce() -> R) -> R {
        if !self.is_on {
            return run();
        }
        self.needs_place.set(true);
        let result = run();
        let proposed = self.proposed.take();
        if let (true, Some(place)) = (self.needs_place.replace(false), proposed) {
            set_step_label(&place);
        }
        result
    }
}

/// Makes the engine report each promise, from which jobs get places.
pub(crate) fn install(host: &'static Host) {
    if !host.places.is_on {
        return;
    }
    let entries = host.entries();
    host.runtime
        .set_promise_hook(Some(Box::new(move |ctx, kind, promise, _parent| {
            let is_new = match kind {
                PromiseHookType::Init => true,
                PromiseHookType::Resolve | PromiseHookType::Before => false,
                PromiseHookType::After => return,
            };
            let note = entries.promise.clone().restore(&ctx);
            let noted = note.and_then(|note: Function<'_>| note.call::<_, ()>((promise, is_new)));
            if noted.is_err() {
                ctx.catch(); // the stack or the memory is exhausted, which the program will notice itself
            }
        })));
}

/// Adds the functions that `js/places.js` calls.
pub(crate) fn functions(native: &Object<'_>) -> Result<()> {
    define(native, "needsPlace", || {
        Host::current().places.needs_place.get()
    })?;
    define(native, "labelStep", |place: String| {
        set_step_label(&place);
        Host::current().places.needs_place.set(false);
    })?;
    define(native, "proposePlace", |place: Option<String>| {
        if place.is_some() {
            Host::current().places.proposed.replace(place);
        }
    })?;
    define(native, "labelTimer", |slot: usize, place: String| {
        Host::current().timers.timeouts.with(slot, |timer| {
            timer.set_label(place);
        });
    })?;
    define(native, "labelImmediate", |slot: usize, place: String| {
        Host::current().timers.immediates.with(slot, |immediate| {
            immediate.set_label(place);
        });
    })?;
    define(native, "record", |text: String, place: Option<String>| {
        if let Some(recording) = &Host::current().recording {
            let place = place.unwrap_or_default();
            recording.log_labeled(text.trim_end_matches('\n'), &place);
        }
    })
}
