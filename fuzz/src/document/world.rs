//! The world that a document is in: its clients, its store, and time. Every effect is checked as it is performed.

use std::collections::VecDeque;

use bytes::Bytes;
use engine::{
    Audience, Change, CloseReason, ConnectionId, Document, Effect, Effects, Event, Input, Intent,
    Joining, Kind, Limits, Now, Phase, PushTag, ReplicaId, Snapshot, WriterPolicy,
};
use protocol::preflight::Bounds;
use protocol::{yjs, ywebsocket};

use super::other::Other;
use super::store::{Fault, Store, key};
use crate::crafted::Clocks;
use crate::findings;
use crate::script::Script;
use crate::update;
use crate::writer::Writer;

/// How many clients there may be at once.
pub(super) const SEATS: usize = 3;

pub(super) struct World {
    document: Document,
    store: Store,
    other: Other,
    limits: Limits,
    pub(super) seats: [Seat; SEATS],
    /// All updates that were pushed.
    pub(super) pushed: Vec<Bytes>,
    pub(super) clocks: Clocks,
    now_ms: u64,
    appending: Option<Vec<Change>>,
    snapshotting: Option<Snapshot>,
    /// Whether the document has asked how far each lane is in the store.
    asks_heads: bool,
    replica: ReplicaId,
    connections: u64,
    effects: Effects,
    /// What the document has asked for, if it has asked for its past.
    loading: Option<Past>,
    /// Whether all that was pushed so far was made by writers.
    pub(super) honest: bool,
}

/// A place for a client: its writer stays when its connection goes.
pub(super) struct Seat {
    pub(super) writer: Writer,
    line: Option<Line>,
}

/// Which past is asked for: from the latest snapshot, or the whole log.
#[derive(Clone, Copy)]
enum Past {
    Latest,
    Log,
}

struct Line {
    connection: ConnectionId,
    queue: VecDeque<(Event, Option<u64>)>,
    seen: Option<u64>,
    is_dropped: bool,
}

impl World {
    pub(super) fn new(limits: Limits) -> Self {
        let replica = ReplicaId(1);
        let seat = |client| Seat {
            writer: Writer::new(client),
            line: None,
        };
        let mut world = Self {
            document: open(replica, limits),
            store: Store::new(limits.shared),
            other: Other::new(),
            limits,
            seats: [seat(1), seat(2), seat(3)],
            pushed: Vec::new(),
            clocks: Clocks::new(),
            now_ms: 1_000_000,
            appending: None,
            snapshotting: None,
            asks_heads: false,
            replica,
            connections: 0,
            effects: Effects::new(),
            loading: Some(Past::Latest),
            honest: true,
        };
        world.load();
        world
    }

    pub(super) fn join(&mut self, seat: usize) {
        if self.seats[seat].line.is_some() {
            return;
        }
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        self.seats[seat].line = Some(Line {
            connection,
            queue: VecDeque::new(),
            seen: None,
            is_dropped: false,
        });
        self.hand(Input::Joined(Joining::freely(connection, Kind::Yjs, None)));
    }

    pub(super) fn leave(&mut self, seat: usize) {
        if let Some(Line { connection, .. }) = self.seats[seat].line.take() {
            self.hand(Input::Left { connection });
        }
    }

    /// A client sends a frame, which is read and checked as its connection would.
    pub(super) fn frame(&mut self, seat: usize, frame: &[u8]) {
        let Ok(intents) = ywebsocket::decode(&Bytes::copy_from_slice(frame)) else {
            return self.leave(seat);
        };
        for intent in intents {
            self.say(seat, intent);
        }
    }

    pub(super) fn push(&mut self, seat: usize, payload: Bytes) {
        let tag = yjs::UPDATE;
        self.say(seat, Intent::Push { payload, tag });
    }

    /// A client asks for something; its connection lets through only what pre-flight does.
    pub(super) fn say(&mut self, seat: usize, intent: Intent) {
        let Some(line) = &self.seats[seat].line else {
            return;
        };
        let (connection, seen) = (line.connection, line.seen);
        if yjs::check(&intent, &Bounds::default()).is_err() {
            return self.leave(seat);
        }
        if let Intent::Push { payload, .. } = &intent {
            self.pushed.push(payload.clone());
        }
        self.hand(Input::Intent {
            connection,
            intent,
            seen,
        });
    }

    /// A client reads all that it was sent, and sends what it is asked for. Its document is one of yrs that nothing
    /// protects, so it takes in only what writers made.
    pub(super) fn read(&mut self, seat: usize) {
        for answer in self.seats[seat].read(self.honest) {
            self.say(seat, answer);
        }
    }

    pub(super) fn lag(&mut self, seat: usize) {
        if let Some(line) = &mut self.seats[seat].line {
            line.queue.clear();
            line.is_dropped = true;
        }
    }

    pub(super) fn drained(&mut self, seat: usize) {
        let Some(line) = &self.seats[seat].line else {
            return;
        };
        if line.is_dropped {
            let (connection, seen) = (line.connection, line.seen);
            self.hand(Input::Drained { connection, seen });
        }
    }

    /// The store finishes what it was asked for.
    pub(super) fn commit(&mut self, fault: Fault) {
        let Some(changes) = self.appending.take() else {
            return;
        };
        let through = changes.last().expect("appends are not empty").dot.counter;
        if fault != Fault::Before {
            self.store.append(&changes);
        }
        self.tell(match fault {
            Fault::None => Input::Committed { through },
            Fault::Before | Fault::After => Input::CommitFailed,
        });
    }

    pub(super) fn keep_snapshot(&mut self, keeps: bool) {
        let Some(snapshot) = self.snapshotting.take() else {
            return;
        };
        let proved = snapshot.verify().is_ok();
        assert!(proved || !self.honest, "a snapshot proves itself");
        let keeps = keeps && proved;
        if keeps {
            self.store.snapshot = Some(snapshot);
        }
        self.tell(match keeps {
            true => Input::SnapshotStored,
            false => Input::SnapshotFailed,
        });
    }

    pub(super) fn other_edits(&mut self, script: &mut Script<'_>) {
        if self.limits.shared {
            self.other.edit(&mut self.store, self.honest, script);
        }
    }

    pub(super) fn hears(&mut self, script: &mut Script<'_>) {
        let input = self.other.said(script);
        self.hand(input);
    }

    pub(super) fn hears_presence(&mut self, script: &mut Script<'_>) {
        let input = self.other.shown(script);
        self.hand(input);
    }

    pub(super) fn presence_asked(&mut self) {
        self.hand(Input::PresenceAsked);
    }

    pub(super) fn heads(&mut self) {
        let asked = std::mem::take(&mut self.asks_heads);
        let heads = self.store.heads();
        self.tell(Input::Heads { heads, asked });
    }

    pub(super) fn pulled(&mut self, can: bool) {
        if let Some(input) = self.other.answer(&self.store, can) {
            self.tell(input);
        }
    }

    /// Lets time pass, with a tick at each deadline.
    pub(super) fn pass(&mut self, ms: u64) {
        let until_ms = self.now_ms + ms;
        while let Some(due_ms) = self
            .document
            .next_deadline_ms()
            .filter(|ms| *ms <= until_ms)
        {
            self.now_ms = self.now_ms.max(due_ms);
            self.tell(Input::Tick);
            let next_ms = self.document.next_deadline_ms();
            assert!(
                next_ms.is_none_or(|next_ms| next_ms > due_ms),
                "a deadline that has passed is done with"
            );
        }
        self.now_ms = until_ms;
    }

    /// The process dies with all that is not stored, and another opens the document.
    pub(super) fn crash(&mut self) {
        self.replica = ReplicaId(self.replica.0 + 1);
        self.reopen();
    }

    fn reopen(&mut self) {
        self.appending = None;
        self.snapshotting = None;
        self.other.pulling = None;
        self.asks_heads = false;
        self.effects.clear();
        for seat in &mut self.seats {
            seat.line = None;
        }
        self.document = open(self.replica, self.limits);
        self.loading = Some(Past::Latest);
        self.load();
    }

    /// The store gives the document's past as long as it asks for it, and the document replays it.
    fn load(&mut self) {
        while let Some(past) = self.loading.take() {
            let snapshot = match past {
                Past::Latest => self.store.snapshot.as_ref(),
                Past::Log => None,
            };
            self.hand(Input::Opened(self.store.load(snapshot)));
            while self.document.next_replay().is_some() {
                self.document.replay(self.now(), &mut self.effects);
            }
            self.end_batch();
        }
    }

    pub(super) fn tell(&mut self, input: Input) {
        self.hand(input);
        self.settle();
    }

    fn hand(&mut self, input: Input) {
        self.document.handle(input, self.now(), &mut self.effects);
    }

    /// Ends the batch. A document that has closed is put away, and opened again when someone asks for it.
    pub(super) fn settle(&mut self) {
        self.end_batch();
        self.load();
        if matches!(self.document.phase(), Phase::Closed(_)) {
            self.reopen();
        }
    }

    fn end_batch(&mut self) {
        self.document.settle(self.now(), &mut self.effects);
        for effect in std::mem::take(&mut self.effects) {
            self.perform(effect);
        }
        let longest = self.pushed.iter().map(Bytes::len).max().unwrap_or(0);
        // One edit may be longer.
        let bound = self
            .limits
            .unsaved_bytes_max
            .max(longest + EDIT_OVERHEAD_BYTES);
        assert!(
            self.document.unsaved_bytes() <= bound,
            "what waits for the store is bounded"
        );
    }

    /// The store works, all is stored; the document is what its log gives, and every question is answered.
    pub(super) fn end(mut self) {
        self.settle();
        for _ in 0..APPENDS_MAX {
            self.keep_snapshot(true);
            self.commit(Fault::None);
            self.heads();
            self.pulled(true);
            self.pass(self.limits.retry_max_ms);
            if self.document.is_durable() && self.has_all() {
                break;
            }
        }
        assert!(self.document.is_durable(), "all is stored in the end");
        assert!(
            self.has_all() || self.document.is_read_only(),
            "all that is stored is here in the end"
        );
        self.check();
        self.crash();
        self.check();
    }

    fn has_all(&self) -> bool {
        self.document.clock().dominates(&self.store.heads())
    }

    /// What no writer makes may stand elsewhere once it was taken in another order ([`update::question`]).
    fn check(&self) {
        let content = self.document.content();
        update::question(content);
        let reordered = self.limits.shared || self.store.snapshot.is_some();
        if !self.honest && reordered {
            return;
        }
        let replayed = self.store.replay();
        let state = findings::expect(replayed.state());
        assert!(
            findings::expect(content.matches(&state)),
            "the log replayed from zero gives the same content"
        );
        assert_eq!(content.text(None), replayed.text(None));
    }

    fn now(&self) -> Now {
        Now {
            monotonic_ms: self.now_ms,
            wall_ms: self.now_ms,
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Load => self.loading = Some(Past::Latest),
            Effect::LoadLog => self.loading = Some(Past::Log),
            Effect::Send { to, event, shows } => self.send(&to, &event, shows),
            Effect::Resume { connection } => self.resume(connection),
            Effect::Close { connection, reason } => self.close(connection, reason),
            Effect::Append(changes) => {
                assert!(
                    !changes.is_empty() && self.appending.is_none(),
                    "there is one append at a time"
                );
                self.appending = Some(changes);
            }
            Effect::StoreSnapshot(snapshot) => {
                let covered = self.store.heads().dominates(&snapshot.clock);
                assert!(covered, "a snapshot covers only what is stored");
                assert!(self.snapshotting.is_none(), "there is one at a time");
                self.snapshotting = Some(snapshot);
            }
            Effect::Skipped(dot) => assert!(
                self.may_contradict(),
                "{dot:?} was stored and can not be replayed"
            ),
            Effect::Retire => {
                let closed = matches!(self.document.phase(), Phase::Closed(_));
                assert!(
                    closed || self.document.is_durable(),
                    "a document is put away only when all is stored"
                );
            }
            Effect::ForeignEdit { .. } => {
                assert_ne!(
                    self.limits.writers,
                    WriterPolicy::Off,
                    "it is not looked at"
                );
            }
            Effect::ReadOnly { reason } => assert!(
                reason == "its content broke too often" || self.may_contradict(),
                "what is stored can not be used: {reason}"
            ),
            Effect::Quarantine(quarantined) => {
                assert!(
                    !quarantined.reason.starts_with("content library failed"),
                    "{}",
                    quarantined.reason
                );
                self.store.quarantined.insert(quarantined.hash);
            }
            Effect::Publish(changes) => {
                let heads = self.store.heads();
                let stored = changes.iter().all(|change| heads.contains(change.dot));
                assert!(self.limits.shared && stored, "published is stored");
            }
            Effect::PublishPresence(_)
            | Effect::AskPresence
            | Effect::PublishRoll(_)
            | Effect::AskWhoIs { .. }
            | Effect::PublishSignal(_) => {
                assert!(self.limits.shared, "there is no other replica");
            }
            Effect::LoadGist | Effect::StoreGist(_) => panic!("Yjs documents have no gist"),
            Effect::GiveBack(_) | Effect::HistoryLost { .. } => {
                panic!("the store has lost nothing")
            }
            Effect::AskHeads => {
                let asks = std::mem::replace(&mut self.asks_heads, true);
                assert!(
                    self.limits.shared && !asks,
                    "there is one question at a time"
                );
            }
            Effect::Pull { replica, counters } => {
                let pull = self.other.pulling.replace((replica, counters));
                assert!(pull.is_none(), "there is one pull at a time");
            }
        }
    }

    /// Whether edits may contradict each other that did not when they were taken in: hostile ones in another order.
    fn may_contradict(&self) -> bool {
        self.limits.shared && !self.honest
    }

    fn send(&mut self, to: &Audience, event: &Event, shows: Option<u64>) {
        if let Event::Ack { payload, .. } = event {
            assert!(
                self.store.covers(payload),
                "an edit was acknowledged before it was stored"
            );
        }
        let lines = self.seats.iter_mut().filter_map(|seat| seat.line.as_mut());
        for line in lines.filter(|line| is_for(to, line.connection) && !line.is_dropped) {
            line.queue.push_back((event.clone(), shows));
        }
    }

    fn resume(&mut self, resumed: ConnectionId) {
        let mut lines = self.seats.iter_mut().filter_map(|seat| seat.line.as_mut());
        if let Some(line) = lines.find(|line| line.connection == resumed) {
            line.is_dropped = false;
        }
    }

    fn close(&mut self, closed: ConnectionId, _: CloseReason) {
        for seat in &mut self.seats {
            seat.line.take_if(|line| line.connection == closed);
        }
    }
}

impl Seat {
    fn read(&mut self, hears: bool) -> Vec<Intent> {
        let Some(line) = &mut self.line else {
            return Vec::new();
        };
        let mut answers = Vec::new();
        for (event, shows) in line.queue.drain(..) {
            line.seen = line.seen.max(shows);
            match event {
                Event::Missing { payload } | Event::Change { payload } if hears => {
                    self.writer.hear(&payload);
                }
                Event::Have { .. } => answers.push(Intent::Push {
                    payload: self.writer.everything(),
                    tag: PushTag(yjs::STEP2.0),
                }),
                Event::Missing { .. }
                | Event::Change { .. }
                | Event::Ack { .. }
                | Event::Refused { .. }
                | Event::Presence(_)
                | Event::Rights { .. }
                | Event::Signal(_) => {}
            }
        }
        answers
    }
}

fn open(replica: ReplicaId, limits: Limits) -> Document {
    Document::open(key(), Kind::Yjs, replica, limits, &mut Effects::new())
        .expect("documents of this kind are served")
}

fn is_for(to: &Audience, connection: ConnectionId) -> bool {
    match to {
        Audience::One(one) => *one == connection,
        Audience::AllBut(few) => !few.contains(&connection),
        Audience::Among(members) => members.contains(&connection),
    }
}

const APPENDS_MAX: usize = 1_000;
/// What the engine counts an edit for besides its bytes.
const EDIT_OVERHEAD_BYTES: usize = 256;
