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
//!
//! The clients of another node are here too, owned by that node's replica ([`Presence::hear`]); what is new of our own is
//! collected for the others ([`Presence::take_notices`]). A client that goes from one node to another may be announced by
//! the second before the first knows that it has left: the second is then its *heir*, and has it the moment the first lets
//! go. So a client that moves is neither shown twice nor missed, and nobody can push aside a client of another node.
//! What gets lost between nodes is made up for by rolls ([`PresenceRoll`]).

mod claim;
mod roll;
pub use roll::{PresenceRoll, RollHeard};

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use crate::dot::ReplicaId;
use crate::names::ConnectionId;
use crate::time::Now;
use claim::{Claim, Gone, Live, Owner, Speaker, without_state};

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
    /// is remembered, and how long an heir waits.
    pub takeover_ms: u64,
    /// How long another node that may be gone has for saying again who is with it.
    pub doubt_ms: u64,
    /// How many entries one connection may own; further ones are dropped.
    pub entries_per_connection_max: usize,
    /// How many entries the clients of one other node may own together; further ones are dropped.
    pub entries_per_replica_max: usize,
    /// How long a state may be, in bytes; a longer one is dropped.
    pub state_bytes_max: usize,
    /// How many removed entries are remembered at once; further ones are forgotten at once.
    pub remembered_max: usize,
    /// How many clients may be here for news to be shown at once; among more it may wait for some that comes soon after.
    pub at_once_max: usize,
    /// How long it waits for each client that is here, in microseconds: showing something costs some for each of them.
    pub wait_us_per_client: u64,
    /// How long it waits at most.
    pub wait_max_ms: u64,
}

impl Default for PresenceLimits {
    fn default() -> Self {
        Self {
            timeout_ms: 90_000,
            takeover_ms: 30_000,
            doubt_ms: 1_000,
            entries_per_connection_max: 64,
            entries_per_replica_max: 16_384,
            state_bytes_max: 64 * 1024,
            remembered_max: 4_096,
            at_once_max: 32,
            wait_us_per_client: 500,
            wait_max_ms: 250,
        }
    }
}

/// The presence table of one document.
#[derive(Debug)]
pub struct Presence {
    limits: PresenceLimits,
    live: HashMap<PresenceId, Live>,
    gone: HashMap<PresenceId, Gone>,
    /// How many entries each owner has or is heir to that has ever said anything.
    owners: HashMap<Owner, usize>,
    /// What is new of our own connections' entries, for the other nodes; the last word on each.
    notices: BTreeMap<PresenceId, PresenceNotice>,
    /// Whether any of it is more than a renewal.
    has_news: bool,
    turn: u64,
    /// When the first of those that are doubted is to be gone.
    doubt_ends_ms: Option<u64>,
    dropped: PresenceDropped,
}

/// What connections said of presence that was dropped, because it was beyond a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PresenceDropped {
    /// Entries beyond those that a connection may own.
    pub entries: u64,
    /// States that were too long.
    pub states: u64,
}

impl Presence {
    /// An empty table.
    pub fn new(limits: PresenceLimits) -> Self {
        Self {
            limits,
            live: HashMap::new(),
            gone: HashMap::new(),
            owners: HashMap::new(),
            notices: BTreeMap::new(),
            has_news: false,
            turn: 0,
            doubt_ends_ms: None,
            dropped: PresenceDropped::default(),
        }
    }

    /// What was dropped since this was asked last.
    pub fn take_dropped(&mut self) -> PresenceDropped {
        std::mem::take(&mut self.dropped)
    }

    /// Takes what a connection that joined at `joined_ms` says, and returns what is news to the others.
    pub fn update(
        &mut self,
        connection: ConnectionId,
        joined_ms: u64,
        entries: Vec<PresenceEntry>,
        now: Now,
    ) -> Vec<PresenceEntry> {
        let owner = Owner::Connection(connection);
        let first_words = !self.owners.contains_key(&owner);
        self.owners.entry(owner).or_default();
        let speaker = Speaker {
            owner,
            joined_ms,
            means_itself: first_words && entries.len() == 1,
            turn: self.next_turn(now),
        };
        let news = entries
            .into_iter()
            .filter_map(|entry| self.accept(speaker, &entry, now));
        news.collect()
    }

    /// Takes what another node says of its clients, and returns what is news to ours.
    pub fn hear(
        &mut self,
        from: ReplicaId,
        notices: Vec<PresenceNotice>,
        now: Now,
    ) -> Vec<PresenceEntry> {
        let news = notices.into_iter().filter_map(|notice| {
            let speaker = Speaker {
                owner: Owner::Replica(from),
                joined_ms: 0,
                means_itself: notice.is_self,
                turn: notice.turn,
            };
            self.accept(speaker, &notice.entry, now)
        });
        news.collect()
    }

    /// What is new of the entries of our own connections, for the other nodes.
    pub fn take_notices(&mut self) -> Vec<PresenceNotice> {
        std::mem::take(&mut self.notices).into_values().collect()
    }

    /// Whether there was more among the notices than renewals of what clients show, since this was asked last.
    pub fn take_has_news(&mut self) -> bool {
        std::mem::take(&mut self.has_news)
    }

    /// Makes notices of all that our own connections have, for a node that does not know of it.
    /// Each counts as said anew, so that a node which doubts it does so no more.
    pub fn announce_all(&mut self, now: Now) {
        let turn = self.next_turn(now);
        for (&id, live) in &mut self.live {
            for claim in live.claims_mut().filter(|claim| claim.owner.is_here()) {
                claim.turn = turn;
                self.notices.insert(id, claim.notice(id));
            }
        }
    }

    /// Words of the other nodes may have got lost: what their clients have ends soon, unless it is said again.
    pub fn doubt_others(&mut self, now: Now) {
        self.doubt(now, |owner| !owner.is_here());
    }

    /// A node may be gone: the same, of what its clients have.
    pub fn doubt_replica(&mut self, replica: ReplicaId, now: Now) {
        self.doubt(now, |owner| owner == Owner::Replica(replica));
    }

    fn doubt(&mut self, now: Now, is_doubted: impl Fn(Owner) -> bool) {
        let claims = self.live.values_mut().flat_map(Live::claims_mut);
        let mut doubted = claims.filter(|claim| is_doubted(claim.owner)).peekable();
        if doubted.peek().is_some() {
            let ends_ms = now.monotonic_ms + self.limits.doubt_ms;
            self.doubt_ends_ms.get_or_insert(ends_ms);
        }
        for claim in doubted {
            claim.doubted_ms.get_or_insert(now.monotonic_ms);
        }
    }

    /// Removes all that a connection owns, at once, and returns the entries as they are to be shown: gone.
    pub fn close(&mut self, connection: ConnectionId, now: Now) -> Vec<PresenceEntry> {
        let owner = Owner::Connection(connection);
        match self.owners.remove(&owner) {
            None | Some(0) => Vec::new(),
            Some(_) => self.remove_where(now, None, |_, claim| claim.owner == owner),
        }
    }

    /// Removes all that our own connections own.
    pub fn close_all(&mut self, now: Now) {
        self.remove_where(now, None, |_, claim| claim.owner.is_here());
    }

    /// Removes what was not renewed within [`PresenceLimits::timeout_ms`], or was doubted for too long, and returns the entries as gone.
    pub fn expire(&mut self, now: Now) -> Vec<PresenceEntry> {
        let Self { limits, gone, .. } = self;
        gone.retain(|_, gone| !elapsed(gone.removed_ms, limits.takeover_ms, now));
        let (timeout_ms, doubt_ms) = (limits.timeout_ms, limits.doubt_ms);
        self.doubt_ends_ms
            .take_if(|ends_ms| *ends_ms <= now.monotonic_ms);
        self.remove_where(now, None, |_, claim| {
            let doubted = claim.doubted_ms;
            elapsed(claim.renewed_ms, timeout_ms, now)
                || doubted.is_some_and(|since_ms| elapsed(since_ms, doubt_ms, now))
        })
    }

    /// Whether [`Self::expire`] will ever have something to do.
    pub fn can_expire(&self) -> bool {
        !self.live.is_empty() || !self.gone.is_empty()
    }

    /// When [`Self::expire`] is to be called even if it was called a moment ago, if ever.
    pub fn doubt_ends_ms(&self) -> Option<u64> {
        self.doubt_ends_ms
    }

    /// Everyone who is here, in the order of their ids.
    pub fn all(&self) -> Vec<PresenceEntry> {
        let mut entries: Vec<_> = self
            .live
            .iter()
            .map(|(&id, live)| live.claim.entry(id))
            .collect();
        entries.sort_by_key(|entry| entry.id);
        entries
    }

    /// Who is not here any more but was a short while ago, for a reader who may have missed that.
    pub fn recently_gone(&self) -> Vec<PresenceEntry> {
        let mut entries: Vec<_> = self
            .gone
            .iter()
            .map(|(&id, gone)| without_state(id, gone.version))
            .collect();
        entries.sort_by_key(|entry| entry.id);
        entries
    }

    /// The connection that announced an entry as itself and has renewed it of late.
    pub fn speaks_for_itself(&self, id: PresenceId, now: Now) -> Option<ConnectionId> {
        let claim = &self.live.get(&id)?.claim;
        let is_there = !elapsed(claim.renewed_ms, self.limits.takeover_ms, now);
        match claim.owner {
            Owner::Connection(connection) if claim.is_self && is_there => Some(connection),
            _ => None,
        }
    }

    /// How many are here.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// Whether nobody is here.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    fn accept(
        &mut self,
        speaker: Speaker,
        entry: &PresenceEntry,
        now: Now,
    ) -> Option<PresenceEntry> {
        let Some(state) = &entry.state else {
            return self.leave(speaker, entry, now);
        };
        if state.len() > self.limits.state_bytes_max {
            self.dropped.states += 1;
            return None;
        }
        let claim = speaker.claims(entry.version, state, now);
        if self.may_publish(speaker, entry, now) {
            self.publish(entry.id, claim);
            return Some(entry.clone());
        }
        if self.may_inherit(speaker, entry) {
            self.inherit(entry.id, claim);
        } else if !self.live.contains_key(&entry.id) && !self.has_room(speaker.owner) {
            self.dropped.entries += 1;
        }
        None
    }

    /// A client says goodbye: only its owner may, with the version it has or a newer one; or its heir.
    fn leave(
        &mut self,
        speaker: Speaker,
        entry: &PresenceEntry,
        now: Now,
    ) -> Option<PresenceEntry> {
        let id = entry.id;
        let Some(live) = self.live.get_mut(&id) else {
            if !speaker.owner.is_here() {
                self.remember(id, entry.version, speaker.owner, speaker.turn, now);
            }
            return None;
        };
        let ends =
            |claim: &Claim| claim.owner == speaker.owner && speaker.may_end(claim, entry.version);
        if let Some(heir) = live.heir.take_if(|heir| ends(heir)) {
            self.disown(heir.owner);
            self.note(
                heir.owner,
                speaker.says(without_state(id, entry.version)),
                true,
            );
            return None;
        }
        let over = ends(&live.claim);
        over.then(|| self.remove(id, entry.version, speaker.turn, now))
    }

    fn may_publish(&self, speaker: Speaker, entry: &PresenceEntry, now: Now) -> bool {
        match self.live.get(&entry.id).map(|live| &live.claim) {
            Some(claim) if claim.owner == speaker.owner => speaker.renews(claim, entry.version),
            Some(claim) if speaker.means_itself && !claim.is_self => entry.version >= claim.version,
            Some(claim) => {
                entry.version > claim.version
                    && elapsed(claim.renewed_ms, self.limits.takeover_ms, now)
            }
            None => self.has_room(speaker.owner) && !self.is_echo(speaker, entry),
        }
    }

    /// Whether an entry that another owner has is claimed by the client itself, from another node: the client has moved, or
    /// somebody pretends to be it. While its owner keeps it, it makes no difference.
    fn may_inherit(&self, speaker: Speaker, entry: &PresenceEntry) -> bool {
        let Some(live) = self.live.get(&entry.id) else {
            return false;
        };
        let (claim, owner) = (&live.claim, speaker.owner);
        if claim.owner == owner || claim.owner.is_here() && owner.is_here() {
            return false;
        }
        match &live.heir {
            Some(heir) if heir.owner == owner => {
                speaker.renews(heir, entry.version) && entry.version > claim.version
            }
            _ => speaker.means_itself && entry.version >= claim.version && self.has_room(owner),
        }
    }

    /// Whether an entry that is gone is only being repeated: by a connection that was here when it was shown, or by a node
    /// whose word is older than the end.
    fn is_echo(&self, speaker: Speaker, entry: &PresenceEntry) -> bool {
        let Some(gone) = self.gone.get(&entry.id) else {
            return false;
        };
        match (speaker.owner, gone.owner) {
            (Owner::Replica(from), Owner::Replica(by)) if from == by => speaker.turn <= gone.turn,
            (Owner::Replica(_), _) => entry.version < gone.version,
            // It was on its way here when its former node let it go.
            (Owner::Connection(_), Owner::Replica(_)) if speaker.means_itself => false,
            (Owner::Connection(_), _) => {
                entry.version <= gone.version && speaker.joined_ms <= gone.removed_ms
            }
        }
    }

    fn has_room(&self, owner: Owner) -> bool {
        let max = match owner {
            Owner::Connection(_) => self.limits.entries_per_connection_max,
            Owner::Replica(_) => self.limits.entries_per_replica_max,
        };
        self.owners.get(&owner).copied().unwrap_or(0) < max
    }

    fn publish(&mut self, id: PresenceId, mut claim: Claim) {
        self.gone.remove(&id);
        let mut heir = None;
        let mut is_news = true;
        if let Some(before) = self.live.remove(&id) {
            self.disown(before.claim.owner);
            is_news = !claim.only_renews(&before.claim);
            claim.is_self |= before.claim.owner == claim.owner && before.claim.is_self;
            heir = before.heir;
        }
        if let Some(own) = heir.take_if(|heir| heir.owner == claim.owner) {
            self.disown(own.owner);
            claim.is_self = true;
        }
        self.own(claim.owner);
        self.note(claim.owner, claim.notice(id), is_news);
        self.live.insert(id, Live { claim, heir });
    }

    fn inherit(&mut self, id: PresenceId, mut claim: Claim) {
        claim.is_self = true;
        self.own(claim.owner);
        self.note(claim.owner, claim.notice(id), true);
        let live = self.live.get_mut(&id);
        if let Some(before) = live.and_then(|live| live.heir.replace(claim)) {
            self.disown(before.owner);
        }
    }

    fn own(&mut self, owner: Owner) {
        *self.owners.entry(owner).or_default() += 1;
    }

    fn disown(&mut self, owner: Owner) {
        if let Some(count) = self.owners.get_mut(&owner) {
            *count -= 1;
        }
    }

    /// Notes for the other nodes what one of our own connections says.
    fn note(&mut self, owner: Owner, notice: PresenceNotice, is_news: bool) {
        if owner.is_here() {
            self.notices.insert(notice.entry.id, notice);
            self.has_news |= is_news;
        }
    }

    /// Removes what is over, and returns the entries as gone. Another node takes turns of its own: what its clients had ended
    /// with its last word, unless it has told when. It may yet say more.
    fn remove_where(
        &mut self,
        now: Now,
        told: Option<u64>,
        is_over: impl Fn(PresenceId, &Claim) -> bool,
    ) -> Vec<PresenceEntry> {
        let turn = self.next_turn(now);
        let over = self
            .live
            .iter()
            .filter(|(id, live)| live.any(|claim| is_over(**id, claim)));
        let mut over: Vec<_> = over.map(|(id, _)| *id).collect();
        over.sort();
        let mut news = Vec::new();
        for id in over {
            self.remove_heir_if(id, turn, |claim| is_over(id, claim));
            let claim = self.live.get(&id).map(|live| &live.claim);
            if let Some(claim) = claim.filter(|claim| is_over(id, claim)) {
                let ended = match claim.owner {
                    Owner::Connection(_) => turn,
                    Owner::Replica(_) => told.unwrap_or(claim.turn),
                };
                news.push(self.remove(id, claim.version, ended, now));
            }
        }
        news
    }

    fn remove_heir_if(&mut self, id: PresenceId, turn: u64, ends: impl Fn(&Claim) -> bool) {
        let live = self.live.get_mut(&id);
        if let Some(heir) = live.and_then(|live| live.heir.take_if(|heir| ends(heir))) {
            self.disown(heir.owner);
            self.note(heir.owner, heir.goodbye(id, turn), true);
        }
    }

    /// Ends what the owner of an entry claims. Returns what is to be shown: its heir, or that it is gone.
    fn remove(&mut self, id: PresenceId, version: u32, turn: u64, now: Now) -> PresenceEntry {
        let Some(Live { claim, heir }) = self.live.remove(&id) else {
            return without_state(id, version);
        };
        self.disown(claim.owner);
        self.note(claim.owner, claim.goodbye(id, turn), true);
        if let Some(heir) = heir {
            self.disown(heir.owner);
            if !elapsed(heir.renewed_ms, self.limits.takeover_ms, now) {
                let entry = heir.entry(id);
                self.publish(id, heir);
                return entry;
            }
        }
        self.remember(id, version, claim.owner, turn, now);
        without_state(id, version)
    }

    fn remember(&mut self, id: PresenceId, version: u32, owner: Owner, turn: u64, now: Now) {
        if self.gone.len() < self.limits.remembered_max || self.gone.contains_key(&id) {
            let removed_ms = now.monotonic_ms;
            let gone = Gone {
                version,
                removed_ms,
                owner,
                turn,
            };
            self.gone.insert(id, gone);
        }
    }

    /// Turns grow also from one life of the document to the next, because time does.
    fn next_turn(&mut self, now: Now) -> u64 {
        self.turn = (self.turn + 1).max(now.monotonic_ms << TURNS_PER_MS_BITS);
        self.turn
    }
}

fn elapsed(since_ms: u64, delay_ms: u64, now: Now) -> bool {
    now.monotonic_ms.saturating_sub(since_ms) >= delay_ms
}

/// Room for this many turns in a millisecond, as a power of two, before they run ahead of the time.
pub(crate) const TURNS_PER_MS_BITS: u32 = 16;
