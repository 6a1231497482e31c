//! One commit of a writing lane: the appends of many documents in one statement, which is a transaction by itself, so that
//! a batch costs one trip to the database whatever its size.
//!
//! The statement takes what plainly goes on where its document ends, and that is nearly everything. Of what it leaves, one
//! more trip finds out which was stored before: a commit whose answer was lost is repeated as a whole. The rest is looked at
//! one by one (`careful`), and answered by what is found. That takes ten trips for each, so nobody else's answer waits for
//! it, and it may take longer.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use engine::{Change, DocumentKey, Dot, Kind, StoredChange};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};
use tokio::sync::oneshot;

use super::careful::Append;
use super::columns::Columns;
use super::documents::Deed;
use super::failure::Stop;
use super::operations::{self, NewOperation};
use super::patience::{ATTEMPT_MAX, silence};
use super::rows;
use super::sql;
use super::tally::Tally;
use crate::failpoint::Failpoint;
use crate::news::NewsHabit;
use crate::numbers::{now_ms, signed};
use crate::store::StoreError;

/// An append that waits for its commit.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) document: DocumentKey,
    pub(super) kind: Kind,
    pub(super) changes: Vec<Change>,
    pub(super) deed: Deed,
}

/// Appends of different documents, by whose places in it the statements know them.
pub(super) struct Batch<'a> {
    pub(super) appends: &'a [Waiting],
    pub(super) habit: Option<NewsHabit>,
    pub(super) tally: &'a Tally,
}

/// Who waits for the appends of a batch; none any more where it is decided what became of one. The others are to be tried
/// again.
pub(super) type Askers = Vec<Option<oneshot::Sender<Result<(), StoreError>>>>;

impl Batch<'_> {
    /// Carries out as much as can be decided, and answers whoever waits for that at once: also when the connection fails half
    /// way.
    pub(super) async fn run(
        &self,
        connection: &mut PgConnection,
        askers: &mut Askers,
    ) -> Result<(), sqlx::Error> {
        within(ATTEMPT_MAX, self.run_together(connection, askers)).await?;
        for (place, append) in self.undecided(askers) {
            let append = self.carefully(append);
            let outcome = within(CAREFUL_MAX, async {
                match append.run(connection, self.habit).await {
                    Ok(()) => Ok(Some(Ok(()))),
                    Err(Stop::Refused(error)) => Ok(Some(Err(error))),
                    Err(Stop::Overtaken) => Ok(None),
                    Err(Stop::Failed(error)) => Err(error),
                }
            });
            if let Some(outcome) = outcome.await? {
                decide(askers, place, outcome);
            }
        }
        Ok(())
    }

    /// What can be done for all of them in a few trips.
    async fn run_together(
        &self,
        connection: &mut PgConnection,
        askers: &mut Askers,
    ) -> Result<(), sqlx::Error> {
        Failpoint::BeforeCommit.reach();
        let taken = self.append(connection, askers).await?;
        Failpoint::Committed.reach();
        for place in taken {
            decide(askers, place, Ok(()));
        }
        for (place, count) in self.overtaken(connection, askers).await? {
            decide(askers, place, Err(StoreError::Overtaken(count)));
        }
        if askers.iter().any(Option::is_some) {
            for place in self.stored_before(connection, askers).await? {
                decide(askers, place, Ok(()));
            }
        }
        Ok(())
    }

    fn undecided(&self, askers: &Askers) -> Vec<(usize, &Waiting)> {
        let appends = self.appends.iter().enumerate();
        appends
            .filter(|(place, _)| askers[*place].is_some())
            .collect()
    }

    fn carefully<'a>(&self, append: &'a Waiting) -> Append<'a> {
        self.tally.note_statements(CAREFUL_STATEMENTS);
        Append {
            document: &append.document,
            kind: append.kind,
            changes: &append.changes,
            deed: &append.deed,
            creates: false,
        }
    }

    /// The statement for all. Gives the places of those that it took.
    async fn append(
        &self,
        connection: &mut PgConnection,
        askers: &Askers,
    ) -> Result<Vec<usize>, sqlx::Error> {
        let mut rows = Rows::default();
        for (place, append) in self.undecided(askers) {
            if let Some(lanes) = lanes(&append.changes)
                && let Some(operations) = operations::even(&append.changes)
            {
                rows.push(number(place), append, &lanes, &operations);
            }
        }
        let stored = rows.numbers.len() as u64;
        let query = rows.bind(self.habit);
        let taken = query.fetch_all(connection).await?;
        self.tally.note_commit(stored);
        taken.iter().map(place).collect()
    }

    /// Those of the undecided whose first operation's version is another one's, with how many operations there are. Nobody
    /// has to look closer at these.
    async fn overtaken(
        &self,
        connection: &mut PgConnection,
        askers: &Askers,
    ) -> Result<Vec<(usize, u64)>, sqlx::Error> {
        let (mut documents, mut versions) = (Documents::default(), Vec::new());
        let mut firsts = HashMap::new();
        for (place, append) in self.undecided(askers) {
            let operations = operations::even(&append.changes).unwrap_or_default();
            if let Some(first) = operations.first() {
                documents.push(number(place), append);
                versions.push(signed(first.placed.version));
                firsts.insert(place, (append.kind, first.dot));
            }
        }
        if firsts.is_empty() {
            return Ok(Vec::new());
        }
        let query = documents.bind_names(sqlx::query(sql::PLACES));
        let rows = query.bind(versions).fetch_all(connection).await?;
        self.tally.note_statements(1);
        let mut overtaken = Vec::new();
        for row in &rows {
            let place = place(row)?;
            let (count, deleted): (i64, bool) = (row.try_get(3)?, row.try_get(2)?);
            let is_overtaken = firsts.get(&place).is_some_and(|(kind, dot)| {
                rows::kind(row, 1) == Some(*kind) && rows::dot(row, 4) != Some(*dot)
            });
            if is_overtaken && !deleted {
                overtaken.push((place, count.cast_unsigned()));
            }
        }
        Ok(overtaken)
    }

    /// Those of the undecided whose changes are all stored, each as it is.
    async fn stored_before(
        &self,
        connection: &mut PgConnection,
        askers: &Askers,
    ) -> Result<Vec<usize>, sqlx::Error> {
        let appends = self.undecided(askers);
        let mut documents = Documents::default();
        let (mut numbers, mut lanes, mut counters) = (Vec::new(), Vec::new(), Vec::new());
        for (place, append) in &appends {
            documents.push(number(*place), append);
            for change in &append.changes {
                numbers.push(number(*place));
                lanes.push(i64::from(change.dot.replica.0));
                counters.push(signed(change.dot.counter));
            }
        }
        let query = documents.bind_names(sqlx::query(sql::STORED));
        let query = query.bind(numbers).bind(lanes).bind(counters);
        let rows = query.fetch_all(connection).await?;
        self.tally.note_statements(1);
        let mut found: HashMap<usize, HashMap<Dot, Change>> = HashMap::new();
        for row in &rows {
            let place = place(row)?;
            if let Some(StoredChange { change, .. }) = self.stored(place, row) {
                found.entry(place).or_default().insert(change.dot, change);
            }
        }
        let is_stored = |(place, append): &(usize, &Waiting)| {
            let found = found.get(place);
            found.is_some_and(|found| {
                let is_there = |change: &Change| found.get(&change.dot) == Some(change);
                append.changes.iter().all(is_there)
            })
        };
        let stored = appends.into_iter().filter(is_stored);
        Ok(stored.map(|(place, _)| place).collect())
    }

    /// A change that is whole, of a document that could be written.
    fn stored(&self, place: usize, row: &PgRow) -> Option<StoredChange> {
        let append = self.appends.get(place)?;
        let deleted: bool = row.try_get(2).ok()?;
        if deleted || rows::kind(row, 1)? != append.kind {
            return None;
        }
        rows::change(row, 3, &append.document).ok()
    }
}

/// Answers whoever waits for an append.
fn decide(askers: &mut Askers, place: usize, outcome: Result<(), StoreError>) {
    if let Some(asker) = askers.get_mut(place).and_then(Option::take) {
        // He may have stopped waiting.
        let _ = asker.send(outcome);
    }
}

/// An attempt takes no longer than that.
async fn within<T>(
    longest: Duration,
    attempt: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let attempted = tokio::time::timeout(longest, attempt).await;
    attempted.unwrap_or_else(|_| Err(silence()))
}

/// The lanes of some changes, each with the counter at which it goes on; none if they do not go on evenly, and are to be
/// looked at closely.
fn lanes(changes: &[Change]) -> Option<HashMap<i64, i64>> {
    let mut lanes = HashMap::new();
    let mut heads = HashMap::new();
    for change in changes {
        let Dot { replica, counter } = change.dot;
        let head = heads.insert(replica, counter);
        if counter == 0 || counter > COUNTER_MAX {
            return None;
        }
        match head {
            None => drop(lanes.insert(i64::from(replica.0), signed(counter))),
            Some(head) if counter == head + 1 => {}
            Some(_) => return None,
        }
    }
    Some(lanes)
}

/// What the statement for all takes.
#[derive(Default)]
struct Rows<'a> {
    documents: Documents<'a>,
    lanes: Lanes,
    /// For each change its document's.
    numbers: Vec<i32>,
    changes: Columns<'a>,
    /// For each operation its document's.
    operation_numbers: Vec<i32>,
    operations: operations::Columns,
}

impl<'a> Rows<'a> {
    fn push(
        &mut self,
        number: i32,
        append: &'a Waiting,
        lanes: &HashMap<i64, i64>,
        operations: &[NewOperation],
    ) {
        self.documents.push(number, append);
        self.lanes.push(number, lanes);
        for change in &append.changes {
            self.numbers.push(number);
            self.changes.push(change);
        }
        for operation in operations {
            self.operation_numbers.push(number);
            self.operations.push(operation);
        }
    }

    /// The statement with its arguments; those that most have no use for are left out where they can be.
    fn bind(self, habit: Option<NewsHabit>) -> super::columns::Query<'a> {
        let has_operations = !self.operation_numbers.is_empty();
        let sql = match habit {
            _ if has_operations => sql::APPEND_OPERATIONS,
            Some(_) => sql::APPEND_WITH_NEWS,
            None => sql::APPEND,
        };
        let query = self.lanes.bind(self.documents.bind(sqlx::query(sql)));
        let query = self.changes.bind(query.bind(self.numbers));
        let mut query = query.bind(signed(now_ms()));
        if habit.is_some() || has_operations {
            let habit = habit.unwrap_or_default();
            query = query.bind(habit.created).bind(habit.changed);
            query = query.bind(signed(habit.debounce_ms));
            query = query.bind(signed(habit.debounce_max_ms));
        }
        if has_operations {
            query = self.operations.bind(query.bind(self.operation_numbers));
        }
        query
    }
}

/// Documents as columns.
#[derive(Default)]
struct Documents<'a> {
    numbers: Vec<i32>,
    workspaces: Vec<&'a str>,
    names: Vec<&'a str>,
    kinds: Vec<&'static str>,
}

impl<'a> Documents<'a> {
    fn push(&mut self, number: i32, append: &'a Waiting) {
        self.numbers.push(number);
        self.workspaces.push(append.document.workspace());
        self.names.push(append.document.name());
        self.kinds.push(append.kind.as_str());
    }

    fn bind(mut self, query: super::columns::Query<'a>) -> super::columns::Query<'a> {
        let kinds = std::mem::take(&mut self.kinds);
        self.bind_names(query).bind(kinds)
    }

    fn bind_names(self, query: super::columns::Query<'a>) -> super::columns::Query<'a> {
        query
            .bind(self.numbers)
            .bind(self.workspaces)
            .bind(self.names)
    }
}

/// Lanes as columns.
#[derive(Default)]
struct Lanes {
    numbers: Vec<i32>,
    replicas: Vec<i64>,
    firsts: Vec<i64>,
}

impl Lanes {
    fn push(&mut self, number: i32, lanes: &HashMap<i64, i64>) {
        for (replica, first) in lanes {
            self.numbers.push(number);
            self.replicas.push(*replica);
            self.firsts.push(*first);
        }
    }

    fn bind<'q>(self, query: super::columns::Query<'q>) -> super::columns::Query<'q> {
        query
            .bind(self.numbers)
            .bind(self.replicas)
            .bind(self.firsts)
    }
}

fn number(place: usize) -> i32 {
    i32::try_from(place).unwrap_or(i32::MAX)
}

fn place(row: &PgRow) -> Result<usize, sqlx::Error> {
    let number: i32 = row.try_get(0)?;
    Ok(usize::try_from(number).unwrap_or(usize::MAX))
}

/// Takes appends out of those that wait, as many as go into one batch: one for each document, in their order, and no more
/// than some megabytes.
pub(super) fn choose<T>(waiting: Vec<T>, append: impl Fn(&T) -> &Waiting) -> (Vec<T>, Vec<T>) {
    let (mut met, mut bytes) = (HashSet::new(), 0);
    waiting.into_iter().partition(|it| {
        let append = append(it);
        let is_first = met.insert(append.document.clone());
        let is_chosen = is_first && bytes < BATCH_BYTES;
        if is_chosen {
            bytes += append
                .changes
                .iter()
                .map(|it| it.payload.len())
                .sum::<usize>();
        }
        is_chosen
    })
}

/// How long an append may take that is looked at by itself: its trips may be as slow as half a second each.
const CAREFUL_MAX: Duration = Duration::from_secs(12);
/// What a careful append asks: begin, lock, a head, insert, commit.
const CAREFUL_STATEMENTS: u64 = 5;
/// No lane has a longer one: in Postgres it would be no positive number.
const COUNTER_MAX: u64 = i64::MAX as u64;
/// Payloads of one batch. One that is larger goes by itself.
const BATCH_BYTES: usize = 4 << 20;
