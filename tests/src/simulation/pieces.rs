//! What edits are made of, piece by piece, each by its name: the units of Yjs clients, and the changes of Automerge.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use automerge::Automerge;
use bytes::Bytes;
use engine::{AutomergeContent, Kind};
use protocol::automerge::{ChangeHash, split_changes};
use yrs::updates::decoder::Decode;
use yrs::{ClientID, IdSet, StateVector, Update};

/// Some pieces.
#[derive(Clone, Debug, Default)]
pub(super) struct Pieces {
    units: IdSet,
    changes: BTreeSet<ChangeHash>,
}

/// The changes of Automerge that anyone has sent, and what each builds on.
#[derive(Debug, Default)]
pub(super) struct Ancestry(BTreeMap<ChangeHash, Vec<ChangeHash>>);

impl Pieces {
    /// What a payload brings; nothing if it is none.
    pub(super) fn of(kind: Kind, payload: &[u8]) -> Self {
        match kind {
            Kind::Automerge => hashes_of(payload).into_iter().collect(),
            _ => Self::units(
                Update::decode_v1(payload)
                    .unwrap_or_default()
                    .insertions(true),
            ),
        }
    }

    /// What somebody has, as the engine writes it; none if it can not be read. Of changes that nobody has sent nothing is known.
    pub(super) fn had(kind: Kind, have: &[u8], ancestry: &Ancestry) -> Option<Self> {
        if kind == Kind::Automerge {
            return Some(ancestry.lineage(&Self::heads(have)));
        }
        let vector = StateVector::decode_v1(have).ok()?;
        let clocks = vector.iter().filter(|(_, clock)| **clock > 0);
        let claims = clocks.map(|(client, clock)| (*client, std::iter::once(0..*clock)));
        Some(Self::units(IdSet::from_iter(claims)))
    }

    /// What is named where somebody says what they have, for people.
    pub(super) fn named(kind: Kind, have: &[u8]) -> Self {
        match kind {
            Kind::Automerge => Self::heads(have),
            _ => Self::had(kind, have, &Ancestry::default()).unwrap_or_default(),
        }
    }

    /// The heads that the engine writes where it says what somebody has.
    fn heads(have: &[u8]) -> Self {
        let heads = have.as_chunks().0.iter();
        heads.copied().map(ChangeHash).collect()
    }

    fn units(units: IdSet) -> Self {
        Self {
            units,
            ..Self::default()
        }
    }

    /// Those of the units that one Yjs client made.
    pub(super) fn of_client(&self, client: u64) -> Self {
        let client = ClientID::new(client);
        let own = self.units.iter().filter(|(author, _)| **author == client);
        let own = own.map(|(author, ranges)| (*author, ranges.iter().cloned()));
        Self::units(IdSet::from_iter(own))
    }

    /// The changes among them.
    pub(super) fn changes(&self) -> impl Iterator<Item = &ChangeHash> {
        self.changes.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.units.is_empty() && self.changes.is_empty()
    }

    pub(super) fn merge_with(&mut self, other: Self) {
        self.units.merge_with(other.units);
        self.changes.extend(other.changes);
    }

    pub(super) fn intersect_with(&mut self, other: &Self) {
        self.units.intersect_with(&other.units);
        self.changes.retain(|change| other.changes.contains(change));
    }

    /// Those that are not among others.
    pub(super) fn diff(&self, other: &Self) -> Self {
        Self {
            units: self.units.diff(&other.units),
            changes: &self.changes - &other.changes,
        }
    }
}

impl FromIterator<ChangeHash> for Pieces {
    fn from_iter<I: IntoIterator<Item = ChangeHash>>(changes: I) -> Self {
        Self {
            changes: changes.into_iter().collect(),
            ..Self::default()
        }
    }
}

impl fmt::Display for Pieces {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.units.is_empty() {
            write!(out, "{}", self.units)?;
        }
        let mut changes = self.changes.iter();
        changes.try_for_each(|change| write!(out, " {:.8}", change.to_string()))
    }
}

impl Ancestry {
    /// Takes note of the changes of a payload.
    pub(super) fn note(&mut self, payload: &Bytes) {
        for change in AutomergeContent::changes_of(payload).unwrap_or_default() {
            let deps = change.deps.into_iter().map(ChangeHash).collect();
            self.0.insert(ChangeHash(change.hash), deps);
        }
    }

    /// Some changes and all that they build on, as far as it is known.
    pub(super) fn lineage(&self, of: &Pieces) -> Pieces {
        let mut next: Vec<_> = of.changes.iter().collect();
        let mut met = BTreeSet::new();
        while let Some(hash) = next.pop() {
            if let Some(deps) = self.0.get(hash)
                && met.insert(*hash)
            {
                next.extend(deps);
            }
        }
        met.into_iter().collect()
    }
}

/// The hashes of the changes of a payload, which may begin with a saved document.
fn hashes_of(payload: &[u8]) -> Vec<ChangeHash> {
    let chunks = split_changes(&Bytes::copy_from_slice(payload)).into_iter();
    chunks.flat_map(|chunk| hashes_in(&chunk)).collect()
}

fn hashes_in(chunk: &Bytes) -> Vec<ChangeHash> {
    if chunk.get(CHUNK_TYPE_AT) != Some(&DOCUMENT) {
        let changes = AutomergeContent::changes_of(chunk).unwrap_or_default();
        return changes.iter().map(|it| ChangeHash(it.hash)).collect();
    }
    let doc = Automerge::load(chunk).unwrap_or_default();
    let changes = doc.get_changes_meta(&[]).into_iter();
    changes.map(|change| ChangeHash(change.hash.0)).collect()
}

/// Where a chunk says what it is, and what says that it is a saved document.
const CHUNK_TYPE_AT: usize = 8;
const DOCUMENT: u8 = 0;
