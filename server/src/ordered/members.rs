//! The connections that have an ordered document, and where each event goes. What is told to many is written once.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::ordered::OrderedEvent;
use engine::{CloseReason, ConnectionId, DocumentKey};
use protocol::sharedb::{self, Address};
use protocol::websocket::Frame;

use super::letters::{Letter, Letters};
use crate::auth::Pass;
use crate::limits::Tally;
use crate::mail::Way;
use crate::telemetry::metrics;

/// The connections that have a document.
#[derive(Debug)]
pub(super) struct Members {
    /// How ShareDB's clients name the document.
    address: Address,
    members: BTreeMap<ConnectionId, Member>,
    /// The places that they take up, where those are counted.
    tally: Tally<DocumentKey>,
}

#[derive(Debug)]
struct Member {
    pass: Arc<Pass>,
    letters: Letters,
}

impl Members {
    /// Nobody yet.
    pub(super) fn new(document: &DocumentKey, tally: Tally<DocumentKey>) -> Self {
        Self {
            address: Address::of(document.name()),
            members: BTreeMap::new(),
            tally,
        }
    }

    /// Whether there may be one more.
    pub(super) fn has_room(&self) -> bool {
        self.tally.may_have_more()
    }

    /// Takes a connection in.
    pub(super) fn add(&mut self, connection: ConnectionId, pass: Arc<Pass>, letters: Letters) {
        self.members.insert(connection, Member { pass, letters });
        self.recount();
    }

    /// A connection has left.
    pub(super) fn remove(&mut self, connection: ConnectionId) {
        self.members.remove(&connection);
        self.recount();
    }

    /// A connection showed a newer token.
    pub(super) fn renew(&mut self, connection: ConnectionId, pass: Arc<Pass>) {
        if let Some(member) = self.members.get_mut(&connection) {
            member.pass = pass;
        }
    }

    /// The connections whose passes are no longer good, in order.
    pub(super) fn revoked(&self, is_revoked: impl Fn(&Pass) -> bool) -> Vec<ConnectionId> {
        let members = self.members.iter();
        let revoked = members.filter(|(_, member)| is_revoked(&member.pass));
        revoked.map(|(connection, _)| *connection).collect()
    }

    /// The ways to all.
    pub(super) fn ways(&self) -> Vec<(ConnectionId, Way)> {
        let members = self.members.iter();
        let ways = members.map(|(to, member)| (*to, Way::Letters(member.letters.clone())));
        ways.collect()
    }

    /// Lets a connection go once it has read what waits for it.
    pub(super) fn close(&mut self, connection: ConnectionId, reason: CloseReason) {
        if let Some(member) = self.members.remove(&connection) {
            member.letters.close(connection, reason);
        }
        self.recount();
    }

    /// Lets everybody go.
    pub(super) fn close_all(&mut self, reason: CloseReason) {
        while let Some((connection, member)) = self.members.pop_first() {
            member.letters.close(connection, reason);
        }
        self.recount();
    }

    /// Tells some of them something.
    pub(super) fn send(&self, to: &[ConnectionId], event: &OrderedEvent) {
        let frame = self.frame(event);
        let members = to
            .iter()
            .filter_map(|to| Some((*to, self.members.get(to)?)));
        for (to, member) in members {
            let letter = Letter::Told {
                to,
                event: event.clone(),
                frame: frame.clone(),
            };
            if !member.letters.put(letter) {
                metrics::slow_reader();
            }
        }
    }

    /// What all are told who have the document by its own name.
    fn frame(&self, event: &OrderedEvent) -> Option<Frame> {
        let text = match event {
            OrderedEvent::Operation(record) => sharedb::operation(&self.address, record),
            OrderedEvent::Presence(presence) => sharedb::presence(&self.address, presence),
            _ => return None,
        };
        Some(Frame::text(text))
    }

    fn recount(&mut self) {
        self.tally.set(self.members.len());
    }
}
