//! What a session is at: noted before the engine is given anything, and taken back when the engine has come back from it.
//! There are two notes: a crumb, in case the process ends, and one for the watchdog, in case the engine does not come back.
//!
//! Heavy work is done where it holds nobody up: other tasks of the thread are handed to another one for as long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use engine::{Author, Change, ConnectionId, DocumentKey, Kind, Piece};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::breadcrumb::{Step, Trail};
use crate::telemetry::metrics;
use crate::watchdog::{Suspect, Watch};
use crate::world::World;

/// Notes what a session is at.
#[derive(Debug)]
pub(super) struct Work {
    world: Arc<World>,
    key: DocumentKey,
    kind: Kind,
    trail: Option<Trail>,
    watch: Watch,
    began: Instant,
    was_slow: bool,
}

impl Work {
    pub(super) fn new(world: Arc<World>, key: DocumentKey, kind: Kind, watch: Watch) -> Self {
        Self {
            world,
            key,
            kind,
            trail: None,
            watch,
            began: Instant::now(),
            was_slow: false,
        }
    }

    /// A batch begins: the engine is asked for things, and is given nothing yet.
    pub(super) fn begin(&mut self) {
        self.began = Instant::now();
        self.leave(&Step::Read);
        self.watch.begin(None);
    }

    /// The engine is about to be given an edit.
    pub(super) fn push(
        &mut self,
        payload: &Bytes,
        author: Option<Author>,
        connection: ConnectionId,
    ) {
        self.leave(&Step::Push {
            payload,
            author: author.as_ref(),
            connection,
        });
        self.watch.begin(Some(Suspect {
            payload: payload.clone(),
            author,
            connection,
            dot: None,
        }));
    }

    /// The engine is about to be given a piece of what is stored. Snapshots are nobody's.
    pub(super) fn replay(&mut self, piece: Piece<'_>) {
        let Some(change) = piece.change else {
            self.leave(&Step::Snapshot);
            return self.watch.begin(None);
        };
        self.leave(&Step::Replay(change.dot));
        self.watch.begin(Some(Suspect {
            payload: piece.payload.clone(),
            author: change.author.clone(),
            connection: change.connection,
            dot: Some(change.dot),
        }));
    }

    /// The engine is about to be given a change of another node, which is stored.
    pub(super) fn hear(&mut self, change: &Change) {
        self.leave(&Step::Replay(change.dot));
        self.watch.begin(Some(Suspect {
            payload: change.payload.clone(),
            author: change.author.clone(),
            connection: change.connection,
            dot: Some(change.dot),
        }));
    }

    /// The engine has come back from all that it was given.
    pub(super) fn end(&mut self) {
        self.watch.end();
        self.trail = None;
        let took = self.began.elapsed();
        self.was_slow = took >= SLOW;
        metrics::step_took(took);
    }

    /// Whether the session was given up: it is to end without a word.
    pub(super) fn is_abandoned(&self) -> bool {
        self.watch.is_abandoned()
    }

    /// Whether a batch with so many bytes of edits may take so long, in a document of this weight, that others would notice.
    pub(super) fn is_heavy(&self, bytes: usize, weight: usize) -> bool {
        self.was_slow || bytes >= HEAVY_BYTES || bytes.saturating_mul(weight) >= HEAVY_SEARCH
    }

    fn leave(&mut self, step: &Step<'_>) {
        let world = &self.world;
        let trail = self.trail.get_or_insert_with(|| world.crumbs.begin());
        trail.leave(&self.key, self.kind, step);
    }
}

/// Works, and if that is heavy lets another thread see to the tasks of this one meanwhile.
pub(crate) fn apart<R>(is_heavy: bool, work: impl FnOnce() -> R) -> R {
    if is_heavy && Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread {
        tokio::task::block_in_place(work)
    } else {
        work()
    }
}

/// A batch that took so long is followed by others that do.
const SLOW: Duration = Duration::from_millis(20);

/// Handing over the tasks of a thread takes some ten microseconds; so many bytes of edits take more than a hundred.
const HEAVY_BYTES: usize = 64 * 1024;

/// At worst each few bytes of an edit have their place looked for in all of the document: 10,000 deletions in a list of 100,000
/// values, 50 KB in 3 MiB, take some 3 s. Edits of less than this product are done in some 30 ms.
const HEAVY_SEARCH: usize = 1 << 30;
