//! Heads: how far each lane is in the store, which the driver looks up every second or two and when it is asked to.
//!
//! What it looks up by itself may have been read before something that has happened here since. So only the answer to a
//! question ([`Effect::AskHeads`]) says what had been stored by the time of the question. There is one at a time.

use crate::clock::VectorClock;
use crate::sabotage::Bug;
use crate::time::Now;

use super::Document;
use super::effect::{Effect, Effects};
use super::phase::Phase;

impl Document {
    /// The store has changes up to here: lanes that are behind, the tail of one included, will be pulled.
    pub(super) fn compare_heads(
        &mut self,
        heads: &VectorClock,
        asked: bool,
        now: Now,
        effects: &mut Effects,
    ) {
        if asked {
            self.heads_asked = false;
            self.tell_lobby(Some(heads));
        }
        if !self.sabotage.is(Bug::DeafToHeads) {
            self.stored_up_to(heads, now, effects);
        }
    }

    /// The store could not answer the question.
    pub(super) fn heads_failed(&mut self) {
        self.heads_asked = false;
        self.tell_lobby(None);
    }

    /// Asks the store, if that is to be done and is not being done.
    pub(super) fn ask_heads_if_due(&mut self, effects: &mut Effects) {
        if self.phase == Phase::Open && !self.heads_asked && self.ask_for_lobby() {
            self.heads_asked = true;
            effects.push(Effect::AskHeads);
        }
    }
}
