//! What must be refused of automerge-repo's clients: with an error, at once, and without much memory.

use std::io::Write;

use bytes::Bytes;
use miniz_oxide::deflate::compress_to_vec;
use proptest::collection::vec;
use proptest::prelude::*;
use protocol::FrameError;
use protocol::automerge::{
    Bounds, Chunk, Message, SyncMessage, Version, check_value, decode, preflight, read_chunks,
};
use sha2::{Digest, Sha256};

const DOCUMENT: u8 = 0;
const CHANGE: u8 = 1;
const COMPRESSED: u8 = 2;

fn unsigned(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn with_length(bytes: &[u8]) -> Vec<u8> {
    [unsigned(bytes.len() as u64), bytes.to_vec()].concat()
}

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

fn sync(tail: &[u8]) -> Result<SyncMessage, FrameError> {
    let bytes = [&[0x42][..], tail].concat();
    SyncMessage::read(&bytes.into())
}

// 63: filters that would keep a processor busy.

#[test]
fn filters_of_other_numbers_are_refused() {
    let filter = |filter: &[u8]| sync(&[&[0, 0, 1, 0][..], &with_length(filter), &[0]].concat());
    assert!(filter(&[]).is_ok());
    assert!(filter(&[1, 10, 7, 0, 0]).is_ok());
    for probes in [
        unsigned(100_000_000),
        unsigned(u32::MAX.into()),
        vec![0],
        vec![8],
    ] {
        let bytes = [&[1, 10][..], &probes, &[0, 0]].concat();
        assert!(matches!(filter(&bytes), Err(FrameError::Unknown { .. })));
    }
    for bits in [0, 9, 11] {
        assert!(matches!(
            filter(&[3, bits, 7, 0, 0, 0, 0]),
            Err(FrameError::Unknown { .. })
        ));
    }
    assert!(matches!(
        filter(&[3, 0, 7]),
        Err(FrameError::Unknown { .. })
    ));
    let many = [unsigned(u32::MAX.into()), vec![10, 7]].concat();
    assert!(matches!(filter(&many), Err(FrameError::TooLong { .. })));
    let more = [unsigned(1 << 32), vec![10, 7]].concat();
    assert!(matches!(filter(&more), Err(FrameError::OutOfRange { .. })));
    assert!(matches!(
        filter(&[1, 10, 7, 0]),
        Err(FrameError::TooLong { .. })
    ));
    assert!(matches!(
        filter(&[1, 10, 7, 0, 0, 0]),
        Err(FrameError::Trailing { .. })
    ));
}

// 64: lists that are longer than they are.

#[test]
fn lists_are_as_long_as_they_say_and_bounded() {
    let million = unsigned(1_000_000);
    for front in [&[][..], &[0], &[0, 0, 1]] {
        let declared = sync(&[front, &million].concat());
        assert!(
            matches!(declared, Err(FrameError::TooLong { .. })),
            "{declared:?}"
        );
        let there = [front, &million, &vec![0; 32_000_000]].concat();
        assert!(matches!(sync(&there), Err(FrameError::TooMany { .. })));
    }
    let haves = [&[0, 0][..], &million, &vec![0; 2_000_000]].concat();
    assert!(matches!(sync(&haves), Err(FrameError::TooMany { .. })));
    let changes = [&[0, 0, 0][..], &unsigned(1_000_001), &vec![0; 11_000_022]].concat();
    assert!(matches!(sync(&changes), Err(FrameError::TooMany { .. })));
    let empty = [&[0, 0, 0][..], &million, &vec![0; 1_000_000]].concat();
    assert!(matches!(sync(&empty), Err(FrameError::TooLong { .. })));
    assert_eq!(SyncMessage::read(&Bytes::new()), Err(FrameError::Empty));
    assert!(matches!(
        SyncMessage::read(&Bytes::from_static(&[0x41, 0, 0, 0, 0])),
        Err(FrameError::Unknown { value: 0x41, .. })
    ));
}

#[test]
fn what_newer_clients_add_behind_a_message_is_not_read() {
    let message = sync(&[0, 0, 0, 0, 2, 2, 0x86, 9, 9]).unwrap();
    assert_eq!(message.flags.map(|flags| flags.0), Some(6));
    assert_eq!(
        sync(&[0, 0, 0, 0, 1, 2])
            .unwrap()
            .flags
            .map(|flags| flags.0),
        Some(0)
    );
    assert_eq!(sync(&[0, 0, 0, 0]).unwrap().flags, None);
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
fn bodies() -> Vec<(u8, Vec<u8>)> {
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
}

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
        let (kind, mut body) = bodies().swap_remove(which);
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

// 71 to 73: frames.

/// A frame of these fields, whose values are CBOR already.
fn frame(fields: &[(&str, &[u8])]) -> Bytes {
    let mut out = vec![0xbf];
    for (name, value) in fields {
        out.extend(text(name));
        out.extend(*value);
    }
    out.push(0xff);
    out.into()
}

fn text(text: &str) -> Vec<u8> {
    let mut out = vec![0x7a];
    out.write_all(&(text.len() as u32).to_be_bytes()).unwrap();
    out.extend(text.as_bytes());
    out
}

const ID: &str = "pEbmSWqJdBuPadRGm8tDZXgWR6";

/// A sync message about a document, of which one field is another, or not there.
fn sync_frame(name: &str, value: Option<&[u8]>) -> Bytes {
    let fields = [
        ("type", text("sync")),
        ("senderId", text("a")),
        ("targetId", text("b")),
        ("documentId", text(ID)),
        ("data", vec![0x41, 9]),
    ];
    let fields = fields.iter().map(|(field, own)| match value {
        Some(value) if *field == name => (*field, value),
        _ => (*field, &own[..]),
    });
    let fields: Vec<_> = fields
        .filter(|(field, _)| value.is_some() || *field != name)
        .collect();
    frame(&fields)
}

#[test]
fn a_frame_is_one_map_and_nothing_else() {
    assert!(decode(&sync_frame("", Some(&[]))).is_ok());
    assert_eq!(decode(&Bytes::new()), Err(FrameError::Empty));
    for bytes in [
        &[0xf6][..],
        &[0x80],
        &[0x01],
        &[0xa0, 0],
        &[0xbf],
        &[0xb9, 0xff, 0xff],
        &[0xff],
        &[0xa1, 0x64],
    ] {
        assert!(
            decode(&Bytes::copy_from_slice(bytes)).is_err(),
            "{bytes:x?}"
        );
    }
    assert_eq!(
        decode(&Bytes::from_static(&[0xa0])),
        Err(FrameError::Missing { field: "type" })
    );
}

#[test]
fn fields_are_there_and_what_they_should_be() {
    for field in ["senderId", "documentId", "data"] {
        assert_eq!(
            decode(&sync_frame(field, None)),
            Err(FrameError::Missing { field })
        );
        assert_eq!(
            decode(&sync_frame(field, Some(&[0xf7]))),
            Err(FrameError::Missing { field })
        );
        for value in [&[0x01][..], &[0x80], &[0xa0], &[0xf5], &[0xc1, 0x01]] {
            assert!(decode(&sync_frame(field, Some(value))).is_err(), "{field}");
        }
    }
    assert!(decode(&sync_frame("targetId", None)).is_ok());
    assert!(matches!(
        decode(&sync_frame("senderId", Some(&[0x61, 0xff]))),
        Err(FrameError::NotUtf8 { .. })
    ));
    let long = text(&"x".repeat(257));
    assert!(matches!(
        decode(&sync_frame("senderId", Some(&long))),
        Err(FrameError::TooLong { .. })
    ));
    let twice = frame(&[
        ("type", &text("leave")),
        ("senderId", &text("a")),
        ("senderId", &text("b")),
    ]);
    assert!(matches!(
        decode(&twice),
        Err(FrameError::Repeated {
            field: "senderId",
            ..
        })
    ));
}

#[test]
fn documents_are_named_by_text_or_bytes() {
    let named = |value: &[u8]| match decode(&sync_frame("documentId", Some(value))) {
        Ok(Message::Document { document, .. }) => Ok(document.to_string()),
        Ok(other) => panic!("{other:?}"),
        Err(fault) => Err(fault),
    };
    let bytes: Vec<u8> = (1..17).collect();
    assert_eq!(named(&[&[0x50], &bytes[..]].concat()), Ok(ID.to_owned()));
    assert_eq!(
        named(&[&[0xd8, 0x40, 0x50], &bytes[..]].concat()),
        Ok(ID.to_owned())
    );
    assert_eq!(
        named(&text("01020304-0506-0708-090a-0b0c0d0e0f10")),
        Ok(ID.to_owned())
    );
    let wrong = ID.replace('p', "q");
    for value in [
        text(&wrong),
        text(""),
        text(&"1".repeat(1 << 20)),
        vec![0x40],
        [vec![0x58, 65], vec![0; 65]].concat(),
    ] {
        assert!(named(&value).is_err());
    }
}

#[test]
fn what_is_not_known_is_passed_over() {
    let more = frame(&[
        (
            "new",
            &[0x82, 0xa1, 0x01, 0x02, 0xfb, 0, 0, 0, 0, 0, 0, 0, 0],
        ),
        ("type", &text("leave")),
        ("senderId", &text("a")),
    ]);
    assert!(matches!(decode(&more), Ok(Message::Leave { .. })));
    let kind = frame(&[("type", &text("tomorrow")), ("data", &[0x01])]);
    assert_eq!(
        decode(&kind),
        Ok(Message::Unknown {
            kind: "tomorrow".into()
        })
    );
    let odd = Bytes::from_static(b"\xa2\x01\x02\x64type\x61x");
    assert_eq!(decode(&odd), Ok(Message::Unknown { kind: "x".into() }));
}

#[test]
fn nothing_nests_without_end() {
    for deep in [0x81, 0x9f, 0xc1, 0xd8] {
        let value = vec![deep; 10_000];
        let frame = frame(&[("type", &text("leave")), ("new", &value)]);
        assert!(
            matches!(decode(&frame), Err(FrameError::TooDeep { .. })),
            "{deep:x}"
        );
        assert!(check_value(&value.into(), 128).is_err());
    }
    assert_eq!(
        check_value(&Bytes::from_static(&[0x81, 0x81, 0x01]), 2),
        Ok(())
    );
    assert!(check_value(&Bytes::from_static(&[0x81, 0x81, 0x01]), 1).is_err());
    assert!(check_value(&Bytes::from_static(&[0x01, 0x01]), 2).is_err());
}

#[test]
fn a_client_that_says_less_of_itself_is_read() {
    let join = frame(&[("type", &text("join")), ("senderId", &text("a"))]);
    let Ok(Message::Join {
        versions, metadata, ..
    }) = decode(&join)
    else {
        panic!("a join")
    };
    assert_eq!((&*versions[0], metadata.storage), ("1", None));
    let old = [&[0xa1][..], &text("storageId"), &text("s")].concat();
    let join = frame(&[
        ("type", &text("join")),
        ("senderId", &text("a")),
        ("metadata", &old),
    ]);
    let Ok(Message::Join { metadata, .. }) = decode(&join) else {
        panic!("a join")
    };
    assert_eq!(metadata.storage.map(|id| id.0), Some("s".into()));
}

#[test]
fn nobody_hears_of_too_many_stores() {
    let stores = |count: u32| {
        let list = [
            &[0x9a][..],
            &count.to_be_bytes(),
            &[0x61, b's'].repeat(count as usize),
        ]
        .concat();
        frame(&[
            ("type", &text("remote-subscription-change")),
            ("senderId", &text("a")),
            ("add", &list),
        ])
    };
    assert!(decode(&stores(1_024)).is_ok());
    assert!(matches!(
        decode(&stores(100_000)),
        Err(FrameError::TooMany { .. })
    ));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        let _ = decode(&bytes);
        let _ = check_value(&bytes, 16);
        let _ = SyncMessage::read(&bytes);
        let _ = read(&bytes);
    }
}
