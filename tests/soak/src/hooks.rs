//! Panics and rejections that are planned: each must be reported exactly once, to the hook of the
//! loop that it belongs to. Any other is a failure.

use std::any::Any;
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::fmt::Display;
use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};

use nodeloop::promise::{Resolver, with_resolver};
use nodeloop::{Promise, on_rejection_handled, on_uncaught, on_unhandled_rejection};

use crate::account::{Item, Ledger, fail};

const MARK: &str = "planned ";

/// The payload of a planned panic, and the reason of a planned rejection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned(u64);

impl Planned {
    /// Panics with a text that the hooks recognize.
    pub fn panic(self) -> ! {
        panic!("{MARK}{}", self.0)
    }

    /// Returns whether `text` is that of the panic.
    pub fn is_text(self, text: &str) -> bool {
        parse(text) == Some(self)
    }
}

struct Expected {
    ledger: Ledger,
    item: Item,
    reported: Resolver<()>,
}

thread_local! {
    static EXPECTED: RefCell<HashMap<u64, Expected>> = RefCell::default();
    static LATE: RefCell<VecDeque<Expected>> = RefCell::default();
}

/// Plans a panic or a rejection that a hook of this loop must report. Returns its mark, and a
/// promise of the report.
pub fn plan(ledger: &Ledger, item: Item) -> (Planned, Promise<()>) {
    let planned = unreported();
    let (expected, promise) = expect(ledger, item);
    EXPECTED.with_borrow_mut(|all| all.insert(planned.0, expected));
    (planned, promise)
}

/// Plans that a rejection is reported as handled later. That report has no reason any more, so any
/// one of the planned reports is as good as another.
pub fn plan_late_handling(ledger: &Ledger) -> Promise<()> {
    let (expected, promise) = expect(ledger, Item::Rejection);
    LATE.with_borrow_mut(|all| all.push_back(expected));
    promise
}

fn expect(ledger: &Ledger, item: Item) -> (Expected, Promise<()>) {
    let (promise, reported) = with_resolver();
    ledger.owe(item, 1);
    let ledger = ledger.clone();
    let expected = Expected {
        ledger,
        item,
        reported,
    };
    (expected, promise)
}

/// Plans a panic that no hook may report, because the code that awaits it handles it.
pub fn unreported() -> Planned {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    Planned(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Adds the hooks to the loop that is running. They stay until its run ends.
pub fn install() {
    on_uncaught(|error| reported("uncaught", parse(&error.message()), error));
    on_unhandled_rejection(|rejection| {
        let value = rejection.with_reason(|reason| reason.downcast_ref::<Planned>().copied());
        let planned = value.or_else(|| parse(&rejection.reason_text()));
        reported("unhandled", planned, rejection);
    });
    on_rejection_handled(|rejection| {
        let expected = LATE.with_borrow_mut(VecDeque::pop_front);
        settle("handled later", expected, rejection);
    });
}

fn reported(how: &str, planned: Option<Planned>, error: &dyn Display) {
    let expected = planned.and_then(|mark| EXPECTED.with_borrow_mut(|all| all.remove(&mark.0)));
    settle(how, expected, error);
}

fn settle(how: &str, expected: Option<Expected>, error: &dyn Display) {
    match expected {
        Some(expected) => {
            expected.ledger.back(expected.item, 1);
            expected.reported.resolve(());
        }
        None => fail(format_args!(
            "{how}, and not planned, or reported twice: {error}"
        )),
    }
}

fn parse(text: &str) -> Option<Planned> {
    let (_, number) = text.split_once(MARK)?;
    let end = number.find(|c: char| !c.is_ascii_digit());
    let number = &number[..end.unwrap_or(number.len())];
    number.parse().ok().map(Planned)
}

/// Prints panics except those that are planned.
pub fn print_only_other_panics() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if text_of(info.payload()).is_none_or(|text| parse(text).is_none()) {
            print(info);
        }
    }));
}

fn text_of(payload: &dyn Any) -> Option<&str> {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied())
}
