//! The report of a failing order: its shortest list of decisions, how to replay it, and how it differs
//! from an order that passes.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::panic::{self, PanicHookInfo};
use std::sync::Once;
use std::thread;

use super::explore::TraceOf;
use super::log::{Log, LogEntry};
use super::{FinishedRun, TestFailure, diff};
use crate::event_loop::current::try_current;
use crate::phases::poll::delivery::{Decision, Seed};
use crate::reactor::choices::QuestionNumber;

/// The environment variable that selects one seed to replay.
const REPLAY: &str = "NODELOOP_SEED";

/// The maximum number of runs to find the decisions that cause a failure.
const MAX_SHRINK_RUNS: usize = 400;

/// A list of more decisions than this is first shortened by larger parts.
const MOST_REMOVED_SINGLY: usize = 16;

/// With more pairs of lines than this no more passing orders are compared, because that would take too
/// long.
const MAX_PAIRS: usize = 20_000_000;

/// Panics inside of an event loop.
#[track_caller]
pub(super) fn refuse_loop(function: &str) {
    assert!(
        try_current().is_none(),
        "`{function}` was called inside of an event loop: it has loops of its own; call it from a plain \
         `#[test]`"
    );
}

/// Returns the seed that the environment asks to replay.
#[track_caller]
pub(super) fn seed_to_replay() -> Option<Seed> {
    let text = std::env::var(REPLAY).ok().filter(|text| !text.is_empty())?;
    match text.parse() {
        Ok(seed) => Some(seed),
        Err(error) => panic!("{REPLAY}={text}: {error}"),
    }
}

/// Replays a seed, prints its decisions, and returns the labels of its log.
///
/// # Panics
///
/// Panics if the seed fails, and if it lists decisions and none of them applies, because a failure can't be
/// reproduced then.
#[track_caller]
pub(super) fn replay(seed: Seed, run: impl FnOnce(Seed) -> FinishedRun<()>) -> Vec<String> {
    let listed = seed.listed().len();
    let finished = run(seed.clone());
    eprintln!("{REPLAY}={seed}\n{}", decision_list(&finished.decisions));
    let inapplicable = finished.inapplicable.len();
    if inapplicable > 0 {
        let numbers = finished.inapplicable.iter();
        let numbers: Vec<String> = numbers.map(|it| QuestionNumber(*it).to_string()).collect();
        eprintln!(
            "decisions that do not apply any more, where the plain order was taken: {}",
            numbers.join(", ")
        );
    }
    if let Some(reason) = &finished.not_followed {
        eprintln!("the order could not be followed: {reason}");
    }
    let labels = finished.log.labels();
    super::value_or_panic(finished.result);
    assert!(
        listed == 0 || inapplicable < listed,
        "no decision of {REPLAY}={seed} applies, so that only the plain order was run: the program has \
         changed; explore again without {REPLAY}"
    );
    labels
}

/// The logs of orders that pass, with their seeds, the plain order first.
pub(super) struct Passing {
    logs: Vec<(Seed, Vec<String>)>,
}

impl Passing {
    pub(super) fn new(plain: &Log) -> Passing {
        Passing {
            logs: vec![(Seed::new(0), plain.labels())],
        }
    }

    pub(super) fn note(&mut self, seed: Seed, labels: Vec<String>) {
        self.logs.push((seed, labels));
    }

    /// Returns the difference between a failing log and the most similar log that passes or, if there is
    /// none, between the traces of these runs.
    fn compared(&self, failing: &Failing, trace_of: Option<TraceOf<'_>>) -> String {
        let seed = &failing.seed;
        let failing = failing.finished.log.entries();
        let labels: Vec<&str> = failing.iter().map(LogEntry::label).collect();
        let mut nearest: Option<(usize, usize)> = None; // the distance, the index
        let mut pairs = 0;
        for (index, (_, log)) in self.logs.iter().enumerate() {
            if nearest.is_some() && pairs > MAX_PAIRS {
                break;
            }
            pairs += log.len() * labels.len();
            let distance = diff::distance(&as_strs(log), &labels);
            if nearest.is_none_or(|(least, _)| distance < least) {
                nearest = Some((distance, index));
            }
        }
        let (distance, index) = nearest.unwrap_or_default();
        let which = match index {
            0 => "the plain order",
            _ => "an order that passes",
        };
        let title = match index {
            0 => "The plain order (-), which passes,",
            _ => "The most similar order that passes (-)",
        };
        let (passing, log) = &self.logs[index];
        if distance > 0 {
            let difference = diff::difference(&as_strs(log), &failing);
            return format!("{title} and the order of this seed (+):\n{difference}");
        }
        let equal = format!("The log up to the failure equals that of {which}.");
        let Some(trace_of) = trace_of else {
            return equal;
        };
        let traces = [passing, seed].map(|seed| quietly(|| trace_of(seed.clone())));
        match diff::difference_of_lines(&traces[0], &traces[1]) {
            None => format!("{equal} So does what the hosts run."),
            Some(difference) => {
                format!("{equal}\n{title} and the order of this seed (+) run:\n{difference}")
            }
        }
    }
}

fn as_strs(labels: &[String]) -> Vec<&str> {
    labels.iter().map(String::as_str).collect()
}

/// A run that has failed.
pub(super) struct Failing {
    seed: Seed,
    finished: FinishedRun<()>,
    failure: TestFailure,
    /// Where it has panicked, if a panic is the failure.
    place: Option<String>,
}

impl Failing {
    /// Returns the run if it has failed, and otherwise its log.
    pub(super) fn of(seed: Seed, mut finished: FinishedRun<()>) -> Result<Failing, Log> {
        match std::mem::replace(&mut finished.result, Ok(())) {
            Ok(()) => Err(finished.log),
            Err(failure) => Ok(Failing {
                seed,
                finished,
                place: failure.panic_message().and_then(place_of_panic),
                failure,
            }),
        }
    }

    pub(super) fn seed(&self) -> &Seed {
        &self.seed
    }

    /// Returns the report of a run that has failed without any exploration.
    pub(super) fn in_the_plain_order(&self) -> String {
        let (at, failure) = (self.at_place(), &self.failure);
        format!("the test fails in the plain order, without any exploration{at}: {failure}")
    }

    fn at_place(&self) -> String {
        let place = self.place.as_ref();
        place.map_or_else(String::new, |place| format!(", at {place}"))
    }

    pub(super) fn decisions(&self) -> usize {
        self.finished.decisions.len()
    }

    /// Shortens the list of decisions as long as the test fails, and returns a report.
    pub(super) fn report(
        self,
        title: &str,
        mut passing: Passing,
        run: impl Fn(Seed) -> FinishedRun<()>,
        trace_of: Option<TraceOf<'_>>,
    ) -> String {
        let total = self.decisions();
        let shortest = self.shortest(&mut passing, run);
        let name = thread::current().name().map(str::to_owned);
        let name = name.filter(|name| name != "main").unwrap_or_default();
        let mut text = format!("{title} fails; replay it with\n");
        let replay = format!("{REPLAY}={} cargo test {name}", shortest.seed);
        let _ = writeln!(text, "    {}", replay.trim_end());
        let left = shortest.decisions();
        let _ = writeln!(text, "It fails with {left} of its {total} decisions:");
        let _ = writeln!(text, "{}", decision_list(&shortest.finished.decisions));
        let cause = shortest.failure.cause().replace('\n', "\n  ");
        let _ = writeln!(text, "The failure{}:\n  {cause}", shortest.at_place());
        text + &passing.compared(&shortest, trace_of)
    }

    /// Finds the shortest part of the decisions that fails: removes halves of a long list, quarters and so
    /// on, then one after the other until each is needed, and then tries all smaller parts, as far as the number of runs allows.
    fn shortest(self, passing: &mut Passing, run: impl Fn(Seed) -> FinishedRun<()>) -> Failing {
        let all = self.finished.decisions.clone();
        let original = self.seed.clone();
        let mut runs = 0;
        let mut fails = |decisions: &[Decision]| {
            if runs == MAX_SHRINK_RUNS {
                return None;
            }
            runs += 1;
            let seed = original.with_only(decisions);
            let finished = run(seed.clone());
            if finished.not_followed.is_some() {
                return None;
            }
            let failing = Failing::of(seed.clone(), finished);
            let note = |log: Log| passing.note(seed, log.labels());
            failing.map_err(note).ok()
        };
        let mut shortest = self;
        let mut size = match shortest.decisions() {
            count if count > MOST_REMOVED_SINGLY => count / 2,
            _ => 1,
        };
        while size > 0 {
            let (mut index, mut has_shrunk) = (0, false);
            while index < shortest.decisions() {
                let mut kept = shortest.finished.decisions.clone();
                kept.drain(index..kept.len().min(index + size));
                match fails(&kept) {
                    Some(failing) if failing.decisions() < shortest.decisions() => {
                        (shortest, has_shrunk) = (failing, true);
                    }
                    _ => index += size,
                }
            }
            if size > 1 || !has_shrunk {
                size /= 2;
            }
        }
        for size in 1..shortest.decisions() {
            let mut parts = Parts::new(all.len(), size);
            while let Some(part) = parts.next() {
                let kept: Vec<Decision> = part.iter().map(|index| all[*index].clone()).collect();
                if let Some(failing) = fails(&kept).filter(|it| it.decisions() <= size) {
                    return failing;
                }
                if parts.taken > MAX_SHRINK_RUNS {
                    return shortest;
                }
            }
        }
        shortest
    }
}

/// All choices of `size` among `count` indices, in order.
struct Parts {
    count: usize,
    indices: Vec<usize>,
    taken: usize,
}

impl Parts {
    fn new(count: usize, size: usize) -> Parts {
        Parts {
            count,
            indices: (0..size).collect(),
            taken: 0,
        }
    }

    fn next(&mut self) -> Option<&[usize]> {
        let size = self.indices.len();
        if size > self.count {
            return None;
        }
        if self.taken > 0 {
            let can_move = |at: &usize| self.indices[*at] < self.count - size + *at;
            let moved = (0..size).rev().find(can_move)?;
            self.indices[moved] += 1;
            for at in moved + 1..size {
                self.indices[at] = self.indices[at - 1] + 1;
            }
        }
        self.taken += 1;
        Some(&self.indices)
    }
}

fn decision_list(decisions: &[Decision]) -> String {
    let line = |decision: &Decision| {
        let number = QuestionNumber(decision.question);
        format!("  {number:>4}  {}", decision.text)
    };
    let lines: Vec<String> = decisions.iter().map(line).collect();
    match lines.is_empty() {
        true => "  none".to_owned(),
        false => lines.join("\n"),
    }
}

thread_local! {
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
    /// The places of the panics that were not printed since the last run began, by their messages.
    static PLACES: RefCell<HashMap<String, String>> = RefCell::default();
    /// The last panic that was not printed, with its place.
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Returns where the last run has panicked with a message.
fn place_of_panic(message: String) -> Option<String> {
    PLACES.with_borrow(|places| places.get(&message).cloned())
}

fn note_panic(info: &PanicHookInfo<'_>) {
    let _ = LAST.try_with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            *last = Some(info.to_string());
        }
    });
    let payload = info.payload();
    let text = payload.downcast_ref::<&'static str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    if let (Some(text), Some(location)) = (text, info.location()) {
        let place = location.to_string();
        let _ = PLACES.try_with(|places| {
            if let Ok(mut places) = places.try_borrow_mut() {
                places.insert(text.to_owned(), place);
            }
        });
    }
}

/// Calls `run` without printing its panics, which are reported later. One that leaves `run` is in no report,
/// and is printed.
pub(super) fn quietly<T>(run: impl FnOnce() -> T) -> T {
    quietly_or(run, |panic| eprintln!("\n{panic}"))
}

/// As [`quietly`]; `print` receives the text of a panic that leaves `run`.
fn quietly_or<T>(run: impl FnOnce() -> T, print: impl FnMut(String)) -> T {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| match IS_QUIET.try_with(Cell::get) {
            Ok(true) => note_panic(info),
            _ => hook(info),
        }));
    });
    let _quiet = Quiet {
        before: IS_QUIET.replace(true),
        was_panicking: thread::panicking(),
        print,
    };
    PLACES.with_borrow_mut(HashMap::clear);
    LAST.set(None);
    run()
}

struct Quiet<P: FnMut(String)> {
    before: bool,
    was_panicking: bool,
    print: P,
}

impl<P: FnMut(String)> Drop for Quiet<P> {
    fn drop(&mut self) {
        IS_QUIET.set(self.before);
        let is_left_by_a_panic = thread::panicking() && !self.was_panicking;
        // The outermost call prints it.
        if is_left_by_a_panic
            && !self.before
            && let Some(panic) = LAST.take()
        {
            (self.print)(panic);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::{Parts, quietly_or};

    #[test]
    fn a_panic_that_leaves_a_quiet_run_is_printed() {
        let mut printed = Vec::new();
        let run = || {
            let reported = catch_unwind(|| panic!("reported later"));
            assert!(reported.is_err());
        };
        quietly_or(run, |panic| printed.push(panic));
        assert!(printed.is_empty(), "{printed:?}");
        let run = AssertUnwindSafe(|| {
            quietly_or(
                || panic!("an error of the crate"),
                |panic| printed.push(panic),
            );
        });
        catch_unwind(run).unwrap_err();
        let [panic] = &*printed else {
            panic!("{printed:?}");
        };
        let place = format!("panicked at {}:", file!());
        assert!(panic.starts_with(&place), "{panic}");
        assert!(panic.ends_with("an error of the crate"), "{panic}");
    }

    #[test]
    fn parts_are_all_choices_of_a_size() {
        let mut parts = Parts::new(4, 2);
        let mut all = Vec::new();
        while let Some(part) = parts.next() {
            all.push([part[0], part[1]]);
        }
        assert_eq!(all, [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]);
        assert!(Parts::new(1, 2).next().is_none());
    }
}
