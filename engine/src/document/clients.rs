//! Clients: how they come and go, what they ask for, and what they are answered.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::content::{ContentError, Integrated};
use crate::grant::Capability;
use crate::names::{ConnectionId, Kind};
use crate::presence::PresenceEntry;
use crate::sabotage::Bug;
use crate::time::Now;

use super::Document;
use super::effect::{Audience, CloseReason, Effect, Effects, Event};
use super::input::{Input, Intent, Joining, PushTag};
use super::peers::{Behind, Peer};
use super::phase::Phase;
use super::relay::Pushed;

/// What a client has asked for in this batch.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// What it has, if it pulls; the last time counts.
    have: Option<Bytes>,
    /// Whether it reads all there is as it is kept.
    reads_kept: bool,
    presence: bool,
}

impl Document {
    pub(super) fn joined(&mut self, joining: Joining, now: Now, effects: &mut Effects) {
        let connection = joining.connection;
        if let Some(reason) = self.objection_to(&joining, now) {
            effects.push(Effect::Close { connection, reason });
            return;
        }
        self.idle_since_ms = None;
        self.peers.insert(connection, Peer::new(joining, now));
        self.tell_rights(connection, effects);
        if self.content.is_shown_stored() {
            // Who then says that it has all that there is asks for nothing. If the library fails at this, it fails
            // whoever asks for content as well, and is dealt with there.
            let following = self.showable().following().ok();
            let following = following.filter(|payload| !payload.is_empty());
            let following = following.map(|payload| Event::Missing { payload });
            self.send_content(connection, following.into_iter(), effects);
        }
        self.ask_for_missing(connection, true, effects);
        self.show_everyone(connection, effects);
    }

    /// Why a client is not let in, whenever that is.
    pub(super) fn objection_to(&self, joining: &Joining, now: Now) -> Option<CloseReason> {
        let refusal = joining.rights.refusal(now);
        refusal.or_else(|| self.refusal(joining.kind))
    }

    fn refusal(&self, kind: Kind) -> Option<CloseReason> {
        match self.phase {
            Phase::Open if kind == self.kind => None,
            Phase::Open => Some(CloseReason::WrongKind),
            Phase::Opening | Phase::Rebuilding => Some(CloseReason::NotReady),
            Phase::Draining(reason) | Phase::Closed(reason) => Some(reason),
        }
    }

    pub(super) fn left(&mut self, connection: ConnectionId, now: Now) {
        let Some(peer) = self.peers.remove(connection) else {
            return;
        };
        self.an_editor_left |= peer.edits;
        self.writers.release(peer.claims);
        if self.sabotage.is(Bug::GhostPresence) {
            return;
        }
        let gone = self.presence.close(connection, now);
        self.show_presence(gone, None, now);
        self.rest_if_empty(now);
    }

    pub(super) fn intent(
        &mut self,
        connection: ConnectionId,
        intent: Intent,
        seen: Option<u64>,
        now: Now,
        effects: &mut Effects,
    ) {
        if self.phase != Phase::Open {
            return;
        }
        let Some(peer) = self.peers.get(connection) else {
            return;
        };
        if peer.rights.have_ended(now) {
            return self.expel(connection, CloseReason::Expired, now, effects);
        }
        let shows = peer.rights.allow(Capability::Presence);
        let signals =
            peer.rights.allow(Capability::Write) || peer.rights.allow(Capability::Comment);
        match intent {
            Intent::Pull { have } => self.asks_for(connection, have, false),
            Intent::PullKept => {
                let have = Bytes::from_static(self.content.have_of_nobody());
                self.asks_for(connection, have, true);
            }
            Intent::Push { payload, tag } => {
                self.push(connection, payload, tag, seen, now, effects);
            }
            Intent::ShowPresence(entries) if shows => self.presence_shown(connection, entries, now),
            Intent::QueryPresence => self.asked(connection).presence = true,
            Intent::Signal(text) if signals => self.signalled(connection, text, effects),
            Intent::Announce { signal, entry } if signals => {
                if shows {
                    self.presence_shown(connection, vec![entry], now);
                }
                self.signalled(connection, signal, effects);
            }
            // Nobody waits for an answer to these.
            Intent::ShowPresence(_) | Intent::Signal(_) | Intent::Announce { .. } => {}
        }
    }

    /// A client tells all others something, wherever they are.
    fn signalled(&self, connection: ConnectionId, text: Bytes, effects: &mut Effects) {
        signal(Some(connection), text.clone(), effects);
        if self.limits.shared {
            effects.push(Effect::PublishSignal(text));
        }
    }

    /// Questions are answered once a batch: a client that asks a thousand times is told once.
    fn asked(&mut self, connection: ConnectionId) -> &mut Asked {
        self.asked.entry(connection).or_default()
    }

    fn asks_for(&mut self, connection: ConnectionId, have: Bytes, reads_kept: bool) {
        let asked = self.asked(connection);
        asked.have = Some(have);
        asked.reads_kept = reads_kept;
    }

    /// If the content breaks on the way, the rest is answered when it is there again.
    pub(super) fn answer(&mut self, now: Now, effects: &mut Effects) {
        while !self.phase.is_building()
            && let Some((connection, asked)) = self.asked.pop_first()
        {
            if !self.peers.contains(connection) {
                continue;
            }
            if let Some(have) = &asked.have {
                self.ask_in_turn(connection, effects);
                self.pull(connection, have, asked.reads_kept, now, effects);
            }
            if self.phase == Phase::Rebuilding {
                self.asked.insert(connection, asked);
            } else if asked.presence {
                self.show_everyone(connection, effects);
            }
        }
        if self.asked.is_empty() {
            // An empty map keeps the room for its first entries.
            self.asked = BTreeMap::new();
        }
    }

    /// Asks a client that asks again and counts on being asked. What it asked first, it was asked when it joined.
    fn ask_in_turn(&mut self, connection: ConnectionId, effects: &mut Effects) {
        if let Some(peer) = self.peers.get_mut(connection)
            && std::mem::replace(&mut peer.has_asked, true)
            && peer.counts
        {
            peer.questions.settle_doubt();
            self.ask_for_missing(connection, true, effects);
        }
    }

    fn pull(
        &mut self,
        connection: ConnectionId,
        have: &Bytes,
        reads_kept: bool,
        now: Now,
        effects: &mut Effects,
    ) {
        match self.lacked_by(have, reads_kept, now) {
            Ok(payloads) => self.send_missing(connection, have, payloads, effects),
            Err(error) if error.breaks() => {
                self.read_broke(Some(connection), have.clone(), now, effects);
            }
            Err(_) => self.expel(connection, CloseReason::BadFrame, now, effects),
        }
    }

    fn send_missing(
        &mut self,
        connection: ConnectionId,
        have: &Bytes,
        payloads: Vec<Bytes>,
        effects: &mut Effects,
    ) {
        let has_content = !self.showable().is_nothing(have);
        self.peers.base(connection, has_content);
        let payloads = payloads.into_iter();
        let events = payloads.map(|payload| Event::Missing { payload });
        self.send_content(connection, events, effects);
    }

    /// Whether anybody who reads what is kept as it is has not been answered.
    pub(super) fn is_kept_awaited(&self) -> bool {
        let mut asked = self.asked.values();
        asked.any(|asked| asked.reads_kept && asked.have.is_some())
    }

    /// Answers those who read what is kept as it is, and only them, while others wait for content that is made of it.
    pub(super) fn send_kept(&mut self, kept: &Bytes, effects: &mut Effects) {
        let readers = self.asked.iter_mut().filter(|(_, asked)| asked.reads_kept);
        let readers = readers.filter_map(|(reader, asked)| Some((*reader, asked.have.take()?)));
        for (reader, have) in readers.collect::<Vec<_>>() {
            if self.peers.contains(reader) {
                self.ask_in_turn(reader, effects);
                self.send_missing(reader, &have, vec![kept.clone()], effects);
            }
        }
    }

    /// What a client lacks, as one payload or more.
    fn lacked_by(
        &mut self,
        have: &Bytes,
        reads_kept: bool,
        now: Now,
    ) -> Result<Vec<Bytes>, ContentError> {
        if self.sabotage.is(Bug::EmptyAnswer) && !self.is_durable() {
            let own = self.content.have(std::iter::empty());
            return Ok(vec![self.content.missing_from(&own)?]);
        }
        if self.is_unread() {
            // Whoever lacks anything has the content loaded.
            return Ok(vec![self.content.nothing()]);
        }
        if reads_kept && let Some(kept) = self.showable().saved()? {
            return Ok(vec![kept]);
        }
        let mut whole = std::mem::take(&mut self.whole);
        let showable = self.showable();
        let lacked = if showable.is_nothing(have) {
            let has_news = self.batch.iter().any(|pushed| pushed.news);
            let is_step = !has_news && self.has_shown_all();
            let step = is_step.then(|| self.steps.last());
            whole.of(&showable, step, now)
        } else {
            showable.missing_from(have).map(|lacked| vec![lacked])
        };
        self.whole = whole;
        lacked
    }

    /// Sends content computed for one client, and with it what waits for missing parts: as an answer, for it may hold
    /// edits of the client's own that are not stored yet.
    fn send_content(
        &self,
        connection: ConnectionId,
        events: impl Iterator<Item = Event>,
        effects: &mut Effects,
    ) {
        let shows = Some(self.shown_step());
        let waiting = self.showable().waiting().into_iter();
        let waiting = waiting.map(|payload| Event::Missing { payload });
        for event in events.chain(waiting) {
            effects.push(Effect::Send {
                to: Audience::One(connection),
                event,
                shows,
            });
        }
    }

    fn push(
        &mut self,
        connection: ConnectionId,
        payload: Bytes,
        tag: PushTag,
        seen: Option<u64>,
        now: Now,
        effects: &mut Effects,
    ) {
        let counted = self.is_counted(connection, tag);
        let has_room = self.durability.has_room(&payload, &self.limits);
        if !has_room && !self.sabotage.is(Bug::NoBound) {
            self.expel(connection, CloseReason::StoreBehind, now, effects);
            return;
        }
        if let Some(reason) = self.foreign(connection, &payload, now, effects) {
            return self.expel(connection, reason, now, effects);
        }
        let integrated = match self.objection(connection, &payload) {
            Ok(None) => self.content.integrate(&payload),
            Ok(Some(reason)) => return self.refuse(connection, tag, reason, now, effects),
            Err(error) => Err(error),
        };
        match integrated {
            Ok(integrated) => {
                let (missing, let_go) = (integrated.missing, integrated.let_go);
                let news = integrated.news;
                self.note_editor(connection, news);
                self.claim(connection, &integrated.begins);
                let pushed = Pushed {
                    counted,
                    ..self.pushed(connection, payload, tag, seen, integrated)
                };
                if missing && self.sabotage.is(Bug::ForgottenOrphan) {
                    return;
                }
                self.durability.expect(&pushed.payload);
                self.batch.push(pushed);
                if let_go {
                    self.expel(connection, CloseReason::NotReady, now, effects);
                } else if missing && news && !self.is_asked(connection) {
                    self.ask_for_missing(connection, false, effects);
                }
            }
            Err(error) if error.breaks() => {
                let intent = Intent::Push { payload, tag };
                let pushed = Input::Intent {
                    connection,
                    intent,
                    seen,
                };
                self.push_broke(pushed, &error, now, effects);
            }
            Err(ContentError::TooMuchMissing) => {
                self.expel(connection, CloseReason::NotReady, now, effects);
            }
            Err(ContentError::TooDeep) => {
                self.refuse(connection, tag, CloseReason::TooDeep, now, effects);
            }
            Err(_) => self.refuse(connection, tag, CloseReason::BadUpdate, now, effects),
        }
    }

    /// Whether a client that counts its edits counts this one. All edits of others are told of.
    fn is_counted(&mut self, connection: ConnectionId, tag: PushTag) -> bool {
        match self.peers.get_mut(connection) {
            Some(peer) if tag == PushTag::ANSWER => peer.questions.answered() || !peer.counts,
            _ => true,
        }
    }

    /// Whether a client is about to send all that is missing here.
    fn is_asked(&self, connection: ConnectionId) -> bool {
        let peer = self.peers.get(connection);
        peer.is_some_and(|peer| peer.counts && peer.questions.is_any_open())
    }

    /// From its first edit on that brings something, a client is an editor.
    fn note_editor(&mut self, connection: ConnectionId, news: bool) {
        if news && let Some(peer) = self.peers.get_mut(connection) {
            peer.edits = true;
        }
    }

    /// Why an edit is not taken, whatever it would do.
    fn objection(
        &self,
        connection: ConnectionId,
        payload: &[u8],
    ) -> Result<Option<CloseReason>, ContentError> {
        if self.is_quarantined(payload) {
            return Ok(Some(CloseReason::BadUpdate));
        }
        let read_only = self.read_only.then_some(CloseReason::ReadOnly);
        let barred = self.bars_edits(connection);
        let bar = barred
            .filter(|_| !self.sabotage.is(Bug::BlindEye))
            .or(read_only);
        if bar.is_some() && !self.content.brings(payload)?.is_nothing() {
            return Ok(bar);
        }
        Ok(self
            .is_too_much(payload)?
            .then_some(CloseReason::DocumentFull))
    }

    /// Whether an edit adds to the document more than it may hold. One that only deletes is always taken.
    fn is_too_much(&self, payload: &[u8]) -> Result<bool, ContentError> {
        let room = self
            .limits
            .document_weight_max
            .saturating_sub(self.content.weight());
        let may_weigh = self.content.weight_per_byte_max();
        if may_weigh.is_some_and(|most| payload.len().saturating_mul(most) <= room) {
            return Ok(false);
        }
        let brings = self.content.brings(payload)?;
        Ok(brings.additions && brings.weight > room)
    }

    fn pushed(
        &self,
        connection: ConnectionId,
        payload: Bytes,
        tag: PushTag,
        seen: Option<u64>,
        integrated: Integrated,
    ) -> Pushed {
        let peer = self.peers.get(connection);
        Pushed {
            connection,
            author: peer.and_then(|peer| peer.rights.author.clone()),
            repeats: integrated.fresh.is_some(),
            shown: integrated.fresh.unwrap_or_else(|| payload.clone()),
            payload,
            tag,
            counted: true,
            news: integrated.news,
            unstored: integrated.news || !self.is_durable(),
            begins: integrated.begins,
            seen,
        }
    }

    /// Closes one client and forgets it.
    pub(super) fn expel(
        &mut self,
        connection: ConnectionId,
        reason: CloseReason,
        now: Now,
        effects: &mut Effects,
    ) {
        effects.push(Effect::Close { connection, reason });
        self.left(connection, now);
    }

    fn presence_shown(&mut self, connection: ConnectionId, entries: Vec<PresenceEntry>, now: Now) {
        let joined_ms = self.peers.get(connection).map_or(0, |peer| peer.joined_ms);
        let news = self.presence.update(connection, joined_ms, entries, now);
        self.show_presence(news, Some(connection), now);
    }

    fn show_everyone(&self, connection: ConnectionId, effects: &mut Effects) {
        show_presence_to(connection, self.presence.all(), effects);
    }

    /// Says what is stored here, which asks the client for the rest; as it expects, or not.
    pub(super) fn ask_for_missing(
        &mut self,
        connection: ConnectionId,
        expected: bool,
        effects: &mut Effects,
    ) {
        if let Some(peer) = self.peers.get_mut(connection) {
            peer.questions.ask(expected);
        }
        let unsaved = self
            .batch
            .iter()
            .map(|pushed| &pushed.begins)
            .chain(self.durability.unsaved_begins())
            .filter(|_| !self.sabotage.is(Bug::StaleStep1));
        let have = match self.gist_unread() {
            Some(have) => have.clone(),
            None => self.content.have(unsaved),
        };
        effects.push(Effect::Send {
            to: Audience::One(connection),
            event: Event::Have { have },
            shows: None,
        });
    }

    pub(super) fn drained(
        &mut self,
        connection: ConnectionId,
        seen: Option<u64>,
        now: Now,
        effects: &mut Effects,
    ) {
        if let Some(peer) = self.peers.get_mut(connection) {
            peer.behind = Some(Behind { seen });
            if !self.owed().any(|owed| owed == connection) {
                self.catch_up(connection, now, effects);
            }
        }
    }

    pub(super) fn catch_up_all(&mut self, now: Now, effects: &mut Effects) {
        let mut behind = self.peers.which(|peer| peer.behind.is_some());
        if !behind.is_empty() {
            let owed: BTreeSet<_> = self.owed().collect();
            behind.retain(|connection| !owed.contains(connection));
        }
        for connection in behind {
            self.catch_up(connection, now, effects);
        }
    }

    /// The clients that have made edits which are not stored.
    fn owed(&self) -> impl Iterator<Item = ConnectionId> {
        let batch = self.batch.iter().map(|pushed| pushed.connection);
        self.durability.owed().chain(batch)
    }

    /// Sends a client that is behind the difference, and asks for what it has (it may have been asked before, and never
    /// have got to read that), once none of its own edits wait for the store: some clients take the
    /// sight of their own edit as word that it is stored. What was dropped may have been the answer to its pull, and it may
    /// wait for one, so it is answered too.
    fn catch_up(&mut self, connection: ConnectionId, now: Now, effects: &mut Effects) {
        if self.phase.is_building() {
            return;
        }
        let peer = self.peers.get_mut(connection);
        let Some(behind) = peer.and_then(|peer| peer.behind.take()) else {
            return;
        };
        let had = self
            .checkpoints
            .had_by(behind)
            .cloned()
            .unwrap_or_else(|| Bytes::from_static(self.content.have_of_nobody()));
        let Ok(payloads) = self.lacked_by(&had, false, now) else {
            if let Some(peer) = self.peers.get_mut(connection) {
                peer.behind = Some(behind);
            }
            return self.read_broke(Some(connection), had, now, effects);
        };
        self.peers.resume(connection);
        effects.push(Effect::Resume { connection });
        self.ask_for_missing(connection, false, effects);
        let events = payloads
            .into_iter()
            .map(|payload| Event::Change { payload });
        self.send_content(connection, events, effects);
        effects.push(Effect::Send {
            to: Audience::One(connection),
            event: Event::Missing {
                payload: self.content.nothing(),
            },
            shows: None,
        });
        let gone = self.presence.recently_gone();
        let presence = gone.into_iter().chain(self.presence.all()).collect();
        show_presence_to(connection, presence, effects);
    }
}

/// Passes something on to all but its author.
pub(super) fn signal(author: Option<ConnectionId>, text: Bytes, effects: &mut Effects) {
    effects.push(Effect::Send {
        to: Audience::AllBut(author.into_iter().collect()),
        event: Event::Signal(text),
        shows: None,
    });
}

fn show_presence_to(connection: ConnectionId, entries: Vec<PresenceEntry>, effects: &mut Effects) {
    if !entries.is_empty() {
        let to = Audience::One(connection);
        effects.push(Effect::Send {
            to,
            event: Event::Presence(entries),
            shows: None,
        });
    }
}
