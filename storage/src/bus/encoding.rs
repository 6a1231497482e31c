//! A [`Word`] in bytes, for a bus that leaves the process.
//!
//! It begins with a version, who says it (a random number for each bus, so that one's own words are known when they come
//! back), its kind and what it is about; then comes what it says, to the end; then a checksum over all of that, which so
//! covers every field of every change. A kind or a version that is not known is no error: nodes of several versions talk to
//! each other for as long as a rolling restart takes.
//!
//! No word is longer than [`WORD_BYTES_MAX`]. Changes and presence are split into several; a single change that is longer is
//! left out, and the others pull it from the store.

mod roster;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use engine::{
    Author, Change, ChangeKind, ConnectionId, DocumentKey, Dot, Hlc, PayloadHash, PresenceEntry,
    PresenceId, PresenceNotice, PresenceRoll, ReplicaId, VectorClock,
};

use super::fields::{Reader, Unreadable, Writer};
use super::{OpenClock, Topic, Word};

/// The longest word. Larger ones would hold up all that is said behind them, for something that the store has at hand.
pub(crate) const WORD_BYTES_MAX: usize = 1024 * 1024;

/// A word that is ready to be sent.
#[derive(Debug, Default)]
pub(crate) struct Encoded {
    /// One word, or several that say the same together, in order.
    pub(crate) words: Vec<Bytes>,
    /// How many changes or other parts were too long.
    pub(crate) left_out: u64,
}

/// A word that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// Who said it.
    pub(crate) by: u64,
    pub(crate) topic: Topic,
    pub(crate) word: Word,
}

/// Writes a word that `by` says.
pub(crate) fn encode(by: u64, topic: &Topic, word: &Word) -> Encoded {
    let open = |kind| open(by, kind, topic);
    match word {
        Word::Changes(changes) => split(&open(CHANGES), changes.iter().map(change)),
        Word::Presence { from, notices } => {
            let mut head = open(PRESENCE);
            head.number(from.0.into());
            split(&head, notices.iter().map(notice))
        }
        Word::PresenceAsked => whole(open(PRESENCE_ASKED)),
        Word::PresenceRoll { from, roll } => {
            let mut word = open(PRESENCE_ROLL);
            write_roll(&mut word, *from, roll);
            whole(word)
        }
        Word::WhoIsAsked { of, ids } => {
            let mut head = open(WHO_IS_ASKED);
            head.number(of.0.into());
            split(&head, ids.iter().map(presence_id))
        }
        Word::Roster(word) => roster::encode(&open, word),
        Word::WayAsked { by } => {
            let mut word = open(WAY_ASKED);
            word.number(by.0.into());
            whole(word)
        }
        Word::Signal(signal) => {
            let mut word = open(SIGNAL);
            word.raw(signal);
            whole(word)
        }
        Word::Deleted => whole(open(DELETED)),
        Word::Reopen => whole(open(REOPEN)),
        Word::Stirred => whole(open(STIRRED)),
        Word::KeptOut { payload, in_log } => {
            let mut word = open(KEPT_OUT);
            word.flag(*in_log).raw(&payload.0);
            whole(word)
        }
        Word::Revoked => whole(open(REVOKED)),
        Word::ClocksAsked {
            question,
            documents,
        } => {
            let mut head = open(CLOCKS_ASKED);
            head.number(*question);
            split(&head, documents.iter().map(named))
        }
        Word::Clocks {
            question,
            from,
            clocks,
        } => {
            let mut head = open(CLOCKS);
            head.number(*question).number(from.0.into());
            split(&head, clocks.iter().map(open_clock))
        }
        Word::Drain { node, begins } => {
            let mut word = open(DRAIN);
            word.bytes(node.as_bytes()).flag(*begins);
            whole(word)
        }
    }
}

/// Who says a word, without looking at anything else of it.
pub(crate) fn speaker(word: &[u8]) -> Option<u64> {
    let number = word.get(1..)?.first_chunk()?;
    Some(u64::from_le_bytes(*number))
}

/// Reads a word.
///
/// # Errors
/// It is none, or of a newer version.
pub(crate) fn decode(word: Bytes) -> Result<Said, Unreadable> {
    if word.len() > WORD_BYTES_MAX {
        return Err(Unreadable::Malformed("too long"));
    }
    let mut reader = Reader::unseal(word, VERSION)?;
    let by = reader.wide()?;
    let kind = reader.byte()?;
    let topic = read_topic(&mut reader)?;
    let word = read_word(kind, &topic, &mut reader)?;
    reader.end()?;
    Ok(Said { by, topic, word })
}

fn open(by: u64, kind: u8, topic: &Topic) -> Writer {
    let mut writer = Writer::new(VERSION);
    writer.wide(by).byte(kind);
    writer.flag(matches!(topic, Topic::Document(_)));
    if let Topic::Document(document) = topic {
        write_document(&mut writer, document);
    }
    writer
}

fn whole(word: Writer) -> Encoded {
    if word.len() > ROOM {
        return Encoded {
            words: Vec::new(),
            left_out: 1,
        };
    }
    Encoded {
        words: vec![word.seal()],
        left_out: 0,
    }
}

/// As many parts in each word as there is room for. That there are none is worth saying too: somebody may wait for it.
fn split(head: &Writer, parts: impl Iterator<Item = Writer>) -> Encoded {
    let mut encoded = Encoded::default();
    let begin = || {
        let mut word = Writer::part();
        word.raw(head.as_slice());
        word
    };
    let mut word = begin();
    for part in parts {
        if head.len() + part.len() > ROOM {
            encoded.left_out += 1;
            continue;
        }
        if word.len() + part.len() > ROOM {
            let full = std::mem::replace(&mut word, begin());
            encoded.words.push(full.seal());
        }
        word.raw(part.as_slice());
    }
    let is_all = encoded.words.is_empty() && encoded.left_out == 0;
    if word.len() > head.len() || is_all {
        encoded.words.push(word.seal());
    }
    encoded
}

fn change(change: &Change) -> Writer {
    let mut part = Writer::part();
    part.number(change.dot.replica.0.into())
        .number(change.dot.counter)
        .bytes(&change.context.to_bytes())
        .wide(change.hlc.0)
        .maybe(change.author.as_ref().map(|it| it.as_str().as_bytes()))
        .number(change.connection.0)
        .byte(change.kind as u8)
        .bytes(&change.payload);
    part
}

fn notice(notice: &PresenceNotice) -> Writer {
    let mut part = Writer::part();
    part.number(notice.entry.id.0)
        .number(notice.entry.version.into())
        .maybe(notice.entry.state.as_deref())
        .flag(notice.is_self)
        .number(notice.turn);
    part
}

/// Turns are large and near each other: of each person's it says how much earlier it was.
fn write_roll(word: &mut Writer, from: ReplicaId, roll: &PresenceRoll) {
    word.number(from.0.into()).number(roll.turn).flag(roll.asks);
    for (id, turn) in &roll.people {
        word.number(id.0).number(roll.turn.wrapping_sub(*turn));
    }
}

fn presence_id(id: &PresenceId) -> Writer {
    let mut part = Writer::part();
    part.number(id.0);
    part
}

fn named(document: &DocumentKey) -> Writer {
    let mut part = Writer::part();
    write_document(&mut part, document);
    part
}

fn open_clock(open: &OpenClock) -> Writer {
    let mut part = named(&open.document);
    part.bytes(&open.clock.to_bytes()).number(open.held);
    part
}

fn read_topic(reader: &mut Reader) -> Result<Topic, Unreadable> {
    if !reader.flag()? {
        return Ok(Topic::Cluster);
    }
    read_document(reader).map(Topic::Document)
}

fn read_word(kind: u8, topic: &Topic, reader: &mut Reader) -> Result<Word, Unreadable> {
    match kind {
        CHANGES => read_changes(topic, reader).map(Word::Changes),
        PRESENCE => Ok(Word::Presence {
            from: ReplicaId(reader.small()?),
            notices: read_all(reader, read_notice)?,
        }),
        PRESENCE_ASKED => Ok(Word::PresenceAsked),
        PRESENCE_ROLL => Ok(Word::PresenceRoll {
            from: ReplicaId(reader.small()?),
            roll: read_roll(reader)?,
        }),
        WHO_IS_ASKED => Ok(Word::WhoIsAsked {
            of: ReplicaId(reader.small()?),
            ids: read_all(reader, |reader| reader.number().map(PresenceId))?,
        }),
        roster::NEWS | roster::ROLL | roster::ASKED => roster::read(kind, reader).map(Word::Roster),
        WAY_ASKED => Ok(Word::WayAsked {
            by: ReplicaId(reader.small()?),
        }),
        SIGNAL => Ok(Word::Signal(reader.rest())),
        DELETED => Ok(Word::Deleted),
        REOPEN => Ok(Word::Reopen),
        STIRRED => Ok(Word::Stirred),
        KEPT_OUT => Ok(Word::KeptOut {
            in_log: reader.flag()?,
            payload: read_hash(reader)?,
        }),
        REVOKED => Ok(Word::Revoked),
        CLOCKS_ASKED => Ok(Word::ClocksAsked {
            question: reader.number()?,
            documents: read_all(reader, read_document)?,
        }),
        CLOCKS => Ok(Word::Clocks {
            question: reader.number()?,
            from: ReplicaId(reader.small()?),
            clocks: read_all(reader, read_open_clock)?,
        }),
        DRAIN => Ok(Word::Drain {
            node: reader.text()?,
            begins: reader.flag()?,
        }),
        _ => Err(Unreadable::Unknown),
    }
}

fn read_hash(reader: &mut Reader) -> Result<PayloadHash, Unreadable> {
    let hash = reader.rest();
    let hash = hash.as_ref().try_into().map(PayloadHash);
    hash.map_err(|_| Unreadable::Malformed("hash is not one"))
}

fn read_changes(topic: &Topic, reader: &mut Reader) -> Result<Vec<Change>, Unreadable> {
    let Topic::Document(document) = topic else {
        return Err(Unreadable::Malformed("changes of no document"));
    };
    read_all(reader, |reader| read_change(document, reader))
}

fn read_all<T>(
    reader: &mut Reader,
    read: impl Fn(&mut Reader) -> Result<T, Unreadable>,
) -> Result<Vec<T>, Unreadable> {
    let mut parts = Vec::new();
    while !reader.is_empty() {
        parts.push(read(reader)?);
    }
    Ok(parts)
}

fn read_change(document: &DocumentKey, reader: &mut Reader) -> Result<Change, Unreadable> {
    Ok(Change {
        document: document.clone(),
        dot: read_dot(reader)?,
        context: read_clock(reader)?,
        hlc: Hlc(reader.wide()?),
        author: reader.maybe_text()?.map(|name| Author::new(&name)),
        connection: ConnectionId(reader.number()?),
        kind: ChangeKind::from_number(reader.byte()?).ok_or(Unreadable::Unknown)?,
        payload: reader.bytes()?,
    })
}

fn read_dot(reader: &mut Reader) -> Result<Dot, Unreadable> {
    let dot = Dot::new(ReplicaId(reader.small()?), reader.number()?);
    if dot.counter == 0 {
        return Err(Unreadable::Malformed("counters begin at 1"));
    }
    Ok(dot)
}

fn read_notice(reader: &mut Reader) -> Result<PresenceNotice, Unreadable> {
    Ok(PresenceNotice {
        entry: PresenceEntry {
            id: PresenceId(reader.number()?),
            version: reader.small()?,
            state: reader.maybe()?,
        },
        is_self: reader.flag()?,
        turn: reader.number()?,
    })
}

fn read_roll(reader: &mut Reader) -> Result<PresenceRoll, Unreadable> {
    let (turn, asks) = (reader.number()?, reader.flag()?);
    let people = read_all(reader, |reader| {
        let id = PresenceId(reader.number()?);
        Ok((id, turn.wrapping_sub(reader.number()?)))
    });
    Ok(PresenceRoll {
        turn,
        asks,
        people: people?,
    })
}

fn read_open_clock(reader: &mut Reader) -> Result<OpenClock, Unreadable> {
    Ok(OpenClock {
        document: read_document(reader)?,
        clock: read_clock(reader)?,
        held: reader.number()?,
    })
}

pub(super) fn write_document(writer: &mut Writer, document: &DocumentKey) {
    writer
        .bytes(document.workspace().as_bytes())
        .bytes(document.name().as_bytes());
}

pub(super) fn read_document(reader: &mut Reader) -> Result<DocumentKey, Unreadable> {
    let (workspace, name) = (reader.text()?, reader.text()?);
    let document = DocumentKey::new(&workspace, &name);
    document.map_err(|_| Unreadable::Malformed("no document may have that name"))
}

pub(super) fn read_clock(reader: &mut Reader) -> Result<VectorClock, Unreadable> {
    let clock = VectorClock::from_bytes(&reader.bytes()?);
    clock.map_err(|_| Unreadable::Malformed("clock is not one"))
}

/// What a word may be long without its checksum.
const ROOM: usize = WORD_BYTES_MAX - 4;

const VERSION: u8 = 1;

const CHANGES: u8 = 1;
const PRESENCE: u8 = 2;
const PRESENCE_ASKED: u8 = 3;
const SIGNAL: u8 = 4;
const DELETED: u8 = 5;
const REVOKED: u8 = 6;
const CLOCKS_ASKED: u8 = 7;
const CLOCKS: u8 = 8;
const DRAIN: u8 = 9;
const REOPEN: u8 = 10;
const KEPT_OUT: u8 = 11;
const PRESENCE_ROLL: u8 = 12;
const WHO_IS_ASKED: u8 = 13;
const STIRRED: u8 = 17;
const WAY_ASKED: u8 = 18;
