//! Updates of several authors as one, put together from their bytes.
//!
//! An update is a section of structs for each client, and deletions. Sections of different clients can stand side by side
//! as they came, those of one client one behind the other where each begins where the last ended, and deletions are
//! united. So nothing is decoded that a merge does not need, and what all but one author made is cut out of what all made.
//! Where a client's sections leave a gap or overlap, the rest goes into a further update; one with holes of its own is
//! left as it came. Yjs writes the clients from the greatest to the least, and so do we (`writeClientsStructs` in
//! `yjs/src/utils/encoding.js`).

use std::cell::OnceCell;
use std::cmp::Reverse;

use bytes::Bytes;
use smallvec::SmallVec;
use yrs::encoding::read::{Cursor, Error, Read};
use yrs::encoding::write::Write;

use super::structs::{Header, Is, Struct};

/// Updates to be merged, each with the number of its author.
#[derive(Debug)]
pub(crate) struct Merging<'a> {
    updates: Vec<(u32, &'a Bytes)>,
    /// What they say, once that matters.
    parts: OnceCell<Parts>,
}

#[derive(Debug, Default)]
struct Parts {
    layers: Vec<Layer>,
    deleted: Vec<Deleted>,
    /// Which of the updates go as they came.
    odd: Vec<usize>,
}

/// What one client wrote, in a row.
#[derive(Clone, Copy, Debug)]
struct Section<'a> {
    owner: u32,
    client: u64,
    clock: u32,
    end: u32,
    structs: u32,
    bytes: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Deleted {
    owner: u32,
    client: u64,
    clock: u32,
    end: u32,
}

/// Sections that make one update, written one after the other.
#[derive(Debug, Default)]
struct Layer {
    runs: Vec<Run>,
    bytes: Vec<u8>,
}

/// All that a layer has of one client.
#[derive(Debug)]
struct Run {
    /// Who has a share in it; one author as a rule.
    owners: SmallVec<[u32; 1]>,
    /// Where it ends in the bytes of the layer.
    end: usize,
}

impl<'a> Merging<'a> {
    /// Of updates; each author's are in the order in which they are to be applied.
    pub(crate) fn of(updates: Vec<(u32, &'a Bytes)>) -> Self {
        Self {
            updates,
            parts: OnceCell::new(),
        }
    }

    /// All updates as one, or as few as can be; a lone one as it came.
    pub(crate) fn all(&self) -> Vec<Bytes> {
        match self.updates[..] {
            [] => Vec::new(),
            [(_, lone)] => vec![lone.clone()],
            _ => self.write(None),
        }
    }

    /// The same without what one author made.
    pub(crate) fn without(&self, owner: u32) -> Vec<Bytes> {
        let mut others = self.updates.iter().filter(|(other, _)| *other != owner);
        match (others.next(), others.next()) {
            (None, _) => Vec::new(),
            (Some((_, lone)), None) => vec![Bytes::clone(lone)],
            _ if self.can_leave_out(owner) => self.write(Some(owner)),
            _ => self.anew_without(owner),
        }
    }

    fn parts(&self) -> &Parts {
        self.parts.get_or_init(|| Parts::of(&self.updates))
    }

    /// Whether an author shares no run with others, so that what it made can be left out of what is written.
    fn can_leave_out(&self, owner: u32) -> bool {
        let mut runs = self.parts().layers.iter().flat_map(|layer| &layer.runs);
        !runs.any(|run| run.owners.len() > 1 && run.owners.contains(&owner))
    }

    fn anew_without(&self, owner: u32) -> Vec<Bytes> {
        let updates = self.updates.iter().copied();
        Merging::of(updates.filter(|(of, _)| *of != owner).collect()).all()
    }

    fn write(&self, without: Option<u32>) -> Vec<Bytes> {
        let Parts {
            layers,
            deleted,
            odd,
        } = self.parts();
        let last = layers.len().saturating_sub(1);
        let layers = layers.iter().enumerate();
        let layers = layers.filter_map(|(at, layer)| {
            let mut update = Vec::with_capacity(layer.bytes.len() + HEAD_BYTES);
            let runs = layer.write(without, &mut update);
            let deletions = if at == last {
                write_deleted(deleted, without, &mut update)
            } else {
                update.push(0);
                0
            };
            (runs + deletions > 0).then(|| update.into())
        });
        let odd = odd.iter().map(|at| self.updates[*at]);
        let odd = odd.filter(|(owner, _)| Some(*owner) != without);
        layers
            .chain(odd.map(|(_, update)| update.clone()))
            .collect()
    }
}

impl Parts {
    fn of(updates: &[(u32, &Bytes)]) -> Self {
        let mut parts = Self::default();
        let mut sections = Vec::with_capacity(updates.len());
        for (at, (owner, update)) in updates.iter().enumerate() {
            let (some, deletions) = (sections.len(), parts.deleted.len());
            if read(update, *owner, &mut sections, &mut parts.deleted).is_err() {
                sections.truncate(some);
                parts.deleted.truncate(deletions);
                parts.odd.push(at);
            }
        }
        sections.sort_by_key(|section| (Reverse(section.client), section.clock));
        let of_deleted = |deleted: &Deleted| (Reverse(deleted.client), deleted.clock);
        parts.deleted.sort_unstable_by_key(of_deleted);
        while !sections.is_empty() {
            parts.layers.push(Layer::taken_from(&mut sections));
        }
        if parts.layers.is_empty() && !parts.deleted.is_empty() {
            parts.layers.push(Layer::default());
        }
        parts
    }
}

impl Layer {
    /// Takes the first sections of each client that follow one another.
    fn taken_from(sections: &mut Vec<Section<'_>>) -> Self {
        let mut layer = Self::default();
        let mut rest = Vec::new();
        for of_one in sections.chunk_by(|a, b| a.client == b.client) {
            let gap = of_one.windows(2).position(|two| two[0].end != two[1].clock);
            let (row, further) = of_one.split_at(gap.map_or(of_one.len(), |at| at + 1));
            layer.push(row);
            rest.extend_from_slice(further);
        }
        *sections = rest;
        layer
    }

    fn push(&mut self, row: &[Section<'_>]) {
        let first = row[0];
        let structs: u32 = row.iter().map(|section| section.structs).sum();
        self.bytes.write_var(structs);
        self.bytes.write_var(first.client);
        self.bytes.write_var(first.clock);
        for section in row {
            self.bytes.extend_from_slice(section.bytes);
        }
        let mut owners: SmallVec<_> = row.iter().map(|section| section.owner).collect();
        owners.dedup();
        let end = self.bytes.len();
        self.runs.push(Run { owners, end });
    }

    /// Writes the sections of all but one author; gives how many there are.
    fn write(&self, without: Option<u32>, update: &mut Vec<u8>) -> usize {
        let is_left_out = |run: &Run| without.is_some_and(|owner| run.owners[..] == [owner]);
        let left_out = self.runs.iter().filter(|run| is_left_out(run)).count();
        let runs = self.runs.len() - left_out;
        update.write_var(runs);
        let (mut from, mut to) = (0, 0);
        for run in &self.runs {
            if is_left_out(run) {
                update.extend_from_slice(&self.bytes[from..to]);
                from = run.end;
            }
            to = run.end;
        }
        update.extend_from_slice(&self.bytes[from..to]);
        runs
    }
}

/// Reads what an update has to say.
///
/// # Errors
/// It is no update, or has a hole.
fn read<'a>(
    update: &'a [u8],
    owner: u32,
    sections: &mut Vec<Section<'a>>,
    deleted: &mut Vec<Deleted>,
) -> Result<(), Error> {
    let mut cursor = Cursor::new(update);
    for _ in 0..cursor.read_var::<u32>()? {
        let section = Section::read(&mut cursor, owner)?;
        sections.extend((section.structs > 0).then_some(section));
    }
    for _ in 0..cursor.read_var::<u32>()? {
        let client = cursor.read_var()?;
        for _ in 0..cursor.read_var::<u32>()? {
            let range = Deleted::read(&mut cursor, owner, client)?;
            deleted.extend((range.clock < range.end).then_some(range));
        }
    }
    if cursor.next < update.len() {
        return Err(Error::UnexpectedValue);
    }
    Ok(())
}

impl<'a> Section<'a> {
    fn read(cursor: &mut Cursor<'a>, owner: u32) -> Result<Self, Error> {
        let Header {
            structs,
            client,
            clock,
        } = Header::read(cursor)?;
        let start = cursor.next;
        let mut end = clock;
        for _ in 0..structs {
            let Struct { length, is, .. } = Struct::read(cursor)?;
            end = end.checked_add(length).ok_or(Error::UnexpectedValue)?;
            if is == Is::Hole {
                return Err(Error::UnexpectedValue);
            }
        }
        Ok(Self {
            owner,
            client,
            clock,
            end,
            structs,
            bytes: &cursor.buf[start..cursor.next],
        })
    }
}

impl Deleted {
    fn read(cursor: &mut Cursor<'_>, owner: u32, client: u64) -> Result<Self, Error> {
        let (clock, length) = (cursor.read_var()?, cursor.read_var::<u32>()?);
        let end = u32::checked_add(clock, length).ok_or(Error::UnexpectedValue)?;
        Ok(Self {
            owner,
            client,
            clock,
            end,
        })
    }
}

/// Writes the deletions of all but one author, united; gives in how many clients' items they are.
fn write_deleted(deleted: &[Deleted], without: Option<u32>, update: &mut Vec<u8>) -> usize {
    let mut united: Vec<Deleted> = Vec::new();
    for range in deleted {
        if Some(range.owner) == without {
            continue;
        }
        match united.last_mut() {
            Some(last) if last.client == range.client && last.end >= range.clock => {
                last.end = last.end.max(range.end);
            }
            _ => united.push(*range),
        }
    }
    let of_one = |a: &Deleted, b: &Deleted| a.client == b.client;
    let clients = united.chunk_by(of_one).count();
    update.write_var(clients);
    for ranges in united.chunk_by(of_one) {
        update.write_var(ranges[0].client);
        update.write_var(ranges.len());
        for range in ranges {
            update.write_var(range.clock);
            update.write_var(range.end - range.clock);
        }
    }
    clients
}

/// Room for the number of sections, and no deletions.
const HEAD_BYTES: usize = 8;
