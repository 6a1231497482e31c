//! 65, 66 and 70: changes and documents that are not what they say, or could not be.

use std::io::Write;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use protocol::automerge::{Said, SyncMessage, Version};
use quire_tests::automerge::{offer, said_by};

use super::super::row::Row;
use super::super::yard::{ATTACKER, automerge_ward};
use super::{BUSY, each, unsigned};

pub(super) fn rows() -> Vec<Row> {
    let zeros = deflated_zeros(ZEROS);
    let good = chunk(CHANGE, &body(1, &SETTING));
    let altered = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let cut = good[..good.len() - 1].to_vec();
    let twice = [&good[..], &good].concat();
    let trailing = [&good[..], &[0]].concat();
    let mut endless = good[..9].to_vec();
    endless.extend(unsigned(1 << 40));
    let [counter, negative, action, actor, many] = unlikely();
    vec![
        each(
            65,
            "a change that inflates to 256 MiB",
            [pushed(chunk(DEFLATED, &zeros))],
        )
        .may_take(192, BUSY),
        each(
            65,
            "a document with a column that inflates to 256 MiB",
            [
                pushed_v2(chunk(DOCUMENT, &document(0x8, &zeros))),
                pushed_v2(chunk(DOCUMENT, &document(0x18, &zeros))),
            ],
        )
        .may_take(192, BUSY),
        each(
            65,
            "what says to be deflated and is not",
            [
                pushed(chunk(DEFLATED, &[0xff; 40])),
                pushed_v2(chunk(DOCUMENT, &document(0x8, &[0xff; 40]))),
            ],
        ),
        each(
            66,
            "another checksum, magic, kind, length",
            [altered(4), altered(0), altered(8), cut, endless].map(pushed),
        ),
        each(
            66,
            "something behind a change",
            [trailing, twice].map(pushed),
        ),
        each(70, "a last operation near 2^63", [pushed(counter)]),
        each(70, "a negative counter", [pushed(negative)]),
        each(70, "action 48", [pushed(action)]),
        each(70, "an actor that is not there", [pushed(actor)]),
        each(70, "4 * 10^9 operations in 20 bytes", [pushed(many)]),
    ]
}

/// Changes that say of themselves what can not be.
fn unlikely() -> [Vec<u8>; 5] {
    let counter = body((1 << 63) - 1, &SETTING);
    let negative = body(1, &[(0x13, &[0x7f, 0x7f]), (0x42, &[1, 1])]);
    let action = body(1, &[(0x15, &[1, 1, b'a']), (0x42, &[1, 48])]);
    let actor = body(
        1,
        &[
            (0x01, &[1, 9]),
            (0x02, &[1, 1]),
            (0x15, &[1, 1, b'a']),
            (0x42, &[1, 1]),
        ],
    );
    let many = body(1, &[(0x42, &[0x80, 0x94, 0xeb, 0xdc, 0x0f, 1])]);
    [counter, negative, action, actor, many].map(|body| chunk(CHANGE, &body))
}

/// A message with a change.
fn pushed(chunk: Vec<u8>) -> Bytes {
    let message = offer(vec![chunk.into()]);
    said_by(ATTACKER, &automerge_ward(), Said::Sync(message.write()))
}

/// The same in version 2, where it may be a document.
fn pushed_v2(chunk: Vec<u8>) -> Bytes {
    let message = SyncMessage {
        version: Version::V2,
        ..offer(vec![chunk.into()])
    };
    said_by(ATTACKER, &automerge_ward(), Said::Sync(message.write()))
}

/// The body of a change that begins at an operation, with these columns.
fn body(start_op: u64, columns: &[(u8, &[u8])]) -> Vec<u8> {
    let mut body = vec![0, 1, 7, 1];
    body.extend(unsigned(start_op));
    body.extend([0, 0, 0]);
    body.extend(unsigned(columns.len() as u64));
    for (spec, bytes) in columns {
        body.push(*spec);
        body.extend(unsigned(bytes.len() as u64));
    }
    columns.iter().for_each(|(_, bytes)| body.extend(*bytes));
    body
}

/// The body of a document without changes, one of whose columns is deflated.
fn document(column: u8, deflated: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 0, 1, column];
    body.extend(unsigned(deflated.len() as u64));
    body.push(0);
    body.extend(deflated);
    body
}

/// A chunk with the checksum that it should have.
pub(super) fn chunk(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut counted = vec![kind];
    counted.extend(unsigned(body.len() as u64));
    counted.extend(body);
    let hash = digest(&SHA256, &counted);
    [&MAGIC[..], &hash.as_ref()[..4], &counted].concat()
}

/// So many zeros, deflated.
fn deflated_zeros(count: usize) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    let zeros = vec![0; 1 << 20];
    for _ in 0..count / zeros.len() {
        encoder
            .write_all(&zeros)
            .expect("memory takes what is written");
    }
    encoder.finish().expect("memory takes what is written")
}

/// The columns of a change that sets the key `a` to nothing.
const SETTING: [(u8, &[u8]); 5] = [
    (0x15, &[1, 1, b'a']),
    (0x34, &[1]),
    (0x42, &[1, 1]),
    (0x56, &[1, 0]),
    (0x70, &[1, 0]),
];
const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const DOCUMENT: u8 = 0;
pub(super) const CHANGE: u8 = 1;
const DEFLATED: u8 = 2;
/// Four times what one message may inflate to.
const ZEROS: usize = 256 << 20;
