//! The host of one program: the engine, and what the loop has of it.
//!
//! Invariant: the loop calls [`Host::with_context`], and nothing calls it while the engine runs. Functions of
//! the engine's code receive the context, and only schedule.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use boa_engine::{Context, JsObject, JsResult, JsString, JsValue};
use nodeloop::NodeRelease;
use nodeloop::host::fail_callback;
use nodeloop::time::Instant;

use crate::hooks::{Jobs, Tracker};
use crate::rejections::Rejections;
use crate::timers::Timers;
use crate::values::{callable, text_value};

thread_local! {
    static CURRENT: Cell<Option<&'static Host>> = const { Cell::new(None) };
}

/// What a run is to do.
pub(crate) struct Options {
    pub(crate) script: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) virtual_time: bool,
    pub(crate) node: NodeRelease,
}

/// An exception that left the engine.
pub(crate) struct Thrown(pub(crate) JsValue);

impl fmt::Debug for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JavaScript exception")
    }
}

/// The host of the program that runs on this thread. It is never dropped: the process ends with the program.
pub(crate) struct Host {
    /// The functions that the bootstrap script has returned.
    entries: RefCell<Option<JsObject>>,
    pub(crate) rejections: Rejections,
    pub(crate) timers: Timers,
    context: RefCell<Context>,
    pub(crate) options: Options,
    pub(crate) started: Instant,
    /// The exit code when the loop has ended.
    pub(crate) exit_code: Cell<i32>,
}

impl Host {
    /// Creates the host, and makes it that of this thread.
    pub(crate) fn install(options: Options) -> JsResult<&'static Host> {
        let builder = Context::builder()
            .job_executor(Rc::new(Jobs))
            .host_hooks(Rc::new(Tracker));
        let mut context = builder.build()?;
        context
            .runtime_limits_mut()
            .set_recursion_limit(MAX_RECURSION);
        let host: &'static Host = Box::leak(Box::new(Host {
            entries: RefCell::new(None),
            rejections: Rejections::default(),
            timers: Timers::default(),
            context: RefCell::new(context),
            options,
            started: Instant::now(),
            exit_code: Cell::new(0),
        }));
        CURRENT.set(Some(host));
        Ok(host)
    }

    /// Returns the host of this thread.
    pub(crate) fn current() -> &'static Host {
        CURRENT.get().expect("a program runs on this thread")
    }

    pub(crate) fn set_entries(&self, entries: JsObject) {
        self.entries.replace(Some(entries));
    }

    /// Calls an entry of the bootstrap script, in code that has the context already.
    pub(crate) fn call(
        &self,
        entry: &str,
        arguments: &[JsValue],
        context: &mut Context,
    ) -> JsResult<JsValue> {
        let entries = self.entries.borrow().clone();
        let entries = entries.expect("the bootstrap script has run");
        let function = entries.get(JsString::from(entry), context)?;
        callable(&function).call(&JsValue::undefined(), arguments, context)
    }

    /// Calls the engine from the loop.
    pub(crate) fn with_context<R>(&self, call: impl FnOnce(&mut Context) -> R) -> R {
        call(&mut self.context.borrow_mut())
    }

    /// Calls the engine from the loop. An exception is an uncaught error of the running callback.
    pub(crate) fn run(&self, call: impl FnOnce(&mut Context) -> JsResult<JsValue>) {
        let thrown = self.with_context(|context| {
            let error = call(context).err()?;
            let value = error.into_opaque(context);
            // A limit of the engine has ended the code, and no program can catch that.
            Some(Thrown(
                value.unwrap_or_else(|limit| text_value(&limit.to_string())),
            ))
        });
        if let Some(thrown) = thrown {
            fail_callback(thrown);
        }
    }

    /// Calls an entry of the bootstrap script from the loop.
    pub(crate) fn enter(&self, entry: &str, arguments: &[JsValue]) {
        self.run(|context| self.call(entry, arguments, context));
    }
}

/// Deep enough for recursive programs, and well below the stack of a main thread.
const MAX_RECURSION: usize = 2_000;
