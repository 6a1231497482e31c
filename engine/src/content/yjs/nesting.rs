//! How deep shared types are nested, known before an update is taken in.
//!
//! Deleting, collecting and reading nested types call themselves once for each level, so a chain of them that is long
//! enough ends the process, and it can be sent in pieces. So every item's level is known here: 0 in a root type, one more
//! in each type. An item without an explicit parent is where its neighbours are. Most items of most documents are at
//! level 0 and are not kept; of all others, runs of a client's items at the same level are kept as one.
//!
//! This also knows which items are types, and so finds an item within something that cannot hold one, which yrs would
//! notice only after it had taken in half of the update (`docs/decisions/0002-yrs-and-yjs.md`).

use std::collections::HashMap;

use smallvec::{SmallVec, smallvec};
use yrs::encoding::read::{Cursor, Error, Read};

use super::structs::{Header, Id, Is, Parent, Struct};

/// The levels of a document's items.
#[derive(Debug, Default)]
pub(super) struct Nesting {
    clients: HashMap<u64, Runs>,
}

/// Runs of one client, in the order of their clocks; those of an update are mostly one.
type Runs = SmallVec<[Run; 1]>;

/// The sections of an update, mostly one.
type Sections = SmallVec<[Section; 1]>;

#[derive(Clone, Copy, Debug)]
struct Run {
    start: u32,
    end: u32,
    level: u16,
    is: Is,
}

/// What an update is made of, as far as it can be taken in.
#[derive(Debug)]
pub(super) struct Survey {
    /// All structs of the update.
    pub(super) structs: usize,
    /// Whether there is a subdocument among those whose places are known.
    pub(super) has_subdocuments: bool,
    sections: Sections,
}

/// Why an update is not taken in.
#[derive(Debug)]
pub(super) enum Refusal {
    Malformed(Error),
    TooDeep,
    NoParent(Id),
}

/// What the document knows that this does not.
pub(super) trait Here {
    /// The clock of a client.
    fn clock(&self, client: u64) -> u32;
    /// Whether an item is deleted.
    fn is_deleted(&self, id: Id) -> bool;
}

/// The structs of one client in an update.
#[derive(Debug)]
struct Section {
    client: u64,
    /// Up to here the levels are known.
    clock: u32,
    /// Where the next struct begins in the update, and how many are left.
    at: usize,
    left: u32,
    runs: Runs,
    /// Whether it waits for something that is not in the update.
    stuck: bool,
    /// Whether sections that wait for this one are being looked at.
    entered: bool,
}

impl Nesting {
    /// Finds the levels of an update's items, without taking note of them yet.
    pub(super) fn survey(
        &self,
        update: &[u8],
        level_max: u16,
        here: &impl Here,
    ) -> Result<Survey, Refusal> {
        let mut walk = Walk {
            nesting: self,
            here,
            level_max,
            update,
            places: HashMap::new(),
            sections: Sections::new(),
            has_subdocuments: false,
        };
        let structs = walk.list_sections()?;
        for index in 0..walk.sections.len() {
            walk.resolve(index)?;
        }
        Ok(Survey {
            structs,
            has_subdocuments: walk.has_subdocuments,
            sections: walk.sections,
        })
    }

    /// The update of a survey was taken in: takes note of its levels, up to the clocks that the clients have now.
    pub(super) fn note(&mut self, survey: Survey, here: &impl Here) {
        for section in survey.sections {
            let clock = here.clock(section.client);
            let runs = section.runs.into_iter();
            for run in runs.filter(|run| run.end <= clock && run.is_kept()) {
                push(self.clients.entry(section.client).or_default(), run);
            }
        }
    }

    /// How many bytes this takes up.
    pub(super) fn bytes(&self) -> usize {
        let spilled = self.clients.values().filter(|runs| runs.spilled());
        let runs: usize = spilled.map(Runs::capacity).sum();
        runs * size_of::<Run>() + self.clients.capacity() * size_of::<(u64, Runs)>()
    }

    fn run(&self, id: Id) -> Option<Run> {
        find(self.clients.get(&id.client)?, id.clock)
    }
}

impl Survey {
    /// Whether the places of all structs are known.
    pub(super) fn is_complete(&self) -> bool {
        self.sections.iter().all(|section| section.left == 0)
    }
}

impl Run {
    /// Whether it says more than that there are items at level 0.
    fn is_kept(self) -> bool {
        self.is == Is::Type || self.level > 0 && self.is != Is::Collected
    }
}

/// The walk over an update.
struct Walk<'a, H> {
    nesting: &'a Nesting,
    here: &'a H,
    level_max: u16,
    update: &'a [u8],
    /// The place of each client's section, where there are more than a few.
    places: HashMap<u64, usize>,
    sections: Sections,
    has_subdocuments: bool,
}

/// What is known of an item that another refers to.
enum Known {
    /// Its level and what it is; none if nothing was kept of it.
    Yes(Option<Run>),
    /// It is in another section, which is to be looked at first.
    Later(usize),
    /// It is not in the document, nor in the update.
    No,
}

impl<H: Here> Walk<'_, H> {
    fn list_sections(&mut self) -> Result<usize, Refusal> {
        let mut cursor = Cursor::new(self.update);
        let mut structs = 0;
        let count: u32 = cursor.read_var()?;
        for section in 1..=count {
            let Header {
                structs: left,
                client,
                clock,
            } = Header::read(&mut cursor)?;
            if count > SECTIONS_FEW {
                self.places.insert(client, self.sections.len());
            }
            self.sections.push(Section {
                client,
                clock,
                at: cursor.next,
                left,
                runs: Runs::new(),
                stuck: false,
                entered: false,
            });
            if section < count {
                (0..left).try_for_each(|_| Struct::read(&mut cursor).map(drop))?;
            }
            structs += left as usize;
        }
        Ok(structs)
    }

    /// Finds the levels of a section's items, and before those of others on which they depend.
    fn resolve(&mut self, index: usize) -> Result<(), Refusal> {
        let mut stack: SmallVec<[_; 2]> = smallvec![(index, u32::MAX)];
        self.sections[index].entered = true;
        while let Some((index, until)) = stack.last().copied() {
            match self.advance(index, until)? {
                Some((next, clock)) if !self.sections[next].entered => {
                    self.sections[next].entered = true;
                    stack.push((next, clock));
                }
                // What waits for itself waits for ever.
                Some(_) => self.sections[index].stuck = true,
                None => {
                    self.sections[index].entered = false;
                    stack.pop();
                }
            }
        }
        Ok(())
    }

    /// Goes on in a section until a clock, its end, or an item that depends on another section, which is returned with
    /// the clock that it has to reach.
    fn advance(&mut self, index: usize, until: u32) -> Result<Option<(usize, u32)>, Refusal> {
        while self.sections[index].goes_on(until) {
            let section = &self.sections[index];
            let mut cursor = Cursor::new(self.update);
            cursor.next = section.at;
            let item = Struct::read(&mut cursor)?;
            let end = section.clock.checked_add(item.length);
            let end = end.ok_or(Refusal::Malformed(Error::UnexpectedValue))?;
            let level = match self.level(&item)? {
                Level::Is(level) => level,
                Level::Depends(next, clock) => return Ok(Some((next, clock))),
                Level::Unknown => {
                    self.sections[index].stuck = true;
                    return Ok(None);
                }
            };
            if item.is == Is::Type && level >= self.level_max {
                return Err(Refusal::TooDeep);
            }
            self.has_subdocuments |= item.is == Is::Subdocument;
            let section = &mut self.sections[index];
            let run = Run {
                start: section.clock,
                end,
                level,
                is: item.is,
            };
            push(&mut section.runs, run);
            section.clock = end;
            section.at = cursor.next;
            section.left -= 1;
        }
        Ok(None)
    }

    fn level(&self, item: &Struct) -> Result<Level, Refusal> {
        let mut level = 0;
        for neighbour in [item.origin, item.right].into_iter().flatten() {
            match self.known(neighbour) {
                Known::Yes(run) => level = level.max(run.map_or(0, |run| run.level)),
                Known::Later(section) => return Ok(Level::Depends(section, neighbour.clock)),
                Known::No => return Ok(Level::Unknown),
            }
        }
        let Parent::Item(parent) = item.parent else {
            return Ok(Level::Is(level));
        };
        match self.known(parent) {
            Known::Yes(Some(run)) if run.is == Is::Type => Ok(Level::Is(run.level + 1)),
            Known::Yes(run) if self.is_gone(parent, run) => Ok(Level::Is(level)),
            Known::Yes(_) => Err(Refusal::NoParent(parent)),
            Known::Later(section) => Ok(Level::Depends(section, parent.clock)),
            Known::No => Ok(Level::Unknown),
        }
    }

    /// Whether an item that is no type was one once, for all that anyone can tell.
    fn is_gone(&self, id: Id, run: Option<Run>) -> bool {
        match run {
            Some(run) if matches!(run.is, Is::Collected | Is::Deleted) => true,
            _ => id.clock < self.here.clock(id.client) && self.here.is_deleted(id),
        }
    }

    fn known(&self, id: Id) -> Known {
        if id.clock < self.here.clock(id.client) {
            return Known::Yes(self.nesting.run(id));
        }
        let Some(index) = self.place(id.client) else {
            return Known::No;
        };
        let section = &self.sections[index];
        match id.clock {
            clock if clock < section.clock => Known::Yes(find(&section.runs, clock)),
            _ if section.stuck || section.left == 0 => Known::No,
            _ => Known::Later(index),
        }
    }

    /// Where a client's section is; the last, should it have several.
    fn place(&self, client: u64) -> Option<usize> {
        if self.places.is_empty() {
            let is_its = |section: &Section| section.client == client;
            return self.sections.iter().rposition(is_its);
        }
        self.places.get(&client).copied()
    }
}

enum Level {
    Is(u16),
    Depends(usize, u32),
    Unknown,
}

impl Section {
    fn goes_on(&self, until: u32) -> bool {
        self.left > 0 && self.clock <= until && !self.stuck
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Malformed(error)
    }
}

/// Appends a run, to the last one if it continues that.
fn push(runs: &mut Runs, run: Run) {
    match runs.last_mut() {
        Some(last) if last.end == run.start && last.level == run.level && last.is == run.is => {
            last.end = run.end;
        }
        _ => runs.push(run),
    }
}

fn find(runs: &Runs, clock: u32) -> Option<Run> {
    let after = runs.partition_point(|run| run.start <= clock);
    let run = runs[after.checked_sub(1)?];
    (clock < run.end).then_some(run)
}

/// So many sections are looked through for that of a client; among more it is found by its number.
const SECTIONS_FEW: u32 = 8;
