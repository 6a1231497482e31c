//! Words that are written and read back, and bytes that are no words: none of them may do more than fail to be read.

use engine::{Dot, PresenceName, RosterNotice, RosterWord};
use proptest::prelude::*;

use super::*;

fn clocks() -> impl Strategy<Value = VectorClock> {
    let dots = (any::<u32>(), 1..u64::MAX);
    let dots = dots.prop_map(|(replica, counter)| Dot::new(ReplicaId(replica), counter));
    prop::collection::vec(dots, 0..5).prop_map(|dots| dots.into_iter().collect())
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..80).prop_map(Bytes::from)
}

fn documents() -> impl Strategy<Value = DocumentKey> {
    ("[a-z:{}/é]{1,9}", "[a-z:{}/é]{1,9}").prop_map(|(w, n)| DocumentKey::new(&w, &n).unwrap())
}

prop_compose! {
    fn changes_of(document: DocumentKey)(
        replica in any::<u32>(),
        counter in 1..u64::MAX,
        context in clocks(),
        hlc in any::<u64>(),
        author in prop::option::of(".{0,9}"),
        connection in any::<u64>(),
        is_list in any::<bool>(),
        payload in bytes(),
    ) -> Change {
        Change {
            document: document.clone(),
            dot: Dot::new(ReplicaId(replica), counter),
            context,
            hlc: Hlc(hlc),
            author: author.map(|name| Author::new(&name)),
            connection: ConnectionId(connection),
            kind: if is_list { ChangeKind::YjsUpdates } else { ChangeKind::YjsUpdate },
            payload,
        }
    }
}

prop_compose! {
    fn notices()(
        id in any::<u64>(),
        version in any::<u32>(),
        state in prop::option::of(bytes()),
        is_self in any::<bool>(),
        turn in any::<u64>(),
    ) -> PresenceNotice {
        let id = PresenceId(id);
        PresenceNotice { entry: PresenceEntry { id, version, state }, is_self, turn }
    }
}

fn asked() -> impl Strategy<Value = Word> {
    let clock = (documents(), clocks(), any::<u64>());
    let clock = clock.prop_map(|(document, clock, held)| OpenClock {
        document,
        clock,
        held,
    });
    let clocks = prop::collection::vec(clock, 0..4);
    (any::<u64>(), any::<u32>(), clocks, any::<bool>()).prop_map(
        |(question, from, clocks, asks)| {
            if asks {
                let documents = clocks.into_iter().map(|it| it.document).collect();
                return Word::ClocksAsked {
                    question,
                    documents,
                };
            }
            let from = ReplicaId(from);
            Word::Clocks {
                question,
                from,
                clocks,
            }
        },
    )
}

fn names() -> impl Strategy<Value = PresenceName> {
    (".{0,9}", ".{0,9}").prop_map(|(source, id)| {
        let (source, id) = (source.into(), id.into());
        PresenceName { source, id }
    })
}

fn rosters() -> impl Strategy<Value = RosterWord> {
    let texts = || prop::option::of(".{0,9}");
    let shown = (names(), any::<(u64, u64)>(), texts(), texts());
    let notices = shown.prop_map(|(name, (number, version), author, value)| RosterNotice {
        name,
        number,
        version,
        author: author.map(|name| Author::new(&name)),
        value: value.map(String::into_boxed_str),
    });
    let notices = prop::collection::vec(notices, 0..4);
    let said = (any::<u32>(), any::<u64>(), 0..3, any::<bool>(), notices);
    said.prop_map(|(from, turn, kind, asks, notices)| {
        let from = ReplicaId(from);
        let people = notices.iter().map(|it| (it.name.clone(), it.number));
        match kind {
            0 => RosterWord::Roll {
                from,
                turn,
                asks,
                people: people.collect(),
            },
            1 => RosterWord::Asked {
                of: from,
                names: people.map(|(name, _)| name).collect(),
            },
            _ => RosterWord::News {
                from,
                turn,
                notices,
            },
        }
    })
}

fn words() -> impl Strategy<Value = (Topic, Word)> {
    let about = |word: Word| documents().prop_map(move |it| (Topic::Document(it), word.clone()));
    let changes = documents().prop_flat_map(|document| {
        let changes = prop::collection::vec(changes_of(document.clone()), 0..4);
        changes.prop_map(move |it| (Topic::Document(document.clone()), Word::Changes(it)))
    });
    let presence = (any::<u32>(), prop::collection::vec(notices(), 0..4));
    let presence = presence.prop_map(|(from, notices)| Word::Presence {
        from: ReplicaId(from),
        notices,
    });
    let roll = (
        any::<u32>(),
        any::<u64>(),
        any::<bool>(),
        prop::collection::vec(any::<(u64, u64)>(), 0..4),
    );
    let roll = roll.prop_map(|(from, turn, asks, people)| {
        let ids = people.iter().map(|(id, _)| PresenceId(*id)).collect();
        let people = people.into_iter().map(|(id, turn)| (PresenceId(id), turn));
        let people = people.collect();
        match asks && turn % 2 == 0 {
            true => Word::WhoIsAsked {
                of: ReplicaId(from),
                ids,
            },
            false => Word::PresenceRoll {
                from: ReplicaId(from),
                roll: PresenceRoll { turn, asks, people },
            },
        }
    });
    prop_oneof![
        2 => roll.prop_flat_map(about),
        3 => rosters().prop_map(Word::Roster).prop_flat_map(about),
        4 => changes,
        4 => presence.prop_flat_map(about),
        1 => Just(Word::PresenceAsked).prop_flat_map(about),
        1 => bytes().prop_map(Word::Signal).prop_flat_map(about),
        1 => Just(Word::Deleted).prop_flat_map(about),
        1 => Just(Word::Reopen).prop_flat_map(about),
        1 => Just(Word::Stirred).prop_flat_map(about),
        1 => any::<u32>().prop_map(|by| Word::WayAsked { by: ReplicaId(by) }).prop_flat_map(about),
        1 => (any::<[u8; 32]>(), any::<bool>())
            .prop_map(|(hash, in_log)| Word::KeptOut { payload: PayloadHash(hash), in_log })
            .prop_flat_map(about),
        1 => Just((Topic::Cluster, Word::Revoked)),
        2 => asked().prop_map(|word| (Topic::Cluster, word)),
        1 => (".{0,9}", any::<bool>()).prop_map(|(node, begins)| (Topic::Cluster, Word::Drain { node, begins })),
    ]
}

/// A damaged word whose checksum fits again, as somebody who means harm would send it.
fn resealed(word: &[u8]) -> Bytes {
    let mut writer = Writer::part();
    writer.raw(word);
    writer.seal()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_word_reads_back_as_it_was_written(by in any::<u64>(), (topic, word) in words()) {
        let encoded = encode(by, &topic, &word);
        prop_assert_eq!((encoded.words.len(), encoded.left_out), (1, 0));
        prop_assert_eq!(speaker(&encoded.words[0]), Some(by));
        prop_assert_eq!(decode(encoded.words[0].clone()), Ok(Said { by, topic, word }));
    }

    #[test]
    fn a_damaged_word_is_noticed((topic, word) in words(), at in any::<prop::sample::Index>(), by in 1..=255u8) {
        let word = encode(1, &topic, &word).words.remove(0);
        let mut damaged = word.to_vec();
        damaged[at.index(word.len())] ^= by;
        prop_assert!(decode(damaged.into()).is_err());
        prop_assert!(decode(word.slice(..at.index(word.len()))).is_err());
    }

    #[test]
    fn a_forged_word_is_read_or_refused((topic, word) in words(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let word = encode(1, &topic, &word).words.remove(0);
        let mut forged = word[..word.len() - 4].to_vec();
        let at = at.index(forged.len());
        forged[at] = to;
        if let Ok(said) = decode(resealed(&forged)) {
            let again = encode(said.by, &said.topic, &said.word).words;
            prop_assert!(again.len() <= 1, "{:?}", said);
        }
        let _ = decode(resealed(&forged[..at]));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = (speaker(&bytes), decode(resealed(&bytes)));
        let mut versioned = vec![VERSION];
        versioned.extend_from_slice(&bytes);
        let _ = decode(resealed(&versioned));
        prop_assert!(decode(bytes.into()).is_err());
    }
}

#[test]
fn lengths_that_are_declared_and_not_there_take_no_memory() {
    let mut word = Writer::new(VERSION);
    word.wide(1).byte(SIGNAL).flag(true).number(u64::MAX);
    assert_eq!(decode(word.seal()), Err(Unreadable::Malformed("cut short")));
}

#[test]
fn what_a_newer_program_says_is_unknown() {
    let topic = Topic::Cluster;
    assert_eq!(
        decode(open(1, 200, &topic).seal()),
        Err(Unreadable::Unknown)
    );
    let newer = Writer::new(VERSION + 1).seal();
    assert_eq!(decode(newer), Err(Unreadable::Unknown));
}

#[test]
fn many_changes_are_split_and_a_very_large_one_is_left_out() {
    let document = DocumentKey::new("w", "a").unwrap();
    let sized = |counter, length| Change {
        payload: vec![7; length].into(),
        ..crate::contract::change(&document, ReplicaId(1), counter)
    };
    let half = WORD_BYTES_MAX / 2;
    let changes = vec![
        sized(1, half),
        sized(2, half),
        sized(3, 2 * half),
        sized(4, 9),
    ];
    let topic = Topic::Document(document.clone());
    let encoded = encode(1, &topic, &Word::Changes(changes.clone()));
    assert_eq!((encoded.words.len(), encoded.left_out), (2, 1));
    let heard = encoded.words.into_iter().flat_map(|word| {
        assert!(word.len() <= WORD_BYTES_MAX);
        match decode(word).unwrap().word {
            Word::Changes(changes) => changes,
            other => panic!("{other:?}"),
        }
    });
    let sent = [&changes[..2], &changes[3..]].concat();
    assert_eq!(heard.collect::<Vec<_>>(), sent);
    let large = Word::Signal(vec![7; WORD_BYTES_MAX].into());
    assert_eq!(encode(1, &topic, &large).left_out, 1);
}
