//! What is measured: rows, each a load that several servers get, with the figures that are read off it and their targets.
//!
//! The targets were set from what peers and ceilings reached on the machine that this is developed on; `docs/benchmarks.md`
//! tells how they are met. A curve is a row for each of its points.

mod automerge;
mod growth;
mod measure;
mod tables;

use crate::peers::Server;
use crate::spec::Workload;

pub(crate) use measure::{Better, Measure, Unit};

/// One load on several servers.
pub(crate) struct Row {
    /// Names it in records and on the command line.
    pub(crate) key: String,
    pub(crate) section: Section,
    pub(crate) title: String,
    pub(crate) servers: Vec<Server>,
    pub(crate) steps: Vec<Step>,
    pub(crate) measures: Vec<Measure>,
    /// The most runs that each server gets, where they are long.
    pub(crate) runs_max: usize,
    /// The same for peers, some of which take minutes.
    pub(crate) peer_runs_max: usize,
    pub(crate) is_quick: bool,
    /// Whether system calls are counted in a further run.
    pub(crate) counts_calls: bool,
    /// Where the point lies on its curve.
    pub(crate) x: f64,
}

/// One load within a run; the server goes on from one to the next unless it is restarted.
#[derive(Clone)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) workload: Workload,
    pub(crate) seconds: f64,
    /// How long the generator waits for who does not come.
    pub(crate) patience_seconds: f64,
    /// How many edits of each client may be under way when nothing paces them.
    pub(crate) window: u32,
    pub(crate) start: Start,
}

/// What the server is when a load begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// New, without data.
    Empty,
    /// Still there from the load before.
    Warm,
    /// Restarted on what the load before left on disk.
    Cold,
}

/// What belongs together in tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Section {
    Saturated,
    Steady,
    Rooms,
    Presence,
    Rest,
    Stalled,
    History,
    Joining,
    Ordered,
    Automerge,
    /// Curves, by what grows.
    Clients,
    Documents,
    Changes,
    Size,
}

impl Section {
    pub(crate) const TABLES: [Self; 10] = [
        Self::Saturated,
        Self::Steady,
        Self::Rooms,
        Self::Presence,
        Self::Rest,
        Self::Stalled,
        Self::History,
        Self::Joining,
        Self::Ordered,
        Self::Automerge,
    ];
    pub(crate) const CURVES: [Self; 4] =
        [Self::Clients, Self::Documents, Self::Changes, Self::Size];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Saturated => "One document, saturated",
            Self::Steady => "One document at a steady rate",
            Self::Rooms => "1,000 documents, two clients each",
            Self::Presence => "Presence",
            Self::Rest => "At rest",
            Self::Stalled => "Readers that never read",
            Self::History => "A long history",
            Self::Joining => "Many who join a large document",
            Self::Ordered => "Ordered documents (ShareDB)",
            Self::Automerge => "Automerge (automerge-repo)",
            Self::Clients => "Clients of one document",
            Self::Documents => "Documents",
            Self::Changes => "Changes in a document's history",
            Self::Size => "Size of a document",
        }
    }

    /// What the axis of its curve counts.
    pub(crate) fn grows(self) -> &'static str {
        match self {
            Self::Clients => "clients",
            Self::Documents => "documents",
            Self::Changes => "changes",
            Self::Size => "bytes",
            _ => "",
        }
    }

    /// Names its plot.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Saturated => "saturated",
            Self::Steady => "steady",
            Self::Rooms => "documents",
            Self::Presence => "presence",
            Self::Rest => "rest",
            Self::Stalled => "stalled",
            Self::History => "history",
            Self::Joining => "joining",
            Self::Ordered => "ordered",
            Self::Automerge => "automerge",
            Self::Clients => "growth-clients",
            Self::Documents => "growth-documents",
            Self::Changes => "growth-history",
            Self::Size => "growth-size",
        }
    }
}

/// All rows, in the order in which they are measured and shown.
pub(crate) fn rows() -> Vec<Row> {
    let mut rows = tables::rows();
    rows.extend(automerge::rows());
    rows.extend(growth::rows());
    rows
}

impl Row {
    /// Whether a word of `--only` means this row: its key, the beginning of it, or its section's.
    pub(crate) fn is_meant_by(&self, word: &str) -> bool {
        self.key.starts_with(word) || self.section.key() == word
    }

    /// Whether recorded typing sessions are needed.
    pub(crate) fn needs_traces(&self) -> bool {
        let mut workloads = self.steps.iter().map(|step| &step.workload);
        workloads.any(|workload| matches!(workload, Workload::Trace { .. }))
    }

    /// How often a server is run when `runs` are wanted.
    pub(crate) fn runs_of(&self, server: Server, runs: usize) -> usize {
        let most = if server.is_peer() {
            self.peer_runs_max.min(self.runs_max)
        } else {
            self.runs_max
        };
        runs.min(most)
    }
}

impl Step {
    fn new(workload: Workload, seconds: f64) -> Self {
        Self {
            name: LOAD,
            workload,
            seconds,
            patience_seconds: 20.0,
            window: 1,
            start: Start::Empty,
        }
    }

    fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    fn starting(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    fn patient(mut self, seconds: f64) -> Self {
        self.patience_seconds = seconds;
        self
    }

    fn saturated(mut self) -> Self {
        self.window = SATURATED_WINDOW;
        self
    }
}

/// How many edits of each client are under way at once when nothing paces them: so many that the server is the limit and not
/// the time that an edit takes to be stored and come back.
pub(crate) const SATURATED_WINDOW: u32 = 4;

/// The step of a row that has but one.
pub(crate) const LOAD: &str = "load";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn rows_have_names_of_their_own_and_something_to_show() {
        let rows = rows();
        let keys: BTreeSet<_> = rows.iter().map(|row| &row.key).collect();
        assert_eq!(keys.len(), rows.len());
        for row in &rows {
            assert!(
                !row.steps.is_empty() && !row.measures.is_empty(),
                "{}",
                row.key
            );
            assert!(row.servers.contains(&Server::Quire), "{}", row.key);
            let is_point = Section::CURVES.contains(&row.section);
            assert_eq!(is_point, row.x > 0.0, "{}", row.key);
        }
    }

    #[test]
    fn every_section_has_a_row() {
        let rows = rows();
        for section in Section::TABLES.into_iter().chain(Section::CURVES) {
            assert!(rows.iter().any(|row| row.section == section), "{section:?}");
        }
    }

    #[test]
    fn rows_are_meant_by_key_and_by_section() {
        let rows = rows();
        let meant = |word| rows.iter().filter(|row| row.is_meant_by(word)).count();
        assert_eq!((meant("room-100-saturated"), meant("nothing")), (1, 0));
        assert!(meant("growth") > meant("growth-size") && meant("saturated") == 2);
    }
}
