//! Which changes there are and how they build on each other: all that sync needs, at microseconds a change.
//!
//! Changes stand in an order in which each comes after those that it builds on, so whatever follows from a change stands
//! behind it, and what a peer lacks is found by going back from the end as far as it lacks anything.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{ActorId, ChangeHash, ChangeMetadata};
use bytes::Bytes;
use smallvec::SmallVec;

use super::arrival::{Arrival, Raw};
use crate::content::{Begins, ContentError};

/// Changes that have all that they build on.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    places: BTreeMap<Mark, u32>,
    heads: BTreeSet<ChangeHash>,
    actors: Actors,
    bytes: usize,
}

#[derive(Debug)]
struct Node {
    hash: ChangeHash,
    deps: SmallVec<[u32; 2]>,
    /// How many changes build on it directly.
    children: u32,
    /// The greatest number of an operation in it and in all that it builds on.
    last_op: u64,
    /// None if it is to be had of the saved document only.
    raw: Option<Raw>,
}

/// How far each actor is.
#[derive(Clone, Debug, Default)]
pub(super) struct Actors(BTreeMap<ActorId, Actor>);

#[derive(Clone, Copy, Debug, Default)]
struct Actor {
    seq: u64,
    last_op: u64,
    has_author: bool,
}

/// The beginning of a hash, by which changes are found and [`Begins`] names them. Whoever finds two changes that share so
/// much can have but one of them here.
pub(super) type Mark = (u64, u32);

/// Changes that are left out, with all that follows from them.
#[derive(Debug)]
pub(super) struct Withheld {
    from: usize,
    marks: Vec<bool>,
}

impl Withheld {
    pub(super) fn has(&self, place: u32) -> bool {
        let at = (place as usize).checked_sub(self.from);
        at.and_then(|at| self.marks.get(at))
            .is_some_and(|mark| *mark)
    }

    /// Where they are, in order.
    pub(super) fn places(&self) -> impl Iterator<Item = u32> {
        let marks = self.marks.iter().zip(self.from as u32..);
        marks.filter_map(|(mark, place)| mark.then_some(place))
    }
}

impl Actors {
    /// Counts a change in, if it is one that its actor could have made after what it had made before.
    ///
    /// # Errors
    /// It is not.
    pub(super) fn count_in(&mut self, change: &Arrival) -> Result<(), ContentError> {
        let actor = self.0.get(&change.actor).copied().unwrap_or_default();
        if change.seq <= actor.seq {
            return Err(is_another(change));
        }
        if change.seq != actor.seq + 1 {
            return Err(refused(change, "does not build on the one before it"));
        }
        if change.first_op <= actor.last_op {
            let why = "gives numbers of operations for the second time";
            return Err(refused(change, why));
        }
        if change.names_author && actor.has_author {
            return Err(refused(change, "names the author for the second time"));
        }
        self.0.insert(change.actor.clone(), actor.after(change));
        Ok(())
    }

    /// The actors of these changes alone, and those that they name.
    pub(super) fn of(&self, changes: &[Arrival]) -> Self {
        let named = changes
            .iter()
            .flat_map(|change| change.others.iter().chain([&change.actor]));
        let known = named.filter_map(|id| self.0.get_key_value(id));
        Self(known.map(|(id, actor)| (id.clone(), *actor)).collect())
    }

    /// Whether an actor has made anything.
    pub(super) fn has(&self, id: &ActorId) -> bool {
        self.0.contains_key(id)
    }

    /// Whether another change has the number of this one.
    pub(super) fn is_taken(&self, change: &Arrival) -> bool {
        let actor = self.0.get(&change.actor);
        actor.is_some_and(|actor| change.seq <= actor.seq)
    }
}

impl Actor {
    fn after(self, change: &Arrival) -> Self {
        Self {
            seq: change.seq,
            last_op: change.last_op,
            has_author: self.has_author || change.names_author,
        }
    }
}

impl Graph {
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The estimated memory of it and of the document that can be made of it, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.bytes
    }

    pub(super) fn heads(&self) -> impl ExactSizeIterator<Item = &ChangeHash> {
        self.heads.iter()
    }

    pub(super) fn actors(&self) -> &Actors {
        &self.actors
    }

    pub(super) fn has(&self, hash: &ChangeHash) -> bool {
        self.places.contains_key(&mark(hash))
    }

    pub(super) fn place(&self, mark: &Mark) -> Option<u32> {
        self.places.get(mark).copied()
    }

    pub(super) fn hash(&self, place: u32) -> ChangeHash {
        self.nodes[place as usize].hash
    }

    pub(super) fn raw(&self, place: u32) -> Option<&Raw> {
        self.nodes[place as usize].raw.as_ref()
    }

    /// Adds a change that is not here and all of whose dependencies are.
    ///
    /// # Errors
    /// It does not fit its actor. Nothing is different.
    pub(super) fn insert(&mut self, change: Arrival) -> Result<(), ContentError> {
        check_first_op(&change, self.last_op_of(&change.deps))?;
        self.actors.count_in(&change)?;
        self.add(&change.hash, &change.deps, change.last_op);
        self.bytes += weight(&change);
        if let Some(node) = self.nodes.last_mut() {
            node.raw = Some(change.raw);
        }
        Ok(())
    }

    /// Adds a change of a saved document that has been proved, which has all of them in order.
    pub(super) fn insert_saved(&mut self, change: &ChangeMetadata<'_>) {
        let id = change.actor.as_ref();
        let actor = self.actors.0.entry(id.clone()).or_default();
        *actor = Actor {
            seq: change.seq,
            last_op: change.max_op,
            has_author: actor.has_author || change.author.is_some(),
        };
        self.add(&change.hash, &change.deps, change.max_op);
        self.bytes += weight_of(change.start_op, change.max_op);
    }

    /// The greatest number of an operation in these changes, as far as they are here, and in all that they build on.
    pub(super) fn last_op_of(&self, changes: &[ChangeHash]) -> u64 {
        let places = changes
            .iter()
            .filter_map(|hash| self.places.get(&mark(hash)));
        let last = places.map(|place| self.nodes[*place as usize].last_op);
        last.max().unwrap_or_default()
    }

    fn add(&mut self, hash: &ChangeHash, deps: &[ChangeHash], last_op: u64) {
        let places = deps.iter().filter_map(|dep| self.places.get(&mark(dep)));
        let mut deps: SmallVec<[u32; 2]> = places.copied().collect();
        deps.sort_unstable();
        deps.dedup();
        for dep in &deps {
            let node = &mut self.nodes[*dep as usize];
            node.children += 1;
            self.heads.remove(&node.hash);
        }
        let place = u32::try_from(self.nodes.len()).expect("a document is bounded by its weight");
        self.places.insert(mark(hash), place);
        self.heads.insert(*hash);
        self.nodes.push(Node {
            hash: *hash,
            deps,
            children: 0,
            last_op,
            raw: None,
        });
    }

    /// Lets the bytes of all changes go: a saved document holds them from now on.
    pub(super) fn forget_raw(&mut self) {
        for node in &mut self.nodes {
            if let Some(raw) = node.raw.take() {
                self.bytes -= raw.bytes().len();
            }
        }
    }

    /// Where what begins at these marks is, as far as it is here.
    pub(super) fn places_of<'a>(&self, begins: impl Iterator<Item = &'a Begins>) -> BTreeSet<u32> {
        let marks = begins.flat_map(|begins| &begins.0);
        let places = marks.filter_map(|mark| self.places.get(mark));
        places.copied().collect()
    }

    /// What begins at these marks, and all that follows from it.
    pub(super) fn withheld<'a>(&self, unsaved: impl Iterator<Item = &'a Begins>) -> Withheld {
        let places = self.places_of(unsaved);
        let from = places.first().map_or(self.len(), |first| *first as usize);
        let mut withheld = Withheld {
            from,
            marks: vec![false; self.len() - from],
        };
        for place in places {
            withheld.marks[place as usize - from] = true;
        }
        for (at, node) in self.nodes[from..].iter().enumerate() {
            let follows = node.deps.iter().any(|dep| withheld.has(*dep));
            withheld.marks[at] |= follows;
        }
        withheld
    }

    /// The heads of all that is not withheld, in order.
    pub(super) fn heads_without(&self, withheld: &Withheld) -> BTreeSet<ChangeHash> {
        let mut heads = self.heads.clone();
        let mut lost: BTreeMap<u32, u32> = BTreeMap::new();
        for (at, node) in self.nodes.iter().enumerate().skip(withheld.from) {
            if !withheld.has(at as u32) {
                continue;
            }
            heads.remove(&node.hash);
            for dep in node.deps.iter().filter(|dep| !withheld.has(**dep)) {
                *lost.entry(*dep).or_default() += 1;
            }
        }
        let bared = lost
            .into_iter()
            .filter(|(place, lost)| self.nodes[*place as usize].children == *lost);
        heads.extend(bared.map(|(place, _)| self.hash(place)));
        heads
    }

    /// The changes that a peer with these heads lacks, in order. Heads that are not here say nothing.
    pub(super) fn lacked_with(&self, heads: &[ChangeHash]) -> Vec<u32> {
        let known = heads.iter().filter_map(|hash| self.place(&mark(hash)));
        self.lacked_behind(known)
    }

    /// The changes that are neither at these places nor what these build on, in order.
    pub(super) fn lacked_behind(&self, known: impl IntoIterator<Item = u32>) -> Vec<u32> {
        let mut known = known.into_iter().peekable();
        if known.peek().is_none() {
            return (0..self.len() as u32).collect();
        }
        let mut walk = Walk::default();
        known.for_each(|place| walk.meet(place, false));
        let heads = self
            .heads
            .iter()
            .filter_map(|head| self.places.get(&mark(head)));
        heads.for_each(|head| walk.meet(*head, true));
        let mut lacked = Vec::new();
        while let Some((place, is_lacked)) = walk.next() {
            if is_lacked {
                lacked.push(place);
            }
            for dep in &self.nodes[place as usize].deps {
                walk.meet(*dep, is_lacked);
            }
        }
        lacked.reverse();
        lacked
    }

    /// The payloads of all changes from a place on, for taking them in elsewhere.
    pub(super) fn raws_from(&self, place: usize) -> impl Iterator<Item = Option<&Raw>> {
        self.nodes[place..].iter().map(|node| node.raw.as_ref())
    }
}

/// A way back through the order, until nothing that is met is lacked any more.
#[derive(Default)]
struct Walk {
    met: BTreeMap<u32, bool>,
    lacked: usize,
}

impl Walk {
    fn meet(&mut self, place: u32, is_lacked: bool) {
        match self.met.get_mut(&place) {
            None => {
                self.met.insert(place, is_lacked);
                self.lacked += usize::from(is_lacked);
            }
            Some(before) if *before && !is_lacked => {
                *before = false;
                self.lacked -= 1;
            }
            Some(_) => {}
        }
    }

    fn next(&mut self) -> Option<(u32, bool)> {
        if self.lacked == 0 {
            return None;
        }
        let (place, is_lacked) = self.met.pop_last()?;
        self.lacked -= usize::from(is_lacked);
        Some((place, is_lacked))
    }
}

/// The beginning of a hash.
pub(super) fn mark(hash: &ChangeHash) -> Mark {
    let (first, rest) = hash.0.split_first_chunk().expect("a hash has 32 bytes");
    let (second, _) = rest.split_first_chunk().expect("a hash has 32 bytes");
    (u64::from_be_bytes(*first), u32::from_be_bytes(*second))
}

/// The first hash with this beginning.
pub(super) fn first_of(mark: &Mark) -> ChangeHash {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&mark.0.to_be_bytes());
    hash[8..12].copy_from_slice(&mark.1.to_be_bytes());
    ChangeHash(hash)
}

/// Heads as they are told: their hashes, one behind the other.
pub(super) fn encode_heads<'a>(heads: impl Iterator<Item = &'a ChangeHash>) -> Bytes {
    heads.flat_map(|head| head.0).collect()
}

/// Heads as they were told.
///
/// # Errors
/// The bytes are not hashes.
pub(super) fn decode_heads(bytes: &[u8]) -> Result<Vec<ChangeHash>, ContentError> {
    let (hashes, rest) = bytes.as_chunks();
    if rest.is_empty() {
        Ok(hashes.iter().copied().map(ChangeHash).collect())
    } else {
        Err(ContentError::Undecodable(
            "heads are of 32 bytes each".to_owned(),
        ))
    }
}

/// The estimated memory of a change, here and in the document, in bytes.
pub(super) fn weight(change: &Arrival) -> usize {
    change.raw.bytes().len() + weight_of(change.first_op, change.last_op)
}

fn weight_of(first_op: u64, last_op: u64) -> usize {
    let ops = (last_op + 1).saturating_sub(first_op);
    let ops = usize::try_from(ops).unwrap_or(usize::MAX);
    ops.saturating_mul(OP_BYTES).saturating_add(CHANGE_BYTES)
}

/// Checks that the operations of a change are numbered beyond those that it builds on, the last of which has this number.
/// The library takes their order from that, and fails where it is not so.
///
/// # Errors
/// They are not.
pub(super) fn check_first_op(change: &Arrival, last_op: u64) -> Result<(), ContentError> {
    match change.first_op > last_op {
        true => Ok(()),
        false => Err(refused(
            change,
            "numbers operations as what it builds on does",
        )),
    }
}

/// The error for a change whose number another has.
pub(super) fn is_another(change: &Arrival) -> ContentError {
    refused(change, "is another than the one that is here")
}

fn refused(change: &Arrival, why: &str) -> ContentError {
    let Arrival { actor, seq, .. } = change;
    ContentError::Refused(format!("change {seq} of actor {actor} {why}"))
}

/// What a change takes up besides its bytes: 400 in the library, the rest here.
const CHANGE_BYTES: usize = 600;
/// What an operation takes up in the library.
const OP_BYTES: usize = 30;
