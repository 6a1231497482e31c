//! Failover: a standby takes the place of the store, without the last changes; the nodes that are alive give them back.
//!
//! What no living node has is lost, and nobody is to blame: it is no longer asked for. A node learns of the failover when
//! its connections to the store break, and opens documents as another replica from then on: the store does not know any
//! more which names the lost changes had.

use engine::{Change, Phase};

use super::checks::{Check, Found};
use super::node::Life;
use super::pieces::Pieces;
use super::quiet::all_of;
use super::store::{Ask, Request};
use super::world::World;

impl World {
    /// The store loses the last changes of a document.
    pub(super) fn fail_over(&mut self, document: usize, changes: usize) -> Found<()> {
        let stored = self.store.document_mut(document);
        if self.setup.nodes == 1 || stored.deleted {
            return Ok(());
        }
        let lost = stored.lose(changes)?;
        self.lost[document].merge_with(lost);
        for node in 0..self.nodes.len() {
            if self.nodes[node].life != Life::Down {
                let next = self.store.new_replica();
                let before = std::mem::replace(&mut self.nodes[node].replica, next);
                self.nodes[node].earlier.push(before);
            }
        }
        self.forgive(document)
    }

    /// A session gives the store what that has lost.
    pub(super) fn give_back(
        &mut self,
        session: u64,
        document: usize,
        changes: Vec<Change>,
    ) -> Found<()> {
        let has_lost = self.store.document(document).has_lost;
        Check::Alarms.that(has_lost, || "nothing was lost".to_owned())?;
        let is_such = |ask: &Ask| matches!(ask, Ask::GiveBack(_));
        let good = !changes.is_empty() && !self.store.owes(session, is_such);
        Check::Bounds.that(good, || format!("{} are given back", changes.len()))?;
        self.store.ask(Request {
            session,
            document,
            ask: Ask::GiveBack(changes),
        });
        Ok(())
    }

    /// What everyone is to be told of who comes now. After a loss more may be stored than was ever said to be.
    pub(super) fn promised(&self, document: usize) -> &Pieces {
        let stored = self.store.document(document);
        match stored.has_lost {
            true => &self.acked[document],
            false => &stored.inserted,
        }
    }

    /// Whether all of some edits is stored, or was.
    pub(super) fn was_stored(&self, document: usize, edits: &Pieces) -> bool {
        let stored = self.store.document(document);
        let never = edits.diff(&stored.inserted).diff(&self.lost[document]);
        stored.has_lost && never.is_empty()
    }

    /// What was lost with a node that had it is not asked for any more.
    pub(super) fn forgive_all(&mut self) -> Found<()> {
        (0..self.setup.documents).try_for_each(|document| self.forgive(document))
    }

    pub(super) fn forgive(&mut self, document: usize) -> Found<()> {
        if self.store.document(document).has_lost {
            let here = self.stored_or_held(document)?;
            self.acked[document].intersect_with(&here);
        }
        Ok(())
    }

    /// Whether something is gone that others may have built on.
    pub(super) fn is_scarred(&self, document: usize) -> Found<bool> {
        let here = self.stored_or_held(document)?;
        Ok(!self.lost[document].diff(&here).is_empty())
    }

    fn stored_or_held(&self, document: usize) -> Found<Pieces> {
        let mut here = self.store.document(document).inserted.clone();
        let sessions = self
            .nodes
            .iter()
            .flat_map(|node| node.sessions.get(&document));
        let open = |phase| matches!(phase, Phase::Open | Phase::Draining(_));
        for session in sessions.filter(|session| open(session.document.phase())) {
            here.merge_with(all_of(self.setup.kind, session.document.content())?);
        }
        Ok(here)
    }
}
