//! The figures that are read off a run: pure functions of what was recorded.

use crate::record::{Phase, Run};

use super::LOAD;

/// One figure, with its target.
#[derive(Clone, Copy)]
pub(crate) struct Measure {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    pub(crate) better: Better,
    pub(crate) target: Option<f64>,
    /// Whether it makes sense for Quire only, because no peer keeps what it would tell of.
    pub(crate) is_of_quire: bool,
    pub(crate) of: fn(&Run) -> Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    Less,
    More,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    PerSecond,
    Microseconds,
    Milliseconds,
    Seconds,
    Megabytes,
    Kibibytes,
    /// A ratio.
    Times,
    People,
}

impl Measure {
    pub(super) const fn less(name: &'static str, unit: Unit, of: fn(&Run) -> Option<f64>) -> Self {
        Self {
            name,
            unit,
            better: Better::Less,
            target: None,
            is_of_quire: false,
            of,
        }
    }

    pub(super) const fn more(name: &'static str, unit: Unit, of: fn(&Run) -> Option<f64>) -> Self {
        Self {
            better: Better::More,
            ..Self::less(name, unit, of)
        }
    }

    pub(super) const fn target(self, target: f64) -> Self {
        Self {
            target: Some(target),
            ..self
        }
    }

    pub(super) const fn of_quire(self) -> Self {
        Self {
            is_of_quire: true,
            ..self
        }
    }

    /// Whether a figure meets the target; nothing, if there is none.
    pub(crate) fn is_met(&self, figure: f64) -> Option<bool> {
        self.target.map(|target| match self.better {
            Better::Less => figure <= target,
            Better::More => figure >= target,
        })
    }
}

pub(super) const EDITS: Measure = Measure::more("edits in", Unit::PerSecond, |run| {
    let result = &load(run)?.result;
    Some(result.edits as f64 / result.seconds)
});

pub(super) const DELIVERIES: Measure = Measure::more("deliveries out", Unit::PerSecond, |run| {
    let result = &load(run)?.result;
    Some(result.deliveries as f64 / result.seconds)
});

pub(super) const CPU_PER_DELIVERY: Measure =
    Measure::less("CPU per delivery", Unit::Microseconds, |run| {
        let load = load(run)?;
        per(cpu_us(load), load.result.deliveries)
    });

pub(super) const CPU_PER_EDIT: Measure = Measure::less("CPU per edit", Unit::Microseconds, |run| {
    let load = load(run)?;
    per(cpu_us(load), load.result.edits)
});

pub(super) const CPU_PER_MOVE: Measure =
    Measure::less("CPU per delivery", Unit::Microseconds, |run| {
        let load = load(run)?;
        per(cpu_us(load), load.result.presence.as_ref()?.deliveries)
    });

pub(super) const P50: Measure = Measure::less("p50", Unit::Milliseconds, |run| {
    let result = &load(run)?.result;
    (result.latency.count > 0).then_some(result.latency.p50 as f64 / 1e3)
});

pub(super) const P99: Measure = Measure::less("p99", Unit::Milliseconds, |run| {
    let result = &load(run)?.result;
    (result.latency.count > 0).then_some(result.latency.p99 as f64 / 1e3)
});

pub(super) const MOVE_P99: Measure = Measure::less("p99 of a cursor", Unit::Milliseconds, |run| {
    Some(load(run)?.result.presence.as_ref()?.latency.p99 as f64 / 1e3)
});

pub(super) const ACKED: Measure = Measure::more("acked durably", Unit::PerSecond, |run| {
    let result = &load(run)?.result;
    Some(result.acked as f64 / result.seconds)
})
.of_quire();

pub(super) const ACK_P50: Measure = Measure::less("p50 of ack", Unit::Milliseconds, |run| {
    Some(load(run)?.result.ack?.p50 as f64 / 1e3)
})
.of_quire();

pub(super) const ACK_P99: Measure = Measure::less("p99 of ack", Unit::Milliseconds, |run| {
    Some(load(run)?.result.ack?.p99 as f64 / 1e3)
})
.of_quire();

pub(super) const ACK_IN_FSYNCS: Measure =
    Measure::less("p50 of ack in fsyncs", Unit::Times, |run| {
        let ack = load(run)?.result.ack?;
        (run.fsync_us > 0.0).then(|| ack.p50 as f64 / run.fsync_us)
    })
    .of_quire();

/// Of the whole process, everyone being connected.
pub(super) const MEMORY_CONNECTED: Measure =
    Measure::less("memory, all connected", Unit::Megabytes, |run| {
        Some(megabytes(load(run)?.ready.rss_bytes))
    });

pub(super) const MEMORY_AT_START: Measure = Measure::less(
    "memory before the first connection",
    Unit::Megabytes,
    |run| Some(megabytes(load(run)?.before.rss_bytes)),
);

/// What connections have added, by how many they are.
pub(super) fn memory_each(run: &Run, connections: u32) -> Option<f64> {
    let load = load(run)?;
    let added = load.end.rss_bytes.saturating_sub(load.before.rss_bytes);
    per(added as f64 / 1_024.0, u64::from(connections))
}

/// What the process took at its peak over what it held before.
pub(super) fn memory_added(phase: &Phase) -> f64 {
    megabytes(phase.end.peak_bytes.saturating_sub(phase.ready.rss_bytes))
}

pub(super) fn load(run: &Run) -> Option<&Phase> {
    run.phase(LOAD)
}

pub(super) fn cpu_us(phase: &Phase) -> f64 {
    (phase.end.cpu_seconds - phase.begin.cpu_seconds) * 1e6
}

pub(super) fn per(sum: f64, count: u64) -> Option<f64> {
    (count > 0).then(|| sum / count as f64)
}

pub(super) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Sample;
    use crate::spec::{LoadResult, Quantiles};

    fn run() -> Run {
        let sample = |cpu_seconds, rss_bytes| Sample {
            cpu_seconds,
            rss_bytes,
            peak_bytes: rss_bytes * 2,
            ..Sample::default()
        };
        let result = LoadResult {
            edits: 10,
            deliveries: 40,
            seconds: 2.0,
            ack: Some(Quantiles {
                p50: 300,
                ..Quantiles::default()
            }),
            ..LoadResult::default()
        };
        Run {
            phases: vec![Phase {
                name: LOAD.to_owned(),
                result,
                before: sample(0.0, 1 << 20),
                ready: sample(0.1, 2 << 20),
                begin: sample(0.2, 2 << 20),
                end: sample(0.4, 3 << 20),
            }],
            fsync_us: 100.0,
            faults: Vec::new(),
        }
    }

    #[test]
    fn figures_are_of_the_load_alone() {
        let run = run();
        let figure = |measure: Measure| (measure.of)(&run).map(|figure| figure.round());
        assert_eq!(figure(EDITS), Some(5.0));
        assert_eq!(figure(DELIVERIES), Some(20.0));
        assert_eq!(figure(CPU_PER_DELIVERY), Some(5_000.0));
        assert_eq!(figure(CPU_PER_EDIT), Some(20_000.0));
        assert_eq!(figure(ACK_IN_FSYNCS), Some(3.0));
        assert_eq!(figure(MEMORY_CONNECTED), Some(2.0));
        assert_eq!(memory_each(&run, 1_024), Some(2.0));
        assert_eq!(memory_added(&run.phases[0]).round(), 4.0);
    }

    #[test]
    fn nothing_is_read_off_nothing() {
        let run = Run::default();
        assert_eq!((EDITS.of)(&run), None);
        assert_eq!(per(1.0, 0), None);
        assert_eq!((CPU_PER_MOVE.of)(&run), None);
    }

    #[test]
    fn targets_have_a_direction() {
        assert_eq!(P99.is_met(1.0), None);
        assert_eq!(P99.target(1.0).is_met(1.0), Some(true));
        assert_eq!(P99.target(1.0).is_met(1.1), Some(false));
        assert_eq!(EDITS.target(5.0).is_met(4.9), Some(false));
    }
}
