//! Operations of promises.

use std::rc::Rc;

use nodeloop::promise::{self, AggregateError, Next};

use super::{Promise, Subject, panic_with, pick, reason};
use crate::program::*;
use crate::value::Value;

impl Subject {
    pub(super) fn keep(&self, promise: Promise) {
        self.promises.borrow_mut().push(promise);
    }

    pub(super) fn promise_op(self: &Rc<Self>, op: &Op) {
        match op {
            Op::Defer => {
                let (promise, resolver) = promise::try_with_resolver();
                self.resolvers.borrow_mut().push(resolver);
                self.keep(promise.shared());
            }
            Op::Resolve(index) => {
                if let Some(resolver) = pick(&self.resolvers, *index) {
                    resolver.resolve(Value::Int(self.new_id()));
                }
            }
            Op::Reject(index) => {
                if let Some(resolver) = pick(&self.resolvers, *index) {
                    resolver.reject(Value::Int(self.new_id()));
                }
            }
            Op::Adopt(index, promise) => {
                if let (Some(resolver), Some(promise)) = (
                    pick(&self.resolvers, *index),
                    pick(&self.promises, *promise),
                ) {
                    resolver.resolve_with(promise);
                }
            }
            Op::Resolved => self.keep(promise::resolve(Value::Int(self.new_id())).shared()),
            Op::Rejected => self.keep(promise::reject(Value::Int(self.new_id())).shared()),
            Op::Then {
                source,
                on_ok,
                on_err,
                any,
            } => {
                if let Some(source) = pick(&self.promises, *source) {
                    self.then(&source, on_ok.as_ref(), on_err.as_ref(), *any);
                }
            }
            Op::Finally(source, handler) => {
                if let Some(source) = pick(&self.promises, *source) {
                    let handler = self.handler("finally", handler);
                    self.keep(source.finally(move || handler(None)).shared());
                }
            }
            Op::Combine(combinator, members) => self.combine(*combinator, members),
            Op::AbortPromise(index) => {
                if let Some(promise) = pick(&self.promises, *index) {
                    promise.settled().abort();
                }
            }
            _ => unreachable!("no operation of promises"),
        }
    }

    fn then(
        self: &Rc<Self>,
        source: &Promise,
        on_ok: Option<&Handler>,
        on_err: Option<&Handler>,
        any: bool,
    ) {
        let on_ok = on_ok.map(|handler| self.handler("then", handler));
        let on_err = on_err.map(|handler| self.handler("catch", handler));
        let fulfilled = move |value| match on_ok {
            Some(handler) => handler(Some(value)),
            None => Next::Fulfil(value),
        };
        let rejected = move |value: Value| match on_err {
            Some(handler) => handler(Some(value)),
            None => Next::Reject(value),
        };
        let derived = match any {
            true => source.then_or_else_any(fulfilled, move |error| rejected(reason(error))),
            false => source.then_or_else(fulfilled, rejected),
        };
        self.keep(derived.shared());
    }

    fn handler(
        self: &Rc<Self>,
        label: &str,
        handler: &Handler,
    ) -> impl FnOnce(Option<Value>) -> Next<Value, Value> + 'static {
        let (me, handler) = (self.clone(), handler.clone());
        let label = format!("{label}{}", self.new_id());
        move |argument| {
            match argument {
                Some(value) => me.log(format!("{label} {value}")),
                None => me.log(label),
            }
            me.body(&handler.body);
            match handler.end {
                End::Value => Next::Fulfil(Value::Int(me.new_id())),
                End::Throw => Next::Reject(Value::Int(me.new_id())),
                End::Panic if me.is_calm.get() => Next::Fulfil(Value::Int(me.new_id())),
                End::Panic => panic_with(me.new_id()),
                End::Follow(index) => match pick(&me.promises, index) {
                    Some(promise) => Next::follow(promise),
                    None => Next::Fulfil(Value::Int(me.new_id())),
                },
            }
        }
    }

    fn combine(&self, combinator: Combinator, members: &[Index]) {
        let members = members.iter().take(4);
        let members: Vec<Promise> = members
            .filter_map(|index| pick(&self.promises, *index))
            .collect();
        let combined = match combinator {
            Combinator::All => promise::all(members).map(|result| result.map(Value::list)),
            Combinator::AllSettled => {
                let entry = |entry| match entry {
                    Ok(value) => Value::Ok(Box::new(value)),
                    Err(rejected) => Value::Err(Box::new(reason(rejected))),
                };
                let list =
                    move |entries: Vec<_>| Value::list(entries.into_iter().map(entry).collect());
                let settled = promise::all_settled(members);
                settled.map(move |entries| Ok(list(entries))).tracked()
            }
            Combinator::Race => promise::race(members),
            Combinator::RaceAndAbort => promise::race_and_abort(members),
            Combinator::Any | Combinator::AnyAndAbort => {
                let any = match combinator {
                    Combinator::Any => promise::any(members),
                    _ => promise::any_and_abort(members),
                };
                any.map_err(|AggregateError { errors }| {
                    Value::aggregate(errors.into_iter().map(reason).collect())
                })
            }
        };
        self.keep(combined.shared());
    }
}
