//! Signals that are for the application, and its answers. Without an application, or for somebody who may not signal, they
//! go the way of all intents.

use bytes::Bytes;
use engine::{Audience, Capability, ConnectionId, Event, Intent, Now};

use super::{Asked, Session};
use crate::hook::{Said, Signals};

impl Session {
    /// Passes a signal on to the application, if it is one that it wants. False if it is for the document.
    pub(super) fn is_for_application(&mut self, asked: &Asked, now: Now) -> bool {
        let Intent::Signal(text) = &asked.intent else {
            return false;
        };
        let hook = self.world.hook.as_ref();
        let Some(hook) = hook.filter(|hook| hook.takes_signals()) else {
            return false;
        };
        let Some(said) = self.said(asked.connection, text, now) else {
            return false;
        };
        let (way, key) = (&self.way, &self.key);
        self.signals
            .get_or_insert_with(|| Signals::start(hook.clone(), key.clone(), way.clone()))
            .take(said);
        true
    }

    /// What somebody said who may.
    fn said(&self, connection: ConnectionId, text: &Bytes, now: Now) -> Option<Said> {
        let pass = self.members.lock().pass(connection)?;
        let may = pass.grant.access(&self.key).may;
        let is_allowed = may.contains(Capability::Comment) || may.contains(Capability::Write);
        if !is_allowed || pass.grant.is_expired(now.wall_ms) {
            return None;
        }
        Some(Said {
            connection,
            author: pass.author(),
            text: std::str::from_utf8(text).ok()?.to_owned(),
        })
    }

    /// Tells one connection what the application answered.
    pub(super) fn reply(&self, connection: ConnectionId, text: Bytes) {
        self.send(&Audience::One(connection), &Event::Signal(text), None);
    }
}
