//! The JavaScript files of the host, which are part of the binary.

/// Returns the text of a file of `js/`.
pub(crate) fn source(name: &str) -> Option<&'static str> {
    Some(match name {
        "assert" => include_str!("../js/assert.js"),
        "assert_strict" => include_str!("../js/assert_strict.js"),
        "bootstrap" => include_str!("../js/bootstrap.js"),
        "buffer" => include_str!("../js/buffer.js"),
        "console" => include_str!("../js/console.js"),
        "deep_equal" => include_str!("../js/deep_equal.js"),
        "errors" => include_str!("../js/errors.js"),
        "event_target" => include_str!("../js/event_target.js"),
        "events" => include_str!("../js/events.js"),
        "fatal" => include_str!("../js/fatal.js"),
        "fs" => include_str!("../js/fs.js"),
        "fs_promises" => include_str!("../js/fs_promises.js"),
        "globals" => include_str!("../js/globals.js"),
        "inspect" => include_str!("../js/inspect.js"),
        "inspect_kinds" => include_str!("../js/inspect_kinds.js"),
        "inspect_layout" => include_str!("../js/inspect_layout.js"),
        "module" => include_str!("../js/module.js"),
        "modules" => include_str!("../js/modules.js"),
        "os" => include_str!("../js/os.js"),
        "path" => include_str!("../js/path.js"),
        "perf_hooks" => include_str!("../js/perf_hooks.js"),
        "places" => include_str!("../js/places.js"),
        "process" => include_str!("../js/process.js"),
        "rejections" => include_str!("../js/rejections.js"),
        "sandbox" => include_str!("../js/sandbox.js"),
        "stats" => include_str!("../js/stats.js"),
        "structured_clone" => include_str!("../js/structured_clone.js"),
        "timers" => include_str!("../js/timers.js"),
        "timers_promises" => include_str!("../js/timers_promises.js"),
        "url" => include_str!("../js/url.js"),
        "util" => include_str!("../js/util.js"),
        _ => return None,
    })
}
