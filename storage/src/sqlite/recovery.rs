//! What SQLite's recovery would pass over without a word: commits in the log that stand behind damage.
//!
//! SQLite ends the log at the first frame that is not whole, because a machine that lost its power in the middle of a commit
//! leaves such an end. Only one commit can have been under way, though, for each is flushed before the next begins. If two
//! commits or more stand behind the broken frame, the log was damaged later, and what they stored was acknowledged. So before
//! SQLite recovers a log it is read here, and if commits would be lost, it is kept, and that is said.
//!
//! The format is that of <https://www.sqlite.org/fileformat2.html#walformat>.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::room::log_of;

/// Where a log is broken before its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// Where the first frame begins that is not whole, in bytes.
    pub(super) at: u64,
    /// How many commits it and those behind it ended.
    pub(super) commits: usize,
}

/// [`look`], where nobody waits for the disk.
pub(super) async fn look_apart(database: &Path) -> bool {
    let database = database.to_owned();
    let looked = tokio::task::spawn_blocking(move || look(&database)).await;
    looked.unwrap_or(false)
}

/// Says so and keeps the log, if commits in the log of a database stand behind damage. True if anything stands there, damage
/// or the rest of a commit that was under way: it must not be met again behind what is written next.
///
/// Nobody else may have the database open.
fn look(database: &Path) -> bool {
    let log = log_of(database);
    let found = match File::open(&log).and_then(|file| broken(BufReader::new(file))) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return false,
        Err(error) => {
            tracing::warn!(log = %log.display(), %error, "log of the database was not looked at");
            return false;
        }
    };
    let Some(Broken { at, commits }) = found else {
        return false;
    };
    if commits < LOST_COMMITS_MIN {
        tracing::warn!(log = %log.display(), at, "last commit in the log is not whole, as where power was lost");
    } else {
        let kept = match keep(&log) {
            Ok(copy) => format!("a copy is kept as {}", copy.display()),
            Err(error) => format!("no copy could be made: {error}"),
        };
        tracing::error!(
            log = %log.display(),
            at,
            commits,
            "log of the database is damaged, and commits behind that place are lost; {kept}"
        );
    }
    true
}

/// Copies a damaged log beside itself, under a name that is free.
fn keep(log: &Path) -> io::Result<PathBuf> {
    let copies = (1..).map(|number| log.with_extension(format!("sqlite-wal.damaged-{number}")));
    let mut free = copies.skip_while(|copy| copy.exists());
    let copy = free.next().ok_or(io::ErrorKind::AlreadyExists)?;
    fs::copy(log, &copy)?;
    File::open(&copy)?.sync_all()?;
    Ok(copy)
}

/// The first frame that is not whole, if whole ones of the same generation that end commits stand behind it.
pub(super) fn broken(mut log: impl Read) -> io::Result<Option<Broken>> {
    let mut head = [0; HEAD_BYTES];
    if !fill(&mut log, &mut head)? {
        return Ok(None);
    }
    let mut reading = Reading::of(&head);
    let mut frame = vec![0; FRAME_HEAD_BYTES + reading.page_bytes];
    while fill(&mut log, &mut frame)? {
        reading.take(&frame);
    }
    Ok(reading.broken.filter(|found| found.commits > 0))
}

/// False at the end.
fn fill(log: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match log.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// A log being read from its beginning.
struct Reading {
    words: fn([u8; 4]) -> u32,
    page_bytes: usize,
    /// What tells the frames that were written since the log began anew from older ones. None if the head is damaged and no
    /// whole frame has come yet, which then tells it.
    generation: Option<[u8; 8]>,
    /// The checksum that the next frame goes on from: what the one before says, whether that is true or not.
    sum: [u32; 2],
    at: u64,
    broken: Option<Broken>,
}

impl Reading {
    fn of(head: &[u8; HEAD_BYTES]) -> Self {
        let is_little = word(head, 0) != MAGIC_OF_BIG_ENDIANS;
        let words = if is_little {
            u32::from_le_bytes
        } else {
            u32::from_be_bytes
        };
        let sum = [word(head, 24), word(head, 28)];
        let is_whole = word(head, 0) & !1 == MAGIC && sum_on([0, 0], &head[..24], words) == sum;
        let page_bytes = if is_whole {
            (word(head, 8) as usize).clamp(PAGE_BYTES_MIN, PAGE_BYTES_MAX)
        } else {
            PAGE_BYTES
        };
        Self {
            words,
            page_bytes,
            generation: is_whole.then(|| eight(head, 16)),
            sum,
            at: HEAD_BYTES as u64,
            broken: (!is_whole).then_some(Broken { at: 0, commits: 0 }),
        }
    }

    fn take(&mut self, frame: &[u8]) {
        let is_ours = self.generation.is_none_or(|ours| ours == eight(frame, 8));
        let ends_commit = is_ours && word(frame, 4) > 0;
        let is_whole = is_ours && self.is_whole(frame);
        let at = self.at;
        match &mut self.broken {
            None if !is_whole => {
                let commits = usize::from(ends_commit);
                self.broken = Some(Broken { at, commits });
            }
            Some(broken) if is_whole && word(frame, 0) > 0 => {
                self.generation = Some(eight(frame, 8));
                broken.commits += usize::from(ends_commit);
            }
            _ => {}
        }
        self.sum = [word(frame, 16), word(frame, 20)];
        self.at += frame.len() as u64;
    }

    /// Whether a frame's checksum goes on from the one before.
    fn is_whole(&self, frame: &[u8]) -> bool {
        let (head, page) = frame.split_at(FRAME_HEAD_BYTES);
        let sum = sum_on(self.sum, &head[..8], self.words);
        sum_on(sum, page, self.words) == [word(head, 16), word(head, 20)]
    }
}

/// SQLite's checksum, gone on with: over pairs of words.
fn sum_on(sum: [u32; 2], bytes: &[u8], words: fn([u8; 4]) -> u32) -> [u32; 2] {
    let (pairs, _) = bytes.as_chunks::<8>();
    pairs.iter().fold(sum, |[first, second], pair| {
        let [a, b, c, d, e, f, g, h] = *pair;
        let first = first.wrapping_add(words([a, b, c, d])).wrapping_add(second);
        let second = second.wrapping_add(words([e, f, g, h])).wrapping_add(first);
        [first, second]
    })
}

/// A field of a head, which is written with its highest byte first.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4]
        .iter()
        .fold(0, |word, byte| word << 8 | u32::from(*byte))
}

fn eight(bytes: &[u8], at: usize) -> [u8; 8] {
    std::array::from_fn(|index| bytes[at + index])
}

const HEAD_BYTES: usize = 32;
const FRAME_HEAD_BYTES: usize = 24;
/// With the last bit set, words of pages are summed up with their highest byte first.
const MAGIC: u32 = 0x377f_0682;
const MAGIC_OF_BIG_ENDIANS: u32 = MAGIC | 1;
const PAGE_BYTES_MIN: usize = 512;
const PAGE_BYTES_MAX: usize = 65_536;
/// What pages have where nothing else was asked for, if the head can not tell.
const PAGE_BYTES: usize = 4_096;
/// One commit may have been under way.
const LOST_COMMITS_MIN: usize = 2;
