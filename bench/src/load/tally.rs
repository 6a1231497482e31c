//! What is counted and timed while a run lasts, by all its documents together.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::spec::Quantiles;

/// The counts of a run.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) edits: u64,
    pub(crate) deliveries: u64,
    pub(crate) acked: u64,
    pub(crate) latency: Times,
    pub(crate) ack: Times,
    pub(crate) last_arrival_us: u32,
    pub(crate) faults: Faults,
}

/// A distribution of times.
#[derive(Debug)]
pub(crate) struct Times(Histogram<u64>);

/// What went wrong, by sort: how often, and how it was when it first did.
#[derive(Debug, Default)]
pub(crate) struct Faults(BTreeMap<&'static str, (u64, String)>);

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            edits: 0,
            deliveries: 0,
            acked: 0,
            latency: Times::new(),
            ack: Times::new(),
            last_arrival_us: 0,
            faults: Faults::default(),
        }
    }

    /// An edit was acknowledged to its author.
    pub(crate) fn acknowledged(&mut self, sent_us: u32, now_us: u32) {
        self.acked += 1;
        self.ack.record(now_us.saturating_sub(sent_us));
        self.last_arrival_us = self.last_arrival_us.max(now_us);
    }
}

impl Times {
    pub(crate) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST_US, DIGITS);
        #[allow(
            clippy::expect_used,
            reason = "the bounds are constants, and the test makes one"
        )]
        Self(histogram.expect("the bounds are right"))
    }

    #[inline]
    pub(crate) fn record(&mut self, us: u32) {
        self.0.saturating_record(u64::from(us));
    }

    pub(crate) fn quantiles(&self) -> Quantiles {
        Quantiles {
            count: self.0.len(),
            p50: self.0.value_at_quantile(0.5),
            p90: self.0.value_at_quantile(0.9),
            p99: self.0.value_at_quantile(0.99),
            p999: self.0.value_at_quantile(0.999),
            max: self.0.max(),
        }
    }
}

impl Faults {
    /// Notes a fault of a sort; it is described if it is the first.
    #[cold]
    pub(crate) fn note(&mut self, sort: &'static str, describe: impl FnOnce() -> String) {
        let entry = self.0.entry(sort);
        entry.or_insert_with(|| (0, describe())).0 += 1;
    }

    pub(crate) fn in_words(&self) -> Vec<String> {
        let word = |(sort, (count, first)): (&&str, &(u64, String))| {
            format!("{sort} ({count} times), first: {first}")
        };
        self.0.iter().map(word).collect()
    }
}

/// An hour, which no run lasts.
const LONGEST_US: u64 = 3_600_000_000;
/// One in a thousand is exact enough.
const DIGITS: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_what_they_say() {
        let mut times = Times::new();
        (1..=1_000).for_each(|us| times.record(us));
        let quantiles = times.quantiles();
        assert_eq!(
            (quantiles.count, quantiles.p50, quantiles.p99),
            (1_000, 500, 990)
        );
        assert_eq!(quantiles.max, 1_000);
    }
}
