//! A client as `sharedb` 7 behaves: one operation under way, the rest composed into one that waits, everything that comes
//! transformed against both. Its rules are those of `lib/client/doc.js`.

use std::collections::VecDeque;

use engine::ConnectionId;
use engine::ordered::{
    Action, Deed, Misplaced, OperationName, OrderedEvent, PresenceName, Record, Request,
    RequestTag, ShownPresence, State,
};
use engine::ot::{Operation, OtType, Side, Snapshot, Work};

pub(crate) struct Client {
    pub(crate) source: String,
    next_number: u64,
    pub(crate) version: Option<u64>,
    pub(crate) content: Option<Snapshot>,
    under_way: Option<UnderWay>,
    pending: Option<Operation>,
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) inbox: VecDeque<OrderedEvent>,
    pub(crate) outbox: VecDeque<Request>,
    pub(crate) acknowledged: Vec<OperationName>,
    /// What it has taken back without knowing what became of it.
    pub(crate) given_up: Vec<OperationName>,
    /// The numbers of those that it took back by itself. A driver says nothing of the others, as it knows of them.
    rolled_back: Vec<u64>,
    /// What was acknowledged last, as it was sent.
    last: Option<(OperationName, Deed)>,
    is_fetching: bool,
    /// Whether what it does is not stored if it changes nothing.
    pub(crate) skips_noops: bool,
    /// Whether what is under way is done with as soon as it has caught up.
    is_clearing: bool,
    /// What was under way when it asked last.
    asked_behind: Option<OperationName>,
    shown: u64,
    subscribes: bool,
}

struct UnderWay {
    name: OperationName,
    operation: Option<Operation>,
    deed: Deed,
}

impl Client {
    pub(crate) fn new(source: String) -> Self {
        Self {
            source,
            next_number: 1,
            version: None,
            content: None,
            under_way: None,
            pending: None,
            connection: None,
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
            acknowledged: Vec::new(),
            given_up: Vec::new(),
            rolled_back: Vec::new(),
            last: None,
            is_fetching: false,
            skips_noops: false,
            is_clearing: false,
            asked_behind: None,
            shown: 0,
            subscribes: false,
        }
    }

    pub(crate) fn connect(&mut self, connection: ConnectionId, subscribes: bool) {
        self.connection = Some(connection);
        self.subscribes = subscribes;
        self.inbox.clear();
        self.outbox.clear();
        self.is_fetching = false;
        self.is_clearing = false;
        self.send_under_way();
        self.asked_behind = self.name_under_way();
        let (tag, from) = (RequestTag::default(), self.version);
        self.outbox.push_back(match subscribes {
            true => Request::Subscribe { tag, from },
            false => Request::Fetch { tag, from },
        });
    }

    /// Whether it is told what comes.
    pub(crate) fn is_subscribed(&self) -> bool {
        self.connection.is_some() && self.subscribes
    }

    /// Whether all that it did is acknowledged.
    pub(crate) fn is_done(&self) -> bool {
        self.under_way.is_none()
            && self.pending.is_none()
            && self.inbox.is_empty()
            && self.outbox.is_empty()
    }

    pub(crate) fn create(&mut self, ot_type: OtType, data: &str) {
        if self.version.is_some() && self.content.is_none() && self.under_way.is_none() {
            let deed = Deed::Create {
                ot_type,
                data: Some(data.into()),
            };
            self.content = Snapshot::create(ot_type, Some(data)).ok();
            self.submit(deed, None);
        }
    }

    /// Says where it is, if nothing of its own is on its way: on which version, and where.
    pub(crate) fn show(&mut self, value: &str) {
        if let (Some(version), Some(_), None) = (self.version, &self.content, &self.under_way) {
            self.shown += 1;
            let name = PresenceName {
                source: self.source.as_str().into(),
                id: "cursor".into(),
            };
            let shown = ShownPresence {
                name,
                number: self.shown,
                made_on: Some(version),
                value: Some(value.into()),
            };
            let tag = RequestTag::default();
            self.outbox.push_back(Request::ShowPresence { tag, shown });
        }
    }

    /// Deletes the document, if nothing of its own is on its way.
    pub(crate) fn delete(&mut self) {
        if self.content.is_some() && self.under_way.is_none() {
            self.content = None;
            self.submit(Deed::Delete, None);
        }
    }

    pub(crate) fn edit(&mut self, operation: Operation) {
        let content = self.content.as_mut().expect("there is something to edit");
        content
            .apply(&operation, &mut Work::default())
            .expect("it fits");
        match self.pending.take() {
            None if self.under_way.is_none() => self.submit_edit(operation),
            None => self.pending = Some(operation),
            Some(pending) => {
                let composed = pending.compose(&operation, &mut Work::default());
                self.pending = Some(composed.expect("what fits composes"));
            }
        }
    }

    /// Sends again what was acknowledged long ago, as if it had been made on what there is now.
    pub(crate) fn repeat(&mut self) {
        if let Some((name, deed)) = &self.last {
            self.outbox.push_back(Request::Submit {
                tag: RequestTag(name.number),
                name: name.clone(),
                made_on: self.version,
                deed: deed.clone(),
                skips_noop: self.skips_noops,
            });
        }
    }

    pub(crate) fn fetch(&mut self) {
        if !self.is_fetching {
            self.is_fetching = true;
            self.asked_behind = self.name_under_way();
            let (tag, from) = (RequestTag::default(), self.version);
            self.outbox.push_back(Request::Fetch { tag, from });
        }
    }

    /// What it waits for an answer of.
    fn name_under_way(&self) -> Option<OperationName> {
        let under_way = self.under_way.as_ref().filter(|_| !self.is_clearing);
        under_way.map(|it| it.name.clone())
    }

    fn submit_edit(&mut self, operation: Operation) {
        let deed = Deed::Edit(operation.write().into());
        self.submit(deed, Some(operation));
    }

    fn submit(&mut self, deed: Deed, operation: Option<Operation>) {
        let name = OperationName {
            source: self.source.as_str().into(),
            number: self.next_number,
        };
        self.next_number += 1;
        self.under_way = Some(UnderWay {
            name,
            operation,
            deed,
        });
        self.send_under_way();
    }

    fn send_under_way(&mut self) {
        let Some(UnderWay {
            name,
            operation,
            deed,
        }) = &self.under_way
        else {
            return;
        };
        let deed = match operation {
            Some(operation) => Deed::Edit(operation.write().into()),
            None => deed.clone(),
        };
        let tag = RequestTag(name.number);
        self.outbox.push_back(Request::Submit {
            tag,
            name: name.clone(),
            made_on: self.version,
            deed,
            skips_noop: self.skips_noops,
        });
    }

    pub(crate) fn take(&mut self, event: OrderedEvent) {
        match event {
            OrderedEvent::Operation(record) => self.take_operation(&record),
            OrderedEvent::Document { state, .. } => self.take_document(state),
            OrderedEvent::Done { .. } => {
                self.is_fetching = false;
                self.clear();
            }
            OrderedEvent::Presence(_) => {}
            OrderedEvent::Committed { tag, version } => {
                let is_it = |it: &UnderWay| tag.0 == it.name.number;
                if self.under_way.as_ref().is_some_and(is_it) {
                    assert_eq!(
                        self.version,
                        Some(version),
                        "all that was missed came before"
                    );
                    self.acknowledge();
                } else if self.version == Some(version) {
                    // It takes that for an operation that does nothing.
                    self.version = Some(version + 1);
                }
            }
            OrderedEvent::Reset { had, state, .. } => self.take_reset(had, state),
            OrderedEvent::Refused { tag, why } => {
                let is_under_way =
                    (self.under_way.as_ref()).is_some_and(|it| tag.0 == it.name.number);
                let is_expected = !is_under_way
                    || matches!(
                        why,
                        Misplaced::WasDeleted
                            | Misplaced::Exists
                            | Misplaced::NotThere
                            | Misplaced::Behind { .. }
                            | Misplaced::Nothing
                    );
                assert!(is_expected, "{} was refused: {why}", self.source);
                let is_mistaken = self.under_way.is_some() && self.rolled_back.contains(&tag.0);
                assert!(!is_mistaken, "it undoes what is under way for another");
                if is_under_way && why == Misplaced::Nothing {
                    self.is_clearing = true;
                    self.fetch();
                } else if is_under_way {
                    self.begin_anew();
                }
            }
            other => panic!("{other:?} is not expected"),
        }
    }

    fn take_document(&mut self, state: State) {
        self.is_fetching = false;
        self.clear();
        if self.version.is_none_or(|version| version < state.version) && self.under_way.is_none() {
            self.version = Some(state.version);
            self.content = state.content;
        }
    }

    fn take_operation(&mut self, record: &Record) {
        let Some(version) = self.version else {
            return;
        };
        if record.version > version {
            return self.fetch();
        }
        if record.version < version {
            return;
        }
        if self
            .under_way
            .as_ref()
            .is_some_and(|it| it.name == record.name)
        {
            return self.acknowledge();
        }
        self.version = Some(version + 1);
        let deed = self.under_way.as_ref().map(|it| &it.deed);
        match (&record.action, deed) {
            (Action::Delete, None) => self.content = None,
            (Action::Delete | Action::Edit { .. }, Some(Deed::Delete)) => {}
            (Action::Create { ot_type, data }, None) => {
                self.content = Snapshot::create(*ot_type, data.as_deref()).ok();
            }
            (Action::Edit { .. }, None | Some(Deed::Edit(_))) => {
                self.take_edit(record.action.committed().unwrap_or_default());
            }
            (Action::Create { .. } | Action::Delete, Some(_)) => self.begin_anew(),
            (Action::Edit { .. }, Some(Deed::Create { .. })) => self.begin_anew(),
        }
    }

    /// It has all that made nothing of what is under way.
    fn clear(&mut self) {
        if std::mem::take(&mut self.is_clearing) {
            let under_way = self.under_way.take();
            self.given_up.extend(under_way.map(|it| it.name));
            if let Some(pending) = self.pending.take() {
                self.submit_edit(pending);
            }
        }
    }

    /// What is under way contradicts what came: it and all that was built on it is given up, as by a hard rollback.
    fn begin_anew(&mut self) {
        let under_way = self.under_way.iter();
        self.rolled_back.extend(under_way.map(|it| it.name.number));
        self.give_up();
        (self.version, self.content) = (None, None);
        (self.is_fetching, self.is_clearing) = (false, false);
        self.fetch();
    }

    fn give_up(&mut self) {
        let under_way = self.under_way.take();
        self.given_up.extend(under_way.map(|it| it.name));
        self.pending = None;
    }

    /// It is told that the document was deleted, and then what it holds.
    fn take_reset(&mut self, had: u64, state: State) {
        if self.version == Some(had) {
            let under_way = self.name_under_way();
            let is_answered = under_way.is_none() || under_way != self.asked_behind;
            assert!(is_answered, "nobody begins anew before he is answered");
            self.give_up();
        }
        self.take_document(state);
    }

    fn take_edit(&mut self, text: &str) {
        let content = self.content.as_mut().expect("it was created");
        let mut operation =
            Operation::read(content.ot_type(), text).expect("what is committed is sound");
        let mine = self.under_way.as_mut().and_then(|it| it.operation.as_mut());
        for own in mine.into_iter().chain(&mut self.pending) {
            let (before, work) = (own.clone(), &mut Work::default());
            *own = own
                .transform(&operation, Side::Left, work)
                .expect("it transforms");
            operation = operation
                .transform(&before, Side::Right, work)
                .expect("it transforms");
        }
        content
            .apply(&operation, &mut Work::default())
            .expect("what was transformed fits");
    }

    fn acknowledge(&mut self) {
        let done = self.under_way.take().expect("something was under way");
        let deed = match done.operation {
            Some(operation) => Deed::Edit(operation.write().into()),
            None => done.deed,
        };
        self.last = Some((done.name.clone(), deed));
        self.acknowledged.push(done.name);
        self.version = self.version.map(|version| version + 1);
        if let Some(pending) = self.pending.take() {
            self.submit_edit(pending);
        }
    }
}
