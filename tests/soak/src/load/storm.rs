//! Panics in callbacks of every kind while something else is measured.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use nodeloop::{TimeoutHandle, set_interval, time};

use crate::account::{Item, Ledger};
use crate::activities::panics::{KINDS, PORTABLE_KINDS, panic_in_a_callback};
use crate::hooks;

/// An interval that lets one callback after another panic.
pub struct Storm {
    interval: TimeoutHandle,
    ledger: Ledger,
    count: Rc<Cell<usize>>,
    kinds: usize,
}

impl Storm {
    /// Starts it, with the kinds that need a descriptor or without them. It adds the hooks that
    /// expect its panics.
    pub fn start(needs_descriptors: bool) -> Storm {
        hooks::install();
        let kinds = match needs_descriptors {
            true => KINDS.len(),
            false => PORTABLE_KINDS,
        };
        let ledger = Ledger::open("panics", 0, 0);
        let (own, count) = (ledger.clone(), Rc::new(Cell::new(0)));
        let counted = count.clone();
        let interval = set_interval(Duration::from_millis(5), move || {
            let (planned, _reported) = hooks::plan(&own, Item::Panic);
            panic_in_a_callback(counted.get() % kinds, planned);
            counted.set(counted.get() + 1);
        });
        interval.unref();
        Storm {
            interval,
            ledger,
            count,
            kinds,
        }
    }

    /// Ends it, and waits until each panic was reported. Returns their number and that of the kinds.
    pub async fn stop(self) -> (u64, usize) {
        self.interval.clear();
        while !self.ledger.is_even(Item::Panic) {
            time::sleep(Duration::from_millis(1)).await;
        }
        self.ledger.close(None);
        (self.count.get() as u64, self.kinds.min(self.count.get()))
    }
}
