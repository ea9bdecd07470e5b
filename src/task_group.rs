//! Groups of tasks: structured concurrency.
//!
//! A [`TaskGroup`] owns the tasks that are spawned in it. It returns their results in the order in
//! which they end, and aborts those that are still running when it is dropped. No task outlives the
//! code that started it unless [`detach_all`](TaskGroup::detach_all) is called.
//!
//! The last column counts the microtask turns, as in the table of [`promise`](crate::promise).
//!
//! | tokio's `JoinSet` | [`TaskGroup`] | turns |
//! |---|---|---|
//! | — | [`spawn`](TaskGroup::spawn) | 0: the first part of the task runs at once (R46) |
//! | `spawn` | [`spawn_lazy`](TaskGroup::spawn_lazy) | 1 to the first poll |
//! | `spawn_blocking` | [`spawn_blocking`](TaskGroup::spawn_blocking) | |
//! | `join_next`, `join_next_with_id` | [`join_next`](TaskGroup::join_next), [`join_next_with_id`](TaskGroup::join_next_with_id), or the group as a `Stream` | 1, as awaiting the promise of that task (R45) |
//! | `try_join_next` | [`try_join_next`](TaskGroup::try_join_next) | 0 |
//! | `join_all` | [`join_all`](TaskGroup::join_all) | 1 after the last task has ended |
//! | `abort_all`, `shutdown`, `detach_all` | [`abort_all`](TaskGroup::abort_all), [`shutdown`](TaskGroup::shutdown), [`detach_all`](TaskGroup::detach_all) | |

// Invariant: no field of a group is borrowed while a task is aborted or a waker or a value is
// dropped.

mod join_next;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use futures::Stream;
use futures::stream::FusedStream;

use crate::blocking::spawn_blocking;
use crate::event_loop::current::try_current;
use crate::event_loop::state::LoopState;
use crate::observe::active_resource::PendingPromise;
use crate::phases::macrotask::SourceLocation;
use crate::promise::{AbortHandle, Promise, PromiseError, State, spawn_at, spawn_lazy};

pub use join_next::{JoinNext, JoinNextWithId};

/// A group of tasks, which are aborted when it is dropped: the counterpart of tokio's `JoinSet`.
///
/// Results are returned in the order in which the tasks end. A task that panicked or was aborted
/// has a [`PromiseError`] as its result.
///
/// Dropping the group aborts the tasks that are still running: each drops its future in a microtask
/// of its own, in the order in which they were spawned. A panic of a task whose result was not
/// joined is then reported as an unhandled rejection. Values that were not joined are dropped,
/// **including an `Err` if `T` is a `Result`**.
///
/// As a [`Stream`] it yields what [`join_next`](TaskGroup::join_next) returns.
///
/// # Examples
///
/// Requests run at the same time, and the first failure ends the others:
///
/// ```
/// use std::time::Duration;
/// use nodeloop::{TaskGroup, time};
///
/// async fn fetch(page: u64) -> Result<String, String> {
///     time::sleep(Duration::from_millis(10 * page)).await;
///     if page == 3 { Err("page 3 is missing".into()) } else { Ok(format!("page {page}")) }
/// }
///
/// async fn fetch_all(pages: Vec<u64>) -> Result<Vec<String>, String> {
///     let mut group = TaskGroup::new();
///     for page in pages {
///         group.spawn(fetch(page));
///     }
///     let mut texts = Vec::new();
///     while let Some(result) = group.join_next().await {
///         texts.push(result.expect("no task panics")?); // `?` drops the group
///     }
///     Ok(texts)
/// }
///
/// nodeloop::run(async {
///     assert_eq!(fetch_all(vec![2, 1]).await, Ok(vec!["page 1".into(), "page 2".into()]));
///     assert_eq!(fetch_all(vec![4, 3]).await, Err("page 3 is missing".into()));
/// });
/// ```
pub struct TaskGroup<T: 'static> {
    shared: Rc<Shared<T>>,
}

/// Identifies a task of a [`TaskGroup`].
///
/// No other task of a group of the same thread has the same id. Ids grow in the order of spawning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(u64);

/// The result of a task.
type TaskResult<T> = Result<T, PromiseError>;

/// What the group and the promises of its tasks share; they refer to it weakly.
struct Shared<T: 'static> {
    running: RefCell<BTreeMap<TaskId, Rc<State<T>>>>,
    finished: RefCell<VecDeque<(TaskId, Rc<State<T>>)>>,
    joiner: RefCell<Joiner>,
    location: SourceLocation,
}

/// The progress of the code that waits for the next result.
#[derive(Default)]
enum Joiner {
    #[default]
    NotPolled,
    /// No task has ended yet; the loop lists the group under this key for `why_alive`.
    Waiting(Waker, Option<(Rc<LoopState>, usize)>),
    /// A task has ended since the first poll, or had ended before it; the one turn that joining
    /// costs is queued.
    TurnQueued,
}

thread_local! {
    static NEXT_ID: Cell<u64> = const { Cell::new(0) };
}

impl TaskId {
    fn next() -> TaskId {
        let id = NEXT_ID.get();
        NEXT_ID.set(id + 1);
        TaskId(id)
    }
}

impl<T: 'static> TaskGroup<T> {
    /// Creates an empty group.
    #[track_caller]
    pub fn new() -> TaskGroup<T> {
        let shared = Shared {
            running: RefCell::default(),
            finished: RefCell::default(),
            joiner: RefCell::default(),
            location: Location::caller(),
        };
        TaskGroup {
            shared: Rc::new(shared),
        }
    }

    /// Spawns a task in the group and polls its future at once, as [`spawn`](crate::spawn) does.
    ///
    /// # Panics
    ///
    /// Panics in the same cases as [`spawn`](crate::spawn).
    #[track_caller]
    pub fn spawn(&mut self, future: impl Future<Output = T> + 'static) -> TaskId {
        self.add(spawn_at(Location::caller(), future))
    }

    /// Spawns a task in the group and polls its future for the first time in a microtask of its own.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn spawn_lazy(&mut self, future: impl Future<Output = T> + 'static) -> TaskId {
        self.add(spawn_lazy(future))
    }

    /// Runs `job` on a thread of the worker pool, as [`spawn_blocking`] does.
    ///
    /// Aborting removes a job that no thread has started from the queue. A running job continues,
    /// and its result is dropped.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn spawn_blocking(&mut self, job: impl FnOnce() -> T + Send + 'static) -> TaskId
    where
        T: Send,
    {
        self.add(spawn_blocking(job))
    }

    fn add(&mut self, promise: Promise<T>) -> TaskId {
        let (id, state) = (TaskId::next(), promise.into_state());
        self.shared.running.borrow_mut().insert(id, state.clone());
        let shared = Rc::downgrade(&self.shared);
        state.notify_settled(move || {
            if let Some(shared) = shared.upgrade() {
                shared.task_ended(id);
            }
        });
        id
    }

    /// Returns the number of tasks whose results have not been joined, running or finished.
    pub fn len(&self) -> usize {
        self.shared.running.borrow().len() + self.shared.finished.borrow().len()
    }

    /// Returns whether there is no task whose result has not been joined.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits for the next task to end, and returns its result; `None` if the group is empty.
    ///
    /// Tasks are returned in the order in which they ended. This costs exactly one microtask turn,
    /// counted from the end of the task, or from the first poll if a task had ended before (R45), as
    /// `await` on the promise of that task would. `None` is returned without a turn.
    ///
    /// # Cancel safety
    ///
    /// It is cancel safe: a result leaves the group only when it is returned.
    pub fn join_next(&mut self) -> JoinNext<'_, T> {
        JoinNext::new(self)
    }

    /// Waits as [`join_next`](TaskGroup::join_next) does, and returns the id of the task, too.
    ///
    /// # Examples
    ///
    /// ```
    /// # use nodeloop::TaskGroup;
    /// # nodeloop::run(async {
    /// let mut group = TaskGroup::new();
    /// let forever = group.spawn(std::future::pending::<()>());
    /// group.abort(forever);
    /// let (id, result) = group.join_next_with_id().await.unwrap();
    /// assert_eq!(id, forever);
    /// assert!(result.unwrap_err().is_aborted());
    /// # });
    /// ```
    pub fn join_next_with_id(&mut self) -> JoinNextWithId<'_, T> {
        JoinNextWithId::new(self)
    }

    /// Returns the result of a task that has ended, without a turn; `None` if there is none.
    pub fn try_join_next(&mut self) -> Option<TaskResult<T>> {
        self.shared.take_finished().map(|(_, result)| result)
    }

    /// Returns the id and the result of a task that has ended, without a turn.
    pub fn try_join_next_with_id(&mut self) -> Option<(TaskId, TaskResult<T>)> {
        self.shared.take_finished()
    }

    /// Waits for all tasks, and returns their values in the order in which they ended.
    ///
    /// This costs one turn, counted from the end of the last task. For the values in the order of
    /// spawning, use [`promise::all`](crate::promise::all).
    ///
    /// # Errors
    ///
    /// Resolves to the error of the first task that panicked or was aborted, and aborts the others.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the group, which aborts its tasks.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use nodeloop::{TaskGroup, time::sleep};
    /// # nodeloop::run(async {
    /// let mut group = TaskGroup::new();
    /// for ms in [20, 10] {
    ///     group.spawn(async move {
    ///         sleep(Duration::from_millis(ms)).await;
    ///         ms
    ///     });
    /// }
    /// assert_eq!(group.join_all().await?, [10, 20]);
    /// # Ok::<(), nodeloop::promise::PromiseError>(())
    /// # }).unwrap();
    /// ```
    pub async fn join_all(self) -> Result<Vec<T>, PromiseError> {
        let mut values = Vec::with_capacity(self.len());
        while !self.is_empty() {
            poll_fn(|cx| self.shared.poll_finished(cx)).await;
            while let Some((_, result)) = self.shared.take_finished() {
                values.push(result?);
            }
        }
        Ok(values)
    }

    /// Returns a handle that aborts a task while another part of the program owns the group; `None`
    /// if the task has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use nodeloop::{TaskGroup, set_timeout};
    /// # nodeloop::run(async {
    /// let mut group = TaskGroup::new();
    /// let id = group.spawn(std::future::pending::<()>());
    /// let handle = group.abort_handle(id).expect("it is running");
    /// set_timeout(Duration::from_millis(1), move || handle.abort());
    /// assert!(group.join_next().await.unwrap().unwrap_err().is_aborted());
    /// assert!(group.abort_handle(id).is_none());
    /// # });
    /// ```
    pub fn abort_handle(&self, id: TaskId) -> Option<AbortHandle> {
        let running = self.shared.running.borrow();
        running.get(&id).map(AbortHandle::new)
    }

    /// Aborts a task; see [`Settled::abort`](crate::promise::Settled::abort). Its result is still
    /// returned.
    ///
    /// Returns whether it was running.
    pub fn abort(&mut self, id: TaskId) -> bool {
        let task = self.shared.running.borrow().get(&id).cloned();
        if let Some(task) = &task {
            task.abort();
        }
        task.is_some()
    }

    /// Aborts all tasks that are running, in the order in which they were spawned.
    ///
    /// The tasks stay in the group: [`join_next`](TaskGroup::join_next) returns an error for each.
    /// A task drops its future at its next turn, a microtask.
    pub fn abort_all(&mut self) {
        let running: Vec<_> = self.shared.running.borrow().values().cloned().collect();
        running.iter().for_each(State::abort);
    }

    /// Aborts all tasks, and waits until they have dropped their futures.
    ///
    /// The group is empty afterwards and can be used again. Values of tasks that had ended are
    /// dropped, and panics are reported as unhandled rejections. It does not wait for a job of
    /// [`spawn_blocking`](TaskGroup::spawn_blocking) that is running.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the tasks have been aborted and remain in the group.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        poll_fn(|cx| self.shared.poll_stopped(cx)).await;
        self.shared.drop_finished();
    }

    /// Removes all tasks from the group without aborting them.
    ///
    /// Those that are running continue, as after dropping a [`Promise`]. From now on a panic of one
    /// of them is reported as an unhandled rejection.
    pub fn detach_all(&mut self) {
        let running = self.shared.running.take();
        self.shared.drop_finished();
        self.shared.wake();
        drop(running); // outside of the borrow
    }

    /// Polls for the next result, as [`join_next`](TaskGroup::join_next) does.
    ///
    /// Only the task of the last call is woken.
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<TaskResult<T>>> {
        self.poll_join_next_with_id(cx)
            .map(|joined| joined.map(|(_, result)| result))
    }

    fn poll_join_next_with_id(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<(TaskId, TaskResult<T>)>> {
        let polled = self.shared.poll_finished(cx);
        polled.map(|()| self.shared.take_finished())
    }
}

impl<T: 'static> Shared<T> {
    /// Moves a task that has ended to the finished ones, unless it was detached.
    fn task_ended(&self, id: TaskId) {
        let Some(task) = self.running.borrow_mut().remove(&id) else {
            return;
        };
        task.mark_handled(); // the group returns its panic
        self.finished.borrow_mut().push_back((id, task));
        self.wake();
    }

    fn take_finished(&self) -> Option<(TaskId, TaskResult<T>)> {
        let (id, task) = self.finished.borrow_mut().pop_front()?;
        Some((id, task.outcome()))
    }

    /// Drops the results that nobody has joined. Panics among them are reported.
    fn drop_finished(&self) {
        let finished = self.finished.take();
        finished.iter().for_each(|(_, task)| task.mark_unhandled());
    }

    /// Polls until a result can be taken, exactly one turn after its task has ended or after the
    /// first poll, or until there is no task.
    fn poll_finished(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.finished.borrow().is_empty() {
            return self.poll_stopped(cx);
        }
        let is_first_poll = matches!(*self.joiner.borrow(), Joiner::NotPolled);
        if is_first_poll {
            self.set_joiner(Joiner::TurnQueued);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.set_joiner(Joiner::NotPolled);
        Poll::Ready(())
    }

    /// Polls until no task is running. The task is woken whenever one ends.
    fn poll_stopped(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.running.borrow().is_empty() {
            self.set_joiner(Joiner::NotPolled);
            return Poll::Ready(());
        }
        let is_same = matches!(&*self.joiner.borrow(),
            Joiner::Waiting(waker, _) if waker.will_wake(cx.waker()));
        if !is_same {
            let listed = try_current().map(|state| {
                let group: Weak<Shared<T>> = Rc::downgrade(self);
                let key = state.awaited.add(group);
                (state, key)
            });
            self.set_joiner(Joiner::Waiting(cx.waker().clone(), listed));
        }
        Poll::Pending
    }

    /// Wakes the task that waits for the next result.
    fn wake(&self) {
        let is_waiting = matches!(*self.joiner.borrow(), Joiner::Waiting(..));
        if is_waiting && let Joiner::Waiting(waker, _) = self.set_joiner(Joiner::TurnQueued) {
            waker.wake();
        }
    }

    /// Replaces the joiner, and removes the previous one from the list of its loop.
    fn set_joiner(&self, next: Joiner) -> Joiner {
        let previous = self.joiner.replace(next);
        if let Joiner::Waiting(_, Some((state, key))) = &previous {
            state.awaited.remove(*key);
        }
        previous
    }
}

impl<T: 'static> PendingPromise for Shared<T> {
    fn created_at(&self) -> SourceLocation {
        self.location
    }

    fn for_each_waker(&self, visit: &mut dyn FnMut(&Waker)) {
        if let Joiner::Waiting(waker, _) = &*self.joiner.borrow() {
            visit(waker);
        }
    }

    fn is_out_of_reach(&self) -> bool {
        false
    }

    fn is_job(&self) -> bool {
        false
    }
}

impl<T: 'static> Drop for TaskGroup<T> {
    fn drop(&mut self) {
        let running = self.shared.running.take();
        running.values().for_each(State::abort);
        self.shared.drop_finished();
        drop(self.shared.set_joiner(Joiner::NotPolled));
    }
}

impl<T: 'static> Default for TaskGroup<T> {
    #[track_caller]
    fn default() -> Self {
        TaskGroup::new()
    }
}

/// Spawns the futures of the iterator, each as [`TaskGroup::spawn`] does.
impl<T: 'static, F: Future<Output = T> + 'static> Extend<F> for TaskGroup<T> {
    #[track_caller]
    fn extend<I: IntoIterator<Item = F>>(&mut self, futures: I) {
        let location = Location::caller();
        for future in futures {
            self.add(spawn_at(location, future));
        }
    }
}

/// Creates a group and spawns the futures of the iterator, each as [`TaskGroup::spawn`] does.
impl<T: 'static, F: Future<Output = T> + 'static> FromIterator<F> for TaskGroup<T> {
    #[track_caller]
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
        let mut group = TaskGroup::new();
        group.extend(futures);
        group
    }
}

impl<T: 'static> Stream for TaskGroup<T> {
    type Item = TaskResult<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_join_next(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl<T: 'static> FusedStream for TaskGroup<T> {
    fn is_terminated(&self) -> bool {
        self.is_empty()
    }
}

impl<T: 'static> fmt::Debug for TaskGroup<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroup")
            .field("created_at", &format_args!("{}", self.shared.location))
            .field("running", &self.shared.running.borrow().len())
            .field("finished", &self.shared.finished.borrow().len())
            .finish()
    }
}
