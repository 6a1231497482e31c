//! Sync messages, held against the crate `automerge`: what it writes is read, and what is written is read by it.

mod random;

use automerge::AutoCommit;
use automerge::sync::{BloomFilter, Message, MessageVersion, State, SyncDoc};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use protocol::automerge::{
    Bloom, Bounds, ChangeHash, Chunk, Flags, Have, SyncMessage, Version, preflight,
};

fn hashes(theirs: &[automerge::ChangeHash]) -> Vec<ChangeHash> {
    theirs.iter().map(|hash| ChangeHash(hash.0)).collect()
}

/// Holds what we read of a message against what `automerge` does, and what we write against its bytes.
fn compare(theirs: &Message) {
    let bytes = Bytes::from(theirs.clone().encode());
    let read = SyncMessage::read(&bytes).unwrap();
    assert_eq!(read.heads, hashes(&theirs.heads));
    assert_eq!(read.need, hashes(&theirs.need));
    assert!(
        read.changes
            .iter()
            .map(|change| &**change)
            .eq(theirs.changes.iter())
    );
    let version = match theirs.version {
        MessageVersion::V1 => Version::V1,
        MessageVersion::V2 => Version::V2,
    };
    assert_eq!(read.version, version);
    assert_eq!(read.flags.is_some(), theirs.flags.is_some());
    let shared = read.have.iter().map(|have| &have.last_sync);
    assert!(
        shared
            .cloned()
            .eq(theirs.have.iter().map(|have| hashes(&have.last_sync)))
    );
    assert_eq!(read.write(), bytes);
    preflight(&read, &Bounds::default()).unwrap();
}

/// Two that talk until both are silent. Tells how many changes went over in which version.
fn talk(one: &mut AutoCommit, other: &mut AutoCommit) -> [usize; 2] {
    let (mut ours, mut theirs) = (State::new(), State::new());
    let mut versions = [0; 2];
    for _ in 0..100 {
        let there = one.sync().generate_sync_message(&mut ours);
        if let Some(message) = &there {
            compare(message);
            versions[usize::from(message.version == MessageVersion::V2)] += message.changes.len();
            other
                .sync()
                .receive_sync_message(&mut theirs, message.clone())
                .unwrap();
        }
        let back = other.sync().generate_sync_message(&mut theirs);
        if let Some(message) = &back {
            compare(message);
            versions[usize::from(message.version == MessageVersion::V2)] += message.changes.len();
            one.sync()
                .receive_sync_message(&mut ours, message.clone())
                .unwrap();
        }
        if there.is_none() && back.is_none() {
            assert_eq!(one.get_heads(), other.get_heads());
            return versions;
        }
    }
    panic!("they never fall silent");
}

prop_compose! {
    fn some_hashes(max: usize)(mut hashes in vec(any::<[u8; 32]>().prop_map(ChangeHash), 0..max)) -> Vec<ChangeHash> {
        hashes.sort_unstable();
        hashes
    }
}

prop_compose! {
    fn a_message()(
        is_v2: bool,
        heads in some_hashes(5),
        need in some_hashes(5),
        have in vec((some_hashes(3), some_hashes(30)), 0..3),
        changes in vec(vec(any::<u8>(), 10..40).prop_map(Bytes::from), 0..5),
        flags in proptest::option::of((0..8_u8).prop_map(Flags)),
    ) -> SyncMessage {
        let have = have.into_iter().map(|(last_sync, since)| Have { last_sync, bloom: Bloom::of(since.iter()) });
        let version = if is_v2 { Version::V2 } else { Version::V1 };
        SyncMessage { version, heads, need, have: have.collect(), changes, flags }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn conversations_of_automerge_are_read(steps in random::steps(60)) {
        let mut people = random::played(steps);
        let mut last = people.pop().unwrap();
        for person in &mut people {
            talk(person, &mut last);
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_by_automerge(message in a_message()) {
        let bytes = message.write();
        let read = SyncMessage::read(&bytes);
        prop_assert_eq!(read.as_ref(), Ok(&message));
        let theirs = Message::decode(&bytes).unwrap();
        compare_with_random_changes(&message, &theirs);
        prop_assert_eq!(theirs.encode(), bytes);
    }

    #[test]
    fn filters_have_what_those_of_automerge_have(has in some_hashes(200), others in some_hashes(200)) {
        let theirs: Vec<_> = has.iter().map(|hash| automerge::ChangeHash(hash.0)).collect();
        let theirs = BloomFilter::from_hashes(theirs.iter());
        let ours = Bloom::of(has.iter());
        for hash in has.iter().chain(&others) {
            prop_assert_eq!(ours.contains(hash), theirs.contains_hash(&automerge::ChangeHash(hash.0)));
        }
        prop_assert!(has.iter().all(|hash| ours.contains(hash)));
        let have = Have { last_sync: Vec::new(), bloom: ours };
        let message = SyncMessage { have: vec![have], ..SyncMessage::default() };
        let read = Message::decode(&message.write()).unwrap();
        prop_assert_eq!(&read.have[0].bloom, &theirs);
    }

    #[test]
    fn whatever_comes_is_read_or_refused(mut message in a_message(), at: prop::sample::Index, byte: u8) {
        message.changes.clear();
        let mut bytes = message.write().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let bytes = Bytes::from(bytes);
        if let Ok(read) = SyncMessage::read(&bytes) {
            let theirs = Message::decode(&bytes).expect("what is read here is read by automerge");
            prop_assert_eq!(read.heads, hashes(&theirs.heads));
            prop_assert_eq!(read.need, hashes(&theirs.need));
        }
    }
}

fn compare_with_random_changes(message: &SyncMessage, theirs: &Message) {
    assert_eq!(message.heads, hashes(&theirs.heads));
    assert_eq!(message.need, hashes(&theirs.need));
    assert!(
        message
            .changes
            .iter()
            .map(|change| &**change)
            .eq(theirs.changes.iter())
    );
    for (ours, theirs) in message.have.iter().zip(&theirs.have) {
        assert_eq!(ours.last_sync, hashes(&theirs.last_sync));
    }
}

#[test]
fn both_versions_are_spoken_and_a_document_comes_whole() {
    let mut one = random::played(Vec::new()).remove(0);
    let mut other = AutoCommit::new();
    assert_eq!(talk(&mut one, &mut other), [0, 1]);
    let message = Message {
        changes: one.save().into(),
        ..SyncMessageOf(&mut one).first()
    };
    let read = SyncMessage::read(&message.encode().into()).unwrap();
    let chunks = preflight(&read, &Bounds::default());
    assert!(chunks.is_err(), "a document in a message of version 1");
    let read = SyncMessage {
        version: Version::V2,
        ..read
    };
    let chunks = preflight(&read, &Bounds::default()).unwrap();
    assert!(matches!(&chunks[..], [Chunk::Document(_)]));
}

/// What somebody says first.
struct SyncMessageOf<'a>(&'a mut AutoCommit);

impl SyncMessageOf<'_> {
    fn first(self) -> Message {
        let message = self.0.sync().generate_sync_message(&mut State::new());
        message.unwrap()
    }
}

#[test]
fn a_message_made_by_hand_brings_a_peer_what_it_lacks() {
    let mut one = random::played(Vec::new()).remove(0);
    let mut other = AutoCommit::new();
    let mut state = State::new();
    let asks = other.sync().generate_sync_message(&mut state).unwrap();
    let asks = SyncMessage::read(&asks.encode().into()).unwrap();
    let changes = one.get_changes(&[]);
    let lacks = |change: &&automerge::Change| {
        let hash = ChangeHash(change.hash().0);
        asks.have.iter().all(|have| !have.bloom.contains(&hash))
    };
    let heads = hashes(&one.get_heads());
    let answer = SyncMessage {
        heads: heads.clone(),
        have: vec![Have {
            last_sync: heads.clone(),
            bloom: Bloom::default(),
        }],
        changes: changes
            .iter()
            .filter(lacks)
            .map(|change| Bytes::copy_from_slice(change.raw_bytes()))
            .collect(),
        ..SyncMessage::default()
    };
    let answer = Message::decode(&answer.write()).unwrap();
    other
        .sync()
        .receive_sync_message(&mut state, answer)
        .unwrap();
    assert_eq!(hashes(&other.get_heads()), heads);
}
