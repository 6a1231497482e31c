//! The store in Postgres, shared by any number of nodes.
//!
//! `connect` is the way in and proves the settings on which durability rests. Appends go through the writing `lanes`, each
//! of which commits all that waits as one `batch`: one statement, one trip. `careful` looks closely at what that does not
//! take, `together` appends to several documents or to none, and `operations` knows the places and names of operations. Everything else asks on connections of its own kind and is tried again with `patience`: `past` and `heads` for
//! opening and comparing, `history` for looking back, `documents`, `keep` (snapshots), `gists`, `quarantine`, `revocations`, `news`,
//! `tickets` and `leases` for the rest. `eras` knows whether another server has taken the database's place, and `failure`
//! what may pass; `sql` has the statements, `rows` and `columns` turn them into
//! values and back. The tables are explained in `migrations/postgres`.
//!
//! Nothing is remembered here of what is stored, because other nodes write too. What decides is in the database: a primary
//! key for each change, and the document's row, which an append locks against its deletion.

mod batch;
mod careful;
mod columns;
mod connect;
mod documents;
mod eras;
mod failure;
mod gists;
mod heads;
mod history;
mod keep;
mod lanes;
mod leases;
mod news;
mod operations;
mod past;
mod patience;
mod quarantine;
mod revocations;
mod rows;
mod sql;
mod tally;
#[cfg(test)]
mod tests;
mod tickets;
mod together;

use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use engine::ordered::OperationName;
use engine::{
    Author, Change, DocumentKey, Gist, Kind, Order, PayloadHash, Quarantined, ReplicaId, Snapshot,
    StoredChange, VectorClock,
};

use self::careful::Append;
use self::connect::Address;
pub use self::connect::ConnectError;
use self::documents::Deed;
use self::eras::Eras;
use self::lanes::Lanes;
use self::past::Asked;
use self::patience::{ATTEMPT_MAX, Connections, Patience, with};
pub use self::tally::Commits;
use self::tally::Tally;
use self::together::Together;
use crate::damage::DamageLog;
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

/// Keeps changes and snapshots in a Postgres database that other nodes may share.
#[derive(Debug)]
pub struct PostgresStore {
    lanes: Lanes,
    /// For opening documents, for creating and deleting them, and for tickets.
    loads: Connections,
    /// For lists and for looking back.
    admin: Connections,
    /// For what a node asks all the time, few and small: heads, leases, revocations, news, duties.
    upkeep: Connections,
    damage: DamageLog,
    eras: Arc<Eras>,
    news: Arc<OnceLock<NewsHabit>>,
    tally: Arc<Tally>,
}

/// How many connections a node has to the database at most, by what they are for, and how long it waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostgresPools {
    /// For appends: as many commits are under way at once.
    pub commits: u32,
    /// For opening, creating and deleting documents, and for snapshots.
    pub loads: u32,
    /// For lists and for looking back.
    pub admin: u32,
    /// For what a node asks all the time.
    pub upkeep: u32,
    /// How long opening a document, a list or a look back may take, which may be much.
    pub read_time: Duration,
}

impl Default for PostgresPools {
    fn default() -> Self {
        Self {
            commits: 4,
            loads: 8,
            admin: 4,
            upkeep: 2,
            read_time: Duration::from_secs(7),
        }
    }
}

impl PostgresStore {
    /// Connects to a database and brings its schema up to date. Waits some seconds for a server that is just starting.
    ///
    /// # Errors
    /// See [`ConnectError`]. Above all a server that would not be durable is refused.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::connect_with(url, PostgresPools::default()).await
    }

    /// The same with other numbers of connections and another time.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect_with(url: &str, pools: PostgresPools) -> Result<Self, ConnectError> {
        let address = Address::parse(url)?.prepare().await?;
        let (news, tally) = (Arc::default(), Arc::default());
        let connections = |most: u32, attempt| Connections::new(&address, most.max(1), attempt);
        Ok(Self {
            lanes: Lanes::start(pools.commits as usize, &address, &news, &tally),
            loads: connections(pools.loads, pools.read_time),
            admin: connections(pools.admin, pools.read_time),
            upkeep: connections(pools.upkeep, ATTEMPT_MAX),
            damage: DamageLog::default(),
            eras: address.eras(),
            news,
            tally,
        })
    }

    /// What was committed since then.
    pub fn commits(&self) -> Commits {
        self.tally.read()
    }

    fn habit(&self) -> Option<NewsHabit> {
        self.news.get().copied()
    }

    async fn found(
        &self,
        document: DocumentKey,
        kind: Kind,
        changes: Vec<Change>,
    ) -> Result<(), StoreError> {
        let deed = Deed::new();
        let append = Append {
            document: &document,
            kind,
            changes: &changes,
            deed: &deed,
            creates: true,
        };
        let habit = self.habit();
        with!(self.loads, c => append.run(c, habit))
    }

    async fn read_past(
        &self,
        document: DocumentKey,
        given: Option<Snapshot>,
    ) -> Result<Past, StoreError> {
        let asked = Asked {
            document: &document,
            until: None,
            given: given.as_ref(),
        };
        with!(self.loads, c => past::past(c, asked, &self.damage))
    }

    /// Writes, commits, reads back, and only then lets older snapshots go.
    async fn keep_snapshot(&self, snapshot: Snapshot) -> Result<(), StoreError> {
        let document = &snapshot.document;
        let kept = with!(self.loads, c => keep::put(c, &snapshot))?;
        let read = with!(self.loads, c => keep::read_back(c, kept, &snapshot))?;
        if read.as_ref() != Some(&snapshot) {
            with!(self.loads, c => keep::remove(c, kept))?;
            return Err(StoreError::NotReadBack);
        }
        with!(self.loads, c => keep::thin(c, document))
    }

    async fn finish(&self) -> Result<(), StoreError> {
        self.lanes.close().await;
        for connections in [&self.loads, &self.admin, &self.upkeep] {
            connections.close().await;
        }
        Ok(())
    }
}

impl Store for PostgresStore {
    fn new_replica(&self) -> Answer<'_, ReplicaId> {
        Box::pin(async move { with!(self.upkeep, c => leases::new_replica(c)) })
    }

    fn hold(&self, replica: ReplicaId, holder: Holder, lasts: Duration) -> Answer<'_, ()> {
        Box::pin(async move { with!(self.upkeep, c => leases::hold(c, replica, &holder, lasts)) })
    }

    fn era(&self) -> Option<u64> {
        self.eras.count()
    }

    fn identity(&self) -> Answer<'_, Option<u128>> {
        Box::pin(async move { with!(self.upkeep, c => leases::identity(c)) })
    }

    fn leases(&self, within: Duration) -> Answer<'_, Vec<Lease>> {
        Box::pin(async move { with!(self.upkeep, c => leases::list(c, within)) })
    }

    fn append(&self, document: DocumentKey, kind: Kind, changes: Vec<Change>) -> Answer<'_, ()> {
        assert_of_document(&document, &changes);
        Box::pin(self.lanes.append(document, kind, changes))
    }

    fn append_all(
        &self,
        appends: Vec<(DocumentKey, Kind, Vec<Change>)>,
    ) -> Answer<'_, Result<(), AppendRefused>> {
        assert_apart(&appends);
        Box::pin(async move {
            let (deed, habit) = (Deed::new(), self.habit());
            let together = Together::new(&appends, &deed);
            with!(self.loads, c => together.run(c, habit))
        })
    }

    fn load(&self, document: DocumentKey) -> Answer<'_, Past> {
        Box::pin(self.read_past(document, None))
    }

    fn load_beyond(&self, document: DocumentKey, given: Snapshot) -> Answer<'_, Past> {
        Box::pin(self.read_past(document, Some(given)))
    }

    fn load_until(&self, document: DocumentKey, until: Order) -> Answer<'_, Past> {
        Box::pin(async move {
            let asked = Asked {
                document: &document,
                until: Some(until),
                given: None,
            };
            with!(self.admin, c => past::past(c, asked, &self.damage))
        })
    }

    fn put_snapshot(&self, snapshot: Snapshot) -> Answer<'_, ()> {
        Box::pin(self.keep_snapshot(snapshot))
    }

    fn keep_gist(&self, gist: Gist) -> Answer<'_, bool> {
        Box::pin(async move { with!(self.loads, c => gists::keep(c, &gist)) })
    }

    fn gist(&self, document: DocumentKey) -> Answer<'_, Option<Gist>> {
        Box::pin(async move { with!(self.loads, c => gists::read(c, &document)) })
    }

    fn describe(&self, document: DocumentKey) -> Answer<'_, Option<Description>> {
        Box::pin(async move { with!(self.loads, c => documents::describe(c, &document)) })
    }

    fn create(&self, document: DocumentKey, kind: Kind) -> Answer<'_, Description> {
        Box::pin(async move {
            let (deed, habit) = (Deed::new(), self.habit());
            with!(self.loads, c => documents::create(c, &document, kind, &deed, habit))
        })
    }

    fn create_with(
        &self,
        document: DocumentKey,
        kind: Kind,
        changes: Vec<Change>,
    ) -> Answer<'_, ()> {
        assert_of_document(&document, &changes);
        Box::pin(self.found(document, kind, changes))
    }

    fn delete(&self, document: DocumentKey) -> Answer<'_, bool> {
        Box::pin(async move {
            let (deed, habit) = (Deed::new(), self.habit());
            with!(self.loads, c => documents::delete(c, &document, &deed, habit))
        })
    }

    fn workspaces(&self) -> Answer<'_, Vec<WorkspaceSummary>> {
        Box::pin(async move { with!(self.admin, c => documents::workspaces(c)) })
    }

    fn documents(&self, query: DocumentQuery) -> Answer<'_, Vec<Description>> {
        Box::pin(async move { with!(self.admin, c => documents::list(c, &query)) })
    }

    fn timeline(&self, document: DocumentKey, page: TimelinePage) -> Answer<'_, Vec<StoredChange>> {
        Box::pin(async move {
            with!(self.admin, c => history::timeline(c, &document, page, &self.damage))
        })
    }

    fn find(&self, document: DocumentKey, place: Place) -> Answer<'_, Option<Order>> {
        Box::pin(async move { with!(self.admin, c => history::find(c, &document, place)) })
    }

    fn lane(
        &self,
        document: DocumentKey,
        replica: ReplicaId,
        counters: RangeInclusive<u64>,
    ) -> Answer<'_, Vec<StoredChange>> {
        Box::pin(async move {
            with!(self.loads, c => history::lane(c, &document, replica, &counters, &self.damage))
        })
    }

    fn operations(
        &self,
        document: DocumentKey,
        from: u64,
        to: Option<u64>,
    ) -> Answer<'_, Vec<StoredChange>> {
        Box::pin(async move {
            with!(self.loads, c => operations::read(c, &document, from, to, &self.damage))
        })
    }

    fn version_of(
        &self,
        document: DocumentKey,
        author: Option<Author>,
        name: OperationName,
    ) -> Answer<'_, Option<u64>> {
        let name = Name::of(author.as_ref(), &name);
        Box::pin(async move { with!(self.loads, c => operations::version_of(c, &document, &name)) })
    }

    fn heads(&self, documents: Vec<DocumentKey>) -> Answer<'_, Vec<VectorClock>> {
        Box::pin(async move { with!(self.upkeep, c => heads::heads(c, &documents)) })
    }

    fn standings(&self, documents: Vec<DocumentKey>) -> Answer<'_, Vec<Standing>> {
        Box::pin(async move { with!(self.upkeep, c => heads::standings(c, &documents)) })
    }

    fn quarantine(&self, quarantined: Quarantined) -> Answer<'_, ()> {
        Box::pin(async move { with!(self.loads, c => quarantine::keep(c, &quarantined)) })
    }

    fn quarantined(&self, query: QuarantineQuery) -> Answer<'_, Vec<QuarantineEntry>> {
        Box::pin(async move { with!(self.admin, c => quarantine::list(c, &query)) })
    }

    fn quarantined_payload(
        &self,
        document: DocumentKey,
        hash: PayloadHash,
    ) -> Answer<'_, Option<QuarantineEntry>> {
        Box::pin(async move { with!(self.admin, c => quarantine::get(c, &document, hash)) })
    }

    fn forget_quarantined(&self, document: DocumentKey, hash: PayloadHash) -> Answer<'_, bool> {
        Box::pin(async move { with!(self.admin, c => quarantine::forget(c, &document, hash)) })
    }

    fn keep_news(&self, habit: NewsHabit) {
        // The first call counts.
        let _ = self.news.set(habit);
    }

    fn news(&self, limit: usize) -> Answer<'_, Vec<News>> {
        Box::pin(async move { with!(self.upkeep, c => news::list(c, limit)) })
    }

    fn told(&self, document: DocumentKey, told: Told) -> Answer<'_, ()> {
        Box::pin(async move {
            let habit = self.habit();
            with!(self.upkeep, c => news::told(c, &document, told, habit))
        })
    }

    fn put_off(&self, document: DocumentKey, delay: Duration) -> Answer<'_, ()> {
        Box::pin(async move { with!(self.upkeep, c => news::put_off(c, &document, delay)) })
    }

    fn revoke(&self, revocation: Revocation) -> Answer<'_, RevocationEntry> {
        Box::pin(async move { with!(self.upkeep, c => revocations::revoke(c, &revocation)) })
    }

    fn revocations(&self) -> Answer<'_, Vec<RevocationEntry>> {
        Box::pin(async move { with!(self.upkeep, c => revocations::list(c)) })
    }

    fn lift_revocation(&self, number: u64) -> Answer<'_, bool> {
        Box::pin(async move { with!(self.upkeep, c => revocations::lift(c, number)) })
    }

    fn keep_ticket(&self, ticket: NewTicket, bounds: TicketBounds) -> Answer<'_, TicketKept> {
        Box::pin(async move { with!(self.loads, c => tickets::keep(c, &ticket, bounds)) })
    }

    fn use_ticket(&self, hash: TicketHash) -> Answer<'_, Option<Bytes>> {
        Box::pin(async move { with!(self.loads, c => tickets::take(c, hash)) })
    }

    fn take_duty(&self, duty: String, holder: Holder, lasts: Duration) -> Answer<'_, bool> {
        Box::pin(
            async move { with!(self.upkeep, c => tickets::take_duty(c, &duty, &holder, lasts)) },
        )
    }

    fn check(&self) -> Answer<'_, ()> {
        Box::pin(async move { with!(self.upkeep, c => leases::check(c)) })
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(self.finish())
    }
}
