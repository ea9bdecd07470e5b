//! A box of a callback that is used again for the next callback of the same type.
//!
//! A server arms and clears timers of one callback again and again. The box of a callback that was called
//! or cleared is kept, empty, for the next one, so that these need no allocation.
//!
//! Invariant: a box that is kept owns nothing of the program.

use std::any::Any;
use std::cell::Cell;

/// A callback in a box that can be used again.
pub(crate) trait ReusableCallback: Any {
    /// Calls the callback, which is called at most once.
    fn call(&mut self);

    /// Drops the callback, if it is still there.
    fn clear(&mut self);
}

struct Slot<F> {
    callback: Option<F>,
}

impl<F: FnOnce() + 'static> ReusableCallback for Slot<F> {
    #[inline]
    fn call(&mut self) {
        if let Some(callback) = self.callback.take() {
            callback();
        }
    }

    #[inline]
    fn clear(&mut self) {
        drop(self.callback.take());
    }
}

/// The largest callback, in bytes, whose box is kept.
const MAX_SIZE: usize = 256;

/// The box that is kept, if there is one.
#[derive(Default)]
pub(crate) struct SpareCallback {
    spare: Cell<Option<Box<dyn Any>>>,
}

impl SpareCallback {
    /// Returns whether callbacks of this type are put into boxes that can be used again. A callback
    /// without a size needs no allocation, and a large one would keep its memory.
    pub(crate) const fn fits<F>() -> bool {
        size_of::<F>() > 0 && size_of::<F>() <= MAX_SIZE
    }

    /// Puts a callback into the box that is kept, or else into a new one.
    #[inline(always)] // a part of the function that arms a timer
    pub(crate) fn fill<F: FnOnce() + 'static>(&self, callback: F) -> Box<dyn ReusableCallback> {
        if let Some(spare) = self.spare.take() {
            match spare.downcast::<Slot<F>>() {
                Ok(mut slot) => {
                    slot.callback = Some(callback);
                    return slot;
                }
                Err(other) => self.spare.set(Some(other)),
            }
        }
        Box::new(Slot {
            callback: Some(callback),
        })
    }

    /// Keeps a box, whose callback was called or dropped, in the place of an older one.
    #[inline]
    pub(crate) fn keep(&self, emptied: Box<dyn ReusableCallback>) {
        self.spare.set(Some(emptied));
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    fn address(callback: &dyn ReusableCallback) -> *const () {
        std::ptr::from_ref(callback).cast()
    }

    fn of_number(number: u64) -> impl FnOnce() {
        move || assert_eq!(number, 1)
    }

    #[test]
    fn a_box_is_used_again_for_a_callback_of_its_type() {
        let spare = SpareCallback::default();
        let mut first = spare.fill(of_number(1));
        let known = address(&*first);
        first.call();
        spare.keep(first);
        let second = spare.fill(of_number(2));
        assert_eq!(address(&*second), known);
        let third = spare.fill(of_number(3));
        assert_ne!(address(&*third), known, "it is in use");
    }

    #[test]
    fn a_callback_of_another_type_leaves_the_box() {
        let spare = SpareCallback::default();
        let first = spare.fill(of_number(1));
        let known = address(&*first);
        spare.keep(first);
        let text = String::from("another type");
        let other = spare.fill(move || drop(text));
        assert_ne!(address(&*other), known);
        assert_eq!(address(&*spare.fill(of_number(2))), known);
    }

    #[test]
    fn a_callback_is_called_once_and_dropped_when_it_is_cleared() {
        let spare = SpareCallback::default();
        let token = Rc::new(());
        let fill = || {
            let token = token.clone();
            spare.fill(move || assert_eq!(Rc::strong_count(&token), 2))
        };
        let mut called = fill();
        called.call();
        assert_eq!(Rc::strong_count(&token), 1);
        called.call(); // does nothing
        let mut cleared = fill();
        cleared.clear();
        assert_eq!(Rc::strong_count(&token), 1);
    }

    #[test]
    fn callbacks_without_a_size_and_large_ones_are_not_kept() {
        fn fits<F>(_: &F) -> bool {
            SpareCallback::fits::<F>()
        }
        let (number, small, large) = (1_u64, [0_u8; MAX_SIZE], [0_u8; MAX_SIZE + 1]);
        assert!(!fits(&|| {}));
        assert!(fits(&move || assert_ne!(number, 0)));
        assert!(fits(&move || assert_ne!(small[0], 1)));
        assert!(!fits(&move || assert_ne!(large[0], 1)));
    }
}
