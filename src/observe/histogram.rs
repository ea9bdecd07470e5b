//! A histogram of durations: exact below 64 ns, within 1/32 of the value above.
//!
//! The buckets are log-linear: each power of two is divided into 32 buckets of one width. A bucket
//! is found with a shift, and two thousand counters cover all values of a `u64`.

use std::fmt;
use std::time::Duration;

/// How many bits of a value after its leading one determine its bucket.
const STEP_BITS: u32 = 5;
const STEPS: usize = 1 << STEP_BITS;

/// A histogram of durations.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use nodeloop::observe::Histogram;
///
/// let mut histogram = Histogram::new();
/// for ms in 1..=100 {
///     histogram.record(Duration::from_millis(ms));
/// }
/// assert_eq!(histogram.count(), 100);
/// assert_eq!(histogram.max(), Duration::from_millis(100));
/// assert_eq!(histogram.mean(), Duration::from_micros(50_500));
/// let median = histogram.percentile(50.0).as_secs_f64();
/// assert!((0.050..0.052).contains(&median));
/// ```
#[derive(Clone, Default)]
pub struct Histogram {
    /// Grows up to the bucket of the longest duration.
    counts: Vec<u64>,
    count: u64,
    sum_ns: u128,
    min_ns: u64,
    max_ns: u64,
}

impl Histogram {
    /// Creates an empty histogram.
    pub fn new() -> Histogram {
        Histogram::default()
    }

    /// Records a duration in whole nanoseconds, at most 584 years.
    pub fn record(&mut self, duration: Duration) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = bucket_of(ns);
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.min_ns = if self.count == 0 {
            ns
        } else {
            self.min_ns.min(ns)
        };
        self.max_ns = self.max_ns.max(ns);
        self.count += 1;
        self.sum_ns += u128::from(ns);
    }

    /// Returns the number of recorded durations.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the shortest duration, exactly; zero if none was recorded.
    pub fn min(&self) -> Duration {
        Duration::from_nanos(self.min_ns)
    }

    /// Returns the longest duration, exactly; zero if none was recorded.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max_ns)
    }

    /// Returns the mean, rounded down to a nanosecond; zero if none was recorded.
    pub fn mean(&self) -> Duration {
        let mean_ns = self.sum_ns / u128::from(self.count.max(1));
        Duration::from_nanos(mean_ns as u64) // fits, because no duration exceeds `u64::MAX`
    }

    /// Returns a duration that `percent` of the recorded durations do not exceed; zero if none was
    /// recorded.
    ///
    /// It is at least as long as the exact percentile, by at most 1/32 of it.
    ///
    /// # Panics
    ///
    /// Panics if `percent` is not between 0 and 100.
    #[track_caller]
    pub fn percentile(&self, percent: f64) -> Duration {
        assert!(
            (0.0..=100.0).contains(&percent),
            "the percentile {percent} is out of range: pass a number between 0 and 100"
        );
        let rank = ((percent / 100.0 * self.count as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                let ns = last_of(bucket).clamp(self.min_ns, self.max_ns);
                return Duration::from_nanos(ns);
            }
        }
        self.max()
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count())
            .field("min", &self.min())
            .field("mean", &self.mean())
            .field("p50", &self.percentile(50.0))
            .field("p99", &self.percentile(99.0))
            .field("max", &self.max())
            .finish()
    }
}

/// Returns the bucket of a duration. The first 64 values have one each; above them each power of
/// two has [`STEPS`] buckets.
fn bucket_of(ns: u64) -> usize {
    let shift = (u64::BITS - ns.leading_zeros()).saturating_sub(STEP_BITS + 1);
    shift as usize * STEPS + (ns >> shift) as usize
}

/// Returns the longest duration of a bucket.
fn last_of(bucket: usize) -> u64 {
    let shift = (bucket / STEPS).saturating_sub(1);
    let first = (bucket - shift * STEPS) as u64;
    (first << shift) + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_in_order_and_close() {
        let mut previous = 0;
        let mut values: Vec<u64> = (0..10_000).collect();
        values.extend((13..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1]));
        values.push(u64::MAX);
        values.sort_unstable();
        for ns in values {
            let bucket = bucket_of(ns);
            assert!(
                bucket >= previous,
                "{ns} has a lower bucket than a shorter duration"
            );
            previous = bucket;
            let last = last_of(bucket);
            assert!(last >= ns, "{ns} exceeds its bucket");
            assert!(last - ns <= ns / 32, "{ns} is far from {last}");
            assert_eq!(bucket_of(last), bucket);
        }
    }

    #[test]
    fn an_empty_histogram_returns_zeros() {
        let histogram = Histogram::new();
        assert_eq!(histogram.percentile(99.0), Duration::ZERO);
        assert_eq!(histogram.mean(), Duration::ZERO);
        assert_eq!(histogram.min(), Duration::ZERO);
    }

    #[test]
    fn the_shortest_and_the_longest_are_exact() {
        let mut histogram = Histogram::new();
        for ns in [1_000_003, 5, 77_777_777] {
            histogram.record(Duration::from_nanos(ns));
        }
        assert_eq!(histogram.percentile(0.0), Duration::from_nanos(5));
        assert_eq!(
            histogram.percentile(100.0),
            Duration::from_nanos(77_777_777)
        );
        assert_eq!(histogram.min(), Duration::from_nanos(5));
    }
}
