//! 63 to 73: the dialect of automerge-repo. Here are frames that are not of it, and sync messages that lie about what they
//! hold; [`chunks`] has changes that do, [`deeds`] what is of good form and too much.

mod chunks;
mod deeds;

use bytes::Bytes;
use protocol::automerge::{Envelope, Message, PeerId, Said, StorageId, encode};
use quire_tests::automerge::said_by;

use super::row::{BAD_FRAME, Deed, Row, TOO_LARGE, Wanted};
use super::yard::{ATTACKER, SECRET, automerge_ward};

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = messages();
    rows.extend(chunks::rows());
    rows.extend(frames());
    rows.extend(deeds::rows());
    rows
}

/// 63 and 64: sync messages that hold no changes.
fn messages() -> Vec<Row> {
    let probes = |probes: u64| filter(&[&[1, 10][..], &unsigned(probes), &[0, 0]].concat());
    let filters = [
        probes(100_000_000),
        probes(u32::MAX.into()),
        filter(&[3, 0, 7]),
        filter(&[3, 0, 7, 0, 0, 0, 0]),
        filter(&[&unsigned(u32::MAX.into())[..], &[10, 7]].concat()),
        filter(&[&unsigned(1 << 32)[..], &[10, 7]].concat()),
    ];
    let million = unsigned(1_000_000);
    let declared = [&[][..], &[0], &[0, 0], &[0, 0, 1], &[0, 0, 0]];
    let declared = declared.map(|front| sync(&[&[0x42], front, &million].concat()));
    let listed = |front: &[u8], count: u64| {
        let hashes = vec![7; 32 * count as usize];
        sync(&[&[0x42], front, &unsigned(count), &hashes, &[0, 0, 0]].concat())
    };
    vec![
        each(
            63,
            "filters of 10^8 and 2^32-1 probes, no bits, 2^32-1 entries",
            filters,
        ),
        each(64, "lists that say they have 10^6 entries", declared),
        each(
            64,
            "65,537 heads, and as many needed changes",
            [listed(&[], 65_537), listed(&[0], 65_537)],
        )
        .may_take(64, BUSY),
        peers(
            64,
            "10^6 heads that are there",
            [listed(&[], 1_000_000)],
            TOO_LARGE,
        )
        .may_take(96, BUSY),
        peers(
            64,
            "65,000 heads and needed changes that nobody has",
            [listed(&[], 65_000), listed(&[0], 65_000)],
            Wanted::Served,
        )
        .may_take(96, BUSY),
        each(
            64,
            "messages of no known version, and of none",
            [sync(&[]), sync(&[0x41, 0, 0, 0, 0]), sync(&[0x42])],
        ),
    ]
}

/// 71 to 73: frames that are no messages, and messages of others.
fn frames() -> Vec<Row> {
    let deep = |head: u8| [&[0xa1, 0x61, b'x'][..], &vec![head; 10_000], &[0xf6]].concat();
    let nested = [0x81, 0xa1, 0xc1, 0x9f].map(|head| Bytes::from(deep(head)));
    let open = [&b"\xbf\x61x\x9f\x01"[..], b"\xa1\x61x\x5f\x41a", b"\x9f"];
    let long = [0x5b, 0x7b, 0x9b, 0xbb];
    let long = long.map(|head| {
        [&[0xa1, 0x61, b'x', head, 0x80][..], &[0; 7]]
            .concat()
            .into()
    });
    let no_map = [&b"\xf6"[..], b"\x80", b"\x01", b"\x64join", b"", b"\xff"];
    let twice = b"\xa2\x64type\x64sync\x64type\x64join";
    let wrong: [&[u8]; 6] = [
        b"\xa1\x64type\x01",
        b"\xa1\x64type\x64sync",
        b"\xa1\x64type\x62\xff\xfe",
        b"\xa2\x64type\x64sync\x68senderId\x01",
        b"\xa3\x64type\x64sync\x68senderId\x61a\x6adocumentId\x01",
        b"\xa4\x64type\x64sync\x68senderId\x61a\x6adocumentId\x61a\x64data\x61a",
    ];
    let checked = automerge_ward().to_string();
    let unchecked = format!("{}z", &checked[..checked.len() - 1]);
    let names = [
        "".into(),
        unchecked,
        "z".repeat(1 << 20),
        "../../etc".into(),
        SECRET.into(),
    ];
    let named = names.map(|name: String| document_named(&name));
    let theirs = said_by("bystander-1", &automerge_ward(), Said::Unavailable);
    vec![
        each(71, "arrays, maps and tags 10,000 deep", nested),
        each(
            71,
            "lengths that are left open",
            open.map(Bytes::from_static),
        ),
        each(71, "bytes, texts, arrays and maps of 2^63", long),
        each(71, "what is no map", no_map.map(Bytes::from_static)),
        each(71, "a key twice", [Bytes::from_static(twice)]),
        each(
            71,
            "values of other kinds, and none",
            wrong.map(Bytes::from_static),
        ),
        peers(
            71,
            "to join twice, kinds that are not known, what only servers say",
            [join_again(), unknown(), welcome(), theirs, to_another()],
            Wanted::Served,
        ),
        each(
            72,
            "names with a wrong checksum, of a megabyte, of a path",
            named,
        ),
        peers(
            73,
            "100,000 stores to hear of",
            [subscription(100_000)],
            BAD_FRAME,
        ),
        peers(
            73,
            "1,000 stores to hear of",
            [subscription(1_000)],
            Wanted::Served,
        ),
    ]
}

/// Frames of which each closes its sender.
fn each(number: u8, name: &str, frames: impl IntoIterator<Item = Bytes>) -> Row {
    peers(number, name, frames, BAD_FRAME)
}

fn peers(number: u8, name: &str, frames: impl IntoIterator<Item = Bytes>, wanted: Wanted) -> Row {
    let frames = frames.into_iter().collect();
    Row::new(number, name, Deed::EachPeer(frames), wanted)
}

/// A sync message about the ward.
fn sync(message: &[u8]) -> Bytes {
    let said = Said::Sync(Bytes::copy_from_slice(message));
    said_by(ATTACKER, &automerge_ward(), said)
}

/// One with a filter.
fn filter(filter: &[u8]) -> Bytes {
    let length = unsigned(filter.len() as u64);
    sync(&[&[0x42, 0, 0, 1, 0], &length[..], filter, &[0]].concat())
}

/// A number in LEB128.
fn unsigned(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn envelope(target: &str) -> Envelope {
    Envelope {
        sender: PeerId(ATTACKER.into()),
        target: Some(PeerId(target.into())),
    }
}

fn join_again() -> Bytes {
    quire_tests::automerge::join("another")
}

fn unknown() -> Bytes {
    Bytes::from_static(b"\xa2\x64type\x68whatever\x64data\x43abc")
}

fn welcome() -> Bytes {
    encode(&Message::Peer {
        envelope: envelope("quire"),
        metadata: Default::default(),
        version: "1".into(),
    })
}

/// Something for another than the server.
fn to_another() -> Bytes {
    encode(&Message::Document {
        envelope: envelope("bystander-1"),
        document: automerge_ward(),
        said: Said::Unavailable,
    })
}

fn subscription(stores: usize) -> Bytes {
    encode(&Message::Subscribe {
        envelope: envelope("quire"),
        add: (0..stores)
            .map(|store| StorageId(store.to_string().into()))
            .collect(),
        remove: Vec::new(),
    })
}

/// A message about a document with this name.
fn document_named(name: &str) -> Bytes {
    let length = u32::try_from(name.len()).expect("a name has less than 4 GiB");
    let parts = [
        b"\xa3\x64type\x6fdoc-unavailable\x68senderId\x6c",
        ATTACKER.as_bytes(),
        b"\x6adocumentId\x7a",
        &length.to_be_bytes(),
        name.as_bytes(),
    ];
    parts.concat().into()
}

/// For what is megabytes long.
const BUSY: std::time::Duration = std::time::Duration::from_secs(5);
