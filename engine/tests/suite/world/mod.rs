//! A document in a small world: a fake store, fake clients, and time that passes when told to.
//!
//! Nothing happens by itself. [`World::say`] hands the document an intent and [`World::settle`] ends the batch;
//! [`World::read`] lets a client read; [`World::commit`] lets the store answer; [`World::run`] does the first three until
//! all is quiet, and [`World::quiesce`] all four. Two invariants are checked at every effect: an acknowledgement covers
//! only what is stored, and nobody is shown an edit of its own that is not stored.

mod client;
mod editor;
mod nodes;
mod store;

pub(crate) use client::{ANSWER, Client, Line, TYPED};
pub(crate) use editor::{Editor, edits};
pub(crate) use nodes::{News, Nodes};
pub(crate) use store::{FakeStore, Fault};

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use bytes::Bytes;
use engine::{
    Audience, Author, Change, CloseReason, ConnectionId, Document, DocumentKey, Dot, Effect,
    Effects, Event, Input, Intent, Joining, Kind, Limits, Now, Phase, Quarantined, ReplicaId,
    Snapshot,
};
use yrs::{ClientID, IdSet};

pub(crate) struct World {
    pub(crate) document: Document,
    pub(crate) store: FakeStore,
    pub(crate) clients: Vec<Client>,
    pub(crate) limits: Limits,
    pub(crate) now_ms: u64,
    /// The changes that are at the store.
    pub(crate) appending: Option<Vec<Change>>,
    /// What the store is being given back.
    pub(crate) giving: Option<Vec<Change>>,
    /// What the store had lost, and nobody had kept.
    pub(crate) lost: Vec<(ReplicaId, RangeInclusive<u64>)>,
    /// The snapshot that is at the store.
    pub(crate) snapshotting: Option<Snapshot>,
    /// Whether the document has asked for its past.
    pub(crate) loading: bool,
    pub(crate) reload: bool,
    /// How often the document asked to be put away.
    pub(crate) retired: usize,
    pub(crate) skipped: Vec<Dot>,
    /// What the document wanted kept out, in order.
    pub(crate) quarantined: Vec<Quarantined>,
    /// Why it takes no more edits.
    pub(crate) alarms: Vec<String>,
    /// The connections that were resumed, in order.
    pub(crate) resumed: Vec<ConnectionId>,
    /// What it wanted the other nodes told, or the store asked for on their account.
    pub(crate) abroad: Vec<Effect>,
    /// Whether the document has asked how far each lane is in the store.
    pub(crate) asks_heads: bool,
    /// Whether that is answered at once.
    pub(crate) answers_heads: bool,
    /// The edits that anyone has sent to this document.
    brought: IdSet,
    /// Edits that waited behind a hole. Who knows of them repeats them with all that it sends, and they are passed on.
    unattributed: IdSet,
    pub(crate) replica: ReplicaId,
    connections: u64,
    effects: Effects,
}

/// A document that is open, and clients `1..=clients` that are not connected.
pub(crate) fn world(clients: u64) -> World {
    world_with(clients, Limits::default())
}

pub(crate) fn world_with(clients: u64, limits: Limits) -> World {
    let mut world = unopened(clients, limits, FakeStore::new());
    world.open();
    world
}

/// A document whose past is yet to be loaded.
pub(crate) fn unopened(clients: u64, limits: Limits, store: FakeStore) -> World {
    let replica = ReplicaId(
        store
            .heads()
            .heads()
            .last()
            .map_or(1, |dot| dot.replica.0 + 1),
    );
    unopened_as(replica, clients, limits, store)
}

/// The same, as a certain replica.
pub(crate) fn unopened_as(
    replica: ReplicaId,
    clients: u64,
    limits: Limits,
    store: FakeStore,
) -> World {
    let mut effects = Effects::new();
    let document =
        Document::open(key(), Kind::Yjs, replica, limits, &mut effects).expect("Yjs is served");
    assert!(matches!(effects[..], [Effect::Load]));
    World {
        document,
        store,
        clients: (1..=clients).map(Client::new).collect(),
        limits,
        now_ms: 1_000_000,
        appending: None,
        giving: None,
        lost: Vec::new(),
        snapshotting: None,
        retired: 0,
        loading: false,
        reload: false,
        skipped: Vec::new(),
        quarantined: Vec::new(),
        alarms: Vec::new(),
        resumed: Vec::new(),
        abroad: Vec::new(),
        asks_heads: false,
        answers_heads: true,
        brought: IdSet::new(),
        unattributed: IdSet::new(),
        replica,
        connections: 0,
        effects: Effects::new(),
    }
}

pub(crate) fn key() -> DocumentKey {
    DocumentKey::new("default", "notes").expect("the name is good")
}

impl World {
    /// Hands the document an input without ending the batch.
    pub(crate) fn hand(&mut self, input: Input) {
        self.document.handle(input, self.now(), &mut self.effects);
    }

    /// Has the document replay its past, if it has one to replay.
    fn replay(&mut self) {
        while self.document.next_replay().is_some() {
            self.document.replay(self.now(), &mut self.effects);
        }
    }

    /// Ends the batch, and performs what the document wants done.
    pub(crate) fn settle(&mut self) {
        self.replay();
        self.document.settle(self.now(), &mut self.effects);
        for effect in std::mem::take(&mut self.effects) {
            self.perform(effect);
        }
        if self.answers_heads {
            self.answer_heads();
        }
    }

    /// Lets the store say how far each lane is, if it was asked.
    pub(crate) fn answer_heads(&mut self) -> bool {
        let asked = std::mem::take(&mut self.asks_heads);
        if asked {
            let heads = self.store.heads();
            self.tell(Input::Heads { heads, asked });
        }
        asked
    }

    pub(crate) fn tell(&mut self, input: Input) {
        self.hand(input);
        self.settle();
    }

    pub(crate) fn open(&mut self) {
        self.loading = true;
        while self.load() {}
    }

    /// Lets the store give the document's past, if it has asked for it.
    pub(crate) fn load(&mut self) -> bool {
        let loaded = if std::mem::take(&mut self.reload) {
            self.store.load_log()
        } else if std::mem::take(&mut self.loading) {
            self.store.load()
        } else {
            return false;
        };
        self.tell(Input::Opened(loaded));
        true
    }

    /// Loses the document with all that is not stored, cuts all lines, and opens it in another process.
    pub(crate) fn crash(&mut self) {
        self.crash_as(ReplicaId(self.replica.0 + 1));
        self.open();
    }

    /// The same, but the past is yet to be loaded.
    pub(crate) fn crash_as(&mut self, replica: ReplicaId) {
        self.replica = replica;
        self.appending = None;
        self.giving = None;
        self.snapshotting = None;
        self.asks_heads = false;
        self.loading = false;
        self.effects.clear();
        self.abroad.clear();
        for client in &mut self.clients {
            client.line = None;
            client.sees.clear();
            client.sent = IdSet::new();
        }
        self.brought = IdSet::new();
        self.document = Document::open(
            key(),
            Kind::Yjs,
            self.replica,
            self.limits,
            &mut Effects::new(),
        )
        .expect("Yjs is served");
    }

    /// Connects a client, which asks for what it lacks and shows its presence.
    pub(crate) fn join(&mut self, who: usize) {
        self.connect(who, Kind::Yjs);
        let have = self.clients[who].editor.have();
        self.say(who, Intent::Pull { have });
        self.show_presence(who);
        self.settle();
    }

    /// Connects a client that says nothing yet. The batch is not ended.
    pub(crate) fn connect(&mut self, who: usize, kind: Kind) {
        let author = Author::new(&format!("author-{}", self.clients[who].editor.client()));
        self.connect_as(who, |connection| {
            Joining::freely(connection, kind, Some(author))
        });
    }

    /// The same, as the client that it says.
    pub(crate) fn connect_as(&mut self, who: usize, joining: impl FnOnce(ConnectionId) -> Joining) {
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        let client = &mut self.clients[who];
        client.closed = None;
        client.line = Some(Line {
            connection,
            queue: VecDeque::new(),
            seen: None,
            dropped: false,
        });
        self.hand(Input::Joined(joining(connection)));
    }

    /// Connects a client that is not let in.
    pub(crate) fn join_refused(&mut self, who: usize, kind: Kind) {
        self.connect(who, kind);
        self.settle();
        assert!(self.clients[who].closed.is_some(), "the client is let in");
    }

    pub(crate) fn leave(&mut self, who: usize) {
        let line = self.clients[who]
            .line
            .take()
            .expect("the client is connected");
        self.clients[who].sees.clear();
        self.tell(Input::Left {
            connection: line.connection,
        });
    }

    /// Hands the document an intent of a client, without ending the batch.
    pub(crate) fn say(&mut self, who: usize, intent: Intent) {
        let line = self.clients[who].line.as_ref();
        let line = line.expect("the client is connected");
        let (connection, seen) = (line.connection, line.seen);
        let payload = match &intent {
            Intent::Push { payload, .. } => payload.clone(),
            _ => Bytes::new(),
        };
        self.hand(Input::Intent {
            connection,
            intent,
            seen,
        });
        if !self.is_refused(connection) {
            self.note_sent(who, &payload);
        }
        for update in self.document.content().waiting() {
            self.unattributed.merge_with(edits(update));
        }
    }

    fn is_refused(&self, refused: ConnectionId) -> bool {
        let mut effects = self.effects.iter();
        effects.any(
            |effect| matches!(effect, Effect::Close { connection, .. } | Effect::Send { to: Audience::One(connection), event: Event::Refused { .. }, .. } if *connection == refused),
        )
    }

    /// Notes which edits of its own a client was the first to send.
    fn note_sent(&mut self, who: usize, payload: &[u8]) {
        let edits = edits(payload);
        let client = &mut self.clients[who];
        let number = ClientID::new(client.editor.client());
        let new = edits.diff(&self.brought);
        let own = new.iter().filter(|(author, _)| **author == number);
        let own = own.map(|(author, ranges)| (*author, ranges.iter().cloned()));
        let own = IdSet::from_iter(own);
        client.sent.merge_with(own);
        self.brought.merge_with(edits);
    }

    /// Hands the document an edit of a client, if it is connected, without ending the batch.
    pub(crate) fn push(&mut self, who: usize, payload: Bytes) {
        if self.clients[who].line.is_some() {
            self.say(
                who,
                Intent::Push {
                    payload,
                    tag: TYPED,
                },
            );
        }
    }

    /// A client types at the end. The batch is not ended.
    pub(crate) fn types(&mut self, who: usize, text: &str) -> Bytes {
        let update = self.clients[who].editor.append(text);
        self.push(who, update.clone());
        update
    }

    pub(crate) fn show_presence(&mut self, who: usize) {
        let presence = self.clients[who].presence();
        self.say(who, presence);
    }

    /// Lets a client read all that it was sent. Its answers are handed to the document; the batch is not ended.
    pub(crate) fn read(&mut self, who: usize) {
        for answer in self.clients[who].read(self.now_ms) {
            self.say(who, answer);
        }
    }

    /// Lets a client read as far as the first answer to what it asked, and no further.
    pub(crate) fn read_answer(&mut self, who: usize) {
        let queue = self.queue(who);
        let is_answer = |(event, _): &(Event, _)| matches!(event, Event::Missing { .. });
        let answer = queue.iter().position(is_answer);
        let later = queue.split_off(answer.expect("the client is answered") + 1);
        self.read(who);
        *self.queue(who) = later;
    }

    /// What a client was sent and has not read.
    fn queue(&mut self, who: usize) -> &mut VecDeque<(Event, Option<u64>)> {
        let line = self.clients[who].line.as_mut();
        &mut line.expect("the client is connected").queue
    }

    /// Lets the store finish what it was asked for. Returns whether it was asked for anything.
    pub(crate) fn commit(&mut self) -> bool {
        let Some(changes) = self.appending.take() else {
            return false;
        };
        let through = changes.last().expect("appends are not empty").dot.counter;
        if !self.store.takes(&changes) {
            self.tell(Input::AppendRefused);
        } else if self.store.append(&changes) {
            self.tell(Input::Committed { through });
        } else {
            self.tell(Input::CommitFailed);
        }
        true
    }

    /// Lets the store take what it is given back. Returns whether it was given anything.
    pub(crate) fn take_back(&mut self) -> bool {
        let Some(changes) = self.giving.take() else {
            return false;
        };
        let answer = match self.store.takes(&changes) {
            false => Input::GiveBackRefused,
            true if self.store.append(&changes) => Input::GivenBack,
            true => Input::GiveBackFailed,
        };
        self.tell(answer);
        true
    }

    /// Lets the store keep the snapshot that it was given, once it has proved itself.
    pub(crate) fn keep_snapshot(&mut self) -> bool {
        let Some(snapshot) = self.snapshotting.take() else {
            return false;
        };
        assert_eq!(
            snapshot.verify(),
            Ok(()),
            "a snapshot rebuilds the content it was taken from"
        );
        self.store.snapshots.push(snapshot);
        self.tell(Input::SnapshotStored);
        true
    }

    /// Lets everyone read and answer until all is quiet. The store does not answer.
    pub(crate) fn run(&mut self) {
        self.settle();
        while self.load() {}
        while self.clients.iter().any(|client| {
            client
                .line
                .as_ref()
                .is_some_and(|line| !line.queue.is_empty())
        }) {
            (0..self.clients.len()).for_each(|who| self.read(who));
            self.settle();
            while self.load() {}
        }
    }

    /// Lets everyone read and the store answer until all is quiet.
    pub(crate) fn quiesce(&mut self) {
        self.run();
        while self.commit() || self.keep_snapshot() || self.take_back() {
            self.run();
        }
    }

    /// Lets time pass, as the driver does: with a tick at each deadline.
    pub(crate) fn pass(&mut self, ms: u64) {
        let until_ms = self.now_ms + ms;
        while let Some(due_ms) = self
            .document
            .next_deadline_ms()
            .filter(|due_ms| *due_ms <= until_ms)
        {
            self.now_ms = self.now_ms.max(due_ms);
            self.tell(Input::Tick);
            assert!(
                self.document
                    .next_deadline_ms()
                    .is_none_or(|next_ms| next_ms > due_ms),
                "a deadline that has passed is done with"
            );
        }
        self.now_ms = until_ms;
    }

    /// Drops what a client was sent and has not read, as an outbox does at its bound.
    pub(crate) fn lag(&mut self, who: usize) {
        let line = self.clients[who]
            .line
            .as_mut()
            .expect("the client is connected");
        line.queue.clear();
        line.dropped = true;
    }

    /// Lets a client that lagged read again.
    pub(crate) fn drained(&mut self, who: usize) {
        let line = self.clients[who]
            .line
            .as_ref()
            .expect("the client is connected");
        let (connection, seen) = (line.connection, line.seen);
        self.tell(Input::Drained { connection, seen });
    }

    fn now(&self) -> Now {
        Now {
            monotonic_ms: self.now_ms,
            wall_ms: self.now_ms + 1_700_000_000_000,
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Load => self.loading = true,
            Effect::LoadLog => self.reload = true,
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
            Effect::StoreSnapshot(snapshot) => self.take_snapshot(snapshot),
            Effect::Skipped(dot) => self.skipped.push(dot),
            Effect::Quarantine(quarantined) => {
                self.store.quarantined.insert(quarantined.hash);
                self.quarantined.push(quarantined);
            }
            Effect::ReadOnly { reason } => self.alarms.push(reason),
            Effect::ForeignEdit { .. } => panic!("the policy is off"),
            Effect::LoadGist | Effect::StoreGist(_) => panic!("Yjs documents have no gist"),
            Effect::Publish(_)
            | Effect::PublishPresence(_)
            | Effect::AskPresence
            | Effect::PublishRoll(_)
            | Effect::AskWhoIs { .. }
            | Effect::PublishSignal(_)
            | Effect::Pull { .. } => {
                assert!(
                    self.limits.shared,
                    "a document that is alone has nobody to tell or ask"
                );
                self.abroad.push(effect);
            }
            Effect::GiveBack(changes) => {
                assert!(
                    self.limits.shared && self.giving.is_none() && !changes.is_empty(),
                    "something is given back, once at a time"
                );
                self.giving = Some(changes);
            }
            Effect::HistoryLost { replica, counters } => self.lost.push((replica, counters)),
            Effect::AskHeads => {
                let alone = !self.limits.shared || self.asks_heads;
                assert!(
                    !alone,
                    "a document that is shared asks one question at a time"
                );
                self.asks_heads = true;
            }
            Effect::Retire => {
                let is_closed = matches!(self.document.phase(), Phase::Closed(_));
                assert!(
                    is_closed || self.document.is_durable(),
                    "a document is put away only when all is stored"
                );
                self.retired += 1;
            }
        }
    }

    fn take_snapshot(&mut self, snapshot: Snapshot) {
        assert!(
            self.store.heads().dominates(&snapshot.clock),
            "a snapshot covers only what is stored"
        );
        assert!(
            self.snapshotting.is_none(),
            "there is one snapshot at a time"
        );
        self.snapshotting = Some(snapshot);
    }

    fn send(&mut self, to: &Audience, event: &Event, shows: Option<u64>) {
        for who in 0..self.clients.len() {
            let connection = self.clients[who].line.as_ref().map(|line| line.connection);
            if connection.is_some_and(|connection| is_for(to, connection)) {
                self.check(who, event);
                let line = self.clients[who]
                    .line
                    .as_mut()
                    .expect("it was just looked at");
                if !line.dropped {
                    line.queue.push_back((event.clone(), shows));
                }
            }
        }
    }

    /// What must never be said: that something is stored which is not, in either of the ways that clients understand.
    fn check(&mut self, who: usize, event: &Event) {
        match event {
            Event::Ack { payload, .. } => {
                assert!(
                    self.store.covers(payload),
                    "an edit was acknowledged before it was stored"
                );
            }
            Event::Change { payload } => {
                assert!(
                    self.own_unsaved_edits(who, payload).is_empty(),
                    "an author was shown its own edit before it was stored"
                );
            }
            Event::Have { .. }
            | Event::Missing { .. }
            | Event::Presence(_)
            | Event::Refused { .. }
            | Event::Rights { .. }
            | Event::Signal(_) => {}
        }
    }

    /// The edits in an update that a client was the first to send, and that are not stored. A client that was sent nothing
    /// over this connection so far has made them over an earlier one, and is being sent all that there is.
    fn own_unsaved_edits(&self, who: usize, payload: &[u8]) -> IdSet {
        let client = &self.clients[who];
        if client.line.as_ref().is_none_or(|line| line.seen.is_none()) {
            return IdSet::new();
        }
        let mut own = edits(payload);
        own.intersect_with(&client.sent);
        own.diff_with(&self.unattributed);
        own.diff_with(&self.store.edits);
        own
    }

    /// The client on a connection, unless it has just left: what was decided before that is then performed for nobody.
    fn client(&mut self, connection: ConnectionId) -> Option<&mut Client> {
        let mut clients = self.clients.iter_mut();
        clients.find(|client| {
            let line = client.line.as_ref();
            line.is_some_and(|line| line.connection == connection)
        })
    }

    fn close(&mut self, connection: ConnectionId, reason: CloseReason) {
        if let Some(client) = self.client(connection) {
            client.line = None;
            client.sees.clear();
            client.closed = Some(reason);
        }
    }

    fn resume(&mut self, connection: ConnectionId) {
        self.resumed.push(connection);
        if let Some(line) = self
            .client(connection)
            .and_then(|client| client.line.as_mut())
        {
            line.dropped = false;
        }
    }
}

fn is_for(to: &Audience, connection: ConnectionId) -> bool {
    match to {
        Audience::One(one) => *one == connection,
        Audience::AllBut(few) => !few.contains(&connection),
        Audience::Among(members) => members.contains(&connection),
    }
}
