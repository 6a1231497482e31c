//! What an update (Yjs, encoding 1) covers: which client's clocks it brings, the text among them, and what it deletes.
//!
//! A server may merge what several clients sent, split it, or repeat it; the clocks tell what arrived all the same. The
//! layout is that of `readClientsStructRefs` and `readDeleteSet` of yjs.

use anyhow::{Result, bail};

use super::wire::Reader;

/// A piece of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Text, one clock for each UTF-16 unit.
    Text {
        clock: u32,
        length: u32,
        text: &'a [u8],
    },
    /// Anything else that takes clocks.
    Other { clock: u32, length: u32 },
    /// Units of the client that are deleted.
    Deleted { clock: u32, length: u32 },
}

/// Reads an update, and hands on each piece with its client.
///
/// # Errors
/// It is none.
#[inline]
pub(crate) fn read<'a>(update: &'a [u8], mut take: impl FnMut(u64, Piece<'a>)) -> Result<()> {
    let mut reader = Reader(update);
    for _ in 0..reader.var_uint()? {
        let structs = reader.var_uint()?;
        let client = reader.var_uint()?;
        let mut clock = reader.count()?;
        for _ in 0..structs {
            clock = unit(&mut reader, client, clock, &mut take)?;
        }
    }
    for _ in 0..reader.var_uint()? {
        let client = reader.var_uint()?;
        for _ in 0..reader.var_uint()? {
            let (clock, length) = (reader.count()?, reader.count()?);
            take(client, Piece::Deleted { clock, length });
        }
    }
    anyhow::ensure!(reader.is_empty(), "bytes behind the update");
    Ok(())
}

/// Reads a struct, and returns the clock after it.
#[inline]
fn unit<'a>(
    reader: &mut Reader<'a>,
    client: u64,
    clock: u32,
    take: &mut impl FnMut(u64, Piece<'a>),
) -> Result<u32> {
    let info = reader.byte()?;
    let length = match info & 0x1f {
        SKIP => reader.count()?,
        COLLECTED => {
            let length = reader.count()?;
            take(client, Piece::Other { clock, length });
            length
        }
        TEXT => {
            neighbours(reader, info)?;
            let text = reader.var_bytes()?;
            let length = units(text);
            take(
                client,
                Piece::Text {
                    clock,
                    length,
                    text,
                },
            );
            length
        }
        content => {
            neighbours(reader, info)?;
            let length = skip_content(reader, content)?;
            take(client, Piece::Other { clock, length });
            length
        }
    };
    Ok(clock + length)
}

/// Skips what an item says about its place.
#[inline]
fn neighbours(reader: &mut Reader<'_>, info: u8) -> Result<()> {
    for side in [HAS_LEFT, HAS_RIGHT] {
        if info & side != 0 {
            reader.var_uint()?;
            reader.var_uint()?;
        }
    }
    if info & (HAS_LEFT | HAS_RIGHT) == 0 {
        if reader.var_uint()? == 1 {
            reader.var_bytes()?;
        } else {
            reader.var_uint()?;
            reader.var_uint()?;
        }
        if info & HAS_KEY != 0 {
            reader.var_bytes()?;
        }
    }
    Ok(())
}

/// Skips what is not text, and returns how many clocks it takes.
fn skip_content(reader: &mut Reader<'_>, content: u8) -> Result<u32> {
    match content {
        DELETED => return reader.count(),
        BINARY | EMBED => reader.skip_var_bytes()?,
        FORMAT => {
            reader.skip_var_bytes()?;
            reader.skip_var_bytes()?;
        }
        TYPE => {
            if matches!(reader.var_uint()?, XML_ELEMENT | XML_HOOK) {
                reader.skip_var_bytes()?;
            }
        }
        JSON => return skip_each(reader, Reader::skip_var_bytes),
        ANY => return skip_each(reader, |reader| skip_any(reader, 0)),
        DOCUMENT => {
            reader.skip_var_bytes()?;
            skip_any(reader, 0)?;
        }
        _ => bail!("content of kind {content}"),
    }
    Ok(1)
}

/// Skips a count and so many, and returns the count.
fn skip_each<'a>(
    reader: &mut Reader<'a>,
    skip: impl Fn(&mut Reader<'a>) -> Result<()>,
) -> Result<u32> {
    let count = reader.count()?;
    (0..count).try_for_each(|_| skip(reader))?;
    Ok(count)
}

/// Skips a value as lib0 writes it.
fn skip_any(reader: &mut Reader<'_>, depth: u32) -> Result<()> {
    anyhow::ensure!(depth < DEPTH_MAX, "a value of more than {DEPTH_MAX} levels");
    match reader.byte()? {
        // undefined, null, true, false
        127 | 126 | 121 | 120 => {}
        // an integer; its bytes end as those of a var_uint do
        125 => while reader.byte()? >= 0x80 {},
        124 => reader.skip(4)?,
        123 | 122 => reader.skip(8)?,
        // a string, bytes
        119 | 116 => reader.skip_var_bytes()?,
        118 => {
            skip_each(reader, |reader| {
                reader.skip_var_bytes()?;
                skip_any(reader, depth + 1)
            })?;
        }
        117 => {
            skip_each(reader, |reader| skip_any(reader, depth + 1))?;
        }
        other => bail!("a value of kind {other}"),
    }
    Ok(())
}

/// How many UTF-16 units text has: one for each character, two for those that UTF-8 writes with four bytes.
#[inline]
fn units(text: &[u8]) -> u32 {
    if text.len() == 1 {
        return 1;
    }
    let wide = |byte: &u8| u32::from(*byte >= 0xf0);
    let begins = |byte: &u8| u32::from(*byte & 0xc0 != 0x80);
    text.iter().map(|byte| begins(byte) + wide(byte)).sum()
}

const HAS_LEFT: u8 = 0x80;
const HAS_RIGHT: u8 = 0x40;
const HAS_KEY: u8 = 0x20;

const COLLECTED: u8 = 0;
const DELETED: u8 = 1;
const JSON: u8 = 2;
const BINARY: u8 = 3;
const TEXT: u8 = 4;
const EMBED: u8 = 5;
const FORMAT: u8 = 6;
const TYPE: u8 = 7;
const ANY: u8 = 8;
const DOCUMENT: u8 = 9;
const SKIP: u8 = 10;

const XML_ELEMENT: u64 = 3;
const XML_HOOK: u64 = 5;

/// Deeper values would exhaust the stack before they told anything.
const DEPTH_MAX: u32 = 64;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use yrs::types::Attrs;
    use yrs::updates::decoder::Decode;
    use yrs::{
        Any, Array, ClientID, Doc, IdSet, Map, MapPrelim, OffsetKind, ReadTxn, StateVector, Text,
        Transact, TransactionMut, Update, WriteTxn, XmlElementPrelim, XmlFragment,
        merge_updates_v1,
    };

    use super::*;

    type Ranges = BTreeMap<u64, Vec<(u32, u32)>>;

    fn add(ranges: &mut Ranges, client: u64, clock: u32, length: u32) {
        let of_client = ranges.entry(client).or_default();
        match of_client.last_mut() {
            Some(last) if last.1 == clock => last.1 += length,
            _ => of_client.push((clock, clock + length)),
        }
    }

    /// What is inserted and what is deleted, as this parser reads it.
    fn read_here(bytes: &[u8]) -> Result<(Ranges, Ranges)> {
        let (mut inserted, mut deleted) = (Ranges::new(), Ranges::new());
        read(bytes, |client, piece| match piece {
            Piece::Text { clock, length, .. } | Piece::Other { clock, length } => {
                add(&mut inserted, client, clock, length);
            }
            Piece::Deleted { clock, length } => add(&mut deleted, client, clock, length),
        })?;
        Ok((inserted, deleted))
    }

    fn of_yrs(set: &IdSet) -> Ranges {
        let mut ranges = Ranges::new();
        for (client, of_client) in set.iter() {
            for range in of_client.iter() {
                add(
                    &mut ranges,
                    client.get(),
                    range.start,
                    range.end - range.start,
                );
            }
        }
        ranges
    }

    fn check(bytes: &[u8]) {
        let update = Update::decode_v1(bytes).expect("yrs reads what it wrote");
        let (inserted, deleted) = read_here(bytes).expect("an update of yrs");
        assert_eq!(inserted, of_yrs(&update.insertions(true)));
        assert_eq!(deleted, of_yrs(update.delete_set()));
    }

    fn doc(client: u64) -> Doc {
        let mut options = yrs::Options::with_guid_and_client_id("d".into(), ClientID::new(client));
        options.offset_kind = OffsetKind::Utf16;
        Doc::with_options(options)
    }

    fn edit(doc: &Doc, edit: impl FnOnce(&mut TransactionMut<'_>)) -> Vec<u8> {
        let mut txn = doc.transact_mut();
        edit(&mut txn);
        txn.commit();
        txn.encode_update_v1()
    }

    /// Edits that use each kind of content.
    fn varied(doc: &Doc) -> Vec<Vec<u8>> {
        let values = vec![
            Any::Null,
            Any::Undefined,
            Any::Bool(true),
            Any::from(0.5),
            Any::from(-70_000_i64),
            Any::from(i64::MAX),
            Any::from("words"),
            Any::from(vec![1_u8, 2]),
            Any::from(vec![Any::from("in a list"), Any::Bool(false)]),
        ];
        let bold = || Attrs::from([("bold".into(), Any::Bool(true))]);
        vec![
            edit(doc, |txn| txn.get_or_insert_text("text").push(txn, "a😀é")),
            edit(doc, |txn| {
                let text = txn.get_or_insert_text("text");
                text.insert_with_attributes(txn, 1, "bold", bold());
                text.insert_embed(txn, 0, Any::from("embedded"));
                text.remove_range(txn, 2, 3);
            }),
            edit(doc, |txn| {
                let map = txn.get_or_insert_map("map");
                map.insert(txn, "key", MapPrelim::from([("deep", 1)]));
                map.insert(txn, "key", vec![7_u8; 300]);
                map.insert(txn, "subdocument", Doc::new());
            }),
            edit(doc, |txn| {
                let array = txn.get_or_insert_array("array");
                array.insert_range(txn, 0, values);
                array.remove_range(txn, 1, 2);
            }),
            edit(doc, |txn| {
                let xml = txn.get_or_insert_xml_fragment("xml");
                xml.insert(txn, 0, XmlElementPrelim::empty("p"));
            }),
        ]
    }

    #[test]
    fn the_clocks_are_those_that_yrs_reads() {
        let (one, other) = (doc(1), doc(1 << 31));
        let updates: Vec<_> = [varied(&one), varied(&other)].concat();
        updates.iter().for_each(|update| check(update));
        check(&merge_updates_v1(&updates).expect("they can be merged"));
        let with_holes = updates.iter().step_by(2);
        check(&merge_updates_v1(with_holes).expect("they can be merged"));
        let whole = one
            .transact()
            .encode_state_as_update_v1(&StateVector::default());
        check(&whole);
    }

    #[test]
    fn what_is_cut_or_has_a_tail_is_none() {
        let bytes = varied(&doc(7)).swap_remove(1);
        for end in 0..bytes.len() {
            assert!(read_here(&bytes[..end]).is_err(), "cut at {end}");
        }
        assert!(read_here(&[bytes, vec![0]].concat()).is_err());
    }
}
