//! The bus between nodes: messages that may be lost, repeated, or arrive in any order.

use engine::{Change, PresenceId, PresenceNotice, PresenceRoll, ReplicaId};

/// All that is under way.
#[derive(Debug, Default)]
pub(super) struct Bus {
    messages: Vec<Message>,
}

/// One message, under way to one node.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) to: usize,
    pub(super) document: usize,
    pub(super) news: News,
}

/// What nodes tell each other.
#[derive(Clone, Debug)]
pub(super) enum News {
    Changes(Vec<Change>),
    Presence(ReplicaId, Vec<PresenceNotice>),
    WhoIsHere,
    Roll(ReplicaId, PresenceRoll),
    WhoIs(ReplicaId, Vec<PresenceId>),
}

impl Bus {
    /// Sends news of one node to all others.
    pub(super) fn publish(&mut self, from: usize, nodes: usize, document: usize, news: &News) {
        let others = (0..nodes).filter(|node| *node != from);
        let message = |to| Message {
            to,
            document,
            news: news.clone(),
        };
        self.messages.extend(others.map(message));
    }

    /// Takes one of the messages off the bus, or only a copy of it.
    pub(super) fn take(&mut self, pick: usize, keeps: bool) -> Option<Message> {
        let at = pick.checked_rem(self.messages.len())?;
        Some(if keeps {
            self.messages[at].clone()
        } else {
            self.messages.remove(at)
        })
    }

    /// Takes the oldest message that is wanted off the bus.
    pub(super) fn take_first(
        &mut self,
        is_wanted: impl FnMut(&Message) -> bool,
    ) -> Option<Message> {
        let at = self.messages.iter().position(is_wanted)?;
        Some(self.messages.remove(at))
    }

    /// Loses all that is said of presence.
    pub(super) fn lose_presence(&mut self) {
        let messages = &mut self.messages;
        messages.retain(|message| matches!(message.news, News::Changes(_)));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// A bus is no store: what is too much for it is lost, the oldest first.
    pub(super) fn shed(&mut self) {
        let excess = self.messages.len().saturating_sub(MESSAGES_MAX);
        self.messages.drain(..excess);
    }
}

const MESSAGES_MAX: usize = 256;
