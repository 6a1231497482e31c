//! Frames of the Hocuspocus dialect, one after the other, as one client of a document sends them: each edit is answered once,
//! and what the client is told reads back.

use bytes::Bytes;
use engine::{Audience, Document, Effect, Effects, Event, Input, Intent, Now, Phase};
use protocol::hocuspocus::{self, Frame, Message};
use protocol::preflight::Bounds;
use protocol::yjs;

use crate::frame::{SENDER, open};
use crate::script::Script;

/// Gives each frame to a document whose store always answers, until the connection would be closed.
///
/// # Panics
/// A promise was broken.
pub fn check(input: &[u8]) {
    let mut script = Script::new(input);
    let mut talk = Talk::begin();
    while !script.is_done() && talk.is_open {
        talk.take(&Bytes::copy_from_slice(script.chunk()));
    }
    assert!(
        !talk.is_open || talk.updates == talk.answers,
        "{} updates have {} answers",
        talk.updates,
        talk.answers
    );
}

struct Talk {
    document: Document,
    updates: usize,
    answers: usize,
    is_open: bool,
}

impl Talk {
    fn begin() -> Self {
        let mut effects = Effects::new();
        let mut talk = Self {
            document: open(true, &mut effects),
            updates: 0,
            answers: 0,
            is_open: true,
        };
        talk.perform(effects);
        talk
    }

    fn take(&mut self, frame: &Bytes) {
        match hocuspocus::decode(frame) {
            Ok(Frame::Addressed(address, message)) => {
                assert!(address.as_str().starts_with(address.document()));
                self.hear(message);
            }
            Ok(Frame::Pong) => {}
            Err(_) => self.is_open = false,
        }
    }

    fn hear(&mut self, message: Message) {
        let intent = match message {
            Message::Intent(intent) => intent,
            // The connection answers these.
            Message::Token { .. } | Message::Unreadable(_) | Message::Leave => return,
        };
        match yjs::check(&intent, &Bounds::default()) {
            Ok(()) => self.ask(intent),
            Err((reason, _)) => self.is_open &= reason.is_about_the_edit(),
        }
    }

    fn ask(&mut self, intent: Intent) {
        let is_update = matches!(&intent, Intent::Push { tag, .. } if *tag == yjs::UPDATE);
        self.updates += usize::from(is_update);
        let input = Input::Intent {
            connection: SENDER,
            intent,
            seen: None,
        };
        self.handle(input);
    }

    fn handle(&mut self, input: Input) {
        let mut effects = Effects::new();
        self.document.handle(input, Now::default(), &mut effects);
        self.document.settle(Now::default(), &mut effects);
        self.perform(effects);
        self.is_open &= self.document.phase() == Phase::Open;
    }

    fn perform(&mut self, effects: Effects) {
        for effect in effects {
            match effect {
                Effect::Send { to, event, .. } if to == Audience::One(SENDER) => self.tell(&event),
                Effect::Send { event, .. } => reads_back(&event),
                Effect::Close { connection, .. } => self.is_open &= connection != SENDER,
                Effect::Append(changes) => {
                    let last = changes.last().expect("appends are not empty");
                    let through = last.dot.counter;
                    self.handle(Input::Committed { through });
                }
                _ => {}
            }
        }
    }

    fn tell(&mut self, event: &Event) {
        let is_answer = match event {
            Event::Ack { tag, .. } | Event::Refused { tag, .. } => *tag == yjs::UPDATE,
            _ => false,
        };
        self.answers += usize::from(is_answer);
        reads_back(event);
    }
}

/// What is said in the words of a client reads as a client's.
fn reads_back(event: &Event) {
    let Some(frame) = hocuspocus::encode(ADDRESS, event) else {
        return;
    };
    let is_said_by_both = matches!(
        event,
        Event::Have { .. } | Event::Missing { .. } | Event::Change { .. } | Event::Presence(_)
    );
    if is_said_by_both {
        let Ok(Frame::Addressed(address, Message::Intent(intent))) = hocuspocus::decode(&frame)
        else {
            panic!("we write what we would read");
        };
        assert_eq!(address.as_str(), ADDRESS);
        let checked = yjs::check(&intent, &Bounds::default());
        assert_eq!(checked, Ok(()), "what we send we would take");
    }
}

const ADDRESS: &str = "fuzz\0one";
