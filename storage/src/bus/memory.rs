//! The bus in memory: for several nodes in one process, in tests, and to read beside [`Bus`].
//!
//! [`MemoryBusHub`] is what a Redis server is to the other: each node has a [`MemoryBus`] of its own on it. Words are passed on
//! at once, in order, by whoever says them. By itself it forgets nothing but nodes that beat no more.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use engine::{DocumentKey, Snapshot};
use tokio::sync::watch;

use super::{
    BEAT_LASTS, Bus, BusAnswer, BusFigures, BusState, Counters, Ear, NodeEntry, Topic, Word,
};

/// What the buses of several nodes have in common. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct MemoryBusHub(Arc<Mutex<Shared>>);

/// One node's end of a [`MemoryBusHub`].
pub struct MemoryBus {
    hub: MemoryBusHub,
    number: u64,
    ear: OnceLock<Ear>,
    state: watch::Sender<BusState>,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Shared {
    next: u64,
    ends: BTreeMap<u64, End>,
    /// With the time of the last beat.
    nodes: BTreeMap<String, (Instant, NodeEntry)>,
    hot: HashMap<DocumentKey, Snapshot>,
    /// By what is counted, and by node.
    counts: HashMap<String, BTreeMap<String, u64>>,
}

#[derive(Default)]
struct End {
    ear: Option<Ear>,
    documents: HashSet<DocumentKey>,
}

impl MemoryBusHub {
    /// A bus for one more node.
    pub fn bus(&self) -> MemoryBus {
        let mut shared = self.lock();
        let number = shared.next;
        shared.next += 1;
        shared.ends.insert(number, End::default());
        MemoryBus {
            hub: self.clone(),
            number,
            ear: OnceLock::new(),
            state: watch::Sender::new(BusState::Up),
            counters: Arc::default(),
        }
    }

    /// Forgets all that is kept, as a server does that was restarted or flushed.
    pub fn flush(&self) {
        let mut shared = self.lock();
        shared.nodes.clear();
        shared.hot.clear();
        shared.counts.clear();
    }

    /// No operation leaves it half changed, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryBus {
    fn with_end(&self, change: impl FnOnce(&mut End)) {
        if let Some(end) = self.hub.lock().ends.get_mut(&self.number) {
            change(end);
        }
    }

    /// Who hears of something that this node says.
    fn ears(&self, topic: &Topic) -> Vec<Ear> {
        let shared = self.hub.lock();
        let others = shared
            .ends
            .iter()
            .filter(|(number, _)| **number != self.number);
        let ears = others.filter(|(_, end)| end.hears(topic));
        ears.filter_map(|(_, end)| end.ear.clone()).collect()
    }
}

impl End {
    fn hears(&self, topic: &Topic) -> bool {
        match topic {
            Topic::Document(document) => self.documents.contains(document),
            Topic::Cluster => true,
        }
    }
}

impl Bus for MemoryBus {
    fn attach(&self, ear: Ear) {
        let counters = self.counters.clone();
        let counted: Ear = Arc::new(move |topic, word| {
            counters.heard.add(1);
            ear(topic, word);
        });
        let ear = self.ear.get_or_init(|| counted).clone();
        self.with_end(|end| end.ear = Some(ear));
    }

    fn listen(&self, document: &DocumentKey) {
        self.with_end(|end| {
            end.documents.insert(document.clone());
        });
    }

    fn ignore(&self, document: &DocumentKey) {
        self.with_end(|end| {
            end.documents.remove(document);
        });
    }

    fn say(&self, topic: &Topic, word: Word) {
        if !self.hub.lock().ends.contains_key(&self.number) {
            return self.counters.dropped.add(1);
        }
        self.counters.said.add(1);
        for ear in self.ears(topic) {
            ear(topic.clone(), word.clone());
        }
    }

    fn states(&self) -> watch::Receiver<BusState> {
        self.state.subscribe()
    }

    fn figures(&self) -> BusFigures {
        self.counters.figures()
    }

    fn beat(&self, node: NodeEntry) {
        let mut shared = self.hub.lock();
        shared
            .nodes
            .insert(node.name.clone(), (Instant::now(), node));
    }

    fn leave(&self, node: &str) -> BusAnswer<'_, ()> {
        let mut shared = self.hub.lock();
        shared.nodes.remove(node);
        for counts in shared.counts.values_mut() {
            counts.remove(node);
        }
        Box::pin(async { Ok(()) })
    }

    fn nodes(&self) -> BusAnswer<'_, Vec<NodeEntry>> {
        let mut shared = self.hub.lock();
        let nodes = &mut shared.nodes;
        nodes.retain(|_, (beaten, _)| beaten.elapsed() < BEAT_LASTS);
        let nodes = nodes.values().map(|(_, node)| node.clone()).collect();
        Box::pin(async { Ok(nodes) })
    }

    fn keep_hot(&self, snapshot: Snapshot) {
        let document = snapshot.document.clone();
        self.hub.lock().hot.insert(document, snapshot);
    }

    fn hot(&self, document: &DocumentKey) -> BusAnswer<'_, Option<Snapshot>> {
        let snapshot = self.hub.lock().hot.get(document).cloned();
        Box::pin(async { Ok(snapshot) })
    }

    fn share_count(&self, node: &str, what: &str, here: u64) -> BusAnswer<'_, u64> {
        let mut shared = self.hub.lock();
        let counts = shared.counts.entry(what.to_owned()).or_default();
        counts.insert(node.to_owned(), here);
        let elsewhere = counts.iter().filter(|(name, _)| *name != node);
        let elsewhere = elsewhere.map(|(_, count)| count).sum();
        Box::pin(async move { Ok(elsewhere) })
    }

    fn close(&self) -> BusAnswer<'_, ()> {
        self.hub.lock().ends.remove(&self.number);
        Box::pin(async { Ok(()) })
    }
}

impl fmt::Debug for MemoryBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBus")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = self.ends.len();
        f.debug_struct("Shared")
            .field("ends", &ends)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::MemoryBusHub;

    crate::bus_contract! { Some(MemoryBusHub::default()) }
}
