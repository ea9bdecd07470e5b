//! Groups of pending work whose end can be awaited while the loop goes on.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use crate::promise::{Promise, Resolver, with_resolver};

/// The pending work of a part of the program, such as of one request, whose end can be awaited while other
/// work goes on.
///
/// The group counts [holds](WorkGroup::hold). A host takes one for each timer, immediate and operation that
/// the engine's code starts, and moves it into the callback: the loop drops a callback when it has
/// run or was cleared, and the hold with it. What the callback starts takes its own holds before. A timer
/// that is unref'd should give its hold back. Which group is the current one can be kept in an
/// [`AsyncLocalStorage`](crate::AsyncLocalStorage).
///
/// A group keeps nothing alive. Clones are the same group.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use nodeloop::host::WorkGroup;
/// use nodeloop::{EventLoop, set_interval, set_timeout, spawn, test::Log};
///
/// let log = Log::new();
/// let script = log.clone();
/// EventLoop::builder().virtual_time().build()?.run_script(move || {
///     let other = set_interval(Duration::from_millis(4), script.callback("other request"));
///     let request = WorkGroup::new();
///     let (hold, outer, inner) = (request.hold(), request.clone(), script.callback("second timer"));
///     set_timeout(Duration::from_millis(5), move || {
///         let _hold = hold;
///         let hold = outer.hold();
///         let mut inner = inner;
///         set_timeout(Duration::from_millis(5), move || {
///             let _hold = hold;
///             inner();
///         });
///     });
///     spawn(async move {
///         request.ended().await;
///         script.add("the request has ended");
///         other.clear();
///     }).detach();
/// })?;
/// log.assert_order(["other request", "other request", "second timer", "the request has ended"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct WorkGroup {
    shared: Rc<Shared>,
}

/// Keeps a [`WorkGroup`] from ending until it is dropped.
#[must_use = "dropping the hold lets the group end"]
pub struct WorkHold {
    shared: Rc<Shared>,
}

#[derive(Default)]
struct Shared {
    holds: Cell<usize>,
    waiting: RefCell<Vec<Resolver<()>>>,
}

impl WorkGroup {
    /// Creates a group without any work.
    pub fn new() -> WorkGroup {
        WorkGroup::default()
    }

    /// Adds work to the group, until the hold is dropped.
    pub fn hold(&self) -> WorkHold {
        self.shared.holds.set(self.shared.holds.get() + 1);
        WorkHold {
            shared: self.shared.clone(),
        }
    }

    /// Returns whether the group has no work.
    pub fn is_empty(&self) -> bool {
        self.shared.holds.get() == 0
    }

    /// Returns a promise that is fulfilled when the group has no work: now, or when the last hold is
    /// dropped. Those who await it continue in the drain of the callback that held it.
    ///
    /// # Panics
    ///
    /// Panics if no event loop is running on this thread.
    #[track_caller]
    pub fn ended(&self) -> Promise<()> {
        let (promise, resolver) = with_resolver();
        match self.is_empty() {
            true => resolver.resolve(()),
            false => self.shared.waiting.borrow_mut().push(resolver),
        }
        promise
    }
}

impl Drop for WorkHold {
    fn drop(&mut self) {
        let left = self.shared.holds.get() - 1;
        self.shared.holds.set(left);
        if left == 0 {
            // Outside of the borrow, because resolving runs reactions' wakers.
            let waiting = self.shared.waiting.take();
            waiting
                .into_iter()
                .for_each(|resolver| resolver.resolve(()));
        }
    }
}

impl fmt::Debug for WorkGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkGroup")
            .field("holds", &self.shared.holds.get())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WorkHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkHold").finish_non_exhaustive()
    }
}
