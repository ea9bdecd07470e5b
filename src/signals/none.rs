//! Where there are no signals.

use std::cell::RefCell;

use crate::macrotask::Macrotask;
use crate::phases::poll::sources::{SignalNumber, Sources};
use crate::waits::Listed;

#[derive(Default)]
pub(crate) struct Signals;

impl Signals {
    pub(crate) fn has_refed(&self) -> bool {
        false
    }

    pub(crate) fn list(&self) -> Vec<Listed> {
        Vec::new()
    }

    pub(crate) fn arrived(&self, _: &RefCell<Sources>, _: SignalNumber) -> Vec<Macrotask> {
        Vec::new()
    }

    pub(crate) fn take_all(&self, _: &RefCell<Sources>) {}
}
