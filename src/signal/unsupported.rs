//! The internal half of `signal` on platforms without Unix signals, where none is ever watched.

pub(crate) mod dispatch {
    use std::cell::RefCell;

    use crate::observe::active_resource::ResourceEntry;
    use crate::phases::macrotask::Macrotask;
    use crate::reactor::registrations::{Registrations, SignalNumber};

    #[derive(Default)]
    pub(crate) struct Signals;

    impl Signals {
        pub(crate) fn has_refed(&self) -> bool {
            false
        }

        pub(crate) fn active_resources(&self) -> Vec<ResourceEntry> {
            Vec::new()
        }

        pub(crate) fn take_arrived(
            &self,
            _: &RefCell<Registrations>,
            _: SignalNumber,
        ) -> Vec<Macrotask> {
            Vec::new()
        }

        pub(crate) fn take_all(&self, _: &RefCell<Registrations>) {}
    }
}
