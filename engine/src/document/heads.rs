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

/// The question that the store is being asked.
#[derive(Debug)]
pub(super) struct Question {
    /// What had been said to be stored when it was asked.
    pub(super) said: VectorClock,
    /// Whether it is asked because the store may have lost some of that.
    pub(super) decides: bool,
}

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
            self.tell_lobby(Some(heads));
            if let Some(question) = self.question.take() {
                self.judge(&question, heads, now, effects);
            }
        } else if self.limits.shared {
            self.suspect(heads, now);
        }
        if !self.sabotage.is(Bug::DeafToHeads) {
            self.stored_up_to(heads, now, effects);
        }
    }

    /// The store could not answer the question.
    pub(super) fn heads_failed(&mut self, now: Now) {
        self.tell_lobby(None);
        if self.question.take().is_some_and(|asked| asked.decides) {
            self.look_again(now);
        }
    }

    /// Asks the store, if that is to be done and is not being done.
    pub(super) fn ask_heads_if_due(&mut self, now: Now, effects: &mut Effects) {
        self.recheck_if_due(now);
        let serves = matches!(self.phase, Phase::Open | Phase::Draining(_));
        if !serves || self.question.is_some() {
            return;
        }
        let (lobby_asks, decides) = (self.ask_for_lobby(), self.decide_if_due(now));
        if lobby_asks || decides {
            let said = self.said_to_be_stored();
            self.question = Some(Box::new(Question { said, decides }));
            effects.push(Effect::AskHeads);
        }
    }
}
