//! Whatever the crate `automerge` writes is read here, and says the same.

mod random;

use automerge::{AutoCommit, Automerge, LoadOptions, SaveOptions};
use bytes::Bytes;
use proptest::prelude::*;
use protocol::automerge::{Bounds, Change, Chunk, Document, read_chunks};

fn chunks(bytes: impl Into<Bytes>) -> Vec<Chunk> {
    read_chunks(&bytes.into(), &Bounds::default()).unwrap()
}

fn change(bytes: impl Into<Bytes>) -> Change {
    match chunks(bytes).remove(0) {
        Chunk::Change(change) => change,
        Chunk::Document(_) => panic!("a change"),
    }
}

fn document(bytes: impl Into<Bytes>) -> Document {
    match chunks(bytes).remove(0) {
        Chunk::Document(document) => document,
        Chunk::Change(_) => panic!("a document"),
    }
}

/// Holds what we read of a change against what `automerge` does.
fn compare(read: &Change, theirs: &automerge::Change) {
    assert_eq!(read.hash.0, theirs.hash().0);
    assert_eq!(*read.actor.0, *theirs.actor_id().to_bytes());
    let others = read.others.iter().map(|actor| &*actor.0);
    assert!(
        others.eq(theirs
            .other_actor_ids()
            .iter()
            .map(|actor| actor.to_bytes()))
    );
    assert_eq!(read.seq, theirs.seq());
    assert_eq!(read.start_op, theirs.start_op().get());
    assert_eq!(read.ops, theirs.len() as u64);
    assert_eq!(read.max_op(), theirs.max_op());
    assert_eq!(read.timestamp, theirs.timestamp());
    let message = theirs.message().filter(|message| !message.is_empty());
    assert_eq!(read.message.as_deref(), message);
    assert!(
        read.deps
            .iter()
            .map(|dep| dep.0)
            .eq(theirs.deps().iter().map(|dep| dep.0))
    );
    assert_eq!(*read.chunk, *theirs.raw_bytes());
}

fn compare_all(person: &mut AutoCommit) {
    for mut theirs in person.get_changes(&[]) {
        let plain = Bytes::copy_from_slice(theirs.raw_bytes());
        compare(&change(plain), &theirs);
        let compressed = Bytes::copy_from_slice(&theirs.bytes());
        compare(&change(compressed), &theirs);
    }
}

fn compare_document(person: &mut AutoCommit) {
    let plain = person.save_with_options(SaveOptions {
        deflate: false,
        retain_orphans: true,
    });
    let theirs = person.save();
    let read = document(theirs);
    assert_eq!(
        read,
        document(plain.clone()),
        "what is inflated is as if it had never been deflated"
    );
    assert_eq!(read.chunk, plain);
    let heads: Vec<_> = person.get_heads().iter().map(|head| head.0).collect();
    assert!(
        read.heads
            .iter()
            .map(|head| head.0)
            .eq(heads.iter().copied())
    );
    assert_eq!(read.changes, person.get_changes(&[]).len() as u64);
    let loaded = Automerge::load_with_options(&read.chunk, LoadOptions::new()).unwrap();
    assert!(loaded.get_heads().iter().map(|head| head.0).eq(heads));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn changes_and_documents_of_automerge_are_read(steps in random::steps(60)) {
        for mut person in random::played(steps) {
            compare_all(&mut person);
            compare_document(&mut person);
        }
    }

    #[test]
    fn a_document_and_the_changes_behind_it_are_read_in_a_row(steps in random::steps(30)) {
        for mut person in random::played(steps) {
            let mut bytes = person.save();
            let changes = person.get_changes(&[]);
            changes.iter().for_each(|change| bytes.extend_from_slice(change.raw_bytes()));
            prop_assert_eq!(chunks(bytes).len(), 1 + changes.len());
        }
    }
}

#[test]
fn an_empty_document_is_read() {
    let read = document(Automerge::new().save());
    assert_eq!((read.changes, read.ops), (0, 0));
}
