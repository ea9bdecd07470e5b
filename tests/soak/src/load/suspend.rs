//! A process that is stopped and continued: the clock jumps.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nodeloop::process::{Command, Stdio};
use nodeloop::{EventLoop, Promise, promise, set_interval, set_timeout};

use super::row::{Latencies, Row};
use super::storm::Storm;

const PERIOD: Duration = Duration::from_millis(20);

/// The timers that are due while the process is stopped, for a second.
const TIMERS: u64 = 18;

/// Stops its parent for a second. It prints while the parent is stopped, and the time at which it
/// continues it.
const HELPER: &str = "sleep 0.2; kill -STOP $PPID; sleep 1; printf 'stopped '; date +%s%N; \
                      kill -CONT $PPID";

/// The loop counts in whole milliseconds.
const MILLISECOND: Duration = Duration::from_millis(1);

/// A timer that was set: when it must be due, at the earliest and at the latest.
#[derive(Debug, Clone, Copy)]
struct Due {
    earliest: Instant,
    latest: Instant,
}

pub fn measure(quick: bool) -> Row {
    let mut event_loop = EventLoop::new().expect("a loop");
    let row = event_loop.block_on(work(if quick { 2 } else { 20 }));
    row.unwrap_or_else(|error| Row::failed(&error.to_string()))
}

async fn work(cycles: u32) -> Row {
    let storm = Storm::start(true);
    let mut row = Row::default();
    let (mut latencies, mut longest) = (Latencies::default(), Duration::ZERO);
    let firings: Rc<RefCell<Vec<(Instant, SystemTime)>>> = Rc::default();
    let log = firings.clone();
    let interval = set_interval(PERIOD, move || {
        log.borrow_mut().push((Instant::now(), SystemTime::now()));
    });
    for cycle in 0..cycles {
        firings.borrow_mut().clear();
        let timers = set_timers(cycle);
        let mut helper = Command::new("sh");
        let output = helper
            .args(["-c", HELPER])
            .stderr(Stdio::inherit())
            .output()
            .await;
        let output = output.expect("`sh`");
        check_timers(&mut row, &timers.await);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let continued = text
            .trim()
            .strip_prefix("stopped ")
            .and_then(|time| time.parse().ok());
        let Some(continued) = continued else {
            row.lost.push(format!(
                "the bytes that were sent while it was stopped: {text}"
            ));
            continue;
        };
        // One that fires once more, whenever that is.
        nodeloop::time::sleep(PERIOD * 3).await;
        let continued = UNIX_EPOCH + Duration::from_nanos(continued);
        check_interval(
            &mut row,
            &firings.borrow(),
            continued,
            (&mut latencies, &mut longest),
        );
    }
    interval.clear();
    (row.panics, row.kinds) = storm.stop().await;
    row.done = format!(
        "stopped for a second {cycles} times (up to {} ms between two firings of an interval of \
         {} ms), each time with {TIMERS} timers, most of them due meanwhile, and a child that writes \
         meanwhile",
        longest.as_millis(),
        PERIOD.as_millis()
    );
    row.permitted = "the firings of an interval while it is stopped (Node's rule, R30)".to_owned();
    row.latency = latencies.text("first firings after the process was continued");
    row
}

/// Sets timers, in another order than that of their deadlines. The promise has them in the order in
/// which they fired.
fn set_timers(cycle: u32) -> Promise<Vec<Due>> {
    let (all_fired, resolver) = promise::with_resolver();
    let fired = Rc::new(RefCell::new(Vec::new()));
    for number in 0..TIMERS {
        let rank = (number * 7 + u64::from(cycle)) % TIMERS;
        let delay = Duration::from_millis(100 + rank * 50);
        let (fired, resolver, due) = (fired.clone(), resolver.clone(), Rc::new(Cell::new(None)));
        let own = due.clone();
        let earliest = Instant::now() + delay;
        set_timeout(delay, move || {
            fired
                .borrow_mut()
                .push(own.take().expect("a timer fires once"));
            if fired.borrow().len() == TIMERS as usize {
                resolver.resolve(fired.take());
            }
        });
        let latest = Instant::now() + delay;
        due.set(Some(Due { earliest, latest }));
    }
    all_fired
}

/// Each timer must fire once, in the order of the deadlines.
fn check_timers(row: &mut Row, fired: &[Due]) {
    row.expect(fired.len() == TIMERS as usize, || {
        format!("{} timers", fired.len())
    });
    for (index, later) in fired.iter().enumerate() {
        let mut earlier = fired[..index].iter();
        row.expect(
            earlier.all(|timer| timer.earliest <= later.latest + MILLISECOND),
            || format!("timers have not fired in the order of their deadlines: {fired:?}"),
        );
    }
}

/// An interval must go on, and not make up for what it has missed.
///
/// It is measured from the moment just before its callback (R30). That moment is not before the
/// previous callback, so of any three firings the first and the last are a period apart, however
/// busy the machine is.
fn check_interval(
    row: &mut Row,
    firings: &[(Instant, SystemTime)],
    continued: SystemTime,
    (latencies, longest): (&mut Latencies, &mut Duration),
) {
    for pair in firings.windows(2) {
        *longest = (*longest).max(pair[1].0 - pair[0].0);
    }
    for three in firings.windows(3) {
        let gap = three[2].0 - three[0].0;
        row.expect(gap + MILLISECOND >= PERIOD, || {
            format!("a burst: three firings within {gap:?}")
        });
    }
    let after = firings
        .iter()
        .find_map(|(_, time)| time.duration_since(continued).ok());
    match after {
        Some(latency) => latencies.add(latency),
        None => row.lost.push("the interval has not gone on".to_owned()),
    }
}
