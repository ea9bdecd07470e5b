//! The spans and events of the feature `tracing`, as a subscriber receives them.

mod common;

use std::fmt::{Debug, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use common::ms;
use nodeloop::observe::Traced;
use nodeloop::{EventLoop, next_tick, on_uncaught, on_unhandled_rejection, set_timeout, try_spawn};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Writes a line for each span that is entered and each event, indented by the spans around it.
#[derive(Clone, Default)]
struct Lines {
    next_id: Arc<AtomicU64>,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    names: Vec<(u64, String)>,
    depth: usize,
    lines: Vec<String>,
}

impl Inner {
    fn add(&mut self, line: &str) {
        let depth = self.depth;
        self.lines.push(format!("{:depth$}{line}", ""));
    }
}

/// The fields that do not depend on the lines of the source.
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.0.insert_str(0, &format!("{value:?}")),
            "location" => assert!(format!("{value:?}").contains(".rs:")),
            name => write!(self.0, " {name}={value:?}").unwrap(),
        }
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "nodeloop::observe::traced" || metadata.target() == "tracing"
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed) + 1;
        let mut fields = Fields(String::new());
        attributes.record(&mut fields);
        let name = format!("{}{}", attributes.metadata().name(), fields.0);
        self.inner.lock().unwrap().names.push((id, name));
        Id::from_u64(id)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        let level = *event.metadata().level();
        let loud = if level <= Level::WARN { "! " } else { "" };
        self.inner
            .lock()
            .unwrap()
            .add(&format!("{loud}{}", fields.0));
    }

    fn enter(&self, span: &Id) {
        let mut inner = self.inner.lock().unwrap();
        let known = inner.names.iter().find(|(id, _)| *id == span.into_u64());
        let name = known
            .expect("a span is made before it is entered")
            .1
            .clone();
        inner.add(&name);
        inner.depth += 1;
    }

    fn exit(&self, _: &Id) {
        self.inner.lock().unwrap().depth -= 1;
    }
}

fn traced(script: impl FnOnce() + 'static) -> Vec<String> {
    let subscriber = Lines::default();
    let inner = subscriber.inner.clone();
    tracing::subscriber::with_default(subscriber, || {
        let mut event_loop = EventLoop::builder()
            .virtual_time()
            .observer(Traced::new())
            .build()
            .unwrap();
        event_loop.run_script(script).unwrap();
    });
    let inner = inner.lock().unwrap();
    assert_eq!(inner.depth, 0, "every span was left");
    inner.lines.clone()
}

#[test]
fn spans_surround_what_runs_in_them() {
    let lines = traced(|| {
        set_timeout(ms(2), || {
            tracing::info!(target: "tracing", "from the program");
            next_tick(|| {});
        });
    });
    assert_eq!(
        lines,
        [
            "run",
            " step kind=main script id=1",
            "  enqueued kind=timeout id=2 by=1",
            " drain",
            " phase name=timers",
            " turn number=1",
            "  phase name=pending",
            "  phase name=poll",
            "   wait at_most=Some(2ms)",
            "  phase name=check",
            "   drain",
            "  phase name=close",
            "  phase name=timers",
            "   step kind=timeout id=2",
            "    from the program",
            "    enqueued kind=tick id=3 by=2",
            "   drain",
            "    step kind=tick id=3",
            " step kind=before_exit id=4",
            " drain",
            " step kind=exit id=5",
            " drain",
        ]
    );
}

#[test]
fn errors_are_marked() {
    let lines = traced(|| {
        on_uncaught(|_| {});
        on_unhandled_rejection(|_| {});
        drop(try_spawn(async { Err::<(), _>("no") }));
        next_tick(|| common::throw("oh"));
    });
    let loud: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.trim().strip_prefix("! "))
        .collect();
    assert_eq!(
        loud,
        ["panicked kind=tick id=2", "rejection reported promise=1"]
    );
}
