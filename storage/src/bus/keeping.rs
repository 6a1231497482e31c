//! What a bus keeps for a while, in bytes: the entry of a node, and a snapshot.
//!
//! Both are believed only if they are whole; a snapshot also names its document, so that one which lies in the wrong place
//! is known for what it is. A newer program may add to the entry of a node, and this one reads what it knows of it.

use bytes::Bytes;
use engine::{DocumentKey, ReplicaId, Snapshot};

use super::encoding::{read_clock, read_document, write_document};
use super::fields::{Reader, Unreadable, Writer};
use super::{NodeEntry, NodeLoad};

/// The largest snapshot that is kept. A larger one takes longer to fetch than the store takes to read it.
pub(crate) const HOT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Writes a node's entry.
pub(crate) fn encode_node(node: &NodeEntry) -> Bytes {
    let mut writer = Writer::new(VERSION);
    writer
        .bytes(node.name.as_bytes())
        .number(node.replica.0.into())
        .maybe(node.address.as_deref().map(str::as_bytes))
        .number(node.weight.into())
        .number(node.load.connections)
        .number(node.load.documents)
        .flag(node.is_draining)
        .bytes(node.version.as_bytes())
        .number(node.earlier.len() as u64);
    for replica in &node.earlier {
        writer.number(replica.0.into());
    }
    writer.seal()
}

/// Reads a node's entry, and passes over what a newer program has added.
///
/// # Errors
/// It is none.
pub(crate) fn decode_node(bytes: Bytes) -> Result<NodeEntry, Unreadable> {
    let mut reader = Reader::unseal(bytes, VERSION)?;
    Ok(NodeEntry {
        name: reader.text()?,
        replica: ReplicaId(reader.small()?),
        address: reader.maybe_text()?,
        weight: reader.small()?,
        load: NodeLoad {
            connections: reader.number()?,
            documents: reader.number()?,
        },
        is_draining: reader.flag()?,
        version: reader.text()?,
        earlier: read_earlier(&mut reader)?,
    })
}

/// What is missing at the end, an older program did not write.
fn read_earlier(reader: &mut Reader) -> Result<Vec<ReplicaId>, Unreadable> {
    let count = if reader.is_empty() {
        0
    } else {
        reader.number()?
    };
    (0..count).map(|_| reader.small().map(ReplicaId)).collect()
}

/// Writes a snapshot, unless it is too large to be kept.
pub(crate) fn encode_snapshot(snapshot: &Snapshot) -> Option<Bytes> {
    if snapshot.state.len() > HOT_BYTES_MAX {
        return None;
    }
    let mut writer = Writer::new(VERSION);
    write_document(&mut writer, &snapshot.document);
    writer
        .bytes(snapshot.kind.as_str().as_bytes())
        .bytes(&snapshot.clock.to_bytes())
        .bytes(&snapshot.state);
    Some(writer.seal())
}

/// Reads a snapshot of a document.
///
/// # Errors
/// It is none, or of another document.
pub(crate) fn decode_snapshot(
    document: &DocumentKey,
    bytes: Bytes,
) -> Result<Snapshot, Unreadable> {
    let mut reader = Reader::unseal(bytes, VERSION)?;
    if read_document(&mut reader)? != *document {
        return Err(Unreadable::Malformed("snapshot of another document"));
    }
    let kind = reader.text()?.parse();
    let snapshot = Snapshot {
        document: document.clone(),
        kind: kind.map_err(|_| Unreadable::Unknown)?,
        clock: read_clock(&mut reader)?,
        state: reader.bytes()?,
    };
    reader.end()?;
    Ok(snapshot)
}

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use engine::Dot;
    use proptest::prelude::*;

    use super::*;
    use crate::contract::{document, snapshot};

    fn node() -> NodeEntry {
        NodeEntry {
            name: "one".to_owned(),
            replica: ReplicaId(7),
            earlier: vec![ReplicaId(300), ReplicaId(5)],
            address: Some("http://one:1234".to_owned()),
            weight: 3,
            load: NodeLoad {
                connections: 300,
                documents: 2,
            },
            is_draining: true,
            version: "0.1.0".to_owned(),
        }
    }

    #[test]
    fn an_entry_reads_back_as_it_was_written() {
        let mut node = node();
        assert_eq!(decode_node(encode_node(&node)), Ok(node.clone()));
        node.address = None;
        assert_eq!(decode_node(encode_node(&node)), Ok(node));
    }

    #[test]
    fn an_entry_that_an_older_program_wrote_is_read() {
        let node = NodeEntry {
            earlier: Vec::new(),
            ..node()
        };
        let sealed = encode_node(&node);
        let mut writer = Writer::part();
        writer.raw(&sealed[..sealed.len() - 5]);
        assert_eq!(decode_node(writer.seal()), Ok(node));
    }

    #[test]
    fn what_a_newer_program_adds_to_an_entry_is_passed_over() {
        let sealed = encode_node(&node());
        let mut writer = Writer::part();
        writer.raw(&sealed[..sealed.len() - 4]).bytes(b"more");
        assert_eq!(decode_node(writer.seal()), Ok(node()));
    }

    #[test]
    fn a_snapshot_is_read_for_its_own_document_only() {
        let dot = Dot::new(ReplicaId(300), 1);
        let snapshot = snapshot(&document("a"), &[dot], "state");
        let bytes = encode_snapshot(&snapshot).unwrap();
        assert_eq!(
            decode_snapshot(&document("a"), bytes.clone()),
            Ok(snapshot.clone())
        );
        assert!(decode_snapshot(&document("b"), bytes).is_err());
        let large = Snapshot {
            state: vec![0; HOT_BYTES_MAX + 1].into(),
            ..snapshot
        };
        assert_eq!(encode_snapshot(&large), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn anything_may_stand_where_they_should(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut writer = Writer::new(VERSION);
            writer.raw(&bytes);
            let sealed = writer.seal();
            let _ = decode_node(sealed.clone());
            let _ = decode_snapshot(&document("a"), sealed);
            prop_assert!(decode_node(bytes.into()).is_err());
        }
    }
}
