//! The contract of a store: what every implementation promises, and what breaks if it does not.
//!
//! The store is the truth. `append` returning is the moment at which an edit may be called saved, so everything here is
//! about what survives a crash. Each promise is checked for every implementation by one suite, `contract`.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use engine::ordered::OperationName;
use engine::{
    Author, Change, Content, ContentError, DocumentKey, Dot, Gist, Kind, Loaded, Order,
    PayloadHash, Quarantined, ReplicaId, Snapshot, StoredChange, VectorClock, history,
};
use thiserror::Error;

use crate::lease::{Holder, Lease};
use crate::news::{News, NewsHabit, Told};
use crate::quarantine::{QuarantineEntry, QuarantineQuery};
use crate::revocation::{Revocation, RevocationEntry};
use crate::ticket::{NewTicket, TicketBounds, TicketHash, TicketKept};

/// A future that a store returns.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Keeps the changes and snapshots of all documents. Open and slow, hence `dyn`.
pub trait Store: fmt::Debug + Send + Sync {
    /// Takes a new replica id, which no process has had before or will have again.
    ///
    /// *If broken*: two processes write the same lane, and dots name two changes.
    fn new_replica(&self) -> Answer<'_, ReplicaId>;

    /// Holds a replica id for a while from now, by the store's own clock; again and again for as long as the process lives.
    /// An id that the store does not know any more, because it was put back to an earlier day, is taken in again, and will
    /// not be handed out.
    ///
    /// *If broken*: two processes write the same lane, and do not notice.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if another process holds the id: this one must write no more.
    fn hold(&self, replica: ReplicaId, holder: Holder, lasts: Duration) -> Answer<'_, ()>;

    /// How often the store may have lost the end of what it had acknowledged, as far as that can be told from outside: by a
    /// failover, or because it was put back to an earlier day. Before a store answers anything after that, this counts it.
    /// None if the store can not tell. One that has nobody to fail over to never loses anything.
    ///
    /// *If broken*: names of changes that were lost are given again to others.
    fn era(&self) -> Option<u64> {
        Some(0)
    }

    /// What the store is called: a random number that it was given when it was made, the same for all who share it. None if the
    /// store forgets all when its process ends.
    ///
    /// *If broken*: clients take what another store has for what is stored in this one.
    fn identity(&self) -> Answer<'_, Option<u128>> {
        Box::pin(async { Ok(None) })
    }

    /// The replica ids that are held, or were within the time before now that is given, in their order.
    fn leases(&self, within: Duration) -> Answer<'_, Vec<Lease>>;

    /// Stores changes of one document, all or none, and creates the document with `kind` if there is none.
    ///
    /// When it returns `Ok` the changes survive a crash of the process and of the machine. Many documents' appends share
    /// one commit, without waiting for each other. Repeating a change that is stored already does nothing; a different
    /// change with the same dot is [`StoreError::DotReused`]. Changes of a lane arrive in order and without holes;
    /// otherwise the append is refused ([`StoreError::HoleInLane`]). So is one for a document of another kind
    /// ([`StoreError::KindDiffers`]) or a deleted one ([`StoreError::Deleted`]).
    ///
    /// The operations of an ordered document have one place each: its `version` counts from 0 without a hole, over all
    /// replicas. Where there is another operation already the append is refused ([`StoreError::Overtaken`]), and so is an
    /// operation of a source and number under which the same author's is stored ([`StoreError::NameKnown`]). The places come
    /// first: who was overtaken reads what took them, which may be the operation that he was to be told of.
    ///
    /// *If broken*: acknowledged edits are lost; of two nodes each believes that its operation was next.
    ///
    /// # Panics
    /// A change names another document than `document`.
    fn append(&self, document: DocumentKey, kind: Kind, changes: Vec<Change>) -> Answer<'_, ()>;

    /// Stores changes of several documents, all of them or none: as [`Self::append`] for each, in one transaction. What one
    /// document refuses, refuses all; the first of those that refuse is told.
    ///
    /// *If broken*: of what belongs together a part is there.
    ///
    /// # Panics
    /// A document is named twice, or a change names another document than the one that it is given with.
    fn append_all(
        &self,
        appends: Vec<(DocumentKey, Kind, Vec<Change>)>,
    ) -> Answer<'_, Result<(), AppendRefused>>;

    /// A document's past, as much as opening it takes: the newest snapshot that is whole, the changes that it does not
    /// cover, and the heads of all lanes. Damaged rows are left out, counted and logged; a damaged snapshot, or one whose
    /// state is quarantined, gives way to the one before. A document that never was, is an empty one without a kind; a deleted one, which can not be opened,
    /// has its kind and heads, and nothing to replay.
    fn load(&self, document: DocumentKey) -> Answer<'_, Past>;

    /// As [`Self::load`], for somebody to whom another node has given a snapshot: if it is the very one that would be loaded, by
    /// its clock and checksum, the past has the one that was given, and its state need not be read. Any other is passed over.
    /// So nothing is taken on trust: which snapshot is the right one, and which changes it covers, is for the store to say.
    ///
    /// *If broken*: a document opens with the content of another, or with what the store has lost and filled anew.
    fn load_beyond(&self, document: DocumentKey, given: Snapshot) -> Answer<'_, Past> {
        Box::pin(async move {
            let past = self.load(document).await?;
            Ok(Past {
                was_given: past.snapshot.as_ref() == Some(&given),
                ..past
            })
        })
    }

    /// A document's past up to and including an order: for looking back, from the newest snapshot within it. The heads
    /// are those of that moment. A deleted document's past is given too.
    fn load_until(&self, document: DocumentKey, until: Order) -> Answer<'_, Past>;

    /// Stores a snapshot, reads it back and compares. An older one is kept besides, in case this one is damaged later, and
    /// a few at growing distances, so that looking back is quick.
    ///
    /// Refused are a snapshot of another kind than its document's, of a deleted document, and one that covers changes
    /// which are not stored ([`StoreError::SnapshotAhead`]).
    ///
    /// *If broken*: a document opens with content that nobody wrote.
    fn put_snapshot(&self, snapshot: Snapshot) -> Answer<'_, ()>;

    /// Keeps a document's gist in place of the one before. False if it is not of the very changes that are stored, or the
    /// document is deleted, of another kind or not there; then what was kept stays. It is a cache: what was kept may get lost.
    ///
    /// *If broken*: clients are told that a document has what is not stored.
    fn keep_gist(&self, gist: Gist) -> Answer<'_, bool>;

    /// A document's gist, if one was kept that is of all that is stored and no other change, and is whole. None for a deleted
    /// document, and for one of which something is quarantined: what it shows may be less than what is stored.
    ///
    /// *If broken*: whoever has what a document once was is told that this is all.
    fn gist(&self, document: DocumentKey) -> Answer<'_, Option<Gist>>;

    /// What is known of a document; `None` if there never was one. A deleted one says so.
    fn describe(&self, document: DocumentKey) -> Answer<'_, Option<Description>>;

    /// Creates a document without changes.
    ///
    /// # Errors
    /// [`StoreError::Exists`] or [`StoreError::Deleted`].
    fn create(&self, document: DocumentKey, kind: Kind) -> Answer<'_, Description>;

    /// Creates a document with its first changes, and compares at that: where another process, or this one before a crash,
    /// was faster, nothing is stored. Else as [`Self::append`].
    ///
    /// *If broken*: a document is given its first content twice.
    ///
    /// # Errors
    /// [`StoreError::Exists`] or [`StoreError::Deleted`], and those of an append.
    ///
    /// # Panics
    /// A change names another document than `document`.
    fn create_with(
        &self,
        document: DocumentKey,
        kind: Kind,
        changes: Vec<Change>,
    ) -> Answer<'_, ()>;

    /// Deletes a document and leaves a tombstone, so that a client which still has it can not bring it back: later
    /// appends fail with [`StoreError::Deleted`]. False if there was none, or it was deleted before.
    fn delete(&self, document: DocumentKey) -> Answer<'_, bool>;

    /// The workspaces that hold documents, with how many, in the order of their names.
    fn workspaces(&self) -> Answer<'_, Vec<WorkspaceSummary>>;

    /// Documents of a workspace that are not deleted, in the order of their names, after a name.
    fn documents(&self, query: DocumentQuery) -> Answer<'_, Vec<Description>>;

    /// A page of a document's timeline. Damaged rows are left out and logged, and do not shorten the page: one with fewer
    /// changes than asked for is the last.
    fn timeline(&self, document: DocumentKey, page: TimelinePage) -> Answer<'_, Vec<StoredChange>>;

    /// The order of a change: by its dot, its place from 1, or the last one at or before a wall-clock time.
    fn find(&self, document: DocumentKey, place: Place) -> Answer<'_, Option<Order>>;

    /// Changes of one lane, to fill a gap.
    fn lane(
        &self,
        document: DocumentKey,
        replica: ReplicaId,
        counters: RangeInclusive<u64>,
    ) -> Answer<'_, Vec<StoredChange>>;

    /// The operations of an ordered document from one version up to another, or all from there on, in their order.
    fn operations(
        &self,
        document: DocumentKey,
        from: u64,
        to: Option<u64>,
    ) -> Answer<'_, Vec<StoredChange>>;

    /// The version that an author's operation of a name was committed on, however long ago.
    ///
    /// *If broken*: somebody who asks again what became of his operation is told that it was not stored, and makes another.
    fn version_of(
        &self,
        document: DocumentKey,
        author: Option<Author>,
        name: OperationName,
    ) -> Answer<'_, Option<u64>>;

    /// The latest change of each lane of some documents, in the order of the documents. Nothing else is read, so that it can
    /// be asked often. A document that never was has an empty clock, and a deleted one keeps its own.
    ///
    /// *If broken*: a node that missed what another has stored never notices.
    fn heads(&self, documents: Vec<DocumentKey>) -> Answer<'_, Vec<VectorClock>>;

    /// How some documents stand, in their order. Nothing else is read, so that it can be asked often.
    ///
    /// *If broken*: a node that missed a deletion at another goes on serving the document to those who only read.
    fn standings(&self, documents: Vec<DocumentKey>) -> Answer<'_, Vec<Standing>>;

    /// Keeps a payload out of its document: from now on [`Store::load`] gives its hash. The document need not exist.
    ///
    /// Of the payload the first MiB is kept, of older entries nothing but the account; of what is in no log, the newest
    /// 256 entries of each document. Repeating a document and hash changes nothing, except that a place in the log is
    /// noted that was not known. A deleted document keeps its entries.
    ///
    /// *If broken*: what ended the process once ends it again at the next start.
    fn quarantine(&self, quarantined: Quarantined) -> Answer<'_, ()>;

    /// The quarantine of a document or of all, the newest entry first, without the payloads.
    fn quarantined(&self, query: QuarantineQuery) -> Answer<'_, Vec<QuarantineEntry>>;

    /// One entry of the quarantine with what is kept of its payload.
    fn quarantined_payload(
        &self,
        document: DocumentKey,
        hash: PayloadHash,
    ) -> Answer<'_, Option<QuarantineEntry>>;

    /// Lets a payload into its document again, from the next time that it is opened. False if there is no such entry.
    fn forget_quarantined(&self, document: DocumentKey, hash: PayloadHash) -> Answer<'_, bool>;

    /// From now on keeps news of documents, each in the transaction that makes it true, until it is told. Where this was
    /// never called nothing is kept, and nothing done for it. The first call counts.
    ///
    /// *If broken*: an application misses what happened just before a crash.
    fn keep_news(&self, habit: NewsHabit);

    /// What is to be told next, the first due first, due or not; at most one entry for a document.
    fn news(&self, limit: usize) -> Answer<'_, Vec<News>>;

    /// Something was told, and is news no more.
    fn told(&self, document: DocumentKey, told: Told) -> Answer<'_, ()>;

    /// Telling failed: the document's news is due after a while from now by the store's own clock, and no sooner, whatever
    /// else comes.
    fn put_off(&self, document: DocumentKey, delay: Duration) -> Answer<'_, ()>;

    /// Keeps a revocation, and forgets those that had ended by its time. One of the same user, token or document takes in
    /// what was said before: the later time holds, and the later end, or none if either has none.
    ///
    /// *If broken*: somebody who was shut out gets in again.
    fn revoke(&self, revocation: Revocation) -> Answer<'_, RevocationEntry>;

    /// All revocations, in the order in which they were made.
    fn revocations(&self) -> Answer<'_, Vec<RevocationEntry>>;

    /// Lifts a revocation. False if there is none of that number.
    fn lift_revocation(&self, number: u64) -> Answer<'_, bool>;

    /// Keeps a ticket until it is used or ends, by the store's own clock, and forgets those that have ended. One too many is
    /// not kept; where several processes issue at the same moment, a few more may be.
    fn keep_ticket(&self, ticket: NewTicket, bounds: TicketBounds) -> Answer<'_, TicketKept>;

    /// The pass of a ticket, which is used up by this, whoever asks; none if it was used before, has ended or never was one.
    ///
    /// *If broken*: who finds a ticket in a log is let in.
    fn use_ticket(&self, hash: TicketHash) -> Answer<'_, Option<Bytes>>;

    /// Takes something that one process at a time does for all, for a while from now by the store's own clock; again and
    /// again for as long as it goes on. False if another process has it. Taken for no time, it is given up.
    ///
    /// *If broken*: it is done twice, or by nobody.
    fn take_duty(&self, duty: String, holder: Holder, lasts: Duration) -> Answer<'_, bool>;

    /// Whether changes can be stored just now: a write that is committed.
    fn check(&self) -> Answer<'_, ()>;

    /// Finishes what was begun and lets go of everything. Later requests fail with [`StoreError::Unavailable`].
    fn close(&self) -> Answer<'_, ()>;
}

/// A document's past, as [`Store::load`] gives it.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// The document's kind; none if there never was such a document.
    pub kind: Option<Kind>,
    /// Whether it was deleted.
    pub deleted: bool,
    /// The newest whole snapshot.
    pub snapshot: Option<Snapshot>,
    /// Whether it is the one that was given to [`Store::load_beyond`].
    pub was_given: bool,
    /// The changes that the snapshot does not cover, in timeline order.
    pub changes: Vec<StoredChange>,
    /// The latest change of each lane, damaged ones included.
    pub heads: VectorClock,
    /// How many rows were damaged and left out. Anything but zero is an alarm.
    pub damaged: u64,
    /// The payloads that are kept out of the document. A snapshot whose state is among them is not given.
    pub quarantined: BTreeSet<PayloadHash>,
}

impl Past {
    /// The content that it comes to, without what is kept out of it or does not decode. That is work.
    ///
    /// # Errors
    /// As [`history::replay`].
    pub fn content(&self, kind: Kind) -> Result<Content, ContentError> {
        let snapshot = self.snapshot.as_ref();
        let replayed = history::replay(kind, snapshot, &self.changes, &self.quarantined)?;
        Ok(replayed.content)
    }

    /// Whether a snapshot is kept out. Its hash is only computed where anything is.
    pub(crate) fn quarantines(&self, snapshot: &Snapshot) -> bool {
        !self.quarantined.is_empty() && self.quarantined.contains(&PayloadHash::of(&snapshot.state))
    }
}

impl From<Past> for Loaded {
    fn from(past: Past) -> Self {
        Self {
            kind: past.kind,
            deleted: past.deleted,
            gist: None,
            snapshot: past.snapshot,
            changes: past.changes,
            heads: past.heads,
            quarantined: past.quarantined,
        }
    }
}

/// What has become of a document, apart from its changes. One that never was stands as nothing was done to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Whether it was deleted.
    pub is_deleted: bool,
    /// The sum of the numbers of its quarantine's entries: a higher one if something is kept out since, even where an older
    /// entry made room for it, and a lower one if something is forgotten.
    pub quarantine: u64,
}

impl Standing {
    /// How a document stands whose quarantine is given.
    pub(crate) fn of(is_deleted: bool, quarantine: &[QuarantineEntry]) -> Self {
        let numbers = quarantine.iter().map(|entry| entry.number);
        Self {
            is_deleted,
            quarantine: numbers.sum(),
        }
    }
}

/// What is known of a document without opening it. Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its name.
    pub document: DocumentKey,
    /// Its kind.
    pub kind: Kind,
    /// When it was created.
    pub created_ms: u64,
    /// When it was last changed, if it ever was.
    pub changed_ms: Option<u64>,
    /// When it was deleted, if it was.
    pub deleted_ms: Option<u64>,
    /// The latest change of each lane.
    pub clock: VectorClock,
}

/// A workspace and how many documents it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceSummary {
    /// Its name.
    pub name: String,
    /// Documents that are not deleted.
    pub documents: u64,
}

/// Which documents to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentQuery {
    /// The workspace.
    pub workspace: String,
    /// Only names that begin like this.
    pub prefix: String,
    /// Only names after this one.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// Which part of a timeline to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimelinePage {
    /// The first changes after an order, oldest first.
    After(Order, usize),
    /// The last changes before an order, newest first; none stands for the end of the timeline.
    Before(Option<Order>, usize),
}

/// A place in a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A change by its dot.
    Dot(Dot),
    /// The so-and-so-manieth change, from 1, damaged ones included.
    Index(u64),
    /// The last change at or before a wall-clock time, in milliseconds since the Unix epoch.
    WallMs(u64),
}

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The disk is full.
    #[error("disk is full")]
    Full,
    /// The store can not be reached or answered with an error; whether anything was stored is unknown.
    #[error("store is unavailable: {0}")]
    Unavailable(String),
    /// A different change with the same dot is stored.
    #[error("change {0} is stored already with other content")]
    DotReused(Dot),
    /// A change does not follow the last one of its lane.
    #[error("change {0} does not follow the last one of its lane")]
    HoleInLane(Dot),
    /// There is another operation where one was to be, or one is missing before it. The document has so many.
    #[error("document has {0} operations")]
    Overtaken(u64),
    /// An operation of the same author, source and number is stored.
    #[error("operation {index} of the append is stored on version {version}")]
    NameKnown {
        /// Which of the append, from 0.
        index: usize,
        /// The version of the one that is stored.
        version: u64,
    },
    /// The payload of an operation is no record.
    #[error("change {0} is no operation")]
    NoOperation(Dot),
    /// Another process holds the replica id.
    #[error(
        "another process holds replica id {0}: the database was put back to an earlier day, or copied"
    )]
    LeaseLost(ReplicaId),
    /// The document was deleted.
    #[error("document was deleted")]
    Deleted,
    /// There is a document of that name.
    #[error("document exists")]
    Exists,
    /// The document is of the kind named here, not of the one that was given.
    #[error("document is of kind {0}")]
    KindDiffers(Kind),
    /// A snapshot covers changes, or is of a document, that the store does not have.
    #[error("snapshot covers changes that are not stored")]
    SnapshotAhead,
    /// A snapshot did not read back as it was written.
    #[error("snapshot did not read back as it was written")]
    NotReadBack,
}

/// Which of several documents' appends was refused, and why; nothing of any of them was stored.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("append {index} was refused: {error}")]
pub struct AppendRefused {
    /// Which of the appends, from 0.
    pub index: usize,
    /// Why.
    pub error: StoreError,
}

/// Two appends of one document would be judged as if neither knew of the other.
pub(crate) fn assert_apart(appends: &[(DocumentKey, Kind, Vec<Change>)]) {
    let mut named = BTreeSet::new();
    for (document, _, changes) in appends {
        assert_of_document(document, changes);
        assert!(named.insert(document), "{document} is named twice");
    }
}

/// Storing a change under another document's name would corrupt both, so it is worth an end to the caller.
pub(crate) fn assert_of_document(document: &DocumentKey, changes: &[Change]) {
    assert!(
        changes.iter().all(|change| change.document == *document),
        "a change of another document was given to store with {document}"
    );
}

/// A document's past without snapshots, all of it or up to an order: for when a snapshot that is not damaged does not
/// restore.
///
/// # Errors
/// The store failed.
pub async fn load_log(
    store: &dyn Store,
    document: &DocumentKey,
    until: Option<Order>,
) -> Result<Past, StoreError> {
    let query = QuarantineQuery::of(document);
    let quarantined = store.quarantined(query).await?.into_iter();
    let quarantined = quarantined.map(|entry| entry.quarantined.hash).collect();
    let Some(description) = store.describe(document.clone()).await? else {
        return Ok(Past {
            quarantined,
            ..Past::default()
        });
    };
    let mut changes: Vec<StoredChange> = Vec::new();
    loop {
        let after = changes.last().map_or(Order(0), |stored| stored.order);
        let page = TimelinePage::After(after, LOG_PAGE);
        let read = store.timeline(document.clone(), page).await?;
        let is_last = read.len() < LOG_PAGE;
        let within = |stored: &StoredChange| until.is_none_or(|until| stored.order <= until);
        let is_past = read.last().is_some_and(|stored| !within(stored));
        changes.extend(read.into_iter().take_while(within));
        if is_last || is_past {
            break;
        }
    }
    let dots = changes.iter().map(|stored| stored.change.dot);
    let heads = match until {
        Some(_) => dots.collect(),
        None => description.clock,
    };
    Ok(Past {
        kind: Some(description.kind),
        deleted: description.deleted_ms.is_some(),
        heads,
        changes,
        quarantined,
        ..Past::default()
    })
}

/// Changes read at a time.
const LOG_PAGE: usize = 10_000;
