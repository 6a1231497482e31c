//! Frames of the y-websocket dialect: read, checked, given to a document, and its answers written as frames that read back.

use bytes::Bytes;
use engine::{
    ConnectionId, Document, DocumentKey, Effect, Effects, Event, Input, Intent, Joining, Kind,
    Limits, Loaded, Now, ReplicaId,
};
use protocol::preflight::Bounds;
use protocol::{yjs, ywebsocket};

use crate::writer;

/// Who sends the frames.
pub(crate) const SENDER: ConnectionId = ConnectionId(1);
const READER: ConnectionId = ConnectionId(2);

/// Reads a frame, and gives what it says to a document with two clients.
///
/// # Panics
/// A promise was broken.
pub fn check(input: &[u8]) {
    let Ok(intents) = ywebsocket::decode(&Bytes::copy_from_slice(input)) else {
        return;
    };
    assert!(intents.len() <= ywebsocket::MESSAGES_PER_FRAME_MAX);
    let good = |intent: &Intent| yjs::check(intent, &Bounds::default()).is_ok();
    let intents: Vec<_> = intents.into_iter().take_while(good).collect();
    for intent in &intents {
        said_again(intent);
    }
    answered(intents);
}

/// An intent, said as the event that carries the same, reads as the same intent.
fn said_again(intent: &Intent) {
    let event = match intent.clone() {
        Intent::Pull { have } => Event::Have { have },
        Intent::Push { payload, tag } if tag == yjs::UPDATE => Event::Change { payload },
        Intent::Push { payload, .. } => Event::Missing { payload },
        Intent::ShowPresence(entries) if !entries.is_empty() => Event::Presence(entries),
        Intent::PullKept
        | Intent::ShowPresence(_)
        | Intent::QueryPresence
        | Intent::Signal(_)
        | Intent::Announce { .. } => return,
    };
    assert_eq!(read(&event).as_ref(), Some(intent));
}

fn answered(intents: Vec<Intent>) {
    let mut effects = Effects::new();
    let mut document = open(false, &mut effects);
    for intent in intents {
        let input = Input::Intent {
            connection: SENDER,
            intent,
            seen: None,
        };
        document.handle(input, Now::default(), &mut effects);
    }
    document.settle(Now::default(), &mut effects);
    for effect in effects {
        if let Effect::Send { event, .. } = effect {
            read(&event);
        }
    }
}

/// What a client reads in the frame that an event is written as.
fn read(event: &Event) -> Option<Intent> {
    let frame = ywebsocket::encode(event)?;
    let mut intents = ywebsocket::decode(&frame).expect("we write what we would read");
    assert_eq!(intents.len(), 1, "a frame has one message");
    let intent = intents.remove(0);
    let checked = yjs::check(&intent, &Bounds::default());
    assert_eq!(checked, Ok(()), "what we send we would take");
    Some(intent)
}

/// A document with two clients, who count their edits or not.
pub(crate) fn open(counts: bool, effects: &mut Effects) -> Document {
    let key = DocumentKey::new("default", "fuzz").expect("the name is good");
    let limits = Limits::default();
    let mut document = Document::open(key, Kind::Yjs, ReplicaId(2), limits, effects)
        .expect("documents of this kind are served");
    let past = Loaded {
        kind: Some(Kind::Yjs),
        changes: writer::log(),
        ..Loaded::default()
    };
    document.handle(Input::Opened(past), Now::default(), effects);
    while document.next_replay().is_some() {
        document.replay(Now::default(), effects);
    }
    for connection in [SENDER, READER] {
        let joining = Joining::freely(connection, Kind::Yjs, None);
        let input = Input::Joined(Joining { counts, ..joining });
        document.handle(input, Now::default(), effects);
    }
    assert_eq!(document.peers(), 2, "both are let in");
    document.settle(Now::default(), effects);
    document
}
