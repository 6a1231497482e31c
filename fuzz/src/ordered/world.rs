//! A document, the store that it is over, and whoever is connected.

use std::collections::VecDeque;
use std::sync::Arc;

use engine::ordered::{
    Action, OperationName, OrderedDocument, OrderedEffect, OrderedEffects, OrderedEvent,
    OrderedInput, OrderedLimits, OrderedPast, Record, Request, Sought, State,
};
use engine::{
    Author, Change, ChangeKind, ConnectionId, DocumentKey, Dot, Hlc, Now, ReplicaId, Rights,
    VectorClock,
};

use crate::script::Script;

pub(super) struct World {
    document: OrderedDocument,
    now: Now,
    log: Vec<Change>,
    /// What the store was asked and has not answered.
    asked: VecDeque<OrderedEffect>,
    is_closed: bool,
}

impl World {
    pub(super) fn open(script: &mut Script<'_>) -> Self {
        let limits = OrderedLimits {
            tail_operations_max: 1 + usize::from(script.below(8)),
            operations_per_append_max: 1 + usize::from(script.below(4)),
            catch_up_max: [2, 10_000][usize::from(script.below(2))],
            snapshot_operations: 1 + u64::from(script.below(8)),
            waiting_bytes_max: 64 * 1024,
            is_shared: script.flag(),
            ..OrderedLimits::default()
        };
        let now = Now::default();
        let replica = ReplicaId(1);
        let (document, effects) = OrderedDocument::open(key(), replica, Arc::new(limits), now);
        Self {
            document,
            now,
            log: Vec::new(),
            asked: effects.into(),
            is_closed: false,
        }
    }

    /// None, or a version near the last one, which may lie before the first or behind the last.
    pub(super) fn version(&self, script: &mut Script<'_>) -> Option<u64> {
        let back = u64::from(script.below(8));
        let last = self.log.len() as u64 + 1;
        (back < 7).then(|| last.saturating_sub(back))
    }

    pub(super) fn come(&mut self, connection: ConnectionId) {
        let rights = Rights::all(Some(Author::new("ada")));
        self.tell(OrderedInput::Joined { connection, rights });
    }

    pub(super) fn ask(&mut self, connection: ConnectionId, request: Request) {
        self.tell(OrderedInput::Asked {
            connection,
            request,
        });
    }

    pub(super) fn pass(&mut self, time_ms: u64) {
        self.now.monotonic_ms += time_ms.min(100_000);
        self.tell(OrderedInput::Tick);
    }

    pub(super) fn tell_heads(&mut self) {
        let heads = self.log.iter().map(|change| change.dot).collect();
        self.tell(OrderedInput::Heads(heads));
    }

    pub(super) fn tell(&mut self, input: OrderedInput) {
        if self.is_closed {
            return;
        }
        let mut effects = OrderedEffects::new();
        self.document.handle(input, self.now, &mut effects);
        self.document.settle(self.now, &mut effects);
        for effect in effects {
            self.perform(effect);
        }
        let there = self.document.state().version;
        assert!(there <= self.log.len() as u64, "it holds what is stored");
    }

    fn perform(&mut self, effect: OrderedEffect) {
        match effect {
            OrderedEffect::Send { event, .. } => self.check_event(&event),
            OrderedEffect::Publish(changes) => {
                let is_stored = changes.iter().all(|change| self.log.contains(change));
                assert!(is_stored, "what is published is stored");
            }
            OrderedEffect::Unusable(broken) => panic!("the log is broken: {broken}"),
            // Words about presence may get lost.
            OrderedEffect::Close { .. }
            | OrderedEffect::AskForWay
            | OrderedEffect::PublishPresence(_)
            | OrderedEffect::AskPresence => {}
            OrderedEffect::Retire => self.is_closed = true,
            asked => {
                let again = |other: &OrderedEffect| {
                    std::mem::discriminant(other) == std::mem::discriminant(&asked)
                };
                assert!(!self.asked.iter().any(again), "asked one at a time");
                self.asked.push_back(asked);
            }
        }
    }

    fn check_event(&self, event: &OrderedEvent) {
        match event {
            OrderedEvent::Operation(record) => {
                assert_eq!(
                    self.at(record.version).as_ref(),
                    Some(&**record),
                    "is stored"
                );
            }
            OrderedEvent::Committed { version, .. } => {
                assert!(self.at(*version).is_some(), "acknowledged is stored");
            }
            _ => {}
        }
    }

    fn at(&self, version: u64) -> Option<Record> {
        let change = self.log.get(usize::try_from(version).ok()?)?;
        Some(Record::from_bytes(&change.payload).expect("it was written"))
    }

    /// The store answers what it was asked first: 0 well, 1 not, 2 that it failed although it did not, 3 well.
    pub(super) fn answer(&mut self, how: u8) {
        let Some(asked) = self.asked.pop_front() else {
            return;
        };
        let answer = match asked {
            OrderedEffect::Load => OrderedInput::Opened(OrderedPast {
                changes: self.log.clone(),
                ..OrderedPast::default()
            }),
            OrderedEffect::Append(_) if how == 1 => OrderedInput::AppendFailed,
            OrderedEffect::Append(changes) => match (self.append(changes), how) {
                (_, 2) => OrderedInput::AppendFailed,
                (answer, _) => answer,
            },
            OrderedEffect::Read { .. } if how == 1 => OrderedInput::ReadFailed,
            OrderedEffect::Read { from, to } => {
                let end = self.log.len();
                let to = to.map_or(end, |to| to as usize).min(end);
                OrderedInput::Read(self.log[(from as usize).min(to)..to].to_vec())
            }
            OrderedEffect::Seek(_) if how == 1 => OrderedInput::SeekFailed,
            OrderedEffect::Seek(sought) => OrderedInput::Found(self.find(&sought)),
            _ if how == 1 => OrderedInput::SnapshotFailed,
            _ => OrderedInput::SnapshotStored,
        };
        self.tell(answer);
    }

    fn find(&self, sought: &Sought) -> Vec<Change> {
        let is_it =
            |change: &&Change| origin(change) == (sought.author.clone(), sought.name.clone());
        let versions = self.log.iter().find(is_it);
        let versions = versions.map(|found| sought.versions(&record(found)));
        versions.map_or_else(Vec::new, |versions| {
            self.log[versions.start as usize..versions.end as usize].to_vec()
        })
    }

    fn append(&mut self, changes: Vec<Change>) -> OrderedInput {
        if changes.iter().all(|change| self.log.contains(change)) {
            return OrderedInput::Appended;
        }
        let first = record(&changes[0]).version as usize;
        if first < self.log.len() {
            return OrderedInput::Overtaken(self.log[first.saturating_sub(1)..].to_vec());
        }
        for (index, change) in changes.iter().enumerate() {
            let known = (self.log.iter()).position(|stored| origin(stored) == origin(change));
            if let Some(version) = known {
                let version = version as u64;
                return OrderedInput::NameKnown { index, version };
            }
        }
        for change in changes {
            let version = self.log.len() as u64;
            assert_eq!(record(&change).version, version, "places without gaps");
            let lane = self
                .log
                .iter()
                .filter(|it| it.dot.replica == change.dot.replica);
            assert_eq!(
                change.dot.counter,
                lane.count() as u64 + 1,
                "lanes without holes"
            );
            self.log.push(change);
        }
        OrderedInput::Appended
    }

    /// Another node stores an operation, if it fits, and the document may hear of it.
    pub(super) fn be_overtaken(&mut self, edit: &str) {
        let version = self.log.len() as u64;
        let (received, committed) = (edit.into(), None);
        let record = Record {
            version,
            made_on: Some(version),
            name: OperationName {
                source: "another node's".into(),
                number: version,
            },
            action: Action::Edit {
                received,
                committed,
            },
        };
        let lane = self.log.iter().filter(|it| it.dot.replica == OTHER);
        let change = Change {
            document: key(),
            dot: Dot::new(OTHER, lane.count() as u64 + 1),
            context: VectorClock::default(),
            hlc: Hlc::default(),
            author: None,
            connection: ConnectionId(9),
            kind: ChangeKind::Operation,
            payload: record.to_bytes(),
        };
        if self.fold().follow(&change).is_ok() {
            self.log.push(change.clone());
            if version.is_multiple_of(2) {
                self.tell(OrderedInput::Heard(vec![change]));
            }
        }
    }

    fn fold(&self) -> State {
        let mut state = State::default();
        for change in &self.log {
            state.follow(change).expect("what is stored follows");
        }
        state
    }

    /// All is answered; then the document holds what is stored.
    pub(super) fn end(mut self) {
        for _ in 0..ROUNDS_MAX {
            self.now.monotonic_ms += 3_000;
            self.tell_heads();
            while !self.asked.is_empty() && !self.is_closed {
                self.answer(0);
            }
            if self.is_closed || self.document.state().version == self.log.len() as u64 {
                break;
            }
        }
        let state = self.fold();
        if !self.is_closed {
            assert_eq!(self.document.state(), &state, "the document is its log");
        }
    }
}

fn record(change: &Change) -> Record {
    Record::from_bytes(&change.payload).expect("it was written")
}

fn origin(change: &Change) -> (Option<Author>, OperationName) {
    (change.author.clone(), record(change).name)
}

fn key() -> DocumentKey {
    DocumentKey::new("default", "fuzz").expect("the name is good")
}

const OTHER: ReplicaId = ReplicaId(2);
const ROUNDS_MAX: usize = 20;
