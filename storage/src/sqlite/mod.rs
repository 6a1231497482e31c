//! The store in a SQLite database: one file, nothing to operate.
//!
//! `open` is the way in and proves the settings on which durability rests. `writer` is the one task that writes,
//! `batch` a transaction of it, with `known`, `append`, `operations`, `keep`, `quarantine`, `revocations` and `leases`
//! for documents, changes, places and names of operations, snapshots, what is kept out, what was taken away and which
//! processes live, `tickets` for those and for duties, `gists` for those, and `news` for what is to be told. A change
//! stands in `arrivals` first and under its document after `filing`. `read` and `past` run beside the writer, never
//! wait for it, and find a change in either place. `rows` turns rows into values and refuses damaged ones; `sql` has
//! the statements, `room` gives the log its length, and `recovery` looks whether a log that was left behind is damaged.
//! The tables are explained in `migrations/sqlite`.

mod append;
mod arrivals;
mod batch;
mod cache;
mod failure;
mod filing;
mod gists;
mod keep;
mod known;
mod latest;
mod leases;
mod news;
mod open;
mod operations;
mod past;
mod quarantine;
mod read;
mod recovery;
mod request;
mod revocations;
mod room;
mod rows;
mod sql;
#[cfg(test)]
mod tests;
mod tickets;
mod writer;

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use engine::ordered::OperationName;
use engine::{
    Author, Change, DocumentKey, Gist, Kind, Order, PayloadHash, Quarantined, ReplicaId, Snapshot,
    StoredChange, VectorClock,
};

pub use self::open::OpenError;
use self::open::WriteOptions;
use self::read::Readers;
use self::request::{Reply, Request};
use self::writer::Writer;
use crate::lease::{Holder, Lease};
use crate::news::{News, NewsHabit, Told};
use crate::operation::Name;
use crate::quarantine::{QuarantineEntry, QuarantineQuery};
use crate::revocation::{Revocation, RevocationEntry};
use crate::store::{
    Answer, AppendRefused, Description, DocumentQuery, Past, Place, Standing, Store, StoreError,
    TimelinePage, WorkspaceSummary, assert_apart, assert_of_document,
};
use crate::ticket::{NewTicket, TicketBounds, TicketHash, TicketKept};

/// Keeps changes and snapshots in a SQLite database.
///
/// Dropping it lets the writer finish what it was asked and close; [`Store::close`] waits for that.
#[derive(Debug)]
pub struct SqliteStore {
    readers: Readers,
    /// None if the database was opened for reading only.
    writer: Option<Writer>,
    /// Which news the writer keeps, once somebody wants any.
    news: Arc<OnceLock<NewsHabit>>,
}

impl SqliteStore {
    /// Opens the database in a folder, makes both if they do not exist, and brings the schema up to date.
    ///
    /// # Errors
    /// See [`OpenError`]. Above all a database that would not be durable is refused.
    pub async fn open(folder: &Path) -> Result<Self, OpenError> {
        open::make_folder(folder)?;
        let path = folder.join(FILE_NAME);
        Self::open_with(&path, WriteOptions::new(&path)).await
    }

    /// Opens the database in a folder to read it, beside a running server or without one. Never creates one; every
    /// request to write is refused.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open_read_only(folder: &Path) -> Result<Self, OpenError> {
        let path = folder.join(FILE_NAME);
        let pool = open::open_readers(&path).await?;
        open::check_schema(&pool, &path).await?;
        Ok(Self {
            readers: Readers::new(pool),
            writer: None,
            news: Arc::default(),
        })
    }

    /// The readers go first, so that the writer is the last to leave and works its log into the database.
    async fn finish(&self) -> Result<(), StoreError> {
        self.readers.close().await;
        if let Some(writer) = &self.writer {
            writer.close().await;
        }
        Ok(())
    }

    async fn open_with(path: &Path, options: WriteOptions) -> Result<Self, OpenError> {
        let has_leftovers = recovery::look_apart(path).await;
        let mut connection = options.connect().await?;
        if has_leftovers {
            open::empty_log(&mut connection, path).await?;
        }
        open::migrate(&mut connection, path).await?;
        options.arm(&mut connection).await?;
        let cache = options.read_cache(&mut connection).await?;
        let pool = open::open_readers(path).await?;
        Ok(Self {
            readers: Readers::new(pool),
            news: options.news(),
            writer: Some(Writer::start(connection, cache, options)),
        })
    }

    async fn write<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, StoreError> {
        match &self.writer {
            Some(writer) => writer.ask(request).await,
            None => Err(StoreError::Unavailable(
                "store is open for reading only".to_owned(),
            )),
        }
    }

    /// Writes, commits, reads back on another connection, and only then lets older snapshots go.
    async fn keep_snapshot(&self, snapshot: Snapshot) -> Result<(), StoreError> {
        let written = snapshot.clone();
        let id = self
            .write(|reply| Request::PutSnapshot(written, reply))
            .await?;
        let read = self
            .readers
            .snapshot(id, &snapshot.document, snapshot.kind)
            .await?;
        if read.as_ref() != Some(&snapshot) {
            self.write(|reply| Request::RemoveSnapshot(id, reply))
                .await?;
            return Err(StoreError::NotReadBack);
        }
        self.write(|reply| Request::ThinSnapshots(snapshot.document, reply))
            .await
    }
}

impl Store for SqliteStore {
    fn new_replica(&self) -> Answer<'_, ReplicaId> {
        Box::pin(self.write(Request::NewReplica))
    }

    fn hold(&self, replica: ReplicaId, holder: Holder, lasts: Duration) -> Answer<'_, ()> {
        Box::pin(self.write(move |reply| Request::Hold(replica, holder, lasts, reply)))
    }

    fn identity(&self) -> Answer<'_, Option<u128>> {
        Box::pin(self.readers.identity())
    }

    fn leases(&self, within: Duration) -> Answer<'_, Vec<Lease>> {
        Box::pin(self.readers.leases(within))
    }

    fn append(&self, document: DocumentKey, kind: Kind, changes: Vec<Change>) -> Answer<'_, ()> {
        assert_of_document(&document, &changes);
        Box::pin(self.write(move |reply| Request::Append(document, kind, changes, reply)))
    }

    fn append_all(
        &self,
        appends: Vec<(DocumentKey, Kind, Vec<Change>)>,
    ) -> Answer<'_, Result<(), AppendRefused>> {
        assert_apart(&appends);
        Box::pin(self.write(move |reply| Request::AppendAll(appends, reply)))
    }

    fn load(&self, document: DocumentKey) -> Answer<'_, Past> {
        Box::pin(async move { self.readers.load(&document).await })
    }

    fn load_until(&self, document: DocumentKey, until: Order) -> Answer<'_, Past> {
        Box::pin(async move { self.readers.load_until(&document, until).await })
    }

    fn put_snapshot(&self, snapshot: Snapshot) -> Answer<'_, ()> {
        Box::pin(self.keep_snapshot(snapshot))
    }

    fn keep_gist(&self, gist: Gist) -> Answer<'_, bool> {
        Box::pin(self.write(move |reply| Request::KeepGist(gist, reply)))
    }

    fn gist(&self, document: DocumentKey) -> Answer<'_, Option<Gist>> {
        Box::pin(async move { self.readers.gist(&document).await })
    }

    fn describe(&self, document: DocumentKey) -> Answer<'_, Option<Description>> {
        Box::pin(async move { self.readers.describe(&document).await })
    }

    fn create(&self, document: DocumentKey, kind: Kind) -> Answer<'_, Description> {
        Box::pin(self.write(move |reply| Request::Create(document, kind, reply)))
    }

    fn create_with(
        &self,
        document: DocumentKey,
        kind: Kind,
        changes: Vec<Change>,
    ) -> Answer<'_, ()> {
        assert_of_document(&document, &changes);
        Box::pin(self.write(move |reply| Request::CreateWith(document, kind, changes, reply)))
    }

    fn delete(&self, document: DocumentKey) -> Answer<'_, bool> {
        Box::pin(self.write(move |reply| Request::Delete(document, reply)))
    }

    fn workspaces(&self) -> Answer<'_, Vec<WorkspaceSummary>> {
        Box::pin(self.readers.workspaces())
    }

    fn documents(&self, query: DocumentQuery) -> Answer<'_, Vec<Description>> {
        Box::pin(async move { self.readers.documents(&query).await })
    }

    fn timeline(&self, document: DocumentKey, page: TimelinePage) -> Answer<'_, Vec<StoredChange>> {
        Box::pin(async move { self.readers.timeline(&document, page).await })
    }

    fn find(&self, document: DocumentKey, place: Place) -> Answer<'_, Option<Order>> {
        Box::pin(async move { self.readers.find(&document, place).await })
    }

    fn lane(
        &self,
        document: DocumentKey,
        replica: ReplicaId,
        counters: RangeInclusive<u64>,
    ) -> Answer<'_, Vec<StoredChange>> {
        Box::pin(async move { self.readers.lane(&document, replica, &counters).await })
    }

    fn operations(
        &self,
        document: DocumentKey,
        from: u64,
        to: Option<u64>,
    ) -> Answer<'_, Vec<StoredChange>> {
        Box::pin(async move { self.readers.operations(&document, from, to).await })
    }

    fn version_of(
        &self,
        document: DocumentKey,
        author: Option<Author>,
        name: OperationName,
    ) -> Answer<'_, Option<u64>> {
        let name = Name::of(author.as_ref(), &name);
        Box::pin(async move { self.readers.version_of(&document, name).await })
    }

    fn heads(&self, documents: Vec<DocumentKey>) -> Answer<'_, Vec<VectorClock>> {
        Box::pin(async move { self.readers.heads(&documents).await })
    }

    fn standings(&self, documents: Vec<DocumentKey>) -> Answer<'_, Vec<Standing>> {
        Box::pin(async move { self.readers.standings(&documents).await })
    }

    fn quarantine(&self, quarantined: Quarantined) -> Answer<'_, ()> {
        Box::pin(self.write(move |reply| Request::Quarantine(quarantined, reply)))
    }

    fn quarantined(&self, query: QuarantineQuery) -> Answer<'_, Vec<QuarantineEntry>> {
        Box::pin(async move { self.readers.quarantined(&query).await })
    }

    fn quarantined_payload(
        &self,
        document: DocumentKey,
        hash: PayloadHash,
    ) -> Answer<'_, Option<QuarantineEntry>> {
        Box::pin(async move { self.readers.quarantined_payload(&document, hash).await })
    }

    fn forget_quarantined(&self, document: DocumentKey, hash: PayloadHash) -> Answer<'_, bool> {
        Box::pin(self.write(move |reply| Request::ForgetQuarantined(document, hash, reply)))
    }

    fn keep_news(&self, habit: NewsHabit) {
        // The first call counts.
        let _ = self.news.set(habit);
    }

    fn news(&self, limit: usize) -> Answer<'_, Vec<News>> {
        Box::pin(self.readers.news(limit))
    }

    fn told(&self, document: DocumentKey, told: Told) -> Answer<'_, ()> {
        Box::pin(self.write(move |reply| Request::Told(document, told, reply)))
    }

    fn put_off(&self, document: DocumentKey, delay: Duration) -> Answer<'_, ()> {
        Box::pin(self.write(move |reply| Request::PutOff(document, delay, reply)))
    }

    fn revoke(&self, revocation: Revocation) -> Answer<'_, RevocationEntry> {
        Box::pin(self.write(move |reply| Request::Revoke(revocation, reply)))
    }

    fn revocations(&self) -> Answer<'_, Vec<RevocationEntry>> {
        Box::pin(self.readers.revocations())
    }

    fn lift_revocation(&self, number: u64) -> Answer<'_, bool> {
        Box::pin(self.write(move |reply| Request::LiftRevocation(number, reply)))
    }

    fn keep_ticket(&self, ticket: NewTicket, bounds: TicketBounds) -> Answer<'_, TicketKept> {
        Box::pin(self.write(move |reply| Request::KeepTicket(ticket, bounds, reply)))
    }

    fn use_ticket(&self, hash: TicketHash) -> Answer<'_, Option<Bytes>> {
        Box::pin(self.write(move |reply| Request::UseTicket(hash, reply)))
    }

    fn take_duty(&self, duty: String, holder: Holder, lasts: Duration) -> Answer<'_, bool> {
        Box::pin(self.write(move |reply| Request::TakeDuty(duty, holder, lasts, reply)))
    }

    fn check(&self) -> Answer<'_, ()> {
        Box::pin(self.write(Request::Check))
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(self.finish())
    }
}

/// The database's name within its folder.
const FILE_NAME: &str = "quire.sqlite";
