//! The world that an Automerge document is in: two connections, a store that fails when told to, and time.

use std::collections::BTreeSet;

use bytes::Bytes;
use engine::{
    AutomergeContent, Change, ConnectionId, Document, DocumentKey, Effect, Effects, Event, Input,
    Intent, Joining, Kind, Limits, Loaded, Now, Order, Phase, PushTag, ReplicaId, StoredChange,
};
use protocol::automerge::{Chunk, SyncMessage, preflight};

use crate::automerge::BOUNDS;
use crate::findings;
use crate::script::Script;

pub(super) struct World {
    document: Document,
    limits: Limits,
    log: Vec<StoredChange>,
    /// The hashes of all changes that are stored.
    stored: BTreeSet<[u8; 32]>,
    appending: Option<Vec<Change>>,
    seats: [Option<ConnectionId>; 2],
    /// The bytes of the longest edit so far.
    longest: usize,
    connections: u64,
    replica: ReplicaId,
    now_ms: u64,
    effects: Effects,
}

/// What becomes of an append.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Stored,
    /// Nothing is stored.
    Failed,
    /// It is stored, but nobody learns of it.
    Unknown,
}

impl World {
    pub(super) fn open(script: &mut Script<'_>) -> Self {
        let limits = Limits {
            unsaved_bytes_max: script.one_of(&[1 << 20, 2_000]),
            snapshot_changes: u64::MAX,
            ..Limits::default()
        };
        let mut world = Self {
            document: opened(ReplicaId(1), limits),
            limits,
            log: Vec::new(),
            stored: BTreeSet::new(),
            appending: None,
            seats: [None; 2],
            longest: 0,
            connections: 0,
            replica: ReplicaId(1),
            now_ms: 1_000_000,
            effects: Effects::new(),
        };
        world.load();
        world
    }

    pub(super) fn join(&mut self, seat: usize) {
        if self.seats[seat].is_some() {
            return;
        }
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        self.seats[seat] = Some(connection);
        let joining = Joining::freely(connection, Kind::Automerge, None);
        self.tell(Input::Joined(joining));
    }

    pub(super) fn leave(&mut self, seat: usize) {
        if let Some(connection) = self.seats[seat].take() {
            self.tell(Input::Left { connection });
        }
    }

    /// A client says what it has, and sends changes: what pre-flight lets through goes on to the document.
    pub(super) fn hear(&mut self, seat: usize, message: &SyncMessage) {
        let Ok(chunks) = preflight(message, &BOUNDS) else {
            return self.leave(seat);
        };
        let heads: BTreeSet<_> = message.heads.iter().map(|head| head.0).collect();
        let have = heads.into_iter().flatten().collect();
        self.say(seat, Intent::Pull { have });
        let changes = chunks.iter().filter_map(|chunk| match chunk {
            Chunk::Change(change) => Some(&change.chunk[..]),
            Chunk::Document(_) => None,
        });
        let payload = Bytes::from(changes.collect::<Vec<_>>().concat());
        if !payload.is_empty() {
            self.longest = self.longest.max(payload.len());
            let tag = PushTag(0);
            self.say(seat, Intent::Push { payload, tag });
        }
    }

    pub(super) fn show(&mut self, seat: usize, shown: Bytes) {
        self.say(seat, Intent::Signal(shown));
    }

    /// A connection has lost what was in its queue.
    pub(super) fn lag(&mut self, seat: usize) {
        if let Some(connection) = self.seats[seat] {
            let seen = None;
            self.tell(Input::Drained { connection, seen });
        }
    }

    fn say(&mut self, seat: usize, intent: Intent) {
        if let Some(connection) = self.seats[seat] {
            self.tell(Input::Intent {
                connection,
                intent,
                seen: None,
            });
        }
    }

    /// The store finishes what it was asked for.
    pub(super) fn commit(&mut self, fate: Fate) {
        let Some(changes) = self.appending.take() else {
            return;
        };
        if fate != Fate::Failed {
            changes.iter().for_each(|change| self.store(change));
        }
        let through = changes.last().expect("appends are not empty").dot.counter;
        self.tell(match fate {
            Fate::Stored => Input::Committed { through },
            Fate::Failed | Fate::Unknown => Input::CommitFailed,
        });
    }

    fn store(&mut self, change: &Change) {
        let mut known = self.log.iter();
        if let Some(known) = known.find(|known| known.change.dot == change.dot) {
            assert_eq!(known.change, *change, "a dot names one change for ever");
            return;
        }
        for payload in change.updates().expect("payloads are well formed") {
            self.stored.extend(hashes(&payload));
        }
        self.log.push(StoredChange {
            order: Order(self.log.len() as u64 + 1),
            change: change.clone(),
        });
    }

    /// Lets time pass, with a tick at each deadline.
    pub(super) fn pass(&mut self, ms: u64) {
        let until_ms = self.now_ms + ms.min(PASSED_MS_MAX);
        while let Some(due_ms) = self.document.next_deadline_ms()
            && due_ms <= until_ms
        {
            self.now_ms = self.now_ms.max(due_ms);
            self.tell(Input::Tick);
        }
        self.now_ms = until_ms;
    }

    /// The process dies with all that is not stored, and another opens the document.
    pub(super) fn crash(&mut self) {
        self.replica = ReplicaId(self.replica.0 + 1);
        self.seats = [None; 2];
        self.appending = None;
        self.effects.clear();
        self.document = opened(self.replica, self.limits);
        self.load();
    }

    fn load(&mut self) {
        let loaded = Loaded {
            kind: (!self.log.is_empty()).then_some(Kind::Automerge),
            changes: self.log.clone(),
            heads: self.log.iter().map(|stored| stored.change.dot).collect(),
            ..Loaded::default()
        };
        self.tell(Input::Opened(loaded));
    }

    fn tell(&mut self, input: Input) {
        let now = self.now();
        self.document.handle(input, now, &mut self.effects);
        while self.document.next_replay().is_some() {
            self.document.replay(now, &mut self.effects);
        }
        self.document.settle(now, &mut self.effects);
        for effect in std::mem::take(&mut self.effects) {
            self.perform(effect);
        }
        // One edit may be longer.
        let bound = self
            .limits
            .unsaved_bytes_max
            .max(self.longest + EDIT_OVERHEAD_BYTES);
        assert!(
            self.document.unsaved_bytes() <= bound,
            "what waits for the store is bounded"
        );
        if matches!(self.document.phase(), Phase::Closed(_)) {
            self.crash();
        }
    }

    fn now(&self) -> Now {
        Now {
            monotonic_ms: self.now_ms,
            wall_ms: self.now_ms,
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Send { event, .. } => self.check_truth(&event),
            Effect::Close { connection, .. } => {
                let mut seats = self.seats.iter_mut();
                if let Some(seat) = seats.find(|seat| **seat == Some(connection)) {
                    *seat = None;
                }
            }
            Effect::Append(changes) => {
                assert!(self.appending.is_none(), "there is one append at a time");
                self.appending = Some(changes);
            }
            Effect::Skipped(dot) => panic!("{dot:?} was stored and can not be replayed"),
            Effect::Quarantine(found) => panic!("the library failed: {}", found.reason),
            Effect::ReadOnly { reason } => panic!("what is stored can not be used: {reason}"),
            _ => {}
        }
    }

    /// Whoever is told of a change may take others to have it.
    fn check_truth(&self, event: &Event) {
        let told = match event {
            Event::Have { have } => have.as_chunks::<32>().0.to_vec(),
            Event::Missing { payload } | Event::Change { payload } | Event::Ack { payload, .. } => {
                hashes(payload)
            }
            _ => Vec::new(),
        };
        let unstored = told.iter().find(|hash| !self.stored.contains(*hash));
        assert_eq!(unstored, None, "told before it is stored");
    }

    /// The store works, and all is stored: the log played from its beginning has what the document has.
    pub(super) fn end(mut self) {
        for _ in 0..APPENDS_MAX {
            self.commit(Fate::Stored);
            self.pass(PASSED_MS_MAX);
            if self.document.is_durable() {
                break;
            }
        }
        assert!(self.document.is_durable(), "all is stored in the end");
        let before = self.state();
        self.crash();
        assert_eq!(self.state(), before, "the log has what the document had");
    }

    /// The heads, and what waits.
    fn state(&self) -> (Bytes, Vec<Bytes>) {
        let content = self.document.content();
        (content.have(std::iter::empty()), content.waiting().to_vec())
    }
}

fn opened(replica: ReplicaId, limits: Limits) -> Document {
    let key = DocumentKey::new("default", "fuzz").expect("the name is good");
    Document::open(key, Kind::Automerge, replica, limits, &mut Effects::new())
        .expect("documents of this kind are served")
}

fn hashes(payload: &Bytes) -> Vec<[u8; 32]> {
    let changes = findings::expect(AutomergeContent::changes_of(payload));
    changes.into_iter().map(|change| change.hash).collect()
}

/// So much time passes at once at most: a document that nobody asks anything of would be put away, for which it is looked at.
const PASSED_MS_MAX: u64 = 5_000;
const APPENDS_MAX: usize = 1_000;
/// What the engine counts an edit for besides its bytes.
const EDIT_OVERHEAD_BYTES: usize = 256;
