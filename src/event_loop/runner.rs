//! A loop while it runs.

use std::ops::Deref;
use std::rc::Rc;

use super::main_future::MainFuture;
use super::state::LoopState;

/// A loop while it runs: its state, and the main future that its drains poll.
///
/// The main future stays on the stack of the code that called `run`, so that it may borrow, and
/// nothing that outlives the run can own it. Everything that may drain is therefore a method of this
/// type, which hands the main future down.
#[derive(Clone, Copy)]
pub(crate) struct Runner<'a> {
    state: &'a Rc<LoopState>,
    main: Option<&'a MainFuture<'a>>,
}

impl<'a> Runner<'a> {
    /// Returns a loop that runs without a main future, such as one that a host drives.
    pub(crate) fn new(state: &'a Rc<LoopState>) -> Runner<'a> {
        Runner { state, main: None }
    }

    /// Returns a loop that runs with a main future.
    pub(crate) fn with_main(state: &'a Rc<LoopState>, main: &'a MainFuture<'a>) -> Runner<'a> {
        Runner {
            state,
            main: Some(main),
        }
    }

    pub(crate) fn state(self) -> &'a Rc<LoopState> {
        self.state
    }

    pub(crate) fn main(self) -> Option<&'a MainFuture<'a>> {
        self.main
    }
}

impl Deref for Runner<'_> {
    type Target = Rc<LoopState>;

    #[inline]
    fn deref(&self) -> &Rc<LoopState> {
        self.state
    }
}
