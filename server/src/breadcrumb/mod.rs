//! Breadcrumbs: what the process was doing when it died.
//!
//! Before the engine is given anything that others made (an edit, a stored change, a snapshot), a crumb of it is left in
//! a file that is mapped into memory, and taken away after. A library that overflows its stack or runs out of memory
//! ends the process, but not the crumb. At the next start, before anybody is served, every crumb that is found is tried
//! in a process of its own ([`trial`]); what ends that process too is quarantined and does not kill a second time. What
//! does not is innocent: the process was killed from outside while it happened to be at work.
//!
//! A step takes a slot from a list of free ones, so a slot is one thread's as long as the step goes on. Leaving a crumb
//! is copying some hundred bytes. What does not fit into a slot goes into a file beside.

mod map;
mod slot;

mod start;
pub use start::examine;

pub(crate) mod trial;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use bytes::Bytes;
use engine::{Author, ConnectionId, DocumentKey, Dot, Kind};
use memmap2::MmapMut;
use tracing::warn;

use slot::{Payload, SLOT_BYTES};

/// Where crumbs are left. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Crumbs(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    free: Mutex<Vec<Slot>>,
}

#[derive(Debug)]
struct Slot {
    map: MmapMut,
    /// The file for a payload that is too long.
    beside: PathBuf,
    is_beside: bool,
}

/// What the engine is about to be given.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// An edit of a client.
    Push {
        /// Its raw bytes.
        payload: &'a [u8],
        /// Who made it.
        author: Option<&'a Author>,
        /// Through which connection.
        connection: ConnectionId,
    },
    /// A stored change.
    Replay(Dot),
    /// A snapshot.
    Snapshot,
    /// Nothing new: the content is read or written out.
    Read,
    /// The content is rebuilt beside, for somebody who looks at it or to verify a snapshot.
    Render,
}

/// A crumb that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crumb {
    /// The document.
    pub document: DocumentKey,
    /// Its kind.
    pub kind: Kind,
    /// What was under way.
    pub what: What,
    /// Who had sent it.
    pub author: Option<Author>,
    /// Through which connection.
    pub connection: ConnectionId,
    /// The raw bytes of an edit; none if they could not be kept.
    pub payload: Option<Bytes>,
}

/// What was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// An edit of a client was integrated.
    Push,
    /// A stored change was replayed.
    Replay(Dot),
    /// A snapshot was restored.
    Snapshot,
    /// The content was read.
    Read,
    /// The content was rebuilt beside.
    Render,
}

/// A crumb of an earlier process, and how often it was tried without an end.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) crumb: Crumb,
    pub(crate) trials: u8,
    slot: u64,
}

/// The crumbs that an earlier process left.
#[derive(Debug)]
pub(crate) struct Leftovers {
    folder: PathBuf,
    file: Option<File>,
    pub(crate) found: Vec<Found>,
}

impl Leftovers {
    /// Reads what an earlier process left. Torn and foreign crumbs are passed over with a warning.
    pub(crate) fn read(folder: &Path) -> Self {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(folder.join(SLOTS_FILE))
            .ok();
        let mut left = Self {
            folder: folder.to_owned(),
            file,
            found: Vec::new(),
        };
        if let Err(error) = left.look_through() {
            warn!("crumbs of the process before cannot be read and are passed over: {error}");
        }
        left
    }

    fn look_through(&mut self) -> io::Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let mut bytes = Vec::new();
        file.take((SLOTS_MAX * SLOT_BYTES) as u64)
            .read_to_end(&mut bytes)?;
        for (number, slot) in (0..).zip(bytes.chunks(SLOT_BYTES)) {
            let beside = || {
                fs::read(self.folder.join(beside(number)))
                    .ok()
                    .map(Bytes::from)
            };
            match slot::read(slot, beside) {
                Some(crumb) => self.found.push(Found {
                    crumb,
                    trials: slot::trials(slot),
                    slot: number,
                }),
                None if slot::is_marked(slot) => {
                    warn!("a crumb of the process before is torn and passed over");
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Notes that a trial begins, in case it takes this process with it.
    pub(crate) fn note_trial(&mut self, found: usize) -> io::Result<()> {
        let (Some(found), Some(file)) = (self.found.get(found), &mut self.file) else {
            return Ok(());
        };
        file.seek(SeekFrom::Start(
            found.slot * SLOT_BYTES as u64 + slot::TRIALS as u64,
        ))?;
        file.write_all(&[found.trials.saturating_add(1)])
    }
}

impl Crumbs {
    /// Leaves no crumbs: for a server without a data folder.
    pub fn none() -> Self {
        Self(Arc::new(Inner {
            free: Mutex::default(),
        }))
    }

    /// Clears the slots in a folder, makes them if there are none, and maps them.
    ///
    /// # Errors
    /// The file can not be written or mapped.
    pub(crate) fn clear(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        remove_payloads(folder)?;
        let slots = thread::available_parallelism().map_or(1, usize::from) * 2 + SPARE_SLOTS;
        let slots = slots.min(SLOTS_MAX);
        let file = blank(&folder.join(SLOTS_FILE), slots)?;
        let map = |number: usize| {
            let offset = number as u64 * SLOT_BYTES as u64;
            Ok(Slot {
                map: map::map(&file, offset, SLOT_BYTES)?,
                beside: folder.join(beside(number as u64)),
                is_beside: false,
            })
        };
        let free: io::Result<Vec<_>> = (0..slots).map(map).collect();
        Ok(Self(Arc::new(Inner {
            free: Mutex::new(free?),
        })))
    }

    /// Begins to leave crumbs about one document. Where no slot is free, none are left.
    pub(crate) fn begin(&self) -> Trail {
        let slot = self.free().pop();
        Trail {
            crumbs: self.clone(),
            slot,
        }
    }

    /// A panic elsewhere can not leave the list half changed, so a poisoned lock is as good as any.
    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Slot>> {
        self.0.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leaves one crumb at a time, and none once it is dropped.
#[derive(Debug)]
pub(crate) struct Trail {
    crumbs: Crumbs,
    slot: Option<Slot>,
}

impl Trail {
    /// Says what the engine is about to be given.
    pub(crate) fn leave(&mut self, document: &DocumentKey, kind: Kind, step: &Step<'_>) {
        if let Some(slot) = &mut self.slot {
            slot.write(document, kind, step);
        }
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        if let Some(mut slot) = self.slot.take() {
            slot.clear();
            self.crumbs.free().push(slot);
        }
    }
}

impl Slot {
    fn write(&mut self, document: &DocumentKey, kind: Kind, step: &Step<'_>) {
        let payload = match step {
            Step::Push { payload, .. } if slot::fits(payload) => Payload::Here(payload),
            Step::Push { payload, .. } => self.put_beside(payload),
            _ => Payload::Nowhere,
        };
        slot::write(&mut self.map, document, kind, step, payload);
    }

    fn put_beside<'a>(&mut self, payload: &[u8]) -> Payload<'a> {
        self.is_beside = true;
        match fs::write(&self.beside, payload) {
            Ok(()) => Payload::Beside,
            Err(_) => Payload::Nowhere,
        }
    }

    fn clear(&mut self) {
        slot::clear(&mut self.map);
        if std::mem::take(&mut self.is_beside) {
            // One that stays is removed at the next start.
            let _ = fs::remove_file(&self.beside);
        }
    }
}

/// A file of empty slots. All of it is written out, so that the disk has room for every page before any is mapped.
fn blank(path: &Path, slots: usize) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    for _ in 0..slots {
        file.write_all(&[0; SLOT_BYTES])?;
    }
    file.sync_all()?;
    Ok(file)
}

/// What a process that died has left beside its slots.
fn remove_payloads(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(PAYLOAD_FILE)
        {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn beside(slot: u64) -> String {
    format!("{PAYLOAD_FILE}{slot}")
}

/// The file of the slots within its folder.
const SLOTS_FILE: &str = "slots";

/// How the files for long payloads begin.
const PAYLOAD_FILE: &str = "payload-";

/// Slots besides two for each processor: for threads that are stuck, and for those that rebuild content.
const SPARE_SLOTS: usize = 16;

/// No machine has as many threads at work at once.
const SLOTS_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn notes() -> DocumentKey {
        DocumentKey::new("w", "notes").unwrap()
    }

    fn push(payload: &[u8]) -> Step<'_> {
        Step::Push {
            payload,
            author: None,
            connection: ConnectionId(1),
        }
    }

    #[test]
    fn a_crumb_is_found_until_its_step_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let crumbs = Crumbs::clear(folder.path()).unwrap();
        let (mut short, mut long) = (crumbs.begin(), crumbs.begin());
        let payload = vec![3; SLOT_BYTES];
        short.leave(&notes(), Kind::Yjs, &push(b"short"));
        long.leave(&notes(), Kind::Yjs, &push(&payload));
        let found = |folder: &Path| {
            let mut found: Vec<_> = Leftovers::read(folder)
                .found
                .into_iter()
                .map(|it| it.crumb.payload.unwrap())
                .collect();
            found.sort_by_key(Bytes::len);
            found
        };
        assert_eq!(
            found(folder.path()),
            [Bytes::from_static(b"short"), payload.into()]
        );
        drop(long);
        assert_eq!(found(folder.path()), ["short"]);
        short.leave(&notes(), Kind::Yjs, &Step::Snapshot);
        assert_eq!(
            Leftovers::read(folder.path()).found[0].crumb.what,
            What::Snapshot
        );
        drop(short);
        assert!(found(folder.path()).is_empty());
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "the long payload is gone"
        );
    }

    #[test]
    fn an_unended_trial_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let crumbs = Crumbs::clear(folder.path()).unwrap();
        let mut trail = crumbs.begin();
        trail.leave(&notes(), Kind::Yjs, &Step::Read);
        for trials in 0..3 {
            let mut left = Leftovers::read(folder.path());
            assert_eq!(left.found[0].trials, trials);
            left.note_trial(0).unwrap();
        }
        trail.leave(&notes(), Kind::Yjs, &Step::Read);
        assert_eq!(Leftovers::read(folder.path()).found[0].trials, 0);
    }

    #[test]
    fn when_no_slot_is_free_none_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let crumbs = Crumbs::clear(folder.path()).unwrap();
        let slots = crumbs.free().len();
        let mut trails: Vec<_> = (0..=slots).map(|_| crumbs.begin()).collect();
        for trail in &mut trails {
            trail.leave(&notes(), Kind::Yjs, &push(b"x"));
        }
        assert_eq!(Leftovers::read(folder.path()).found.len(), slots);
        drop(trails);
        assert_eq!(crumbs.free().len(), slots);
        Crumbs::none()
            .begin()
            .leave(&notes(), Kind::Yjs, &Step::Render);
    }

    #[test]
    fn garbage_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Leftovers::read(folder.path()).found.is_empty());
        for garbage in [vec![], vec![1; 100], vec![0xff; 3 * SLOT_BYTES + 7]] {
            fs::write(folder.path().join(SLOTS_FILE), garbage).unwrap();
            assert!(Leftovers::read(folder.path()).found.is_empty());
            Crumbs::clear(folder.path()).unwrap();
        }
    }
}
