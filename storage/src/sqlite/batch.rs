//! One transaction of the writer: requests are checked against what is stored and what the batch has taken already, new
//! changes gather, and are inserted together by a few statements of fixed size.
//!
//! Every statement costs a hop to the connection's own thread, so the [`Cache`] answers what it can: a document's number
//! and the heads of the lanes that this process writes. An append to a known document asks the database nothing.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use engine::{
    Author, Change, DocumentKey, Dot, Kind, Order, ReplicaId, Snapshot, StoredChange, VectorClock,
};
use sqlx::SqliteConnection;
use sqlx::sqlite::{SqliteArguments, SqliteRow};

use super::failure::store_error;
use super::rows::{self, change_checksum, change_columns, signed};
use super::writer::{HeldAnswer, Reply, Request};
use crate::store::{Description, StoreError};
use crate::thinning::superfluous;

/// Why a request was not carried out: refused on its own account, or failed with the whole batch.
enum Stop {
    Refused(StoreError),
    Failed(sqlx::Error),
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

/// What the writer remembers from one transaction to the next; thrown away when one fails.
#[derive(Debug, Default)]
pub(super) struct Cache {
    documents: HashMap<DocumentKey, Known>,
}

/// A document that is in the store.
#[derive(Clone, Debug)]
struct Known {
    id: i64,
    kind: Kind,
    deleted: bool,
    /// The heads of the lanes that were asked for so far; 0 stands for an empty lane.
    heads: BTreeMap<ReplicaId, u64>,
}

/// A transaction under way.
pub(super) struct Batch<'a> {
    connection: &'a mut SqliteConnection,
    cache: &'a mut Cache,
    answers: &'a mut Vec<HeldAnswer>,
    /// Changes that were taken and not yet inserted, with their documents' numbers.
    pending: Vec<(i64, Change)>,
    now_ms: i64,
}

impl<'a> Batch<'a> {
    pub(super) fn new(
        connection: &'a mut SqliteConnection,
        cache: &'a mut Cache,
        answers: &'a mut Vec<HeldAnswer>,
    ) -> Self {
        cache.forget_if_large();
        Self {
            connection,
            cache,
            answers,
            pending: Vec::new(),
            now_ms: now_ms(),
        }
    }

    /// Carries the requests out and commits.
    pub(super) async fn commit(
        mut self,
        requests: &mut VecDeque<Request>,
    ) -> Result<(), sqlx::Error> {
        self.execute("BEGIN IMMEDIATE").await?;
        while let Some(request) = requests.pop_front() {
            self.carry_out(request).await?;
        }
        self.insert_pending().await?;
        self.execute("COMMIT").await
    }

    async fn carry_out(&mut self, request: Request) -> Result<(), sqlx::Error> {
        match request {
            Request::Append(document, kind, changes, reply) => {
                let answer = self.append(&document, kind, changes).await;
                self.hold(reply, answer)
            }
            Request::Create(document, kind, reply) => {
                let answer = self.create(document, kind).await;
                self.hold(reply, answer)
            }
            Request::Delete(document, reply) => {
                let answer = self.delete(&document).await;
                self.hold(reply, answer)
            }
            Request::NewReplica(reply) => {
                let answer = self.new_replica().await;
                self.hold(reply, answer)
            }
            Request::Check(reply) => {
                let answer = self.check().await;
                self.hold(reply, answer)
            }
            Request::PutSnapshot(snapshot, reply) => {
                let answer = self.put_snapshot(&snapshot).await;
                self.hold(reply, answer)
            }
            Request::RemoveSnapshot(id, reply) => {
                let answer = self.remove_snapshot(id).await;
                self.hold(reply, answer)
            }
            Request::ThinSnapshots(document, reply) => {
                let answer = self.thin_snapshots(&document).await;
                self.hold(reply, answer)
            }
        }
    }

    /// Holds an answer back until the commit. A failure is passed on, and will replace all answers of the batch.
    fn hold<T: Send + 'static>(
        &mut self,
        reply: Reply<T>,
        answer: Result<T, Stop>,
    ) -> Result<(), sqlx::Error> {
        let (answer, failure) = match answer {
            Ok(value) => (Ok(value), Ok(())),
            Err(Stop::Refused(error)) => (Err(error), Ok(())),
            Err(Stop::Failed(error)) => (Err(store_error(&error)), Err(error)),
        };
        self.answers.push(Box::new(move |failure| {
            // The caller may have stopped waiting.
            let _ = reply.send(failure.map_or(answer, |error| Err(error.clone())));
        }));
        failure
    }

    async fn append(
        &mut self,
        document: &DocumentKey,
        kind: Kind,
        changes: Vec<Change>,
    ) -> Result<(), Stop> {
        let known = self.living(document, kind).await?;
        let (fresh, heads) = self.fresh(document, known, changes).await?;
        let id = match known {
            Some(id) => id,
            None => self.insert_document(document.clone(), kind).await?,
        };
        if let Some(known) = self.cache.documents.get_mut(document) {
            known.heads.extend(heads);
        }
        self.pending
            .extend(fresh.into_iter().map(|change| (id, change)));
        Ok(())
    }

    /// Sorts out the changes that are not stored yet, and where their lanes end with them. Changes nothing, so that a
    /// refusal leaves nothing behind.
    async fn fresh(
        &mut self,
        document: &DocumentKey,
        id: Option<i64>,
        changes: Vec<Change>,
    ) -> Result<(Vec<Change>, BTreeMap<ReplicaId, u64>), Stop> {
        let mut fresh: Vec<Change> = Vec::with_capacity(changes.len());
        let mut heads = BTreeMap::new();
        for change in changes {
            let Dot { replica, counter } = change.dot;
            let head = match heads.get(&replica) {
                Some(&head) => head,
                None => self.head(document, replica).await?,
            };
            if counter == head.saturating_add(1) {
                heads.insert(replica, counter);
                fresh.push(change);
            } else if counter == 0 || counter > head {
                return Err(StoreError::HoleInLane(change.dot).into());
            } else if let Some(twin) = fresh.iter().find(|it| it.dot == change.dot) {
                same(twin, &change)?;
            } else {
                self.same_as_stored(id, &change).await?;
            }
        }
        Ok((fresh, heads))
    }

    async fn same_as_stored(&mut self, id: Option<i64>, change: &Change) -> Result<(), Stop> {
        self.insert_pending().await?;
        let row = sqlx::query(CHANGE)
            .bind(id)
            .bind(change.dot.replica.0)
            .bind(signed(change.dot.counter))
            .fetch_optional(&mut *self.connection)
            .await?;
        let stored = row.map(|row| rows::change(&row, &change.document));
        match stored {
            Some(Ok(StoredChange { change: stored, .. })) => same(&stored, change),
            // A damaged row can not vouch for being the same.
            _ => Err(StoreError::DotReused(change.dot).into()),
        }
    }

    async fn create(&mut self, document: DocumentKey, kind: Kind) -> Result<Description, Stop> {
        match self.known(&document).await? {
            Some(known) if known.deleted => Err(StoreError::Deleted.into()),
            Some(_) => Err(StoreError::Exists.into()),
            None => {
                self.insert_document(document.clone(), kind).await?;
                Ok(Description {
                    document,
                    kind,
                    created_ms: self.now_ms.cast_unsigned(),
                    changed_ms: None,
                    deleted_ms: None,
                    clock: VectorClock::default(),
                })
            }
        }
    }

    async fn delete(&mut self, document: &DocumentKey) -> Result<bool, Stop> {
        let id = match self.known(document).await? {
            Some(known) if !known.deleted => known.id,
            _ => return Ok(false),
        };
        sqlx::query("UPDATE documents SET deleted_ms = ?2 WHERE id = ?1")
            .bind(id)
            .bind(self.now_ms)
            .execute(&mut *self.connection)
            .await?;
        if let Some(known) = self.cache.documents.get_mut(document) {
            known.deleted = true;
        }
        Ok(true)
    }

    async fn new_replica(&mut self) -> Result<ReplicaId, Stop> {
        let inserted = sqlx::query("INSERT INTO replicas (started_ms, process) VALUES (?1, ?2)")
            .bind(self.now_ms)
            .bind(std::process::id())
            .execute(&mut *self.connection)
            .await?;
        u32::try_from(inserted.last_insert_rowid())
            .map(ReplicaId)
            .map_err(|_| StoreError::Unavailable("all replica ids are used up".to_owned()).into())
    }

    async fn check(&mut self) -> Result<(), Stop> {
        sqlx::query("UPDATE writer SET checked_ms = ?1")
            .bind(self.now_ms)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    async fn put_snapshot(&mut self, snapshot: &Snapshot) -> Result<i64, Stop> {
        let document = self.living(&snapshot.document, snapshot.kind).await?;
        let document = document.ok_or(StoreError::SnapshotAhead)?;
        self.insert_pending().await?;
        let mut through = 0;
        for head in snapshot.clock.heads() {
            through = through.max(self.order(document, head).await?);
        }
        let inserted = sqlx::query(INSERT_SNAPSHOT)
            .bind(document)
            .bind(through)
            .bind(signed(snapshot.clock.count()))
            .bind(snapshot.clock.to_bytes())
            .bind(&*snapshot.state)
            .bind(snapshot.checksum())
            .execute(&mut *self.connection)
            .await?;
        Ok(inserted.last_insert_rowid())
    }

    /// The order of a change that must be stored.
    async fn order(&mut self, document: i64, dot: Dot) -> Result<i64, Stop> {
        sqlx::query_scalar(
            "SELECT ord FROM changes WHERE document = ?1 AND replica = ?2 AND counter = ?3",
        )
        .bind(document)
        .bind(dot.replica.0)
        .bind(signed(dot.counter))
        .fetch_optional(&mut *self.connection)
        .await?
        .ok_or_else(|| StoreError::SnapshotAhead.into())
    }

    async fn remove_snapshot(&mut self, id: i64) -> Result<(), Stop> {
        sqlx::query("DELETE FROM snapshots WHERE id = ?1")
            .bind(id)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    async fn thin_snapshots(&mut self, document: &DocumentKey) -> Result<(), Stop> {
        let Some(id) = self.known(document).await?.map(|known| known.id) else {
            return Ok(());
        };
        let kept: Vec<(i64, i64)> = sqlx::query_as(
            "SELECT id, covered FROM snapshots WHERE document = ?1 ORDER BY through_ord, id",
        )
        .bind(id)
        .fetch_all(&mut *self.connection)
        .await?;
        let kept: Vec<_> = kept
            .into_iter()
            .map(|(id, covered)| (id, covered.cast_unsigned()))
            .collect();
        for id in superfluous(&kept) {
            self.remove_snapshot(id).await?;
        }
        Ok(())
    }

    /// The number of a document that may be written as `kind`; none if there is none yet.
    async fn living(&mut self, document: &DocumentKey, kind: Kind) -> Result<Option<i64>, Stop> {
        match self.known(document).await? {
            Some(known) if known.deleted => Err(StoreError::Deleted.into()),
            Some(known) if known.kind != kind => Err(StoreError::KindDiffers(known.kind).into()),
            known => Ok(known.map(|known| known.id)),
        }
    }

    async fn known(&mut self, document: &DocumentKey) -> Result<Option<&Known>, Stop> {
        if !self.cache.documents.contains_key(document) {
            let row = sqlx::query(KNOWN)
                .bind(document.workspace())
                .bind(document.name())
                .fetch_optional(&mut *self.connection)
                .await?;
            let Some(row) = row else { return Ok(None) };
            let known = Known::read(&row).ok_or_else(rows::damaged_document)?;
            self.cache.documents.insert(document.clone(), known);
        }
        Ok(self.cache.documents.get(document))
    }

    /// The highest counter of a lane, pending changes included; 0 if it is empty.
    async fn head(&mut self, document: &DocumentKey, replica: ReplicaId) -> Result<u64, Stop> {
        let Some(known) = self.cache.documents.get_mut(document) else {
            return Ok(0);
        };
        if let Some(&head) = known.heads.get(&replica) {
            return Ok(head);
        }
        let head: Option<i64> = sqlx::query_scalar(
            "SELECT max(counter) FROM changes WHERE document = ?1 AND replica = ?2",
        )
        .bind(known.id)
        .bind(replica.0)
        .fetch_one(&mut *self.connection)
        .await?;
        let head = head.unwrap_or(0).cast_unsigned();
        known.heads.insert(replica, head);
        Ok(head)
    }

    async fn insert_document(&mut self, document: DocumentKey, kind: Kind) -> Result<i64, Stop> {
        let inserted = sqlx::query(INSERT_DOCUMENT)
            .bind(document.workspace())
            .bind(document.name())
            .bind(kind.as_str())
            .bind(self.now_ms)
            .execute(&mut *self.connection)
            .await?;
        let known = Known {
            id: inserted.last_insert_rowid(),
            kind,
            deleted: false,
            heads: BTreeMap::new(),
        };
        let id = known.id;
        self.cache.documents.insert(document, known);
        Ok(id)
    }

    /// Inserts what is pending, in the order in which it was taken.
    async fn insert_pending(&mut self) -> Result<(), sqlx::Error> {
        let pending = std::mem::take(&mut self.pending);
        if pending.is_empty() {
            return Ok(());
        }
        let mut order = self.take_orders(pending.len()).await?;
        let mut rest = &pending[..];
        for insert in INSERTS.iter() {
            while let Some((rows, after)) = rest.split_at_checked(insert.rows) {
                self.insert_rows(insert, rows, order).await?;
                order += insert.rows as u64;
                rest = after;
            }
        }
        Ok(())
    }

    /// Takes the next places in the timeline and gives the first of them. They are read from the database each time, so
    /// that not even a second process on the same file could hand one out twice.
    async fn take_orders(&mut self, count: usize) -> Result<u64, sqlx::Error> {
        let last: i64 =
            sqlx::query_scalar("UPDATE writer SET last_ord = last_ord + ?1 RETURNING last_ord")
                .bind(count as i64)
                .fetch_one(&mut *self.connection)
                .await?;
        Ok(last.cast_unsigned() + 1 - count as u64)
    }

    async fn insert_rows(
        &mut self,
        insert: &'static Insert,
        rows: &[(i64, Change)],
        first: u64,
    ) -> Result<(), sqlx::Error> {
        let mut query = sqlx::query(insert.sql.as_str());
        for ((document, change), order) in rows.iter().zip(first..) {
            query = bind_change(query, *document, change, Order(order));
        }
        query.execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn execute(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        sqlx::query(sql).execute(&mut *self.connection).await?;
        Ok(())
    }
}

impl Cache {
    /// Only between transactions: within one, the cache knows of rows that are not inserted yet.
    fn forget_if_large(&mut self) {
        if self.documents.len() >= CACHED_DOCUMENTS {
            self.documents.clear();
        }
    }
}

impl Known {
    fn read(row: &SqliteRow) -> Option<Self> {
        use sqlx::Row;
        Some(Self {
            id: row.try_get(0).ok()?,
            kind: rows::kind(row, 1)?,
            deleted: row.try_get(2).ok()?,
            heads: BTreeMap::new(),
        })
    }
}

/// A change with a dot that is taken must be the one that took it.
fn same(stored: &Change, change: &Change) -> Result<(), Stop> {
    if stored == change {
        Ok(())
    } else {
        Err(StoreError::DotReused(change.dot).into())
    }
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, SqliteArguments>;

fn bind_change<'q>(query: Query<'q>, document: i64, change: &'q Change, order: Order) -> Query<'q> {
    query
        .bind(document)
        .bind(change.dot.replica.0)
        .bind(signed(change.dot.counter))
        .bind(signed(order.0))
        .bind(change.context.to_bytes())
        .bind(signed(change.hlc.0))
        .bind(change.author.as_ref().map(Author::as_str))
        .bind(signed(change.connection.0))
        .bind(change.kind as u8)
        .bind(&*change.payload)
        .bind(change_checksum(change, order))
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// A statement that inserts a fixed number of changes, and is therefore prepared once.
struct Insert {
    rows: usize,
    sql: String,
}

/// The largest first; the last inserts one change, so any number can be made up of them.
static INSERTS: LazyLock<Vec<Insert>> = LazyLock::new(|| {
    let insert = |rows| Insert {
        rows,
        sql: format!(
            "INSERT INTO changes (document, {}) VALUES {}",
            change_columns!(),
            vec!["(?,?,?,?,?,?,?,?,?,?,?)"; rows].join(",")
        ),
    };
    [64, 16, 4, 1].map(insert).into()
});

const KNOWN: &str =
    "SELECT id, kind, deleted_ms IS NOT NULL FROM documents WHERE workspace = ?1 AND name = ?2";

const CHANGE: &str = concat!(
    "SELECT ",
    change_columns!(),
    " FROM changes WHERE document = ?1 AND replica = ?2 AND counter = ?3"
);

const INSERT_DOCUMENT: &str =
    "INSERT INTO documents (workspace, name, kind, created_ms) VALUES (?1, ?2, ?3, ?4)";

const INSERT_SNAPSHOT: &str = "INSERT INTO snapshots
    (document, through_ord, covered, clock, state, checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

/// Some ten megabytes of names and heads.
const CACHED_DOCUMENTS: usize = 65_536;
