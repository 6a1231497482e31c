//! Giving way: who has just been faster lets those go first who were not.
//!
//! The store takes one append on a version and refuses the others. Their nodes read what came first, and place their
//! operations anew. Where that takes long, in a database that is far away, a node that goes on at once after its own append
//! is faster again and again, and its neighbours never come to it. So a node that was overtaken asks the others to give way.
//! They send their next append when they have heard of an operation of that node, or when the wait has been as long as some
//! of their own appends took: the word or the answer to it may be lost. Who has asked himself gives way to nobody.

use std::collections::BTreeSet;

use crate::dot::ReplicaId;
use crate::time::Now;

use super::OrderedDocument;
use super::effect::{OrderedEffect, OrderedEffects};

/// Who is let go first.
#[derive(Debug, Default)]
pub(super) struct GivingWay {
    /// When the append that is at the store was sent, in monotonic milliseconds.
    sent_ms: Option<u64>,
    /// How long the last one took.
    took_ms: u64,
    /// Whether this node has asked, and has stored nothing since.
    has_asked: bool,
    /// Who has asked and was not heard of since.
    to: BTreeSet<ReplicaId>,
    /// When to go on all the same.
    until_ms: u64,
}

impl GivingWay {
    /// An append goes to the store.
    pub(super) fn sent(&mut self, now: Now) {
        self.sent_ms = Some(now.monotonic_ms);
    }

    /// The store took it.
    pub(super) fn stored(&mut self, now: Now) {
        self.has_asked = false;
        if let Some(sent_ms) = self.sent_ms.take() {
            self.took_ms = now.monotonic_ms.saturating_sub(sent_ms);
        }
    }

    /// Something that another node stored is here.
    pub(super) fn heard_of(&mut self, replica: ReplicaId) {
        self.to.remove(&replica);
    }

    /// Until when nothing is to be sent.
    pub(super) fn until_ms(&self) -> Option<u64> {
        (!self.to.is_empty()).then_some(self.until_ms)
    }

    /// Whether others are to go first.
    pub(super) fn is_needed(&mut self, now: Now) -> bool {
        if self.until_ms <= now.monotonic_ms {
            self.to.clear();
        }
        !self.to.is_empty()
    }
}

impl OrderedDocument {
    /// Another node was faster.
    pub(super) fn ask_for_way(&mut self, effects: &mut OrderedEffects) {
        if self.limits.is_shared {
            self.giving_way.has_asked = true;
            effects.push(OrderedEffect::AskForWay);
        }
    }

    /// Another node asks to be let go first.
    pub(super) fn way_asked(&mut self, by: ReplicaId, now: Now) {
        let giving_way = &mut self.giving_way;
        if giving_way.has_asked || giving_way.to.len() == ASKERS_MAX {
            return;
        }
        let wait_ms = (giving_way.took_ms * APPENDS_WAITED).clamp(1, self.limits.retry_max_ms);
        giving_way.to.insert(by);
        giving_way.until_ms = now.monotonic_ms + wait_ms;
    }
}

/// Who was overtaken has an append refused that was under way when it asked, reads what came first, and appends again.
const APPENDS_WAITED: u64 = 4;
/// More nodes than that are not waited for.
const ASKERS_MAX: usize = 64;
