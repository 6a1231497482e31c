//! A client as y-websocket's is: asks on connecting, answers when asked, shows what it is sent.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use engine::{CloseReason, ConnectionId, Event, Intent, PresenceEntry, PresenceId, PushTag};
use yrs::IdSet;

use super::editor::Editor;

/// The mark of an edit as it is typed.
pub(crate) const TYPED: PushTag = PushTag(2);
/// The mark of the answer to a `Have`.
pub(crate) const ANSWER: PushTag = PushTag(1);

/// One client, connected or not.
pub(crate) struct Client {
    pub(crate) editor: Editor,
    pub(crate) line: Option<Line>,
    /// Why it was closed last.
    pub(crate) closed: Option<CloseReason>,
    /// All events that it was given, in order.
    pub(crate) heard: Vec<Event>,
    /// Whom it sees, and when it last heard of each.
    pub(crate) sees: BTreeMap<PresenceId, u64>,
    pub(crate) presence_version: u32,
    /// Its own edits that it was the first to send.
    pub(crate) sent: IdSet,
}

/// A connection from the document to the client.
pub(crate) struct Line {
    pub(crate) connection: ConnectionId,
    /// What was sent and is not read yet.
    pub(crate) queue: VecDeque<(Event, Option<u64>)>,
    pub(crate) seen: Option<u64>,
    /// Whether the queue was dropped and takes nothing until it is resumed.
    pub(crate) dropped: bool,
}

impl Client {
    pub(crate) fn new(client: u64) -> Self {
        Self {
            editor: Editor::new(client),
            line: None,
            closed: None,
            heard: Vec::new(),
            sees: BTreeMap::new(),
            presence_version: 0,
            sent: IdSet::new(),
        }
    }

    pub(crate) fn connection(&self) -> ConnectionId {
        self.line
            .as_ref()
            .expect("the client is connected")
            .connection
    }

    pub(crate) fn text(&self) -> String {
        self.editor.text()
    }

    /// Reads all that was sent, and returns what it says in answer.
    pub(crate) fn read(&mut self, now_ms: u64) -> Vec<Intent> {
        let mut answers = Vec::new();
        while let Some((event, shows)) = self.line.as_mut().and_then(|line| line.queue.pop_front())
        {
            let line = self.line.as_mut().expect("it was just read from");
            line.seen = line.seen.max(shows);
            answers.extend(self.take(&event, now_ms));
            self.heard.push(event);
        }
        answers
    }

    fn take(&mut self, event: &Event, now_ms: u64) -> Option<Intent> {
        match event {
            Event::Have { have } => {
                let payload = self.editor.missing_from(have);
                return Some(Intent::Push {
                    payload,
                    tag: ANSWER,
                });
            }
            Event::Missing { payload } | Event::Change { payload } => self.editor.apply(payload),
            Event::Presence(entries) => self.see(entries, now_ms),
            Event::Ack { .. } | Event::Refused { .. } | Event::Rights { .. } | Event::Signal(_) => {
            }
        }
        None
    }

    fn see(&mut self, entries: &[PresenceEntry], now_ms: u64) {
        for entry in entries {
            match entry.state {
                Some(_) => self.sees.insert(entry.id, now_ms),
                None => self.sees.remove(&entry.id),
            };
        }
    }

    /// The presence that it shows next.
    pub(crate) fn presence(&mut self) -> Intent {
        self.presence_version += 1;
        Intent::ShowPresence(vec![PresenceEntry {
            id: PresenceId(self.editor.client()),
            version: self.presence_version,
            state: Some(Bytes::from_static(b"{}")),
        }])
    }

    /// The marks of the acknowledgements that it got, in order.
    pub(crate) fn acks(&self) -> Vec<PushTag> {
        let acks = self.heard.iter().filter_map(|event| match event {
            Event::Ack { tag, .. } => Some(*tag),
            _ => None,
        });
        acks.collect()
    }

    /// The payloads of the acknowledgements that it got for what it typed, in order.
    pub(crate) fn acked(&self) -> Vec<Bytes> {
        let acks = self.heard.iter().filter_map(|event| match event {
            Event::Ack {
                tag: TYPED,
                payload,
                ..
            } => Some(payload.clone()),
            _ => None,
        });
        acks.collect()
    }

    /// The edits by others that it was sent, in order.
    pub(crate) fn changes(&self) -> Vec<Bytes> {
        let changes = self.heard.iter().filter_map(|event| match event {
            Event::Change { payload } => Some(payload.clone()),
            _ => None,
        });
        changes.collect()
    }
}
