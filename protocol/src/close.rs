//! The one table of close codes: why a connection ends, and what its client is told so that it does the right thing.
//!
//! A close code is a command. Of y-websocket clients, 3.1.0 stop for good on 4400 to 4499 and come back on all else;
//! 1.5.4, 2.1.0 and 3.0.0 come back on everything, ten times a second (all seen), and so do 4.0-rc by their source. So a
//! fault that would only repeat itself has a code in that band (the last two digits mirror HTTP's), and one that passes
//! has a code outside it.
//!
//! | reason | y-websocket | why this code |
//! |---|---|---|
//! | `BadFrame` | 4400 | the client speaks something else; the same bytes would come again |
//! | `BadText` | 1007 | RFC 6455 has no other for text that is not UTF-8; the ShareDB dialect alone has text |
//! | `Deleted` | 4404 | coming back would not find it, and must not bring it back |
//! | `WrongKind` | 4409 | a document's kind never changes |
//! | `TooLarge` | 4413 | 1009 is the standard's own code, but is retried with the same frame for ever (y-websocket#189) |
//! | `Replaced` | 4409 | told to clients of automerge-repo alone |
//! | `BadName` | 4414 | the address is at fault, as in HTTP's 414 |
//! | `DocumentFull` | 4419 | the edit would not fit the next time either |
//! | `BadUpdate`, `TooDeep` | 4422 | the client would offer the same update at its next sync |
//! | `ReadOnly` | 4423 | "locked", as in HTTP's 423: the edit would be refused until someone repairs the document |
//! | `Unauthorized`, `Expired` | 4401 | it has to come with another token |
//! | `Forbidden`, `Revoked` | 4403 | it would be turned away the next time too |
//! | `TooManyEditors` | 4429 | "too many", as in HTTP's 429: the edit would come again at once, and be refused again |
//! | `TooMany`, `Flooding` | 1013 | "try again later": others leave, and time passes |
//! | `StoreBehind` | 1013 | "try again later": the store will catch up |
//! | `NotReady` | 1013 | "try again later": 1011 would be true as well, but says nothing about coming back |
//! | `ForeignWriter` | 1013 | "try again later": once the other has sent his edit himself, the same one is only a repetition |
//! | `Overloaded` | 1013 | "try again later", the standard's own word for it |
//! | `Stopping` | 1012 | "service restart" |
//! | `Silent` | 1001 | "going away": 4408 would be for ever, and a client that is alive after all has to come back |
//!
//! Hocuspocus providers have many documents on a connection. What is wrong with one of them
//! ([`CloseReason::is_about_the_document`]) is said of that document, in a frame, and the connection stays: providers of all
//! versions rest then. Only the rest closes the connection. By their source, on a close code
//!
//! | | 2.15 | 3.4 and 4.8 |
//! |---|---|---|
//! | 4401, 1009 | stop for good | come back after a second |
//! | 4403 | stop, but come back at once if they are `quiet` | come back after a second |
//! | 1000, 1012, 1013, 4205, 4408 and all else | come back at once | come back after a second |
//!
//! and where nothing was said before the close, after up to 30 s. So a fault of the whole connection that would repeat itself
//! has one of the first codes, though it only stops the oldest, and what passes has another.
//!
//! | reason | Hocuspocus | why this code |
//! |---|---|---|
//! | `BadFrame`, `BadName`, `Unauthorized`, `Expired` | 4401 | what its own server says to a frame that it can not read, and to a token that is not good |
//! | `Forbidden`, `Revoked`, and whatever else is about a document | 4403 | it would be turned away the next time too |
//! | `TooLarge` | 1009 | the standard's own code; 2.15 knows it |
//! | `Silent`, `Flooding(PreAuthTime)` | 4408 | its own server's code for a client that said nothing |
//! | `Stopping` | 1012 | as above |
//! | all else | 1013 | as above |
//!
//! ShareDB's client is given its socket by the application, and asks what to do of nobody but that: it gets the codes of
//! y-websocket. What is wrong with one document is said of that one, in answer to what was asked.
//!
//! Clients of automerge-repo look at no code and come back after 5 seconds whatever it is; the codes are for people who look, and
//! for clients that will.
//!
//! | reason | automerge-repo | why this code |
//! |---|---|---|
//! | `Silent`, `Flooding(PreAuthTime)` | 4408 | "timeout", as in HTTP's 408 |
//! | `Replaced` | 4409 | the same peer has joined by another socket |
//! | `TooMany`, `Flooding` | 4429 | "too many", as in HTTP's 429 |
//! | `Stopping` | 4503 | "unavailable", as in HTTP's 503 |
//! | all else | | as for y-websocket |
//!
//! The texts are for people: fixed, ASCII, at most [`TEXT_BYTES_MAX`] bytes, and never anything internal.

use engine::{CloseReason, Limit};

use crate::Dialect;

/// The longest text that fits in a close frame beside its code (RFC 6455, section 5.5).
pub const TEXT_BYTES_MAX: usize = 123;

/// What a close frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// What the client's code acts upon.
    pub code: u16,
    /// What a person reads.
    pub text: &'static str,
    is_permanent: bool,
}

impl Close {
    /// How a connection of this dialect is closed for this reason.
    pub fn new(dialect: Dialect, reason: CloseReason) -> Self {
        let code = match dialect {
            Dialect::YWebsocket | Dialect::ShareDb => ywebsocket_code(reason),
            Dialect::Hocuspocus => hocuspocus_code(reason),
            Dialect::Automerge => automerge_code(reason),
        };
        let is_permanent = match dialect {
            Dialect::YWebsocket | Dialect::ShareDb | Dialect::Automerge => {
                (4400..4500).contains(&code)
            }
            Dialect::Hocuspocus => matches!(code, 1009 | 4401 | 4403),
        };
        Self {
            code,
            text: text(reason),
            is_permanent,
        }
    }

    /// Whether a client that understands the code stays away.
    pub fn is_permanent(self) -> bool {
        self.is_permanent
    }
}

fn hocuspocus_code(reason: CloseReason) -> u16 {
    match reason {
        CloseReason::BadFrame
        | CloseReason::BadName
        | CloseReason::Unauthorized
        | CloseReason::Expired => 4401,
        CloseReason::TooLarge => 1009,
        CloseReason::Silent | CloseReason::Flooding(Limit::PreAuthTime) => 4408,
        CloseReason::Stopping => 1012,
        reason if reason.is_about_the_document() => 4403,
        _ => 1013,
    }
}

fn automerge_code(reason: CloseReason) -> u16 {
    match reason {
        CloseReason::Silent | CloseReason::Flooding(Limit::PreAuthTime) => 4408,
        CloseReason::TooMany(_) | CloseReason::Flooding(_) => 4429,
        CloseReason::Stopping => 4503,
        reason => ywebsocket_code(reason),
    }
}

fn ywebsocket_code(reason: CloseReason) -> u16 {
    match reason {
        CloseReason::BadFrame => 4400,
        CloseReason::BadText => 1007,
        CloseReason::Deleted => 4404,
        CloseReason::WrongKind | CloseReason::Replaced => 4409,
        CloseReason::TooLarge => 4413,
        CloseReason::BadName => 4414,
        CloseReason::DocumentFull => 4419,
        CloseReason::BadUpdate | CloseReason::TooDeep => 4422,
        CloseReason::ReadOnly => 4423,
        CloseReason::StoreBehind
        | CloseReason::NotReady
        | CloseReason::ForeignWriter
        | CloseReason::TooMany(_)
        | CloseReason::Flooding(_)
        | CloseReason::Overloaded => 1013,
        CloseReason::Stopping => 1012,
        CloseReason::Silent => 1001,
        CloseReason::Unauthorized | CloseReason::Expired => 4401,
        CloseReason::Forbidden | CloseReason::Revoked => 4403,
        CloseReason::TooManyEditors => 4429,
    }
}

/// What a person is told of a reason.
pub fn text(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::BadFrame => "The message is not of the protocol that this address speaks.",
        CloseReason::BadText => "The message is no UTF-8 text.",
        CloseReason::Deleted => "The document was deleted.",
        CloseReason::WrongKind => "The document is of a kind that this protocol cannot edit.",
        CloseReason::TooLarge => "The message is larger than the server accepts.",
        CloseReason::BadName => "The name of the workspace or document is not acceptable.",
        CloseReason::DocumentFull => "The document is as large as limits.document_memory allows.",
        CloseReason::TooDeep => "The update nests shared types deeper than limits.type_depth.",
        CloseReason::ReadOnly => "The document is read-only until it is repaired.",
        CloseReason::BadUpdate => "The update cannot be read or contradicts the document.",
        CloseReason::StoreBehind => "The server is behind with storing edits; try again later.",
        CloseReason::Overloaded => "The server has no room for more; try again later.",
        CloseReason::NotReady => "The document is not ready; try again later.",
        CloseReason::ForeignWriter => {
            "The update writes for somebody else who is connected; try again later."
        }
        CloseReason::Stopping => "The server is stopping; connect again.",
        CloseReason::Unauthorized => "A token that is good here is needed.",
        CloseReason::Forbidden => "The token does not allow this.",
        CloseReason::Expired => "The token has expired; connect with a new one.",
        CloseReason::Revoked => "The token was revoked.",
        CloseReason::TooManyEditors => "As many people edit the document as may at the same time.",
        CloseReason::TooMany(limit) | CloseReason::Flooding(limit) => text_of_limit(limit),
        CloseReason::Replaced => "The same peer has connected anew.",
        CloseReason::Silent => "Nothing was heard from the client for too long; connect again.",
    }
}

/// Names the setting, for whoever runs the server or asks who does.
fn text_of_limit(limit: Limit) -> &'static str {
    match limit {
        Limit::ConnectionsPerAddress => {
            "Too many connections from one address (limits.connections_per_address); try again later."
        }
        Limit::ConnectionsPerUser => {
            "Too many connections of one user (limits.connections_per_user); try again later."
        }
        Limit::ConnectionsPerDocument => {
            "Too many connections to one document (limits.connections_per_document); try again later."
        }
        Limit::DocumentsPerConnection => {
            "Too many documents on one connection (limits.documents_per_connection)."
        }
        Limit::MessagesPerSecond => {
            "Too many messages a second (limits.messages_per_second); try again later."
        }
        Limit::BytesPerSecond => {
            "Too many bytes a second (limits.bytes_per_second); try again later."
        }
        Limit::PreAuthBytes => "Too much was sent before a token (limits.pre_auth_bytes).",
        Limit::PreAuthMessages => {
            "Too many messages were sent before a token (limits.pre_auth_messages)."
        }
        Limit::PreAuthTime => "No token was sent in time (limits.pre_auth_time).",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOR_EVER: [CloseReason; 14] = [
        CloseReason::Unauthorized,
        CloseReason::Expired,
        CloseReason::Forbidden,
        CloseReason::Revoked,
        CloseReason::TooManyEditors,
        CloseReason::BadFrame,
        CloseReason::Deleted,
        CloseReason::WrongKind,
        CloseReason::TooLarge,
        CloseReason::BadName,
        CloseReason::BadUpdate,
        CloseReason::DocumentFull,
        CloseReason::TooDeep,
        CloseReason::ReadOnly,
    ];

    const FOR_NOW: [CloseReason; 9] = [
        CloseReason::BadText,
        CloseReason::TooMany(Limit::ConnectionsPerUser),
        CloseReason::Flooding(Limit::BytesPerSecond),
        CloseReason::ForeignWriter,
        CloseReason::Overloaded,
        CloseReason::StoreBehind,
        CloseReason::NotReady,
        CloseReason::Stopping,
        CloseReason::Silent,
    ];

    fn close(reason: CloseReason) -> Close {
        Close::new(Dialect::YWebsocket, reason)
    }

    #[test]
    fn only_faults_that_would_repeat_stop_a_client() {
        for reason in FOR_EVER {
            assert!(close(reason).is_permanent(), "{reason:?}");
        }
        for reason in FOR_NOW {
            assert!(!close(reason).is_permanent(), "{reason:?}");
        }
    }

    /// What the providers make of the codes is in the table above.
    #[test]
    fn hocuspocus_providers_come_back_when_that_helps() {
        let code = |reason| Close::new(Dialect::Hocuspocus, reason);
        for reason in FOR_NOW {
            let stays = reason.is_about_the_document();
            assert_eq!(code(reason).is_permanent(), stays, "{reason:?}");
        }
        for reason in FOR_EVER {
            assert!(code(reason).is_permanent(), "{reason:?}");
        }
        let late = code(CloseReason::Flooding(Limit::PreAuthTime));
        assert_eq!((late.code, late.is_permanent()), (4408, false));
    }

    #[test]
    fn texts_fit_in_a_close_frame() {
        for reason in FOR_EVER.into_iter().chain(FOR_NOW) {
            let text = close(reason).text;
            assert!(text.is_ascii() && text.len() <= TEXT_BYTES_MAX, "{text}");
        }
    }

    #[test]
    fn the_text_of_a_limit_names_its_setting() {
        for limit in Limit::ALL {
            let text = close(CloseReason::TooMany(limit)).text;
            let setting = format!("(limits.{})", limit.as_str());
            assert!(text.contains(&setting), "{text}");
            assert!(text.is_ascii() && text.len() <= TEXT_BYTES_MAX, "{text}");
        }
    }
}
