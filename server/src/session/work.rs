//! What a session is at: noted before the engine is given anything, and taken back when the engine has come back from it.

use std::sync::Arc;

use engine::{DocumentKey, Kind};

use crate::breadcrumb::{Step, Trail};
use crate::world::World;

/// Notes what a session is at.
#[derive(Debug)]
pub(super) struct Work {
    world: Arc<World>,
    key: DocumentKey,
    kind: Kind,
    trail: Option<Trail>,
}

impl Work {
    pub(super) fn new(world: Arc<World>, key: DocumentKey, kind: Kind) -> Self {
        Self {
            world,
            key,
            kind,
            trail: None,
        }
    }

    /// The engine is about to be given this.
    pub(super) fn begin(&mut self, step: &Step<'_>) {
        let world = &self.world;
        let trail = self.trail.get_or_insert_with(|| world.crumbs.begin());
        trail.leave(&self.key, self.kind, step);
    }

    /// The engine has come back from all that it was given.
    pub(super) fn end(&mut self) {
        self.trail = None;
    }
}
