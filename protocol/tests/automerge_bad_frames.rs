//! Frames and sync messages that must be refused of automerge-repo's clients: with an error, at once, and without much memory.

mod leb128;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use protocol::FrameError;
use protocol::automerge::{Bounds, Message, SyncMessage, check_value, decode, read_chunks};

use leb128::{unsigned, with_length};

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
    let short = sync(&[&[0, 0, 0, 1, 9][..], &[0; 9], &[2, 2, 0x84]].concat());
    assert!(
        matches!(short, Err(FrameError::OutOfRange { .. })),
        "a change that is none"
    );
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
    out.extend((text.len() as u32).to_be_bytes());
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
        let _ = read_chunks(&bytes, &Bounds::default());
    }
}
