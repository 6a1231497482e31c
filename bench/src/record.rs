//! What was measured, raw, as it is written to a file and read again: every run of every server, nothing averaged.
//!
//! Figures, ratios and verdicts are made from it by `report`, so that a report can be written anew without measuring anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::peers::Server;
use crate::process::Sample;
use crate::spec::LoadResult;

/// All that is known.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) machine: Machine,
    /// By the key of the row.
    pub(crate) rows: BTreeMap<String, RowRecord>,
    /// Rows that were asked for and not measured, with the reason.
    pub(crate) skipped: BTreeMap<String, String>,
}

/// Where it was measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_mib: u64,
    pub(crate) kernel: String,
    pub(crate) node: String,
    pub(crate) rust: String,
    /// When the last row was measured, UTC.
    pub(crate) date: String,
}

/// One row: the same load on several servers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct RowRecord {
    /// Whether it was measured in the quick mode, whose figures are only a first look.
    pub(crate) is_quick: bool,
    /// In the order in which they were run.
    pub(crate) runs: BTreeMap<Server, Vec<Run>>,
    /// Counted in a run of its own, because counting is slow.
    pub(crate) calls: BTreeMap<Server, Calls>,
}

/// One run of one server.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) phases: Vec<Phase>,
    /// What one fsync of the server's disk took just before, in microseconds; the median of some.
    pub(crate) fsync_us: f64,
    /// What makes the run a failure, in words. A run without is a good one.
    pub(crate) faults: Vec<String>,
}

/// One load within a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Phase {
    pub(crate) name: String,
    pub(crate) result: LoadResult,
    /// The server as it listens, before anyone connects.
    pub(crate) before: Sample,
    /// Everyone is connected and equal. Its peak is forgotten here, so that the later ones are of the load alone.
    pub(crate) ready: Sample,
    /// The first edit is about to leave.
    pub(crate) begin: Sample,
    /// The last one arrived.
    pub(crate) end: Sample,
}

/// System calls of a server while a load lasted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Calls {
    pub(crate) deliveries: u64,
    pub(crate) edits: u64,
    /// By name.
    pub(crate) counts: BTreeMap<String, u64>,
}

impl Run {
    pub(crate) fn is_good(&self) -> bool {
        self.faults.is_empty()
    }

    pub(crate) fn phase(&self, name: &str) -> Option<&Phase> {
        self.phases.iter().find(|phase| phase.name == name)
    }
}

impl Record {
    /// Reads what is there already; nothing, if there is no file.
    ///
    /// # Errors
    /// The file is something else.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(path)?;
        serde_json::from_str(&text).with_context(|| format!("{} is no record", path.display()))
    }

    /// Writes it beside and puts it in place, so that an interrupted run leaves a whole file.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let beside = path.with_extension("json.new");
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&beside, serde_json::to_string_pretty(self)? + "\n")?;
        fs::rename(&beside, path).with_context(|| format!("write {}", path.display()))
    }

    /// Takes a row in, in place of what an earlier run knew of it.
    pub(crate) fn put(&mut self, key: &str, row: RowRecord) {
        self.skipped.remove(key);
        self.rows.insert(key.to_owned(), row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_and_rows_are_replaced() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("new/record.json");
        let mut record = Record::load(&path)?;
        record.skipped.insert("a".to_owned(), "no time".to_owned());
        record.put("a", RowRecord::default());
        let failed = Run {
            faults: vec!["it broke".to_owned()],
            ..Run::default()
        };
        let row = RowRecord {
            is_quick: true,
            runs: BTreeMap::from([(Server::HocuspocusSqlite, vec![failed])]),
            calls: BTreeMap::new(),
        };
        record.put("a", row);
        record.save(&path)?;
        let read = Record::load(&path)?;
        assert!(read.skipped.is_empty() && read.rows["a"].is_quick);
        let run = &read.rows["a"].runs[&Server::HocuspocusSqlite][0];
        assert!(!run.is_good() && run.phase("load").is_none());
        Ok(())
    }

    #[test]
    fn what_is_no_record_is_not_overwritten_unseen() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("record.json");
        fs::write(&path, "{]")?;
        assert!(Record::load(&path).is_err());
        Ok(())
    }
}
