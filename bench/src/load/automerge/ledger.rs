//! All that typists have written in one document, each change under a number: whoever builds on another has a higher one.

use std::collections::HashMap;

use anyhow::{Context, Result};
use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType, SortedVec};
use automerge::{ActorId, Change, ExpandedChange, ScalarValue};
use bytes::Bytes;
use protocol::automerge::ChangeHash;

/// The changes of a run, and before them what was there: one entry for all of it, with the number 0.
pub(super) struct Ledger {
    entries: Vec<Entry>,
    by_hash: HashMap<ChangeHash, u32>,
    by_chunk: HashMap<Bytes, u32>,
    /// The operation that made the text.
    text: OpId,
}

/// One change.
pub(super) struct Entry {
    pub(super) hash: ChangeHash,
    pub(super) deps: Box<[u32]>,
    pub(super) author: usize,
    pub(super) sent_us: u32,
    /// The number of its only operation.
    pub(super) op: u64,
    pub(super) chunk: Bytes,
}

/// Who writes a change, and where.
pub(super) struct Draft<'a> {
    pub(super) author: usize,
    pub(super) actor: &'a ActorId,
    pub(super) seq: u64,
    /// The letter that stands before the new one.
    pub(super) after: &'a OpId,
    pub(super) deps: &'a [u32],
    pub(super) now_us: u32,
}

impl Ledger {
    /// Nobody has typed yet. The text was made by the first of so many operations, all of one actor, and has this head.
    pub(super) fn new(head: ChangeHash, ops: u64, actor: ActorId) -> Self {
        let start = Entry {
            hash: head,
            deps: [].into(),
            author: usize::MAX,
            sent_us: 0,
            op: ops,
            chunk: Bytes::new(),
        };
        Self {
            entries: vec![start],
            by_hash: HashMap::from([(head, 0)]),
            by_chunk: HashMap::new(),
            text: OpId(1, actor),
        }
    }

    pub(super) fn len(&self) -> u32 {
        self.entries.len() as u32
    }

    pub(super) fn entry(&self, number: u32) -> &Entry {
        &self.entries[number as usize]
    }

    /// The change of a hash.
    ///
    /// # Errors
    /// Nobody here has written it.
    pub(super) fn number(&self, hash: &ChangeHash) -> Result<u32> {
        let number = self.by_hash.get(hash).copied();
        number.with_context(|| format!("nobody has written {hash}"))
    }

    /// The changes of some hashes, in order.
    ///
    /// # Errors
    /// Nobody here has written one of them.
    pub(super) fn numbers(&self, hashes: &[ChangeHash]) -> Result<Vec<u32>> {
        let numbers = hashes.iter().map(|hash| self.number(hash));
        let mut numbers: Vec<_> = numbers.collect::<Result<_>>()?;
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The change that was written in these bytes; none of what was there before.
    pub(super) fn of_chunk(&self, chunk: &Bytes) -> Option<u32> {
        self.by_chunk.get(chunk).copied()
    }

    pub(super) fn hashes(&self, numbers: &[u32]) -> Vec<ChangeHash> {
        let hashes = numbers.iter().map(|number| self.entry(*number).hash);
        hashes.collect()
    }

    /// The number of the last operation that any of these had seen, or is.
    pub(super) fn last_op(&self, numbers: &[u32]) -> u64 {
        let ops = numbers.iter().map(|number| self.entry(*number).op);
        ops.max().unwrap_or_default()
    }

    /// Writes a change down that puts one letter in.
    pub(super) fn write(&mut self, draft: &Draft<'_>) -> u32 {
        let op = self.last_op(draft.deps) + 1;
        let change = self.change(draft, op);
        let number = self.len();
        let entry = Entry {
            hash: ChangeHash(change.hash().0),
            deps: draft.deps.into(),
            author: draft.author,
            sent_us: draft.now_us,
            op,
            chunk: Bytes::copy_from_slice(change.raw_bytes()),
        };
        self.by_hash.insert(entry.hash, number);
        self.by_chunk.insert(entry.chunk.clone(), number);
        self.entries.push(entry);
        number
    }

    /// Everything that was typed, as the library reads it.
    ///
    /// # Errors
    /// The library does not read it.
    pub(super) fn changes(&self) -> Result<Vec<Change>> {
        let typed = self.entries[1..].iter();
        let changes = typed.map(|entry| Ok(Change::try_from(&entry.chunk[..])?));
        changes.collect()
    }

    fn change(&self, draft: &Draft<'_>, op: u64) -> Change {
        let mut deps = self.hashes(draft.deps);
        deps.sort_unstable();
        let letter = Op {
            action: OpType::Put(ScalarValue::Str(LETTER.into())),
            obj: ObjectId::Id(self.text.clone()),
            key: Key::Seq(ElementId::Id(draft.after.clone())),
            pred: SortedVec::new(),
            insert: true,
        };
        ExpandedChange {
            operations: vec![letter],
            actor_id: draft.actor.clone(),
            hash: None,
            seq: draft.seq,
            start_op: op.try_into().unwrap_or(std::num::NonZeroU64::MIN),
            time: 0,
            message: None,
            deps: deps
                .iter()
                .map(|hash| automerge::ChangeHash(hash.0))
                .collect(),
            extra_bytes: Vec::new(),
            author: None,
        }
        .into()
    }
}

/// What everybody types.
const LETTER: &str = "x";
