//! Operations of abort signals and of the emitter.

use std::rc::Rc;

use nodeloop::events::{self, Event, EventEmitter, EventName};
use nodeloop::{AbortController, AbortSignal, Listener};

use super::{Subject, pick};
use crate::program::*;

impl Subject {
    pub(super) fn signal_op(self: &Rc<Self>, op: &Op) {
        match op {
            Op::Controller => {
                let controller = AbortController::new();
                self.signals.borrow_mut().push(controller.signal());
                self.controllers.borrow_mut().push(controller);
            }
            Op::AnySignal(sources) => {
                let sources = sources.iter().take(4);
                let sources: Vec<AbortSignal> = sources
                    .filter_map(|index| pick(&self.signals, *index))
                    .collect();
                let any = AbortSignal::any(&sources);
                self.signals.borrow_mut().push(any);
            }
            Op::TimeoutSignal(delay) => {
                let signal = AbortSignal::timeout(delay.duration());
                self.signals.borrow_mut().push(signal);
            }
            Op::OnAbort(index, body) => {
                if let Some(signal) = pick(&self.signals, *index) {
                    let listener = signal.on_abort(self.callback("abort", body));
                    self.abort_listeners.borrow_mut().push(listener);
                }
            }
            Op::OffAbort(index) => {
                if let Some(listener) = pick(&self.abort_listeners, *index) {
                    let removed = listener.remove();
                    self.log(format!("removed {removed}"));
                }
            }
            Op::Abort(index) => {
                if let Some(controller) = pick(&self.controllers, *index) {
                    controller.abort();
                }
            }
            Op::AbortTimerOn(timer, signal) => {
                if let (Some(timer), Some(signal)) =
                    (pick(&self.timers, *timer), pick(&self.signals, *signal))
                {
                    timer.abort_on(&signal);
                }
            }
            Op::AbortImmediateOn(immediate, signal) => {
                if let (Some(immediate), Some(signal)) = (
                    pick(&self.immediates, *immediate),
                    pick(&self.signals, *signal),
                ) {
                    immediate.abort_on(&signal);
                }
            }
            Op::AbortPromiseOn(promise, signal) => {
                if let (Some(promise), Some(signal)) =
                    (pick(&self.promises, *promise), pick(&self.signals, *signal))
                {
                    promise.settled().abort_on(&signal).detach();
                }
            }
            _ => unreachable!("no operation of signals"),
        }
    }

    pub(super) fn listen(self: &Rc<Self>, name: Name, prepend: bool, once: bool, body: &Body) {
        let callback = self.callback("listener", body);
        let emitter = &self.emitter;
        let listener = match name {
            Name::A => add(emitter, Event::<u32>::new("a"), prepend, once, callback),
            Name::B => add(emitter, Event::<u32>::new("b"), prepend, once, callback),
            Name::NewListener => add(emitter, events::new_listener(), prepend, once, callback),
            Name::RemoveListener => {
                add(emitter, events::remove_listener(), prepend, once, callback)
            }
            Name::Error => add(emitter, events::error(), prepend, once, callback),
            Name::ErrorMonitor => add(emitter, events::error_monitor(), prepend, once, callback),
        };
        self.listeners.borrow_mut().push(listener);
    }

    pub(super) fn emit(&self, name: Name) {
        let heard = match name {
            Name::A | Name::NewListener => self.emitter.emit(Event::<u32>::new("a"), &1),
            Name::B | Name::RemoveListener => self.emitter.emit(Event::<u32>::new("b"), &2),
            Name::Error | Name::ErrorMonitor => self.emitter.emit_error("e").is_ok(),
        };
        self.log(format!("heard {heard}"));
    }
}

pub(super) fn event_name(name: Name) -> EventName {
    match name {
        Name::A => EventName::Key("a"),
        Name::B => EventName::Key("b"),
        Name::NewListener => EventName::NewListener,
        Name::RemoveListener => EventName::RemoveListener,
        Name::Error => EventName::Error,
        Name::ErrorMonitor => EventName::ErrorMonitor,
    }
}

fn add<A: ?Sized + 'static>(
    emitter: &EventEmitter,
    event: Event<A>,
    prepend: bool,
    once: bool,
    callback: impl Fn() + 'static,
) -> Listener {
    match (prepend, once) {
        (false, false) => emitter.on(event, move |_| callback()),
        (false, true) => emitter.once(event, move |_| callback()),
        (true, false) => emitter.prepend(event, move |_| callback()),
        (true, true) => emitter.prepend_once(event, move |_| callback()),
    }
}
