//! The document: a pure machine that is given inputs and appends to effects.
//!
//! [`Document::handle`] takes one input; [`Document::settle`] ends a batch of them. Edits are integrated and collected by
//! `handle`; `settle` gives them their dots, shows them to the others ([`relay`]), and asks for them to be stored. They
//! are acknowledged when the store has answered ([`durability`]). The driver performs the effects, sends their results
//! back as inputs, and calls with [`Input::Tick`] when [`Document::next_deadline_ms`] has come.

mod durability;
mod effect;
mod input;
mod limits;
mod peers;
mod phase;
mod relay;

pub use effect::{Audience, CloseReason, Effect, Effects, Event};
pub use input::{Input, Intent, Loaded, PushTag};
pub use limits::Limits;
pub use phase::Phase;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::change::{Change, ChangeKind, UpdateList};
use crate::clock::VectorClock;
use crate::content::{Begins, Content, ContentError};
use crate::dot::{Dot, ReplicaId};
use crate::history;
use crate::names::{Author, ConnectionId, DocumentKey, Kind};
use crate::presence::{Presence, PresenceEntry};
use crate::snapshot::Snapshot;
use crate::time::{HlcClock, Now};

use durability::{Durability, HeldAck, Released};
use peers::{Behind, Checkpoints, Peer, Peers};
use relay::Pushed;

/// One document in memory.
#[derive(Debug)]
pub struct Document {
    key: DocumentKey,
    kind: Kind,
    replica: ReplicaId,
    limits: Limits,
    phase: Phase,
    content: Content,
    /// Every change that the content holds.
    clock: VectorClock,
    hlc: HlcClock,
    peers: Peers,
    presence: Presence,
    presence_swept_ms: u64,
    batch: Vec<Pushed>,
    asked: BTreeMap<ConnectionId, Asked>,
    durability: Durability,
    checkpoints: Checkpoints,
    tail: Tail,
    idle_since_ms: Option<u64>,
}

/// What a client has asked for in this batch.
#[derive(Debug, Default)]
struct Asked {
    /// What it has, if it pulls; the last time counts.
    have: Option<Bytes>,
    presence: bool,
}

/// How much has changed since the last snapshot.
#[derive(Debug, Default)]
struct Tail {
    changes: u64,
    bytes: u64,
    snapshot_bytes: u64,
    /// Whether a snapshot is on its way.
    taking: bool,
}

impl Document {
    /// A document whose past is yet to be loaded, and the effect that asks for it.
    ///
    /// # Errors
    /// There is no engine for the kind.
    pub fn open(
        key: DocumentKey,
        kind: Kind,
        replica: ReplicaId,
        limits: Limits,
        effects: &mut Effects,
    ) -> Result<Self, ContentError> {
        effects.push(Effect::Load);
        Ok(Self {
            key,
            kind,
            replica,
            limits,
            phase: Phase::Opening,
            content: Content::new(kind)?,
            clock: VectorClock::default(),
            hlc: HlcClock::default(),
            peers: Peers::new(),
            presence: Presence::new(limits.presence),
            presence_swept_ms: 0,
            batch: Vec::new(),
            asked: BTreeMap::new(),
            durability: Durability::default(),
            checkpoints: Checkpoints::default(),
            tail: Tail::default(),
            idle_since_ms: None,
        })
    }

    /// Where the document is in its life.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The content, for reading.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// Every change that the content holds, stored or not.
    pub fn clock(&self) -> &VectorClock {
        &self.clock
    }

    /// Whether every change that the content holds is stored.
    pub fn is_durable(&self) -> bool {
        self.batch.is_empty() && self.durability.is_settled()
    }

    /// What the edits that wait for the store take up, in bytes.
    pub fn unsaved_bytes(&self) -> usize {
        self.durability.waiting_bytes()
    }

    /// How many clients there are.
    pub fn peers(&self) -> usize {
        self.peers.len()
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input, now: Now, effects: &mut Effects) {
        match input {
            Input::Opened(loaded) => self.opened(loaded, now, effects),
            Input::OpenFailed => self.phase = Phase::Closed(CloseReason::NotReady),
            Input::Joined {
                connection,
                author,
                kind,
            } => self.joined(connection, author, kind, now, effects),
            Input::Left { connection } => self.left(connection, now, effects),
            Input::Intent {
                connection,
                intent,
                seen,
            } => self.intent(connection, intent, seen, now, effects),
            Input::Drained { connection, seen } => self.drained(connection, seen, effects),
            Input::Committed { through } => self.committed(through, effects),
            Input::CommitFailed => self.durability.failed(&self.limits, now),
            Input::SnapshotStored => self.tail.taking = false,
            Input::SnapshotFailed => self.snapshot_failed(),
            Input::Deleted => self.close_all(CloseReason::Deleted, effects),
            Input::Drain => self.drain(CloseReason::Stopping),
            Input::Tick => self.tick(now, effects),
        }
    }

    /// Ends a batch of inputs: answers what was asked, shows and stores what it brought.
    pub fn settle(&mut self, now: Now, effects: &mut Effects) {
        self.answer(now, effects);
        self.record_and_relay(now, effects);
        self.take_snapshot_if_due();
        let released = if self.durability.is_settled() {
            self.durability.release(u64::MAX)
        } else {
            Released::default()
        };
        self.say(released, effects);
        self.finish_draining(effects);
        if matches!(self.phase, Phase::Closed(_)) {
            effects.push(Effect::Retire);
        } else if let Some(changes) = self.durability.next_append(&self.limits, now) {
            effects.push(Effect::Append(changes));
        }
    }

    /// When to call with [`Input::Tick`], in monotonic milliseconds, if nothing else happens.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let sweep = self
            .presence
            .can_expire()
            .then_some(self.presence_swept_ms + PRESENCE_SWEEP_MS);
        let idle = self.idle_since_ms.map(|since| since + self.limits.idle_ms);
        [sweep, idle, self.durability.retry_due_ms()]
            .into_iter()
            .flatten()
            .min()
    }

    fn opened(&mut self, loaded: Loaded, now: Now, effects: &mut Effects) {
        if self.phase != Phase::Opening {
            return;
        }
        self.idle_since_ms = Some(now.monotonic_ms);
        self.phase = match loaded.kind {
            _ if loaded.deleted => Phase::Closed(CloseReason::Deleted),
            Some(kind) if kind != self.kind => Phase::Closed(CloseReason::WrongKind),
            _ => Phase::Open,
        };
        if self.phase == Phase::Open {
            self.rebuild(loaded, effects);
        }
    }

    fn rebuild(&mut self, loaded: Loaded, effects: &mut Effects) {
        self.clock = loaded.heads;
        if let Some(snapshot) = loaded.snapshot {
            self.tail.snapshot_bytes = snapshot.state.len() as u64;
            if self.content.restore(&snapshot.state).is_err() {
                self.phase = Phase::Closed(CloseReason::NotReady);
                return;
            }
        }
        for stored in loaded.changes {
            self.replay(&stored.change, effects);
        }
        self.checkpoints
            .note(self.last_counter(), self.content.have(std::iter::empty()));
    }

    fn replay(&mut self, change: &Change, effects: &mut Effects) {
        self.hlc.observe(change.hlc);
        self.clock.observe(change.dot);
        self.tail.grow(change);
        if !history::apply(&mut self.content, change) {
            effects.push(Effect::Skipped(change.dot));
        }
    }

    fn joined(
        &mut self,
        connection: ConnectionId,
        author: Option<Author>,
        kind: Kind,
        now: Now,
        effects: &mut Effects,
    ) {
        if let Some(reason) = self.refusal(kind) {
            effects.push(Effect::Close { connection, reason });
            return;
        }
        self.idle_since_ms = None;
        self.peers.insert(
            connection,
            Peer {
                author,
                joined_ms: now.monotonic_ms,
                is_based: false,
                behind: None,
            },
        );
        self.ask_for_missing(connection, effects);
        self.show_everyone(connection, effects);
    }

    fn refusal(&self, kind: Kind) -> Option<CloseReason> {
        match self.phase {
            Phase::Open if kind == self.kind => None,
            Phase::Open => Some(CloseReason::WrongKind),
            Phase::Opening => Some(CloseReason::NotReady),
            Phase::Draining(reason) | Phase::Closed(reason) => Some(reason),
        }
    }

    fn left(&mut self, connection: ConnectionId, now: Now, effects: &mut Effects) {
        if self.peers.remove(&connection).is_none() {
            return;
        }
        let gone = self.presence.close(connection, now);
        show_presence(gone, None, effects);
        if self.peers.is_empty() {
            self.idle_since_ms = Some(now.monotonic_ms);
        }
    }

    fn intent(
        &mut self,
        connection: ConnectionId,
        intent: Intent,
        seen: Option<u64>,
        now: Now,
        effects: &mut Effects,
    ) {
        if self.phase != Phase::Open || !self.peers.contains_key(&connection) {
            return;
        }
        match intent {
            Intent::Pull { have } => self.asked(connection).have = Some(have),
            Intent::Push { payload, tag } => {
                self.push(connection, payload, tag, seen, now, effects);
            }
            Intent::ShowPresence(entries) => self.presence_shown(connection, entries, now, effects),
            Intent::QueryPresence => self.asked(connection).presence = true,
        }
    }

    /// Questions are answered once a batch: a client that asks a thousand times is told once.
    fn asked(&mut self, connection: ConnectionId) -> &mut Asked {
        self.asked.entry(connection).or_default()
    }

    fn answer(&mut self, now: Now, effects: &mut Effects) {
        for (connection, asked) in std::mem::take(&mut self.asked) {
            if !self.peers.contains_key(&connection) {
                continue;
            }
            if let Some(have) = asked.have {
                self.pull(connection, &have, now, effects);
            }
            if asked.presence {
                self.show_everyone(connection, effects);
            }
        }
    }

    fn pull(&mut self, connection: ConnectionId, have: &[u8], now: Now, effects: &mut Effects) {
        match self.content.missing_from(have) {
            Ok(payload) => {
                self.peers.entry(connection).and_modify(Peer::base);
                self.send_content(connection, Event::Missing { payload }, effects);
            }
            Err(_) => self.expel(connection, CloseReason::BadFrame, now, effects),
        }
    }

    /// Sends content computed for one client, and with it what waits for missing parts: as an answer, for it may hold
    /// edits of the client's own that are not stored yet.
    fn send_content(&self, connection: ConnectionId, event: Event, effects: &mut Effects) {
        let shows = Some(self.last_counter());
        let waiting = self
            .content
            .waiting()
            .iter()
            .cloned()
            .map(|payload| Event::Missing { payload });
        for event in std::iter::once(event).chain(waiting) {
            effects.push(Effect::Send {
                to: Audience::One(connection),
                event,
                shows,
            });
        }
    }

    fn push(
        &mut self,
        connection: ConnectionId,
        payload: Bytes,
        tag: PushTag,
        seen: Option<u64>,
        now: Now,
        effects: &mut Effects,
    ) {
        if !self.durability.has_room(&payload, &self.limits) {
            self.expel(connection, CloseReason::StoreBehind, now, effects);
            return;
        }
        match self.content.integrate(&payload) {
            Ok(integrated) => {
                let author = self
                    .peers
                    .get(&connection)
                    .and_then(|peer| peer.author.clone());
                let (news, begins) = (integrated.news, integrated.begins);
                let shown = integrated.fresh.unwrap_or_else(|| payload.clone());
                let (missing, let_go) = (integrated.missing, integrated.let_go);
                let unstored = news || !self.is_durable();
                self.durability.expect(&payload);
                self.batch.push(Pushed {
                    connection,
                    author,
                    payload,
                    shown,
                    tag,
                    news,
                    unstored,
                    begins,
                    seen,
                });
                if let_go {
                    self.expel(connection, CloseReason::NotReady, now, effects);
                } else if missing && news {
                    self.ask_for_missing(connection, effects);
                }
            }
            Err(error) => self.refuse_update(connection, &error, now, effects),
        }
    }

    fn refuse_update(
        &mut self,
        connection: ConnectionId,
        error: &ContentError,
        now: Now,
        effects: &mut Effects,
    ) {
        let reason = match error {
            ContentError::TooMuchMissing => CloseReason::NotReady,
            _ => CloseReason::BadUpdate,
        };
        self.expel(connection, reason, now, effects);
        if matches!(error, ContentError::Contradiction(_)) {
            self.drain(CloseReason::NotReady);
        }
    }

    /// Closes one client and forgets it.
    fn expel(
        &mut self,
        connection: ConnectionId,
        reason: CloseReason,
        now: Now,
        effects: &mut Effects,
    ) {
        effects.push(Effect::Close { connection, reason });
        self.left(connection, now, effects);
    }

    fn presence_shown(
        &mut self,
        connection: ConnectionId,
        entries: Vec<PresenceEntry>,
        now: Now,
        effects: &mut Effects,
    ) {
        let joined_ms = self.peers.get(&connection).map_or(0, |peer| peer.joined_ms);
        let news = self.presence.update(connection, joined_ms, entries, now);
        show_presence(news, Some(connection), effects);
    }

    fn show_everyone(&self, connection: ConnectionId, effects: &mut Effects) {
        let everyone = self.presence.all();
        if !everyone.is_empty() {
            let to = Audience::One(connection);
            effects.push(Effect::Send {
                to,
                event: Event::Presence(everyone),
                shows: None,
            });
        }
    }

    /// Says what is stored here, which asks the client for the rest.
    fn ask_for_missing(&self, connection: ConnectionId, effects: &mut Effects) {
        let unsaved = self
            .batch
            .iter()
            .map(|pushed| &pushed.begins)
            .chain(self.durability.unsaved_begins());
        let have = self.content.have(unsaved);
        effects.push(Effect::Send {
            to: Audience::One(connection),
            event: Event::Have { have },
            shows: None,
        });
    }

    fn drained(&mut self, connection: ConnectionId, seen: Option<u64>, effects: &mut Effects) {
        if let Some(peer) = self.peers.get_mut(&connection) {
            peer.behind = Some(Behind { seen });
            self.catch_up(connection, effects);
        }
    }

    /// Sends a client that is behind the difference, and asks for what it has (it may have been asked before, and never
    /// have got to read that), once none of its own edits wait for the store: some clients take the
    /// sight of their own edit as word that it is stored.
    fn catch_up(&mut self, connection: ConnectionId, effects: &mut Effects) {
        let unsaved = self.durability.owes(connection)
            || self
                .batch
                .iter()
                .any(|pushed| pushed.connection == connection);
        let Some(peer) = self.peers.get_mut(&connection) else {
            return;
        };
        let Some(behind) = peer.behind.take_if(|_| !unsaved) else {
            return;
        };
        peer.base();
        let had = self
            .checkpoints
            .had_by(behind)
            .cloned()
            .unwrap_or_else(|| Bytes::from_static(&[0]));
        let Ok(payload) = self.content.missing_from(&had) else {
            return;
        };
        effects.push(Effect::Resume { connection });
        self.ask_for_missing(connection, effects);
        self.send_content(connection, Event::Change { payload }, effects);
        self.show_everyone(connection, effects);
    }

    fn committed(&mut self, through: u64, effects: &mut Effects) {
        let released = self.durability.committed(through);
        self.say(released, effects);
        let behind: Vec<_> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.behind.is_some())
            .map(|(connection, _)| *connection)
            .collect();
        for connection in behind {
            self.catch_up(connection, effects);
        }
    }

    /// Says what may be said now that it is stored.
    fn say(&self, released: Released, effects: &mut Effects) {
        for ack in released.acks {
            if let Some(peer) = self.peers.get(&ack.connection) {
                effects.push(Effect::Send {
                    to: Audience::One(ack.connection),
                    event: Event::Ack {
                        tag: ack.tag,
                        payload: ack.payload,
                        news: ack.news,
                    },
                    shows: peer.is_based.then_some(ack.through),
                });
            }
        }
        effects.extend(released.snapshot.map(Effect::StoreSnapshot));
    }

    fn record_and_relay(&mut self, now: Now, effects: &mut Effects) {
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return;
        }
        for of_one in batch.chunk_by(|a, b| a.connection == b.connection) {
            self.record(of_one, now);
        }
        let unbased = self.peers.iter().filter(|(_, peer)| !peer.is_based);
        let unbased: Vec<_> = unbased.map(|(connection, _)| *connection).collect();
        relay::relay(
            &self.content,
            &batch,
            self.last_counter(),
            &unbased,
            effects,
        );
        let counter = self.last_counter();
        if self.checkpoints.is_due(counter) {
            self.checkpoints
                .note(counter, self.content.have(std::iter::empty()));
        }
    }

    /// Makes changes of consecutive edits by one client, and holds their acknowledgements.
    fn record(&mut self, pushes: &[Pushed], now: Now) {
        let news: Vec<_> = pushes.iter().filter(|pushed| pushed.news).collect();
        for few in news.chunks(self.limits.updates_per_change_max) {
            let change = self.change_of(few, now);
            self.tail.grow(&change);
            let begins = few
                .iter()
                .flat_map(|pushed| pushed.begins.0.iter().copied())
                .collect();
            self.durability.hold_change(change, Begins(begins));
        }
        let through = self.last_counter();
        for pushed in pushes {
            self.durability.hold_ack(HeldAck {
                through,
                connection: pushed.connection,
                tag: pushed.tag,
                payload: pushed.payload.clone(),
                news: pushed.unstored,
            });
        }
    }

    fn change_of(&mut self, pushes: &[&Pushed], now: Now) -> Change {
        let context = self.context(pushes[0].seen);
        let dot = Dot::new(self.replica, self.last_counter() + 1);
        self.clock.observe(dot);
        let (kind, payload) = match pushes {
            [lone] => (ChangeKind::YjsUpdate, lone.payload.clone()),
            several => {
                let updates: Vec<_> = several
                    .iter()
                    .map(|pushed| pushed.payload.clone())
                    .collect();
                (ChangeKind::YjsUpdates, UpdateList::join(&updates))
            }
        };
        Change {
            document: self.key.clone(),
            dot,
            context,
            hlc: self.hlc.tick(now),
            author: pushes[0].author.clone(),
            connection: pushes[0].connection,
            kind,
            payload,
        }
    }

    /// What an author had seen: all other lanes as they were loaded, and its own replica's as far as it was shown it.
    fn context(&self, seen: Option<u64>) -> VectorClock {
        let Some(seen) = seen else {
            return VectorClock::default();
        };
        let others = self
            .clock
            .heads()
            .filter(|head| head.replica != self.replica);
        others.chain([Dot::new(self.replica, seen)]).collect()
    }

    fn last_counter(&self) -> u64 {
        self.clock.get(self.replica)
    }

    /// Content that contradicted an edit, and is drained for it, may be damaged: it is no longer worth keeping.
    fn take_snapshot_if_due(&mut self) {
        if self.phase == Phase::Open && self.tail.is_due(&self.limits) {
            self.take_snapshot();
        }
    }

    fn take_snapshot(&mut self) {
        let state = self.content.state();
        self.tail = Tail {
            snapshot_bytes: state.len() as u64,
            taking: true,
            ..Tail::default()
        };
        let snapshot = Snapshot {
            document: self.key.clone(),
            kind: self.kind,
            clock: self.clock.clone(),
            state,
        };
        self.durability.hold_snapshot(self.last_counter(), snapshot);
    }

    /// The next one is due after as many changes again: a snapshot is only a cache, and no reason to hurry.
    fn snapshot_failed(&mut self) {
        self.tail.taking = false;
    }

    fn tick(&mut self, now: Now, effects: &mut Effects) {
        if now.monotonic_ms >= self.presence_swept_ms + PRESENCE_SWEEP_MS {
            self.presence_swept_ms = now.monotonic_ms;
            let expired = self.presence.expire(now);
            show_presence(expired, None, effects);
        }
        if self
            .idle_since_ms
            .is_some_and(|since| now.monotonic_ms >= since + self.limits.idle_ms)
        {
            self.rest(now, effects);
        }
    }

    /// Nobody is here: takes a last snapshot if the next opening would replay much, then asks to be put away.
    fn rest(&mut self, now: Now, effects: &mut Effects) {
        self.idle_since_ms = Some(now.monotonic_ms);
        if self.phase == Phase::Open && self.tail.changes >= SNAPSHOT_AT_REST && !self.tail.taking {
            self.take_snapshot();
        } else if self.is_durable() && !self.tail.taking {
            effects.push(Effect::Retire);
        }
    }

    fn drain(&mut self, reason: CloseReason) {
        if matches!(self.phase, Phase::Open | Phase::Opening) {
            self.phase = Phase::Draining(reason);
        }
    }

    fn finish_draining(&mut self, effects: &mut Effects) {
        if let Phase::Draining(reason) = self.phase
            && self.is_durable()
        {
            self.close_all(reason, effects);
        }
    }

    fn close_all(&mut self, reason: CloseReason, effects: &mut Effects) {
        self.phase = Phase::Closed(reason);
        let connections = std::mem::take(&mut self.peers).into_keys();
        effects.extend(connections.map(|connection| Effect::Close { connection, reason }));
    }
}

impl Tail {
    fn grow(&mut self, change: &Change) {
        self.changes += 1;
        self.bytes += change.payload.len() as u64;
    }

    /// A snapshot costs as much as the document is large, so a larger one waits for more to have changed.
    fn is_due(&self, limits: &Limits) -> bool {
        let enough = self.changes >= limits.snapshot_changes || self.bytes >= limits.snapshot_bytes;
        enough && self.bytes >= self.snapshot_bytes / 4 && !self.taking
    }
}

fn show_presence(entries: Vec<PresenceEntry>, author: Option<ConnectionId>, effects: &mut Effects) {
    if !entries.is_empty() {
        let to = Audience::AllBut(author.into_iter().collect::<Arc<[_]>>());
        effects.push(Effect::Send {
            to,
            event: Event::Presence(entries),
            shows: None,
        });
    }
}

/// How often expired presence is looked for.
const PRESENCE_SWEEP_MS: u64 = 1_000;
/// Changes since the last snapshot that make another worth taking when the document is put away.
const SNAPSHOT_AT_REST: u64 = 100;
