//! Filing: from time to time changes move from where they arrived to their documents, many of one document at a time.
//!
//! A change dirties two pages of its document, wherever it goes in; sixteen that go in together dirty the same two. So
//! changes gather in `arrivals` until they are many, or until nothing has come for a while, and are then filed in one
//! pass. A pass goes in steps of a statement each, which is its own transaction and holds up no commit for longer than a
//! few milliseconds: first the changes are copied, then they are removed. The process may end between any two of them; a
//! change that stands in both places is one change, and the next pass removes it.
//! `docs/decisions/0005-changes-are-filed-later.md` has figures.

use std::time::{Duration, Instant};

use sqlx::SqliteConnection;

use super::arrivals::Arrivals;
use super::sql;
use crate::failpoint::Failpoint;

/// When changes are filed, and how many at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habit {
    /// So many are filed without waiting for quiet.
    pub(super) changes: usize,
    /// So many are filed in a step.
    pub(super) step: usize,
}

/// So many changes, with so many bytes of payload.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Amount {
    pub(super) changes: usize,
    pub(super) bytes: u64,
}

/// The pass that is under way, or when the next begins.
#[derive(Debug)]
pub(super) struct Filing {
    habit: Habit,
    /// When a pass is due even if the changes are few.
    quiet_at: Instant,
    /// A pass that failed is not repeated before.
    not_before: Instant,
    /// What was committed since the last step of a pass.
    arrived: Amount,
    pass: Option<Pass>,
}

/// What is left to do of a pass, by places in the timeline.
#[derive(Debug)]
struct Pass {
    /// To be copied, with the bytes of each, those of one document together; the next one last.
    to_file: Vec<(i64, u32)>,
    /// All up to this one are to be removed then.
    through: i64,
    /// Whether any of them are operations.
    has_operations: bool,
}

impl Filing {
    /// What was left by the process before is due at once.
    pub(super) fn new(habit: Habit, now: Instant) -> Self {
        Self {
            habit,
            quiet_at: now,
            not_before: now,
            arrived: Amount::default(),
            pass: None,
        }
    }

    /// When the next step is due, if nothing comes; none if there is nothing to file.
    pub(super) fn due(&self, arrivals: &Arrivals) -> Option<Instant> {
        let Amount { changes, bytes } = arrivals.amount();
        let is_many = changes >= self.habit.changes || bytes >= FILED_BYTES;
        if self.pass.is_some() || is_many {
            return Some(self.not_before);
        }
        (changes > 0).then(|| self.quiet_at.max(self.not_before))
    }

    /// Something was committed, and there were so many arrivals before.
    pub(super) fn note(&mut self, before: Amount, arrivals: &Arrivals, now: Instant) {
        let after = arrivals.amount();
        self.arrived.changes += after.changes - before.changes;
        self.arrived.bytes += after.bytes - before.bytes;
        self.quiet_at = now + QUIET;
    }

    /// One step of a pass; the first begins it. Twice as many changes as have arrived since the last one at least, so that
    /// a pass comes to its end.
    pub(super) async fn step(
        &mut self,
        connection: &mut SqliteConnection,
        arrivals: &mut Arrivals,
    ) -> Result<(), sqlx::Error> {
        let arrived = std::mem::take(&mut self.arrived);
        let (mut pass, arrived) = match self.pass.take() {
            Some(pass) => (pass, arrived),
            None => (Pass::begin(arrivals), Amount::default()),
        };
        let many = Amount {
            changes: self.habit.step.max(2 * arrived.changes),
            bytes: STEP_BYTES.max(2 * arrived.bytes),
        };
        let is_over = if pass.to_file.is_empty() {
            pass.remove(connection, arrivals, many.changes).await?
        } else {
            pass.file(connection, many).await?;
            false
        };
        Failpoint::ChangesFiled.reach();
        self.pass = (!is_over).then_some(pass);
        Ok(())
    }

    /// A step failed, and the connection is another one from now on.
    pub(super) fn failed(&mut self, now: Instant) {
        self.pass = None;
        self.not_before = now + AFTER_FAILURE;
    }
}

impl Pass {
    fn begin(arrivals: &Arrivals) -> Self {
        let mut to_file = arrivals.by_document();
        to_file.reverse();
        Self {
            to_file,
            through: arrivals.order_at(usize::MAX),
            has_operations: !arrivals.operations.is_empty(),
        }
    }

    async fn file(
        &mut self,
        connection: &mut SqliteConnection,
        many: Amount,
    ) -> Result<(), sqlx::Error> {
        let (mut orders, mut bytes) = (Vec::new(), 0);
        while orders.len() < many.changes
            && bytes < many.bytes
            && let Some((order, more)) = self.to_file.pop()
        {
            orders.push(order.to_string());
            bytes += u64::from(more);
        }
        let orders = format!("[{}]", orders.join(","));
        let operations = self.has_operations.then_some(sql::FILE_OPERATIONS);
        for sql in operations.into_iter().chain([sql::FILE]) {
            let filing = sqlx::query(sql).bind(&orders);
            filing.execute(&mut *connection).await?;
        }
        Ok(())
    }

    /// Whether that was the last of them.
    async fn remove(
        &mut self,
        connection: &mut SqliteConnection,
        arrivals: &mut Arrivals,
        many: usize,
    ) -> Result<bool, sqlx::Error> {
        let through = arrivals.order_at(many * REMOVED_TO_FILED).min(self.through);
        sqlx::query(sql::REMOVE_FILED)
            .bind(through)
            .execute(connection)
            .await?;
        arrivals.forget(through);
        Ok(through >= self.through)
    }
}

impl Default for Habit {
    fn default() -> Self {
        Self {
            changes: FILED_CHANGES,
            step: STEP_CHANGES,
        }
    }
}

/// A thousand busy documents have some sixteen each then. Every read passes over them, which takes some milliseconds.
const FILED_CHANGES: usize = if cfg!(feature = "failpoints") {
    64
} else {
    16_384
};
/// What has arrived is read through when a document is opened, so large changes are filed sooner.
const FILED_BYTES: u64 = 4 << 20;
/// So many are filed in some two milliseconds.
const STEP_CHANGES: usize = if cfg!(feature = "failpoints") { 8 } else { 512 };
/// Large ones are as good as several.
const STEP_BYTES: u64 = 256 << 10;
/// Removing a change costs half of filing it.
const REMOVED_TO_FILED: usize = 2;
/// So long after the last commit even a few changes are filed.
const QUIET: Duration = Duration::from_secs(2);
/// A disk that was full may be so for a while.
const AFTER_FAILURE: Duration = Duration::from_secs(10);
