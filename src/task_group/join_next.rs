//! The futures of [`TaskGroup::join_next`] and [`TaskGroup::join_next_with_id`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::FusedFuture;

use super::{Joiner, TaskGroup, TaskId, TaskResult};

/// The future of [`TaskGroup::join_next`].
///
/// It panics if it is polled after it has returned.
///
/// # Cancel safety
///
/// It is cancel safe: a result leaves the group only when it is returned.
#[must_use = "futures do nothing unless polled"]
pub struct JoinNext<'a, T: 'static> {
    next: JoinNextWithId<'a, T>,
}

/// The future of [`TaskGroup::join_next_with_id`]; see [`JoinNext`].
#[must_use = "futures do nothing unless polled"]
pub struct JoinNextWithId<'a, T: 'static> {
    group: &'a mut TaskGroup<T>,
    is_done: bool,
}

impl<'a, T: 'static> JoinNext<'a, T> {
    pub(super) fn new(group: &'a mut TaskGroup<T>) -> JoinNext<'a, T> {
        let next = JoinNextWithId::new(group);
        JoinNext { next }
    }
}

impl<'a, T: 'static> JoinNextWithId<'a, T> {
    pub(super) fn new(group: &'a mut TaskGroup<T>) -> JoinNextWithId<'a, T> {
        JoinNextWithId {
            group,
            is_done: false,
        }
    }
}

impl<T: 'static> Future for JoinNextWithId<'_, T> {
    type Output = Option<(TaskId, TaskResult<T>)>;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(
            !self.is_done,
            "the future of `join_next` was polled after it had returned: call `join_next` again for \
             the next result"
        );
        let polled = self.group.poll_join_next_with_id(cx);
        self.is_done = polled.is_ready();
        polled
    }
}

impl<T: 'static> Future for JoinNext<'_, T> {
    type Output = Option<TaskResult<T>>;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = Pin::new(&mut self.next).poll(cx);
        polled.map(|joined| joined.map(|(_, result)| result))
    }
}

impl<T: 'static> FusedFuture for JoinNext<'_, T> {
    fn is_terminated(&self) -> bool {
        self.next.is_terminated()
    }
}

impl<T: 'static> FusedFuture for JoinNextWithId<'_, T> {
    fn is_terminated(&self) -> bool {
        self.is_done
    }
}

impl<T: 'static> Drop for JoinNextWithId<'_, T> {
    /// Forgets the waiting, so that the next call costs its own turn.
    fn drop(&mut self) {
        drop(self.group.shared.set_joiner(Joiner::NotPolled));
    }
}

impl<T: 'static> fmt::Debug for JoinNext<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JoinNext").field(&*self.next.group).finish()
    }
}

impl<T: 'static> fmt::Debug for JoinNextWithId<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JoinNextWithId").field(&*self.group).finish()
    }
}
