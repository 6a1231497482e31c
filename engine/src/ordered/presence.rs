//! Presence in an ordered document: where people are, moved along by every operation.
//!
//! The server holds it ([`Roster`]), so whoever comes is told of everybody at once, and who leaves is gone at once. Clients
//! move what they know by the operations that come to them, so nobody is told of that. What other nodes say: [`elsewhere`].
//!
//! [`elsewhere`]: super::elsewhere

use std::sync::Arc;

use crate::grant::Capability;
use crate::names::ConnectionId;
use crate::ot::{Json, OtError};
use crate::roster::{Gone, PresenceName, Roster, Showing};
use crate::sabotage::Bug;

use super::OrderedDocument;
use super::catching_up::Behind;
use super::effect::{OrderedEffect, OrderedEffects, OrderedEvent};
use super::input::{Request, RequestTag};
use super::log::Logged;
use super::members::Member;
use super::placing::Misplaced;
use super::record::Action;

/// A presence as a client shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownPresence {
    /// Which it is.
    pub name: PresenceName,
    /// Its number; a later one counts.
    pub number: u64,
    /// The version of the document that it was made on; the last one if none is said.
    pub made_on: Option<u64>,
    /// What it shows, as JSON text; none if it is gone.
    pub value: Option<Box<str>>,
}

/// A presence as others are told of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Presence {
    /// Which it is.
    pub name: PresenceName,
    /// Its number.
    pub number: u64,
    /// The version of the document that it is in.
    pub version: u64,
    /// What it shows; null if it is gone.
    pub value: Json,
}

/// Everybody who is shown.
pub(super) type Presences = Roster<Place>;

/// Where somebody is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// In which version: the last one, or one that is not here yet.
    pub(super) version: u64,
    /// Never null.
    pub(super) value: Json,
}

impl Place {
    /// None if it is nobody's.
    pub(super) fn of(version: u64, value: Json) -> Option<Self> {
        (value != Json::Null).then_some(Self { version, value })
    }
}

impl Presences {
    /// Moves all that is in a version by the operation that was committed on it. What cannot be moved is gone.
    fn follow(&mut self, logged: &Logged) {
        self.retain(|name, place| {
            if place.version == logged.record.version {
                place.version += 1;
                place.value = moved(&place.value, &name.source, logged).unwrap_or(Json::Null);
            }
            place.value != Json::Null
        });
    }

    /// Who is in a version that is not here yet, and under which number.
    fn ahead_of(&self, version: u64) -> Vec<Gone> {
        let ahead = self.all().filter(|(_, it)| it.value.version > version);
        ahead.map(|(name, it)| (name.clone(), it.number)).collect()
    }
}

/// A presence after an operation. It is its author's own if both come from the same source.
fn moved(value: &Json, source: &str, logged: &Logged) -> Result<Json, OtError> {
    match (&logged.record.action, &logged.operation) {
        (Action::Edit { .. }, Some(operation)) => {
            let is_own = *logged.record.name.source == *source;
            operation.transform_presence(value, is_own)
        }
        _ => Ok(Json::Null),
    }
}

impl OrderedDocument {
    /// Shows a presence to all who want it, as it is in the last version.
    pub(super) fn show_presence(
        &mut self,
        connection: ConnectionId,
        tag: RequestTag,
        shown: ShownPresence,
        effects: &mut OrderedEffects,
    ) {
        if !self.may(connection, Capability::Presence) {
            return send(vec![connection], OrderedEvent::Forbidden { tag }, effects);
        }
        let made_on = shown.made_on.unwrap_or_else(|| self.log.stored().version);
        if self.log.since(made_on).is_none() && self.is_within_reach(made_on) {
            let request = Request::ShowPresence { tag, shown };
            let behind = Behind::Question(connection, request);
            return self.catching_up.wait_for(made_on, behind);
        }
        let event = match self.show(connection, shown, made_on, effects) {
            Ok(()) => OrderedEvent::Done { tag },
            Err(error) => OrderedEvent::Refused {
                tag,
                why: Misplaced::Unfit(error),
            },
        };
        send(vec![connection], event, effects);
    }

    fn show(
        &mut self,
        connection: ConnectionId,
        shown: ShownPresence,
        made_on: u64,
        effects: &mut OrderedEffects,
    ) -> Result<(), OtError> {
        self.check_bounds(&shown)?;
        let value = shown.value.as_deref().map_or(Ok(Json::Null), Json::read)?;
        let value = self.to_last(value, &shown.name, made_on)?;
        let member = self.members.get(&connection);
        let showing = Showing {
            name: shown.name.clone(),
            author: member.and_then(|member| member.rights.author.clone()),
            number: shown.number,
            value: Place::of(self.log.stored().version, value.clone()),
        };
        if self.presences.show(connection, showing) {
            let presence = self.presence(shown.name, shown.number, value);
            self.tell_presence(presence, Some(connection), effects);
        }
        Ok(())
    }

    fn check_bounds(&self, shown: &ShownPresence) -> Result<(), OtError> {
        let limits = &self.limits.presence;
        if shown.name.length() > limits.name_bytes_max {
            let most = limits.name_bytes_max;
            let what = format!("is named by more than {most} bytes");
            return Err(OtError::malformed(what).within("presence"));
        }
        let length = shown.value.as_ref().map_or(0, |value| value.len());
        if length > limits.value_bytes_max {
            let most = limits.value_bytes_max;
            let what = format!("has {length} bytes, at most {most} may be shown");
            return Err(OtError::malformed(what).within("presence"));
        }
        Ok(())
    }

    /// What a presence shows in the last version. What came since must be at hand, else it shows nothing.
    pub(super) fn to_last(
        &self,
        value: Json,
        name: &PresenceName,
        made_on: u64,
    ) -> Result<Json, OtError> {
        let Some(mut since) = self.log.since(made_on) else {
            return Ok(Json::Null);
        };
        since.try_fold(value, |value, logged| moved(&value, &name.source, logged))
    }

    /// A presence as clients are told of it.
    pub(super) fn presence(&self, name: PresenceName, number: u64, value: Json) -> Presence {
        Presence {
            name,
            number,
            version: self.log.stored().version,
            value,
        }
    }

    /// From now on a client is told where people are, beginning with everybody who is here.
    pub(super) fn subscribe_presence(
        &mut self,
        connection: ConnectionId,
        tag: RequestTag,
        effects: &mut OrderedEffects,
    ) {
        if let Some(member) = self.members.get_mut(&connection) {
            member.wants_presence = true;
        }
        self.tell_all_presences(connection, effects);
        send(vec![connection], OrderedEvent::Done { tag }, effects);
    }

    /// Tells a client of everybody who is here.
    pub(super) fn tell_all_presences(
        &self,
        connection: ConnectionId,
        effects: &mut OrderedEffects,
    ) {
        let last = self.log.stored().version;
        for (name, shown) in self.presences.all() {
            if shown.value.version <= last {
                let value = shown.value.value.clone();
                let presence = self.presence(name.clone(), shown.number, value);
                let event = OrderedEvent::Presence(Arc::new(presence));
                send(vec![connection], event, effects);
            }
        }
    }

    /// What a connection had shown is gone with it.
    pub(super) fn take_presences(
        &mut self,
        connection: ConnectionId,
        effects: &mut OrderedEffects,
    ) {
        if self.sabotage.is(Bug::GhostPresence) {
            return;
        }
        let gone = self.presences.leave(connection);
        self.tell_gone(gone, Some(connection), effects);
    }

    /// Moves presence by what is stored since a version. Gives who was ahead of that.
    pub(super) fn move_presences(&mut self, from: u64) -> Vec<Gone> {
        if self.sabotage.is(Bug::PresenceLeftBehind) {
            return Vec::new();
        }
        let ahead = self.presences.ahead_of(from);
        let stored = self.log.since(from).into_iter().flatten();
        stored.for_each(|logged| self.presences.follow(logged));
        ahead
    }

    /// Tells of those who were ahead and are not any more, once all that they are in has been shown.
    pub(super) fn tell_arrived(&self, ahead: Vec<Gone>, effects: &mut OrderedEffects) {
        let last = self.log.stored().version;
        for (name, number) in ahead {
            let place = self.presences.get(&name).map(|shown| &shown.value);
            if place.is_none_or(|place| place.version <= last) {
                let value = place.map_or(Json::Null, |place| place.value.clone());
                let presence = self.presence(name, number, value);
                self.tell_presence(presence, None, effects);
            }
        }
    }

    pub(super) fn tell_gone(
        &self,
        gone: Vec<Gone>,
        but: Option<ConnectionId>,
        effects: &mut OrderedEffects,
    ) {
        for (name, number) in gone {
            let presence = self.presence(name, number, Json::Null);
            self.tell_presence(presence, but, effects);
        }
    }

    pub(super) fn tell_presence(
        &self,
        presence: Presence,
        but: Option<ConnectionId>,
        effects: &mut OrderedEffects,
    ) {
        let wants = |(connection, member): &(&ConnectionId, &Member)| {
            member.wants_presence && Some(**connection) != but
        };
        let to = self.members.iter().filter(wants);
        let to: Vec<_> = to.map(|(connection, _)| *connection).collect();
        if !to.is_empty() {
            send(to, OrderedEvent::Presence(Arc::new(presence)), effects);
        }
    }
}

fn send(to: Vec<ConnectionId>, event: OrderedEvent, effects: &mut OrderedEffects) {
    effects.push(OrderedEffect::Send { to, event });
}
