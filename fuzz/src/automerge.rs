//! The wire of automerge-repo: frames, the sync messages in them, and chunks whose checksum is right whatever is in them. What is
//! read is written and reads as the same again; what is handed on holds nothing that would be refused.

use bytes::Bytes;
use protocol::automerge::{
    self, Bounds, ChangeHash, Chunk, Message, Said, SyncMessage, preflight, read_chunks,
};
use protocol::websocket::Abridged;
use sha2::{Digest, Sha256};

/// Less than a server takes, so that an input of some bytes that stand for many operations keeps within its time.
pub(crate) const BOUNDS: Bounds = Bounds {
    changes_max: 20_000,
    ops_max: 20_000,
    op_max: 1 << 31,
    inflated_max: 1 << 20,
    inflated_ratio_max: 200,
    texts_max: 1 << 20,
};

/// Reads a frame, and the same without its middle.
///
/// # Panics
/// A promise was broken.
pub fn frame(input: &[u8]) {
    let frame = Bytes::copy_from_slice(input);
    let third = frame.len() / 3;
    let _ = automerge::decode_abridged(&Abridged {
        beginning: frame.slice(..third),
        left_out: third,
        end: frame.slice(2 * third..),
    });
    let Ok(message) = automerge::decode(&frame) else {
        return;
    };
    let written = automerge::encode(&message);
    assert_eq!(automerge::decode(&written).as_ref(), Ok(&message));
    if let Message::Document { document, said, .. } = &message {
        let (named, _) = automerge::of_url(&document.to_url()).expect("an id has an address");
        assert_eq!(named, *document);
        match said {
            Said::Request(data) | Said::Sync(data) => sync(data),
            Said::Ephemeral { data, .. } => {
                let _ = automerge::check_value(data, 128);
            }
            Said::Unavailable => {}
        }
    }
}

/// Reads a sync message, and what changes are in it.
///
/// # Panics
/// A promise was broken.
pub fn sync(input: &[u8]) {
    let Ok(message) = SyncMessage::read(&Bytes::copy_from_slice(input)) else {
        return;
    };
    let again = SyncMessage::read(&message.write()).expect("what we write we read");
    assert_eq!(again.write(), message.write());
    for have in &message.have {
        have.bloom.contains(&ChangeHash([7; 32]));
    }
    if let Ok(chunks) = preflight(&message, &BOUNDS) {
        handed_on(&chunks);
    }
}

/// Reads a chunk: a byte that says whether it is a document, and the body.
///
/// # Panics
/// A promise was broken.
pub fn chunk(input: &[u8]) {
    let Some((kind, body)) = input.split_first() else {
        return;
    };
    if let Ok(chunks) = read_chunks(&repaired(kind % 2, body), &BOUNDS) {
        handed_on(&chunks);
    }
}

/// What is handed on is read without inflating anything, and as the same.
fn handed_on(chunks: &[Chunk]) {
    let bounds = Bounds {
        inflated_max: 0,
        ..BOUNDS
    };
    for chunk in chunks {
        let bytes = match chunk {
            Chunk::Change(change) => &change.chunk,
            Chunk::Document(document) => &document.chunk,
        };
        let again = read_chunks(bytes, &bounds).expect("what is handed on is good");
        assert_eq!(&again[..], std::slice::from_ref(chunk));
    }
}

/// A chunk of a kind with a body, and the checksum of both.
pub fn repaired(kind: u8, body: &[u8]) -> Bytes {
    let mut front = vec![kind];
    let mut length = body.len();
    while length >= 0x80 {
        front.push(length as u8 | 0x80);
        length >>= 7;
    }
    front.push(length as u8);
    let hash = Sha256::new().chain_update(&front).chain_update(body);
    let hash = hash.finalize();
    let magic = [0x85, 0x6f, 0x4a, 0x83];
    [&magic[..], &hash[..4], &front, body].concat().into()
}
