//! What a client is told where something is refused: by which code, in which words, and of which questions.

use engine::ordered::{Action, OperationName, Record};
use engine::{CloseReason, ConnectionId};
use protocol::close;
use protocol::sharedb::{self, Address, Code};
use protocol::websocket::Frame;
use tracing::info;

use super::super::End;
use super::requests::Outcome;
use super::seat::{Seat, Seats};

impl Seats {
    /// A document has let the client go. What is about the document is said in answer to each question that waits for it;
    /// the client may ask anew. All else closes the connection.
    pub(super) fn closed(&mut self, number: ConnectionId, reason: CloseReason) {
        if reason.is_about_the_document() {
            self.let_go(number, reason, close::text(reason));
        } else {
            for tag in self.requests.of(number) {
                self.requests.take(tag);
            }
            self.remove(number);
            self.end_for(reason);
        }
    }

    /// Ends the connection. While the server stops, its documents still answer what they were asked.
    fn end_for(&mut self, reason: CloseReason) {
        self.is_stopping |= reason == CloseReason::Stopping;
        let has_answers = self.requests.load().0 > 0;
        if reason != CloseReason::Stopping || !has_answers {
            self.ending = self.ending.or(Some(End::Close(reason)));
        }
    }

    /// Ends the connection of a server that stops, if nothing waits for an answer any more.
    pub(super) fn end_if_answered(&mut self) {
        if self.is_stopping {
            self.end_for(CloseReason::Stopping);
        }
    }

    /// The client is not in a document, or no longer.
    pub(super) fn let_go(&mut self, number: ConnectionId, reason: CloseReason, text: &str) {
        self.pass_on_held(number);
        let refused = Outcome::Failed(code(reason), text.to_owned());
        for tag in self.requests.of(number) {
            self.answer(tag, refused.clone());
        }
        if let Some(seat) = self.remove(number) {
            info!(address = ?seat.address, "document closed to its client: {text}");
            self.tell_subscriber(&seat, reason);
        }
    }

    /// Whoever was to be told what comes waits for it in vain. That a document is deleted is told as an operation; for the end
    /// of rights there is no word but the connection's end.
    fn tell_subscriber(&mut self, seat: &Seat, reason: CloseReason) {
        if !seat.is_subscribed {
            return;
        }
        match (reason, seat.filling.sent()) {
            (CloseReason::Deleted, Some(version)) => {
                let deletion = self.deletion(&seat.address, version);
                self.say(deletion);
            }
            _ => self.ending = self.ending.or(Some(End::Close(reason))),
        }
    }

    /// An operation that nobody has made: it has the client let go of what it holds.
    pub(super) fn deletion(&mut self, address: &Address, version: u64) -> String {
        self.made_up(address, version, Action::Delete)
    }

    /// An edit that nobody has made. Where there is nothing to edit it has the client ask anew.
    pub(super) fn unfit(&mut self, address: &Address, version: u64) -> String {
        let (received, committed) = ("[]".into(), None);
        let action = Action::Edit {
            received,
            committed,
        };
        self.made_up(address, version, action)
    }

    fn made_up(&mut self, address: &Address, version: u64, action: Action) -> String {
        self.made_up += 1;
        let record = Record {
            version,
            made_on: None,
            name: OperationName {
                source: MADE_UP.into(),
                number: self.made_up,
            },
            action,
        };
        sharedb::operation(address, &record)
    }

    /// Tells the client something.
    pub(super) fn say(&mut self, text: String) {
        self.frames.push_back(Frame::text(text));
    }
}

/// The code of a reason for which a question has no other answer.
pub(super) fn code(reason: CloseReason) -> Code {
    match reason {
        CloseReason::Deleted => Code::DocumentWasDeleted,
        CloseReason::WrongKind => Code::WrongKind,
        CloseReason::NotReady | CloseReason::Overloaded | CloseReason::Stopping => {
            Code::Unavailable
        }
        CloseReason::BadName => Code::MessageBadlyFormed,
        CloseReason::TooMany(_) => Code::TooMany,
        CloseReason::Unauthorized | CloseReason::Expired | CloseReason::Revoked => {
            Code::Unauthorized
        }
        _ => Code::Forbidden,
    }
}

/// Under which name the connection makes up operations.
pub(super) const MADE_UP: &str = "$quire";
