//! What the other nodes say, on its way to the session that it is for.
//!
//! The bus must not be kept waiting, so a word is put into the session's mailbox if there is room and dropped otherwise: the
//! next round of heads finds what it told of.

use std::sync::Arc;

use engine::Input;
use storage::{Ear, Topic, Word};

use super::Cluster;
use super::standing::{self, kept_out};
use crate::hub::Hub;
use crate::telemetry::metrics;

/// Takes in what comes over the bus, for as long as the hub is there.
pub(super) fn ear(cluster: &Arc<Cluster>, hub: &Hub) -> Ear {
    let (cluster, hub) = (Arc::downgrade(cluster), hub.downgrade());
    Arc::new(move |topic, word| {
        let (Some(cluster), Some(hub)) = (cluster.upgrade(), hub.upgrade()) else {
            return;
        };
        match topic {
            Topic::Document(document) => {
                if word == Word::Stirred {
                    hub.world().collections.stir(&document);
                } else if word == Word::Reopen {
                    if let Some(session) = hub.mailbox(&document) {
                        standing::reopen(&hub, session);
                    }
                } else if let Some(input) = input(word)
                    && !hub.hear(&document, input)
                {
                    metrics::word_dropped();
                }
            }
            Topic::Cluster => hear_of_all(&cluster, hub, word),
        }
    })
}

/// What is said to all nodes.
fn hear_of_all(cluster: &Arc<Cluster>, hub: Hub, word: Word) {
    match word {
        Word::Revoked => cluster.revocations.notify_one(),
        Word::ClocksAsked {
            question,
            documents,
        } => cluster.answer_clocks(hub, question, documents),
        Word::Clocks {
            question,
            from,
            clocks,
        } => cluster.hear_clocks(question, from, clocks),
        Word::Drain { node, begins } if node == cluster.name() => cluster.drain(&hub, begins),
        _ => {}
    }
}

/// What a word about a document is to it; none if it is none.
fn input(word: Word) -> Option<Input> {
    Some(match word {
        Word::Changes(changes) => Input::Heard { changes },
        Word::Presence { from, notices } => Input::HeardPresence { from, notices },
        Word::PresenceAsked => Input::PresenceAsked,
        Word::PresenceRoll { from, roll } => Input::HeardRoll { from, roll },
        Word::WhoIsAsked { of, ids } => Input::WhoIsAsked { of, ids },
        Word::Roster(word) => Input::HeardRoster(word),
        Word::WayAsked { by } => Input::WayAsked(by),
        Word::Signal(text) => Input::Signal(text),
        Word::Deleted => Input::Deleted,
        Word::KeptOut { payload, in_log } => kept_out([(payload, in_log)]),
        Word::Reopen
        | Word::Stirred
        | Word::Revoked
        | Word::ClocksAsked { .. }
        | Word::Clocks { .. }
        | Word::Drain { .. } => return None,
    })
}
