//! Writers: who writes under which number, and what happens when somebody else goes on where a writer is.
//!
//! Clients of some dialects count what they write under a number of their own choosing; whoever uses another's number
//! silences them, for what the other writes next seems to be known already (`docs/limits.md`). So while a
//! writer is connected, its number is its own: the number of the presence that its connection announced as itself or,
//! where nobody has announced it, one that its connection was first to go on with. Connections of one author may share.
//! An edit is *foreign* if it goes on where another connection writes; one that only repeats what is here never is.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::content::{Begins, GoingOn, Writer};
use crate::names::ConnectionId;
use crate::presence::PresenceId;
use crate::time::Now;

use super::Document;
use super::effect::{CloseReason, Effect, Effects};

/// What becomes of foreign edits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WriterPolicy {
    /// They are taken like any other.
    #[default]
    Off,
    /// They are taken and told of, but refused where they hold nothing but numbers used up: nobody needs to send those for
    /// somebody who is there to send them.
    Warn,
    /// They are refused.
    Strict,
}

/// Numbers that connections were first to go on with. A number is kept until its connection leaves.
#[derive(Debug, Default)]
pub(super) struct Writers {
    first: BTreeMap<Writer, ConnectionId>,
}

/// What is known of a connection as a writer.
#[derive(Debug, Default)]
pub(super) struct Claims {
    writers: SmallVec<[Writer; 2]>,
    /// Whether it was told of that this connection sends foreign edits.
    told: bool,
}

impl Writers {
    /// Forgets what a connection had claimed.
    pub(super) fn release(&mut self, claims: Claims) {
        for writer in claims.writers {
            self.first.remove(&writer);
        }
    }
}

impl Document {
    /// Notes whose a number is, if it is nobody's. An edit of many writers is somebody's who passes it on.
    pub(super) fn claim(&mut self, connection: ConnectionId, begins: &Begins) {
        let Some(writer) = self.content.only_writer(begins) else {
            return;
        };
        if self.writers.first.contains_key(&writer) {
            return;
        }
        if let Some(peer) = self.peers.get_mut(connection)
            && peer.claims.writers.len() < CLAIMS_MAX
        {
            peer.claims.writers.push(writer);
            self.writers.first.insert(writer, connection);
        }
    }

    /// Tells of an edit if it is foreign, and says whether its author is to be closed for it.
    pub(super) fn foreign(
        &mut self,
        connection: ConnectionId,
        payload: &[u8],
        now: Now,
        effects: &mut Effects,
    ) -> Option<CloseReason> {
        let policy = self.limits.writers;
        if policy == WriterPolicy::Off || self.peers.len() < 2 {
            return None;
        }
        let is_foreign = |writer| self.is_anothers(writer, connection, now);
        let found = self.content.going_on(payload, &is_foreign)?;
        let refused = policy == WriterPolicy::Strict || found.is_hollow;
        self.tell(connection, found, refused, effects);
        refused.then_some(CloseReason::ForeignWriter)
    }

    fn tell(
        &mut self,
        connection: ConnectionId,
        found: GoingOn,
        refused: bool,
        effects: &mut Effects,
    ) {
        let peer = self.peers.get_mut(connection);
        let first = peer.is_some_and(|peer| !std::mem::replace(&mut peer.claims.told, true));
        effects.push(Effect::ForeignEdit {
            connection,
            writer: found.writer,
            refused,
            first,
        });
    }

    /// Whether a number belongs to a connection of somebody else's.
    fn is_anothers(&self, writer: Writer, connection: ConnectionId, now: Now) -> bool {
        let announced = self.presence.speaks_for_itself(PresenceId(writer.0), now);
        let owner = announced.or_else(|| self.writers.first.get(&writer).copied());
        owner.is_some_and(|owner| owner != connection && !self.are_one(owner, connection))
    }

    /// Whether two connections are of one known author.
    fn are_one(&self, one: ConnectionId, other: ConnectionId) -> bool {
        let author = |connection| self.peers.get(connection)?.rights.author.as_ref();
        author(one).is_some_and(|known| author(other) == Some(known))
    }
}

/// Numbers of one connection that are kept; a person needs one for each time that the document is loaded.
const CLAIMS_MAX: usize = 64;
