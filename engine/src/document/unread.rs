//! Unread: a document that is open without its content, because the store has kept its [`Gist`].
//!
//! It knows what there is, and of which changes that is. So clients come and go, show who they are, and those who have all of
//! it are told so. The content is read as soon as somebody needs it: a client that may lack something or brings something, or
//! other replicas that have stored something. Meanwhile what clients say waits, as it does when content is built anew.
//!
//! A gist is left with the store whenever a document is put away of which all is stored and all that is stored is here.
//! It is not kept up with every change: that would be one more row to write for each, only to spare the loading of documents
//! that were open when the process was killed.

use bytes::Bytes;

use crate::change::Change;
use crate::clock::VectorClock;
use crate::dot::Dot;
use crate::gist::Gist;
use crate::time::Now;

use super::Document;
use super::effect::{CloseReason, Effect, Effects};
use super::input::{Input, Intent, Loaded};
use super::phase::Phase;

/// What is known of the document's gist.
#[derive(Debug, Default)]
pub(super) struct Unread {
    reading: Reading,
    /// The clock of the gist that the store has, as far as is known.
    kept: VectorClock,
    /// Whether some of what is stored may not be here, so that no gist can be made.
    is_partial: bool,
}

/// Whether the content is here.
#[derive(Debug, Default)]
enum Reading {
    /// It is, or is built anew.
    #[default]
    Done,
    /// It was not wanted yet. This is what there is.
    Unwanted(Bytes),
    /// It is being loaded for the first time.
    UnderWay,
}

impl Document {
    /// What asks for the past of a document that is opened.
    pub(super) fn ask_for_past(&self, effects: &mut Effects) {
        effects.push(match self.content.has_gists() {
            true => Effect::LoadGist,
            false => Effect::Load,
        });
    }

    /// Whether the document is open without its content, which is empty until somebody needs it.
    pub fn is_unread(&self) -> bool {
        self.gist_unread().is_some()
    }

    /// Opens with what there is, and leaves the content where it is.
    pub(super) fn open_unread(
        &mut self,
        have: Bytes,
        loaded: &Loaded,
        now: Now,
        effects: &mut Effects,
    ) {
        self.clock.join(&loaded.heads);
        self.unread.kept = self.clock.clone();
        self.unread.reading = Reading::Unwanted(have);
        self.phase = Phase::Open;
        self.meet_the_others(now, effects);
    }

    /// What there is, to be told to clients while the content is not here.
    pub(super) fn gist_unread(&self) -> Option<&Bytes> {
        match &self.unread.if_used()?.reading {
            Reading::Unwanted(have) => Some(have),
            Reading::Done | Reading::UnderWay => None,
        }
    }

    /// Whether what a client says can be answered with the content only, which is not here.
    pub(super) fn needs_content(&self, input: &Input) -> bool {
        let Some(all) = self.gist_unread().filter(|_| self.phase == Phase::Open) else {
            return false;
        };
        let is_here = |connection| self.peers.contains(connection);
        match input {
            Input::Drained { connection, .. } => is_here(*connection),
            Input::Intent {
                connection, intent, ..
            } => match intent {
                Intent::Push { payload, .. } => {
                    is_here(*connection) && *payload != self.content.nothing()
                }
                Intent::Pull { have } => {
                    is_here(*connection) && !self.content.is_all_had(all, have)
                }
                Intent::PullKept => {
                    let have = self.content.have_of_nobody();
                    is_here(*connection) && !self.content.is_all_had(all, have)
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// Has the content loaded for what a client says, which waits.
    pub(super) fn read_for(&mut self, input: Input, now: Now, effects: &mut Effects) {
        match input {
            // It may be answered before the content is made.
            Input::Intent {
                connection,
                intent: intent @ Intent::PullKept,
                seen,
            } => {
                self.intent(connection, intent, seen, now, effects);
                self.read(effects);
            }
            input => {
                self.read(effects);
                self.defer(input, effects);
            }
        }
    }

    /// Sends what was loaded to those who read it as it is kept, if it is what they were told that there is. To make content of it
    /// may take a second.
    pub(super) fn send_loaded(&mut self, loaded: &Loaded, effects: &mut Effects) {
        let is_wanted =
            self.is_reading() && self.is_kept_awaited() && loaded.quarantined.is_empty();
        let Some(snapshot) = loaded.snapshot.as_ref().filter(|_| is_wanted) else {
            return;
        };
        let since = loaded.changes.iter().map(|stored| &stored.change);
        let mut clock = snapshot.clock.clone();
        since.clone().for_each(|change| clock.observe(change.dot));
        if clock != self.clock || loaded.heads != self.clock {
            return;
        }
        let since: Result<Vec<_>, _> = since.map(Change::updates).collect();
        if let Ok(since) = since
            && let Some(kept) = self.content.saved_in(&snapshot.state, &since.concat())
        {
            self.send_kept(&kept, effects);
        }
    }

    /// Has the content loaded, which is needed now.
    pub(super) fn read(&mut self, effects: &mut Effects) {
        let is_open = self.phase == Phase::Open;
        if let Some(have) = self.gist_unread().filter(|_| is_open).cloned() {
            self.unread.reading = Reading::UnderWay;
            self.load_anew(have, effects);
        }
    }

    /// Whether the store has more than what is here, as far as anyone has said; none of it is taken in before the content is
    /// read.
    pub(super) fn read_if_behind(&mut self, effects: &mut Effects) -> bool {
        let is_behind = self.is_unread() && !self.knows_all_told();
        if is_behind {
            self.read(effects);
        }
        is_behind
    }

    /// Whether what was loaded lacks some of what clients were told that there is, or has more of this replica's lane than
    /// this document ever knew. Then the store was put back, or an append of an earlier life of the document came late.
    pub(super) fn is_loaded_otherwise(&self, loaded: &Loaded) -> bool {
        let own = |clock: &VectorClock| clock.get(self.replica);
        self.is_reading()
            && !(loaded.heads.dominates(&self.clock) && own(&loaded.heads) == own(&self.clock))
    }

    /// Whether the content is loaded for the first time.
    fn is_reading(&self) -> bool {
        let unread = self.unread.if_used();
        unread.is_some_and(|unread| matches!(unread.reading, Reading::UnderWay))
    }

    /// The content is here.
    pub(super) fn was_read(&mut self) {
        if let Some(unread) = self.unread.if_used_mut() {
            unread.reading = Reading::Done;
        }
    }

    /// A stored change is not all here.
    pub(super) fn skipped(&mut self, dot: Dot, effects: &mut Effects) {
        self.note_partial();
        effects.push(Effect::Skipped(dot));
    }

    /// Some of what is stored may not be here from now on.
    pub(super) fn note_partial(&mut self) {
        if self.content.has_gists() {
            self.unread.is_partial = true;
        }
    }

    /// Leaves the document's gist with the store, unless it has one of the same changes or they are not all here.
    pub(super) fn leave_gist(&mut self, effects: &mut Effects) {
        let is_whole = !self.read_only && self.quarantined.is_empty() && !self.is_partial();
        if !is_whole || self.is_unread() || self.clock.is_empty() {
            return;
        }
        let gist = self.content.gist();
        let Some(have) = gist.filter(|have| have.len() <= GIST_BYTES_MAX) else {
            return;
        };
        if self.unread.kept == self.clock {
            return;
        }
        self.unread.kept = self.clock.clone();
        effects.push(Effect::StoreGist(Gist {
            document: self.key.clone(),
            kind: self.kind,
            clock: self.clock.clone(),
            have,
        }));
    }

    fn is_partial(&self) -> bool {
        let unread = self.unread.if_used();
        unread.is_some_and(|unread| unread.is_partial)
    }

    /// What the document has, as clients are told.
    pub(super) fn have(&self) -> Bytes {
        let unread = self.gist_unread().cloned();
        unread.unwrap_or_else(|| self.content.have(std::iter::empty()))
    }

    /// The store has lost what clients were told that there is, and nothing of it is here.
    pub(super) fn give_up_unread(&mut self, effects: &mut Effects) {
        self.close_all(CloseReason::NotReady, effects);
    }
}

/// What says more than this is not kept, in bytes: of an Automerge document, 2,048 heads.
const GIST_BYTES_MAX: usize = 64 * 1024;
