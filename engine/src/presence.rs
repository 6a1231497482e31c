//! Who is here: the presence of a document, held by the server and owned by connections.
//!
//! Each entry belongs to the connection that published it. It goes when that connection closes, at once, and it expires
//! when its owner has not renewed it for a while ([`Presence::expire`], by the time that the caller passes in). The state
//! itself (a name, a colour, a cursor) is the client's raw JSON and is never parsed.
//!
//! Clients of some dialects send back all that they were shown, and the tabs of one browser speak for each other. So an
//! entry is only ever changed by its owner, and what others say about it is dropped, with these exceptions. Who announces
//! one entry alone when it first speaks means itself, and takes that entry from whoever only passed it on. A client that
//! comes back on a new socket takes its entry over once the old one has been silent for [`PresenceLimits::takeover_ms`].
//! A removed entry is remembered for as long, so that an echo from a connection that saw it brings back no ghost.

use std::collections::HashMap;

use bytes::Bytes;

use crate::names::ConnectionId;
use crate::time::Now;

/// The number that a client chose for its presence; it says nothing about who the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PresenceId(pub u64);

/// What one client shows of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceEntry {
    /// Whose presence this is.
    pub id: PresenceId,
    /// Counts the client's own renewals; an older version never replaces a newer one.
    pub version: u32,
    /// The client's raw JSON, or nothing if the client is gone.
    pub state: Option<Bytes>,
}

/// What a node says to the others of the presence of one of its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceNotice {
    /// The client's presence, or that it is gone.
    pub entry: PresenceEntry,
    /// Whether the client speaks for itself, rather than passing on what it was shown elsewhere.
    pub is_self: bool,
    /// Grows with everything that this node says of this document's presence, so that an old word is known for what it is.
    pub turn: u64,
}

/// The bounds of a presence table, and its delays in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresenceLimits {
    /// How long an entry lives without being renewed.
    pub timeout_ms: u64,
    /// How long an owner must be silent before another connection may take its entry over; also how long a removed entry
    /// is remembered.
    pub takeover_ms: u64,
    /// How many entries one connection may own; further ones are dropped.
    pub entries_per_connection_max: usize,
    /// How long a state may be, in bytes; a longer one is dropped.
    pub state_bytes_max: usize,
    /// How many removed entries are remembered at once; further ones are forgotten at once.
    pub remembered_max: usize,
}

impl Default for PresenceLimits {
    fn default() -> Self {
        Self {
            timeout_ms: 90_000,
            takeover_ms: 30_000,
            entries_per_connection_max: 64,
            state_bytes_max: 64 * 1024,
            remembered_max: 4_096,
        }
    }
}

/// The presence table of one document.
#[derive(Debug)]
pub struct Presence {
    limits: PresenceLimits,
    live: HashMap<PresenceId, Live>,
    gone: HashMap<PresenceId, Gone>,
    /// How many entries each connection owns that has ever said anything.
    owners: HashMap<ConnectionId, usize>,
}

#[derive(Debug)]
struct Live {
    owner: ConnectionId,
    /// Whether the owner meant itself, rather than passing on what it was shown elsewhere.
    is_self: bool,
    version: u32,
    state: Bytes,
    renewed_ms: u64,
}

/// Who says something about presence.
#[derive(Clone, Copy, Debug)]
struct Speaker {
    connection: ConnectionId,
    joined_ms: u64,
    /// Whether this is one entry alone, and the first thing the connection says.
    means_itself: bool,
}

/// A removed entry, remembered so that its echoes are known for what they are.
#[derive(Debug)]
struct Gone {
    version: u32,
    removed_ms: u64,
}

impl Presence {
    /// An empty table.
    pub fn new(limits: PresenceLimits) -> Self {
        Self {
            limits,
            live: HashMap::new(),
            gone: HashMap::new(),
            owners: HashMap::new(),
        }
    }

    /// Takes what a connection that joined at `joined_ms` says, and returns what is news to the others.
    pub fn update(
        &mut self,
        connection: ConnectionId,
        joined_ms: u64,
        entries: Vec<PresenceEntry>,
        now: Now,
    ) -> Vec<PresenceEntry> {
        let first_words = !self.owners.contains_key(&connection);
        self.owners.entry(connection).or_default();
        let speaker = Speaker {
            connection,
            joined_ms,
            means_itself: first_words && entries.len() == 1,
        };
        let accepted = |entry: &PresenceEntry| self.accept(speaker, entry, now);
        entries.into_iter().filter(accepted).collect()
    }

    /// Removes all that a connection owns, at once, and returns the entries as they are to be shown: gone.
    pub fn close(&mut self, connection: ConnectionId, now: Now) -> Vec<PresenceEntry> {
        match self.owners.remove(&connection) {
            None | Some(0) => Vec::new(),
            Some(_) => self.remove_where(now, |live| live.owner == connection),
        }
    }

    /// Removes what was not renewed within [`PresenceLimits::timeout_ms`], and returns the entries as gone.
    pub fn expire(&mut self, now: Now) -> Vec<PresenceEntry> {
        let Self { limits, gone, .. } = self;
        gone.retain(|_, gone| !elapsed(gone.removed_ms, limits.takeover_ms, now));
        let timeout_ms = limits.timeout_ms;
        self.remove_where(now, |live| elapsed(live.renewed_ms, timeout_ms, now))
    }

    /// Whether [`Self::expire`] will ever have something to do.
    pub fn can_expire(&self) -> bool {
        !self.live.is_empty() || !self.gone.is_empty()
    }

    /// Everyone who is here, in the order of their ids.
    pub fn all(&self) -> Vec<PresenceEntry> {
        let mut entries: Vec<_> = self.live.iter().map(|(&id, live)| live.entry(id)).collect();
        entries.sort_by_key(|entry| entry.id);
        entries
    }

    /// Who is not here any more but was a short while ago, for a reader who may have missed that.
    pub fn recently_gone(&self) -> Vec<PresenceEntry> {
        let entry = |(&id, gone): (&PresenceId, &Gone)| PresenceEntry {
            id,
            version: gone.version,
            state: None,
        };
        let mut entries: Vec<_> = self.gone.iter().map(entry).collect();
        entries.sort_by_key(|entry| entry.id);
        entries
    }

    /// How many are here.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// Whether nobody is here.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    fn accept(&mut self, speaker: Speaker, entry: &PresenceEntry, now: Now) -> bool {
        match &entry.state {
            None => self.leave(speaker.connection, entry, now),
            Some(state) => {
                let accepted = self.may_publish(speaker, entry, state, now);
                if accepted {
                    self.publish(speaker, entry, state, now);
                }
                accepted
            }
        }
    }

    /// A client says goodbye: only its owner may, with the version it has or a newer one.
    fn leave(&mut self, connection: ConnectionId, entry: &PresenceEntry, now: Now) -> bool {
        match self.live.get(&entry.id) {
            Some(live) if live.owner == connection && entry.version >= live.version => {
                self.disown(connection);
                self.live.remove(&entry.id);
                self.remember(entry.id, entry.version, now);
                true
            }
            _ => false,
        }
    }

    fn may_publish(
        &self,
        speaker: Speaker,
        entry: &PresenceEntry,
        state: &Bytes,
        now: Now,
    ) -> bool {
        if state.len() > self.limits.state_bytes_max {
            return false;
        }
        match self.live.get(&entry.id) {
            Some(live) if live.owner == speaker.connection => entry.version > live.version,
            Some(live) if speaker.means_itself && !live.is_self => entry.version >= live.version,
            Some(live) => {
                entry.version > live.version
                    && elapsed(live.renewed_ms, self.limits.takeover_ms, now)
            }
            None => self.has_room(speaker.connection) && !self.is_echo(speaker, entry),
        }
    }

    /// Whether an entry that is gone is only being repeated by a connection that was here when it was shown.
    fn is_echo(&self, speaker: Speaker, entry: &PresenceEntry) -> bool {
        self.gone.get(&entry.id).is_some_and(|gone| {
            entry.version <= gone.version && speaker.joined_ms <= gone.removed_ms
        })
    }

    fn has_room(&self, connection: ConnectionId) -> bool {
        self.owners.get(&connection).copied().unwrap_or(0) < self.limits.entries_per_connection_max
    }

    fn publish(&mut self, speaker: Speaker, entry: &PresenceEntry, state: &Bytes, now: Now) {
        self.gone.remove(&entry.id);
        let before = self.live.remove(&entry.id);
        let was_self = before
            .as_ref()
            .is_some_and(|live| live.owner == speaker.connection && live.is_self);
        if let Some(before) = before {
            self.disown(before.owner);
        }
        let live = Live {
            owner: speaker.connection,
            is_self: speaker.means_itself || was_self,
            version: entry.version,
            // A slice would keep the whole frame that it came in.
            state: Bytes::copy_from_slice(state),
            renewed_ms: now.monotonic_ms,
        };
        self.live.insert(entry.id, live);
        *self.owners.entry(speaker.connection).or_default() += 1;
    }

    fn disown(&mut self, owner: ConnectionId) {
        if let Some(count) = self.owners.get_mut(&owner) {
            *count -= 1;
        }
    }

    fn remove_where(&mut self, now: Now, condition: impl Fn(&Live) -> bool) -> Vec<PresenceEntry> {
        let removed: Vec<_> = self.live.extract_if(|_, live| condition(live)).collect();
        let mut entries = Vec::with_capacity(removed.len());
        for (id, live) in removed {
            self.disown(live.owner);
            self.remember(id, live.version, now);
            entries.push(PresenceEntry {
                id,
                version: live.version,
                state: None,
            });
        }
        entries.sort_by_key(|entry| entry.id);
        entries
    }

    fn remember(&mut self, id: PresenceId, version: u32, now: Now) {
        if self.gone.len() < self.limits.remembered_max {
            self.gone.insert(
                id,
                Gone {
                    version,
                    removed_ms: now.monotonic_ms,
                },
            );
        }
    }
}

impl Live {
    fn entry(&self, id: PresenceId) -> PresenceEntry {
        PresenceEntry {
            id,
            version: self.version,
            state: Some(self.state.clone()),
        }
    }
}

fn elapsed(since_ms: u64, delay_ms: u64, now: Now) -> bool {
    now.monotonic_ms.saturating_sub(since_ms) >= delay_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: ConnectionId = ConnectionId(1);
    const BEN: ConnectionId = ConnectionId(2);

    fn at(monotonic_ms: u64) -> Now {
        Now {
            monotonic_ms,
            wall_ms: 0,
        }
    }

    fn entry(id: u64, version: u32, state: Option<&'static str>) -> PresenceEntry {
        PresenceEntry {
            id: PresenceId(id),
            version,
            state: state.map(|text| Bytes::from_static(text.as_bytes())),
        }
    }

    fn table() -> Presence {
        Presence::new(PresenceLimits::default())
    }

    #[test]
    fn states_pass_through_unparsed() {
        let mut presence = table();
        let odd = entry(7, 0, Some("not json {"));
        assert_eq!(
            presence.update(ADA, 0, vec![odd.clone()], at(0)),
            vec![odd.clone()]
        );
        assert_eq!(presence.all(), vec![odd]);
    }

    #[test]
    fn closing_a_connection_removes_what_it_owns_at_once() {
        let mut presence = table();
        presence.update(
            ADA,
            0,
            vec![entry(1, 4, Some("a")), entry(2, 1, Some("b"))],
            at(0),
        );
        presence.update(BEN, 0, vec![entry(3, 1, Some("c"))], at(0));
        assert_eq!(
            presence.close(ADA, at(5)),
            vec![entry(1, 4, None), entry(2, 1, None)]
        );
        assert_eq!(presence.all(), vec![entry(3, 1, Some("c"))]);
        assert_eq!(presence.close(ADA, at(6)), vec![]);
    }

    #[test]
    fn only_the_owner_changes_or_removes_an_entry() {
        let mut presence = table();
        presence.update(ADA, 0, vec![entry(1, 4, Some("a"))], at(0));
        assert_eq!(
            presence.update(BEN, 0, vec![entry(1, 9, Some("spoof"))], at(1)),
            vec![]
        );
        assert_eq!(
            presence.update(BEN, 0, vec![entry(1, u32::MAX, None)], at(1)),
            vec![]
        );
        assert_eq!(
            presence.update(ADA, 0, vec![entry(1, 5, Some("b"))], at(2)),
            vec![entry(1, 5, Some("b"))]
        );
        assert_eq!(
            presence.update(ADA, 0, vec![entry(1, 5, Some("stale"))], at(2)),
            vec![]
        );
        assert_eq!(
            presence.update(ADA, 0, vec![entry(1, 5, None)], at(3)),
            vec![entry(1, 5, None)]
        );
        assert!(presence.is_empty());
    }

    #[test]
    fn a_silent_owner_is_taken_over_by_a_newer_version() {
        let mut presence = table();
        presence.update(ADA, 0, vec![entry(1, 4, Some("a"))], at(0));
        assert_eq!(
            presence.update(BEN, 20_000, vec![entry(1, 5, Some("b"))], at(29_999)),
            vec![]
        );
        let taken = entry(1, 5, Some("b"));
        assert_eq!(
            presence.update(BEN, 20_000, vec![taken.clone()], at(30_000)),
            vec![taken.clone()]
        );
        assert_eq!(presence.close(ADA, at(30_001)), vec![]);
        assert_eq!(presence.all(), vec![taken]);
    }

    #[test]
    fn who_speaks_for_itself_takes_its_entry_from_who_passed_it_on() {
        let mut presence = table();
        let tab = entry(2, 3, Some("tab two"));
        presence.update(ADA, 0, vec![entry(1, 1, Some("tab one"))], at(0));
        presence.update(ADA, 0, vec![tab.clone()], at(1));
        presence.update(BEN, 2, vec![tab], at(3));
        assert_eq!(presence.close(BEN, at(4)), vec![entry(2, 3, None)]);
        let spoof = entry(1, 9, Some("spoof"));
        assert_eq!(
            presence.update(ConnectionId(3), 5, vec![spoof], at(6)),
            vec![]
        );
    }

    #[test]
    fn an_echo_does_not_bring_back_who_has_left() {
        let mut presence = table();
        presence.update(ADA, 0, vec![entry(1, 4, Some("a"))], at(0));
        presence.close(ADA, at(100));
        assert_eq!(
            presence.update(BEN, 50, vec![entry(1, 4, Some("a"))], at(101)),
            vec![]
        );
        let back = entry(1, 4, Some("a"));
        assert_eq!(
            presence.update(ConnectionId(3), 200, vec![back.clone()], at(201)),
            vec![back]
        );
    }

    #[test]
    fn entries_expire_by_the_time_passed_in() {
        let mut presence = table();
        presence.update(ADA, 0, vec![entry(1, 1, Some("a"))], at(1_000));
        presence.update(BEN, 0, vec![entry(2, 1, Some("b"))], at(50_000));
        assert_eq!(presence.expire(at(90_999)), vec![]);
        assert_eq!(presence.expire(at(91_000)), vec![entry(1, 1, None)]);
        assert_eq!(presence.len(), 1);
        assert_eq!(presence.expire(at(140_000)), vec![entry(2, 1, None)]);
        presence.expire(at(170_000));
        assert!(!presence.can_expire());
    }

    #[test]
    fn one_connection_can_not_fill_the_table() {
        let limits = PresenceLimits {
            entries_per_connection_max: 2,
            state_bytes_max: 3,
            ..PresenceLimits::default()
        };
        let mut presence = Presence::new(limits);
        let flood = (0..9).map(|id| entry(id, 1, Some("x"))).collect();
        assert_eq!(presence.update(ADA, 0, flood, at(0)).len(), 2);
        assert_eq!(
            presence.update(BEN, 0, vec![entry(20, 1, Some("long"))], at(0)),
            vec![]
        );
        presence.update(ADA, 0, vec![entry(0, 2, None)], at(1));
        assert_eq!(
            presence
                .update(ADA, 0, vec![entry(10, 1, Some("x"))], at(1))
                .len(),
            1
        );
    }
}
