//! Changes and documents that must be refused of automerge-repo's clients: with an error, at once, and without much memory.

mod leb128;

use std::sync::LazyLock;

use bytes::Bytes;
use miniz_oxide::deflate::compress_to_vec;
use proptest::collection::vec;
use proptest::prelude::*;
use protocol::FrameError;
use protocol::automerge::{Bounds, Chunk, SyncMessage, Version, preflight, read_chunks};
use sha2::{Digest, Sha256};

use leb128::{unsigned, with_length};

const DOCUMENT: u8 = 0;
const CHANGE: u8 = 1;
const COMPRESSED: u8 = 2;

/// A chunk with the checksum of this body under that kind.
fn chunk_of(kind: u8, hashed: (u8, &[u8]), body: &[u8]) -> Bytes {
    let (hashed_kind, hashed_body) = hashed;
    let hash = Sha256::digest([vec![hashed_kind], with_length(hashed_body)].concat());
    let head = [&[0x85, 0x6f, 0x4a, 0x83][..], &hash[..4], &[kind]].concat();
    [head, with_length(body)].concat().into()
}

fn chunk(kind: u8, body: &[u8]) -> Bytes {
    chunk_of(kind, (kind, body), body)
}

fn compressed(body: &[u8]) -> Bytes {
    chunk_of(COMPRESSED, (CHANGE, body), &compress_to_vec(body, 6))
}

/// The body of a change without dependencies and other actors.
struct Body {
    start_op: u64,
    seq: u64,
    columns: Vec<(u8, Vec<u8>)>,
}

impl Body {
    /// One that sets the key `a` to nothing, so many times.
    fn setting(times: u8) -> Self {
        let columns = vec![
            (0x15, vec![times, 1, b'a']),
            (0x34, vec![times]),
            (0x42, vec![times, 1]),
            (0x56, vec![times, 0]),
            (0x70, vec![times, 0]),
        ];
        Self {
            start_op: 1,
            seq: 1,
            columns,
        }
    }

    /// The same with other bytes in a column.
    fn with(mut self, column: u8, bytes: &[u8]) -> Self {
        self.columns.retain(|(spec, _)| *spec != column);
        self.columns.push((column, bytes.to_vec()));
        self.columns.sort();
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = vec![0, 2, 7, 7];
        out.extend(unsigned(self.seq));
        out.extend(unsigned(self.start_op));
        out.extend([0, 0, 0]);
        out.extend(unsigned(self.columns.len() as u64));
        for (spec, bytes) in &self.columns {
            out.extend(unsigned((*spec).into()));
            out.extend(unsigned(bytes.len() as u64));
        }
        self.columns.iter().for_each(|(_, bytes)| out.extend(bytes));
        out
    }

    fn read(&self) -> Result<Vec<Chunk>, FrameError> {
        read(&chunk(CHANGE, &self.bytes()))
    }
}

fn read(bytes: &Bytes) -> Result<Vec<Chunk>, FrameError> {
    read_chunks(bytes, &Bounds::default())
}

// 65: what is small and inflates to much.

fn is_too_much(result: &Result<Vec<Chunk>, FrameError>) -> bool {
    matches!(
        result,
        Err(FrameError::TooMany {
            field: "inflated bytes",
            ..
        })
    )
}

#[test]
fn a_change_that_inflates_to_too_much_is_refused() {
    let zeros = compress_to_vec(&vec![0; 80 << 20], 1);
    let bomb = chunk(COMPRESSED, &zeros);
    assert!(is_too_much(&read(&bomb)));
    let bounds = Bounds {
        inflated_ratio_max: usize::MAX,
        ..Bounds::default()
    };
    assert!(is_too_much(&read_chunks(&bomb, &bounds)));
}

#[test]
fn so_are_many_that_inflate_to_a_little_each() {
    let name = vec![b'x'; 400 << 10];
    let body = Body::setting(1).with(0x15, &[vec![1], with_length(&name)].concat());
    let change = compressed(&body.bytes());
    assert!(read(&change).is_ok());
    assert!(is_too_much(&read(&change.repeat(3).into())));
}

#[test]
fn a_column_that_inflates_to_too_much_is_refused() {
    let zeros = compress_to_vec(&vec![0; 80 << 20], 1);
    let mut body = vec![0, 0, 1, 0x09];
    body.extend(unsigned(zeros.len() as u64));
    body.push(0);
    body.extend(&zeros);
    assert!(is_too_much(&read(&chunk(DOCUMENT, &body))));
}

#[test]
fn what_is_not_deflated_is_refused() {
    let cut_off = compress_to_vec(&Body::setting(1).bytes(), 6);
    for body in [&[0xff, 0xff][..], &[], &cut_off[..cut_off.len() - 3]] {
        assert!(matches!(
            read(&chunk(COMPRESSED, body)),
            Err(FrameError::Wrong { .. })
        ));
    }
    let mut body = Body::setting(1);
    body.columns[0].0 |= 8;
    assert!(matches!(
        body.read(),
        Err(FrameError::Wrong {
            field: "change's columns",
            ..
        })
    ));
}

// 66: chunks that are not whole.

#[test]
fn a_chunk_is_whole_and_has_its_checksum() {
    let good = chunk(CHANGE, &Body::setting(1).bytes());
    assert!(read(&good).is_ok());
    for at in 0..good.len() {
        let mut bad = good.to_vec();
        bad[at] ^= 0x10;
        assert!(read(&bad.into()).is_err(), "byte {at}");
        assert!(read(&good.slice(..at)).is_err(), "cut off at {at}");
    }
    let trailing = [&good[..], &[0]].concat();
    assert!(matches!(
        read(&trailing.into()),
        Err(FrameError::TooLong { .. })
    ));
    let bundle = chunk(3, &Body::setting(1).bytes());
    assert!(matches!(
        read(&bundle),
        Err(FrameError::Unknown { value: 3, .. })
    ));
    let huge = [&good[..9], &unsigned(u64::MAX)].concat();
    assert!(matches!(
        read(&huge.into()),
        Err(FrameError::TooLong { .. })
    ));
}

#[test]
fn a_message_of_version_1_has_one_change_an_entry() {
    let change = chunk(CHANGE, &Body::setting(1).bytes());
    let two: Bytes = change.repeat(2).into();
    let message = |version, entry: &Bytes| SyncMessage {
        version,
        changes: vec![entry.clone()],
        ..SyncMessage::default()
    };
    let read = |version, entry| preflight(&message(version, entry), &Bounds::default());
    assert_eq!(read(Version::V1, &change).unwrap().len(), 1);
    assert_eq!(read(Version::V2, &two).unwrap().len(), 2);
    assert!(matches!(
        read(Version::V1, &two),
        Err(FrameError::Wrong { .. })
    ));
    assert_eq!(read(Version::V2, &Bytes::new()), Err(FrameError::Empty));
}

// 70: numbers that can not be.

#[test]
fn counters_stay_where_they_can_be() {
    assert!(Body::setting(3).read().is_ok());
    for start_op in [
        0,
        1 << 31,
        (1 << 31) + 1,
        u32::MAX.into(),
        1 << 63,
        u64::MAX,
    ] {
        let body = Body {
            start_op,
            ..Body::setting(3)
        };
        assert!(
            matches!(body.read(), Err(FrameError::OutOfRange { .. })),
            "{start_op}"
        );
    }
    let last = Body {
        start_op: (1 << 31) - 2,
        ..Body::setting(3)
    };
    assert!(last.read().is_ok());
    for seq in [0, 1 << 32, u64::MAX] {
        let body = Body {
            seq,
            ..Body::setting(1)
        };
        assert!(
            matches!(body.read(), Err(FrameError::OutOfRange { .. })),
            "{seq}"
        );
    }
}

/// A change at the third counter, of one operation in the object `(actor, counter)`.
fn in_object(actor: u8, counter: &[u8]) -> Result<Vec<Chunk>, FrameError> {
    let body = Body {
        start_op: 3,
        ..Body::setting(1)
    };
    body.with(0x01, &[1, actor])
        .with(0x02, &[&[1], counter].concat())
        .read()
}

#[test]
fn what_an_operation_refers_to_is_older_and_of_an_actor_that_is_there() {
    assert!(in_object(0, &[2]).is_ok());
    for (actor, counter) in [
        (0, &[3][..]),
        (0, &[0]),
        (1, &[2]),
        (0, &[255, 255, 255, 255, 15]),
    ] {
        assert!(matches!(
            in_object(actor, counter),
            Err(FrameError::OutOfRange { .. })
        ));
    }
    let alone = Body {
        start_op: 3,
        ..Body::setting(1)
    }
    .with(0x01, &[1, 0]);
    assert!(alone.read().is_err());
    let replaces = |actor, counter| {
        let body = Body {
            start_op: 3,
            ..Body::setting(1)
        };
        body.with(0x70, &[1, 1])
            .with(0x71, &[1, actor])
            .with(0x73, &[1, counter])
            .read()
    };
    assert!(replaces(0, 2).is_ok());
    for (actor, counter) in [(0, 3), (0, 0), (1, 2), (0, 0x7f)] {
        assert!(matches!(
            replaces(actor, counter),
            Err(FrameError::OutOfRange { .. })
        ));
    }
}

#[test]
fn actions_and_values_are_those_that_there_are() {
    let does = |action, value: u8, bytes: &[u8]| {
        let body = Body::setting(1).with(0x42, &[1, action]);
        body.with(0x56, &[1, value]).with(0x57, bytes).read()
    };
    assert!(does(1, 0, &[]).is_ok());
    assert!(does(5, 0x14, &[3]).is_ok());
    for action in [8, 48] {
        assert!(matches!(
            does(action, 0, &[]),
            Err(FrameError::OutOfRange { .. })
        ));
    }
    assert!(does(5, 0, &[]).is_err(), "to count by nothing");
    assert!(does(1, 0x10, &[1]).is_err(), "nothing that has a byte");
    assert!(does(1, 0x14, &[]).is_err(), "a number that is not there");
    assert!(
        does(1, 0x24, &[0x80, 0]).is_err(),
        "a number that is longer than it has to be"
    );
    assert!(does(1, 0x15, &[1]).is_err(), "a float of one byte");
    assert!(does(1, 0x16, &[0xff]).is_err(), "a text that is not UTF-8");
    assert!(does(1, 0x17, &[0xff]).is_ok(), "bytes");
    assert!(does(1, 0, &[1]).is_err(), "bytes of no value");
}

#[test]
fn runs_are_only_as_long_as_may_be() {
    let billion = [0x80, 0x94, 0xeb, 0xdc, 0x03];
    let many = Body::setting(1).with(0x42, &[&billion[..], &[1]].concat());
    assert!(matches!(
        many.read(),
        Err(FrameError::TooMany {
            field: "operations",
            ..
        })
    ));
    let replaces = Body::setting(1).with(0x70, &[&[1][..], &billion].concat());
    assert!(matches!(
        replaces.read(),
        Err(FrameError::TooMany {
            field: "references",
            ..
        })
    ));
    let least = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f];
    let literal = Body::setting(1).with(0x42, &[&least[..], &[1]].concat());
    assert!(matches!(literal.read(), Err(FrameError::OutOfRange { .. })));
    let name = vec![b'x'; 1 << 20];
    let names = [vec![0xe4, 0], with_length(&name)].concat();
    let texts = Body::setting(100).with(0x15, &names);
    let texts = Body {
        columns: texts.columns.into_iter().map(hundred).collect(),
        ..Body::setting(0)
    };
    assert!(matches!(
        texts.read(),
        Err(FrameError::TooMany {
            field: "bytes of texts",
            ..
        })
    ));
}

/// The same column of a hundred cells: that many is a number of two bytes where it has a sign.
fn hundred((spec, bytes): (u8, Vec<u8>)) -> (u8, Vec<u8>) {
    match spec {
        0x15 | 0x34 => (spec, bytes),
        _ => (spec, [&[0xe4, 0], &bytes[1..]].concat()),
    }
}

#[test]
fn columns_are_in_order_and_as_long_as_the_operations() {
    let mut twice = Body::setting(1);
    twice.columns.push((0x70, vec![1, 0]));
    assert!(matches!(
        twice.read(),
        Err(FrameError::Wrong {
            field: "columns",
            ..
        })
    ));
    let mut backwards = Body::setting(1);
    backwards.columns.reverse();
    assert!(backwards.read().is_err());
    let longer = Body::setting(1).with(0x15, &[2, 1, b'a']);
    assert!(matches!(longer.read(), Err(FrameError::Trailing { .. })));
    let shorter = Body::setting(2).with(0x15, &[1, 1, b'a']);
    assert!(shorter.read().is_err());
    let inserts = Body::setting(1).with(0x34, &[0, 1]);
    assert!(inserts.read().is_err(), "nothing is inserted at a key");
}

// 67: mutants with a checksum.

/// The bodies of real chunks: two changes and the document that they make.
static BODIES: LazyLock<Vec<(u8, Vec<u8>)>> = LazyLock::new(|| {
    use automerge::transaction::Transactable;
    use automerge::{AutoCommit, ObjType, ROOT, SaveOptions};
    let mut document = AutoCommit::new().with_actor([5; 4][..].into());
    let text = document.put_object(ROOT, "text", ObjType::Text).unwrap();
    document.splice_text(&text, 0, 0, "hello").unwrap();
    document.commit();
    document.splice_text(&text, 1, 3, "ipp").unwrap();
    document.put(ROOT, "n", 7).unwrap();
    document.commit();
    let changes = document.get_changes(&[]);
    let mut chunks: Vec<_> = changes
        .iter()
        .map(|change| change.raw_bytes().to_vec())
        .collect();
    let options = SaveOptions {
        deflate: false,
        retain_orphans: false,
    };
    chunks.push(document.save_with_options(options));
    chunks.iter().map(|chunk| body(chunk)).collect()
});

fn body(chunk: &[u8]) -> (u8, Vec<u8>) {
    let length = chunk[9..].iter().position(|byte| *byte < 0x80).unwrap() + 1;
    (chunk[8], chunk[9 + length..].to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn mutants_are_read_or_refused(
        which in 0..3_usize,
        edits in vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4),
    ) {
        let (kind, mut body) = BODIES[which].clone();
        for (at, byte, how) in edits {
            let at = at.index(body.len());
            match how {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                _ => {
                    body.remove(at);
                }
            }
        }
        let bytes = chunk(kind, &body);
        if let Ok(chunks) = read(&bytes) {
            prop_assert_eq!(chunks.len(), 1);
            // What is handed on reads as the same again.
            let handed = match &chunks[0] {
                Chunk::Change(change) => &change.chunk,
                Chunk::Document(document) => &document.chunk,
            };
            prop_assert_eq!(read(handed), Ok(chunks.clone()));
        }
    }
}
