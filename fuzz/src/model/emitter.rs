//! The emitter (R67–R70).

use std::cell::Cell;
use std::rc::Rc;

use super::{Callback, Model, Outcome, Work};
use crate::program::*;

#[derive(Default)]
pub(super) struct Emitter {
    /// In the order of their first listeners.
    events: Vec<Listeners>,
    next_id: i64,
    next_prepended_id: i64,
}

struct Listeners {
    name: Name,
    /// In their order, which is that of their ids.
    list: Vec<(i64, Listener)>,
    has_warned: bool,
}

#[derive(Debug, Clone)]
struct Listener {
    once: bool,
    was_called: Rc<Cell<bool>>,
    callback: Callback,
}

const MAX_LISTENERS: usize = 3;

impl Model {
    fn has(&self, name: Name) -> bool {
        self.emitter.events.iter().any(|it| it.name == name)
    }

    fn listeners_of(&mut self, name: Name) -> Option<&mut Listeners> {
        self.emitter.events.iter_mut().find(|it| it.name == name)
    }

    /// Returns whether it has listeners.
    fn call_listeners(&mut self, name: Name) -> Outcome<bool> {
        let Some(listeners) = self.listeners_of(name) else {
            return Ok(false);
        };
        for (id, listener) in listeners.list.clone() {
            if listener.once {
                if listener.was_called.replace(true) {
                    continue; // R68
                }
                self.unlisten(name, id)?;
            }
            self.call(&listener.callback)?;
        }
        Ok(true)
    }

    pub(super) fn emit(&mut self, name: Name) -> Outcome<()> {
        let heard = match name {
            Name::A | Name::NewListener => self.call_listeners(Name::A)?,
            Name::B | Name::RemoveListener => self.call_listeners(Name::B)?,
            Name::Error | Name::ErrorMonitor => {
                self.call_listeners(Name::ErrorMonitor)?; // R69
                self.call_listeners(Name::Error)?
            }
        };
        self.log(format!("heard {heard}"));
        Ok(())
    }

    pub(super) fn listen(
        &mut self,
        name: Name,
        prepend: bool,
        once: bool,
        body: &Body,
    ) -> Outcome<()> {
        let callback = self.callback("listener", body);
        self.call_listeners(Name::NewListener)?; // R70
        let emitter = &mut self.emitter;
        let id = match prepend {
            true => {
                emitter.next_prepended_id -= 1;
                emitter.next_prepended_id
            }
            false => {
                emitter.next_id += 1;
                emitter.next_id - 1
            }
        };
        if self.listeners_of(name).is_none() {
            self.emitter.events.push(Listeners {
                name,
                list: Vec::new(),
                has_warned: false,
            });
        }
        let listeners = self.listeners_of(name).expect("it was just made");
        let listener = Listener {
            once,
            was_called: Rc::default(),
            callback,
        };
        listeners.list.push((id, listener));
        listeners.list.sort_by_key(|(id, _)| *id);
        if listeners.list.len() > MAX_LISTENERS && !listeners.has_warned {
            listeners.has_warned = true;
            self.ticks.push_back(Work::Warning);
        }
        self.listener_table.push((name, id));
        Ok(())
    }

    /// Returns whether it was there.
    pub(super) fn unlisten(&mut self, name: Name, id: i64) -> Outcome<bool> {
        let Some(listeners) = self.listeners_of(name) else {
            return Ok(false);
        };
        let before = listeners.list.len();
        listeners.list.retain(|(listener, _)| *listener != id);
        let was_there = listeners.list.len() < before;
        if listeners.list.len() == 1 {
            listeners.has_warned = false;
        }
        self.emitter.events.retain(|it| !it.list.is_empty());
        if was_there {
            self.call_listeners(Name::RemoveListener)?; // R70
        }
        Ok(was_there)
    }

    pub(super) fn remove_all(&mut self, name: Name) -> Outcome<()> {
        if !self.has(Name::RemoveListener) {
            self.emitter.events.retain(|it| it.name != name);
            return Ok(());
        }
        while let Some(listeners) = self.listeners_of(name) {
            let (last, _) = listeners.list.last().expect("it is not empty");
            let last = *last;
            self.unlisten(name, last)?;
        }
        Ok(())
    }

    pub(super) fn clear_emitter(&mut self) -> Outcome<()> {
        if self.has(Name::RemoveListener) {
            let names: Vec<Name> = self.emitter.events.iter().map(|it| it.name).collect();
            for name in names {
                if name != Name::RemoveListener {
                    self.remove_all(name)?;
                }
            }
            self.remove_all(Name::RemoveListener)?;
        }
        self.emitter.events.clear();
        Ok(())
    }
}
