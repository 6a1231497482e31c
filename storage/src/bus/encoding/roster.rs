//! Words about those who show themselves in ordered documents and channels, in bytes.

use engine::{Author, PresenceName, ReplicaId, RosterNotice, RosterWord};

use super::{Encoded, Reader, Unreadable, Writer, read_all, split, whole};

pub(super) const NEWS: u8 = 14;
pub(super) const ROLL: u8 = 15;
pub(super) const ASKED: u8 = 16;

/// Writes a word behind what `open` begins it with.
pub(super) fn encode(open: &impl Fn(u8) -> Writer, word: &RosterWord) -> Encoded {
    match word {
        RosterWord::News {
            from,
            turn,
            notices,
        } => {
            let mut head = open(NEWS);
            head.number(from.0.into()).number(*turn);
            split(&head, notices.iter().map(notice))
        }
        RosterWord::Roll {
            from,
            turn,
            asks,
            people,
        } => {
            let mut word = open(ROLL);
            word.number(from.0.into()).number(*turn).flag(*asks);
            for (name, number) in people {
                write_name(&mut word, name);
                word.number(*number);
            }
            // Part of a roll would say of all others that they are not there.
            whole(word)
        }
        RosterWord::Asked { of, names } => {
            let mut head = open(ASKED);
            head.number(of.0.into());
            split(&head, names.iter().map(named))
        }
    }
}

/// Reads what [`encode`] wrote as this kind of word.
pub(super) fn read(kind: u8, reader: &mut Reader) -> Result<RosterWord, Unreadable> {
    let from = ReplicaId(reader.small()?);
    match kind {
        NEWS => Ok(RosterWord::News {
            from,
            turn: reader.number()?,
            notices: read_all(reader, read_notice)?,
        }),
        ROLL => Ok(RosterWord::Roll {
            from,
            turn: reader.number()?,
            asks: reader.flag()?,
            people: read_all(reader, |reader| Ok((read_name(reader)?, reader.number()?)))?,
        }),
        _ => Ok(RosterWord::Asked {
            of: from,
            names: read_all(reader, read_name)?,
        }),
    }
}

fn notice(notice: &RosterNotice) -> Writer {
    let mut part = named(&notice.name);
    part.number(notice.number)
        .number(notice.version)
        .maybe(notice.author.as_ref().map(|it| it.as_str().as_bytes()))
        .maybe(notice.value.as_deref().map(str::as_bytes));
    part
}

fn named(name: &PresenceName) -> Writer {
    let mut part = Writer::part();
    write_name(&mut part, name);
    part
}

fn write_name(writer: &mut Writer, name: &PresenceName) {
    writer
        .bytes(name.source.as_bytes())
        .bytes(name.id.as_bytes());
}

fn read_notice(reader: &mut Reader) -> Result<RosterNotice, Unreadable> {
    Ok(RosterNotice {
        name: read_name(reader)?,
        number: reader.number()?,
        version: reader.number()?,
        author: reader.maybe_text()?.map(|name| Author::new(&name)),
        value: reader.maybe_text()?.map(String::into_boxed_str),
    })
}

fn read_name(reader: &mut Reader) -> Result<PresenceName, Unreadable> {
    Ok(PresenceName {
        source: reader.text()?.into(),
        id: reader.text()?.into(),
    })
}
