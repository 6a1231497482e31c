//! Damaged rows are logged once each, not at every read: a history view reads the same rows again and again.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use engine::{DocumentKey, Dot};

/// A row that is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Damage {
    /// The dot of a damaged change, if those two columns are well.
    pub(crate) dot: Option<Dot>,
}

/// The most rows that are remembered as logged. Beyond that all are forgotten, and may be logged again.
const REMEMBERED: usize = 1024;

/// Logs each damaged row once.
#[derive(Debug, Default)]
pub(crate) struct DamageLog {
    logged: Mutex<HashSet<(DocumentKey, Row)>>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Row {
    Change(Damage),
    Snapshot(i64),
}

impl DamageLog {
    pub(crate) fn report(&self, document: &DocumentKey, damage: Damage) {
        if self.is_new(document, Row::Change(damage)) {
            let dot = damage
                .dot
                .map_or_else(|| "unknown".to_owned(), |dot| dot.to_string());
            tracing::error!(%document, dot, "damaged change was left out");
        }
    }

    pub(crate) fn report_snapshot(&self, document: &DocumentKey, id: i64) {
        if self.is_new(document, Row::Snapshot(id)) {
            tracing::error!(%document, id, "damaged snapshot was left out");
        }
    }

    fn is_new(&self, document: &DocumentKey, row: Row) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.len() >= REMEMBERED {
            logged.clear();
        }
        logged.insert((document.clone(), row))
    }
}
