//! From runs to figures: one cell for each server, and how Quire compares.

use std::collections::BTreeMap;

use crate::peers::Server;
use crate::plan::{Better, Measure, Row};
use crate::record::{Record, RowRecord, Run};
use crate::stats::Spread;

/// One figure of all servers.
pub(super) struct Line<'a> {
    pub(super) row: &'a Row,
    pub(super) measure: Measure,
    pub(super) cells: BTreeMap<Server, Cell>,
}

/// What a server came to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Figure(Spread),
    /// Some runs went wrong; whatever the others came to does not count.
    Failed {
        failed: usize,
        runs: usize,
        why: String,
    },
    /// The runs were good, but have nothing to say of this.
    Nothing,
}

/// The lines of a row; none, if it was not measured.
pub(super) fn lines<'a>(record: &Record, row: &'a Row) -> Vec<Line<'a>> {
    let Some(measured) = record.rows.get(&row.key) else {
        return Vec::new();
    };
    let line = |measure: &Measure| Line {
        row,
        measure: *measure,
        cells: cells(measured, measure),
    };
    row.measures.iter().map(line).collect()
}

fn cells(measured: &RowRecord, measure: &Measure) -> BTreeMap<Server, Cell> {
    let tells = |server: &Server| server.is_quire() || !measure.is_of_quire;
    let runs = measured.runs.iter().filter(|(server, _)| tells(server));
    runs.map(|(server, runs)| (*server, cell(runs, measure)))
        .collect()
}

fn cell(runs: &[Run], measure: &Measure) -> Cell {
    let mut bad = runs.iter().filter(|run| !run.is_good());
    if let Some(first) = bad.next() {
        return Cell::Failed {
            failed: 1 + bad.count(),
            runs: runs.len(),
            why: first.faults.join("; "),
        };
    }
    Spread::of(runs.iter().filter_map(measure.of)).map_or(Cell::Nothing, Cell::Figure)
}

impl Line<'_> {
    pub(super) fn median(&self, server: Server) -> Option<f64> {
        match self.cells.get(&server)? {
            Cell::Figure(spread) => Some(spread.median),
            Cell::Failed { .. } | Cell::Nothing => None,
        }
    }

    /// How many times better than the best of the peers Quire is.
    pub(super) fn to_best_peer(&self) -> Option<f64> {
        self.ahead_of(Server::is_peer)
    }

    /// The same against the best ceiling, so seldom above one.
    pub(super) fn to_ceiling(&self) -> Option<f64> {
        self.ahead_of(Server::is_ceiling)
    }

    /// Whether Quire meets the target; not, if it failed. Nothing, if there is no target or nothing was measured.
    pub(super) fn is_met(&self) -> Option<bool> {
        match self.cells.get(&Server::Quire)? {
            Cell::Figure(spread) => self.measure.is_met(spread.median),
            Cell::Failed { .. } => self.measure.target.map(|_| false),
            Cell::Nothing => None,
        }
    }

    fn ahead_of(&self, is: fn(Server) -> bool) -> Option<f64> {
        let quire = self.median(Server::Quire)?;
        let others = self.cells.keys().filter(|server| is(**server));
        let figures = others.filter_map(|server| self.median(*server));
        let (best, ratio): (Option<f64>, fn(f64, f64) -> f64) = match self.measure.better {
            Better::More => (figures.max_by(f64::total_cmp), |quire, best| quire / best),
            Better::Less => (figures.min_by(f64::total_cmp), |quire, best| best / quire),
        };
        best.map(|best| ratio(quire, best))
            .filter(|ratio| ratio.is_finite())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::plan;
    use crate::record::Phase;
    use crate::spec::LoadResult;

    fn failed(why: &str) -> Run {
        Run {
            faults: vec![why.to_owned()],
            ..Run::default()
        }
    }

    /// A record in which Quire sends twice as many edits as the better peer, and one peer fails.
    pub(in crate::report) fn record() -> Record {
        let run = |edits| Run {
            phases: vec![Phase {
                name: plan::LOAD.to_owned(),
                result: LoadResult {
                    edits,
                    seconds: 1.0,
                    equal: true,
                    ..LoadResult::default()
                },
                ..Phase::default()
            }],
            ..Run::default()
        };
        let failed = failed("12 deliveries are missing");
        let runs = BTreeMap::from([
            (Server::Quire, vec![run(30_000), run(40_000), run(50_000)]),
            (Server::YWebsocket, vec![run(10_000)]),
            (Server::Hocuspocus, vec![run(20_000)]),
            (Server::YSweet, vec![run(90_000), failed]),
            (Server::Coalesce, vec![run(80_000)]),
        ]);
        let mut record = Record::default();
        let row = RowRecord {
            runs,
            ..RowRecord::default()
        };
        record.put("room-100-saturated", row);
        record
    }

    pub(in crate::report) fn row() -> Row {
        let mut rows = plan::rows().into_iter();
        rows.find(|row| row.key == "room-100-saturated")
            .expect("the plan has this row")
    }

    #[test]
    fn a_server_with_a_fault_has_failed_and_is_not_the_best() {
        let (record, row) = (record(), row());
        let line = &lines(&record, &row)[0];
        let failed = Cell::Failed {
            failed: 1,
            runs: 2,
            why: "12 deliveries are missing".to_owned(),
        };
        assert_eq!(line.cells[&Server::YSweet], failed);
        assert_eq!(line.to_best_peer(), Some(2.0));
        assert_eq!(line.to_ceiling(), Some(0.5));
        assert_eq!(line.is_met(), Some(true));
    }

    #[test]
    fn quire_does_not_meet_a_target_by_failing() {
        let (mut record, row) = (record(), row());
        let runs = &mut record.rows.get_mut(&row.key).expect("was put").runs;
        runs.entry(Server::Quire)
            .or_default()
            .push(failed("not all hold the same"));
        let line = &lines(&record, &row)[0];
        assert_eq!((line.is_met(), line.to_best_peer()), (Some(false), None));
    }

    #[test]
    fn what_was_not_measured_has_no_lines() {
        assert!(lines(&Record::default(), &row()).is_empty());
    }
}
