//! A program for the loop: a tree of operations whose callbacks contain further operations.
//!
//! Operations name what they act on by the position in a table of everything of that kind that exists
//! when they run. A table that is empty makes the operation do nothing, so every sequence of bytes is
//! a valid program.

use std::fmt;
use std::ops::Deref;
use std::rc::Rc;
use std::time::Duration;

use arbitrary::{Arbitrary, Result, Unstructured};

pub type Body = List<Op>;
pub type Index = u8;

/// A list that callbacks share, of up to [`LONGEST`] entries.
pub struct List<T>(Rc<Vec<T>>);

const LONGEST: usize = 7;

impl<'a, T: Arbitrary<'a>> Arbitrary<'a> for List<T> {
    /// The derived implementation for `Vec` makes shorter lists: its length is not chosen first.
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<List<T>> {
        let length = bytes.int_in_range(0..=LONGEST)?;
        let mut list = Vec::new();
        while list.len() < length && !bytes.is_empty() {
            list.push(T::arbitrary(bytes)?);
        }
        Ok(List(Rc::new(list)))
    }
}

impl<T> Clone for List<T> {
    fn clone(&self) -> List<T> {
        List(self.0.clone())
    }
}

impl<T> Default for List<T> {
    fn default() -> List<T> {
        List(Rc::default())
    }
}

impl<T> Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Debug, Clone, Arbitrary)]
pub struct Program {
    pub module: bool,
    pub main: Body,
    pub before_exit: Body,
    pub on_uncaught: Body,
    pub on_unhandled: Body,
    pub on_handled: Body,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Delay {
    Zero,
    One,
    Two,
    Three,
    Five,
    Ten,
    /// Longer than the maximum: one millisecond, and a warning (R20).
    TooLong,
}

impl Delay {
    pub fn ms(self) -> u64 {
        match self {
            Delay::Zero => 0,
            Delay::One => 1,
            Delay::Two => 2,
            Delay::Three => 3,
            Delay::Five => 5,
            Delay::Ten => 10,
            Delay::TooLong => 0x8000_0000,
        }
    }

    pub fn duration(self) -> Duration {
        Duration::from_millis(self.ms())
    }

    /// The same, for what has no maximum and would wait for weeks.
    pub fn short(self) -> Delay {
        match self {
            Delay::TooLong => Delay::Ten,
            delay => delay,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Arbitrary)]
pub enum TimerKind {
    Once,
    Refreshable,
    Interval,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum TimerOp {
    Clear,
    Refresh,
    Ref,
    Unref,
    Inspect,
    /// Drops the handle.
    Drop,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum ImmediateOp {
    Clear,
    Ref,
    Unref,
    Inspect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Arbitrary)]
pub enum Combinator {
    All,
    AllSettled,
    Race,
    Any,
    RaceAndAbort,
    AnyAndAbort,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum GroupOp {
    TryJoin,
    AbortAll,
    DetachAll,
    Drop,
}

/// The events of the emitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Arbitrary)]
pub enum Name {
    A,
    B,
    NewListener,
    RemoveListener,
    Error,
    ErrorMonitor,
}

#[derive(Debug, Clone, Arbitrary)]
pub enum Op {
    Tick(Body),
    Microtask(Body),
    Timer(TimerKind, Delay, Body),
    /// Two refreshable timers of one duration, so that both are due in one visit of their list.
    TwoTimers(Delay, Body, Body),
    OnTimer(TimerOp, Index),
    /// A callback of the poll phase after up to 7 ms.
    Completion(u8, Body),
    Immediate(Body),
    OnImmediate(ImmediateOp, Index),
    /// Blocks the thread for up to 7 ms.
    Block(u8),
    Panic,
    // Promises.
    Defer,
    Resolve(Index),
    Reject(Index),
    Adopt(Index, Index),
    Resolved,
    Rejected,
    Then {
        source: Index,
        on_ok: Option<Handler>,
        on_err: Option<Handler>,
        /// Whether `on_err` also receives panics and aborts.
        any: bool,
    },
    Finally(Index, Handler),
    Combine(Combinator, Vec<Index>),
    Task(Task),
    AbortPromise(Index),
    // Abort signals.
    Controller,
    AnySignal(Vec<Index>),
    TimeoutSignal(Delay),
    OnAbort(Index, Body),
    OffAbort(Index),
    Abort(Index),
    AbortTimerOn(Index, Index),
    AbortImmediateOn(Index, Index),
    AbortPromiseOn(Index, Index),
    // Groups of tasks.
    Group,
    SpawnIn(Index, Task),
    OnGroup(GroupOp, Index),
    // The emitter.
    Listen {
        name: Name,
        prepend: bool,
        once: bool,
        body: Body,
    },
    Unlisten(Index),
    Emit(Name),
    RemoveAll(Name),
    ClearEmitter,
}

#[derive(Debug, Clone, Arbitrary)]
pub struct Handler {
    pub body: Body,
    pub end: End,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum End {
    Value,
    Throw,
    Follow(Index),
    Panic,
}

#[derive(Debug, Clone, Arbitrary)]
pub struct Task {
    pub lazy: bool,
    pub steps: List<Step>,
    pub end: End,
}

#[derive(Debug, Clone, Arbitrary)]
pub enum Step {
    Do(Op),
    /// Awaits a promise; an error ends the task unless it is caught.
    Await {
        promise: Index,
        caught: bool,
    },
    Ready,
    Sleep(Delay),
    Yield,
    /// Awaits the abort of a signal.
    Aborted(Index),
    /// A sleep that a signal ends.
    SleepWithSignal(Delay, Index),
    Join(Index),
}
