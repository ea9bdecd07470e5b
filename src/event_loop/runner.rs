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
pub(crate) struct Runner<'a> {
    // By reference: a method finds both with one load.
    state: &'a LoopState,
    main: Option<&'a MainFuture<'a>>,
    shared: &'a Rc<LoopState>,
}

impl<'a> Runner<'a> {
    /// Returns a loop that runs without a main future, such as one that a host drives.
    pub(crate) fn new(state: &'a Rc<LoopState>) -> Runner<'a> {
        Runner {
            state,
            main: None,
            shared: state,
        }
    }

    /// Returns a loop that runs with a main future.
    pub(crate) fn with_main(state: &'a Rc<LoopState>, main: &'a MainFuture<'a>) -> Runner<'a> {
        Runner {
            state,
            main: Some(main),
            shared: state,
        }
    }

    pub(crate) fn main(&self) -> Option<&'a MainFuture<'a>> {
        self.main
    }

    /// Returns the state for what outlives the call.
    pub(crate) fn shared(&self) -> &'a Rc<LoopState> {
        self.shared
    }
}

impl Deref for Runner<'_> {
    type Target = LoopState;

    #[inline]
    fn deref(&self) -> &LoopState {
        self.state
    }
}
