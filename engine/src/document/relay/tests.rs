//! Who is shown what of random batches: exactly the edits of others, and never an own one, in an order that works.

use proptest::collection::vec;
use proptest::prelude::*;
use yrs::updates::decoder::Decode;
use yrs::{Doc, GetString, IdSet, ReadTxn, StateVector, Text, Transact, Update};

use super::super::input::Joining;
use super::super::peers::Peer;
use super::*;
use crate::names::Kind;
use crate::time::Now;

/// What an author does in a batch.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Type,
    Paste,
    Delete,
    /// Types, and the edit is lost on its way, so that the next leaves a gap.
    Lose,
    /// Types in the tab of another, under the number of that: what either of them is shown lacks what the other made before.
    Roam,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        8 => Just(Deed::Type),
        1 => Just(Deed::Paste),
        2 => Just(Deed::Delete),
        1 => Just(Deed::Lose),
        1 => Just(Deed::Roam),
    ]
}

/// Documents of authors who all began with the same.
struct Room {
    content: Content,
    base: Vec<u8>,
    docs: Vec<Doc>,
    batch: Vec<Pushed>,
    has_gaps: bool,
    /// The clients who have left again; behind the authors comes one who only reads.
    left: Vec<usize>,
}

impl Room {
    fn of(authors: usize) -> Self {
        let whole = doc(1);
        whole
            .get_or_insert_text("text")
            .insert(&mut whole.transact_mut(), 0, &"quire ".repeat(40));
        let base = whole
            .transact()
            .encode_state_as_update_v1(&StateVector::default());
        Self {
            content: Content::new(Kind::Yjs).unwrap(),
            docs: (0..authors).map(|at| copy(10 + at as u64, &base)).collect(),
            base,
            batch: Vec::new(),
            has_gaps: false,
            left: Vec::new(),
        }
    }

    fn does(&mut self, author: usize, deed: Deed, place: u32) {
        match deed {
            Deed::Type => self.edit(author, author, |text, txn| text.insert(txn, place, "x")),
            Deed::Paste => {
                let paste = "pasted ".repeat(200);
                self.edit(author, author, |text, txn| text.insert(txn, place, &paste));
            }
            Deed::Delete => self.edit(author, author, |text, txn| text.remove_range(txn, place, 3)),
            Deed::Lose => {
                self.edit(author, author, |text, txn| text.insert(txn, place, "lost"));
                self.batch.pop();
                self.has_gaps = true;
            }
            Deed::Roam => {
                let other = (author + 1) % self.docs.len();
                self.edit(author, other, |text, txn| text.insert(txn, place, "y"));
                self.has_gaps = true;
            }
        }
    }

    fn edit(
        &mut self,
        author: usize,
        doc: usize,
        edit: impl FnOnce(&yrs::TextRef, &mut yrs::TransactionMut<'_>),
    ) {
        let doc = self.docs[doc].clone();
        let text = doc.get_or_insert_text("text");
        let mut txn = doc.transact_mut();
        edit(&text, &mut txn);
        let update = txn.encode_update_v1();
        drop(txn);
        self.push(author, update.into());
    }

    fn push(&mut self, author: usize, payload: Bytes) {
        self.batch.push(Pushed {
            connection: ConnectionId(author as u64),
            author: None,
            shown: payload.clone(),
            payload,
            counted: true,
            tag: PushTag(0),
            news: true,
            unstored: true,
            begins: Begins::default(),
            repeats: false,
            seen: None,
        });
    }

    /// What a client is shown, and which step it is told with the last of it.
    fn shown_to(&self, client: usize, unbased: &[ConnectionId]) -> (Vec<Bytes>, Option<u64>) {
        let mut effects = Effects::new();
        relay(
            &self.content,
            &self.batch,
            7,
            &self.peers(unbased),
            &mut effects,
        );
        let mut told = None;
        let mut frames = Vec::new();
        for effect in effects {
            if let Effect::Send {
                to,
                event: Event::Change { payload },
                shows,
            } = effect
                && is_for(&to, ConnectionId(client as u64))
            {
                assert_eq!(told, None, "only the last says so");
                told = shows;
                frames.push(payload);
            }
        }
        (frames, told)
    }

    fn peers(&self, unbased: &[ConnectionId]) -> Peers {
        let mut peers = Peers::default();
        for client in (0..=self.docs.len()).filter(|client| !self.left.contains(client)) {
            let connection = ConnectionId(client as u64);
            let joining = Joining::freely(connection, Kind::Yjs, None);
            let peer = Peer {
                is_based: !unbased.contains(&connection),
                ..Peer::new(joining, Now::default())
            };
            peers.insert(connection, peer);
        }
        peers
    }

    fn made_by_others(&self, client: usize) -> Vec<Bytes> {
        let others = self
            .batch
            .iter()
            .filter(|pushed| pushed.connection.0 != client as u64);
        others.map(|pushed| pushed.payload.clone()).collect()
    }
}

fn is_for(to: &Audience, client: ConnectionId) -> bool {
    let is_sorted = |some: &[ConnectionId]| some.is_sorted_by(|a, b| a < b);
    match to {
        Audience::One(one) => *one == client,
        Audience::AllBut(few) => {
            assert!(is_sorted(few));
            !few.contains(&client)
        }
        Audience::Among(some) => {
            assert!(is_sorted(some));
            some.contains(&client)
        }
    }
}

fn doc(number: u64) -> Doc {
    Doc::with_client_id(number)
}

fn copy(number: u64, base: &[u8]) -> Doc {
    let copy = doc(number);
    copy.transact_mut()
        .apply_update(Update::decode_v1(base).unwrap())
        .unwrap();
    copy
}

/// All items and all deletions of some updates.
fn sum(updates: &[Bytes]) -> (IdSet, IdSet) {
    let mut sum = (IdSet::default(), IdSet::default());
    for update in updates {
        let update = Update::decode_v1(update).unwrap();
        sum.0.merge_with(update.insertions(true));
        sum.1.merge_with(update.delete_set().clone());
    }
    sum
}

fn read(base: &[u8], updates: &[Bytes]) -> (String, StateVector) {
    let doc = copy(1, base);
    for update in updates {
        let update = Update::decode_v1(update).unwrap();
        doc.transact_mut().apply_update(update).unwrap();
        assert!(
            doc.transact().store().pending_update().is_none(),
            "in an order that works"
        );
    }
    let text = doc.get_or_insert_text("text");
    let txn = doc.transact();
    (text.get_string(&txn), txn.state_vector())
}

proptest! {
    #[test]
    fn everyone_is_shown_exactly_what_others_made(
        authors in 1usize..12,
        deeds in vec((any::<prop::sample::Index>(), deed(), 0u32..200), 0..40),
        stranger in any::<prop::sample::Index>(),
        left in prop::sample::subsequence((0..12usize).collect::<Vec<_>>(), 0..4),
    ) {
        let mut room = Room::of(authors);
        for (author, deed, place) in deeds {
            room.does(author.index(authors), deed, place);
        }
        let stranger = ConnectionId(stranger.index(authors + 1) as u64);
        room.left = left;
        for client in (0..=authors).filter(|client| !room.left.contains(client)) {
            let (shown, told) = room.shown_to(client, &[stranger]);
            let made = room.made_by_others(client);
            prop_assert_eq!(sum(&shown), sum(&made));
            prop_assert!(told.is_none() || stranger.0 != client as u64);
            if !room.has_gaps {
                prop_assert_eq!(read(&room.base, &shown), read(&room.base, &made));
            }
        }
        room.left.retain(|client| *client != authors);
        let is_reader = stranger.0 != authors as u64;
        let (shown, told) = room.shown_to(authors, &[stranger]);
        prop_assert_eq!(told.is_some(), is_reader && !shown.is_empty());
    }
}

#[test]
fn many_authors_share_most_of_what_they_are_shown() {
    let mut room = Room::of(64);
    for author in 0..64 {
        room.edit(author, author, |text, txn| {
            text.insert(txn, 9, &"word ".repeat(180));
        });
    }
    for client in [0, 1, 33, 63, 64] {
        let (shown, told) = room.shown_to(client, &[]);
        assert_eq!(shown.len(), if client < 64 { 2 } else { 1 });
        assert_eq!(told, Some(7));
        assert_eq!(sum(&shown), sum(&room.made_by_others(client)));
    }
}

#[test]
fn a_lone_edit_goes_out_as_it_came() {
    let mut room = Room::of(2);
    room.does(0, Deed::Type, 3);
    let (shown, told) = room.shown_to(1, &[]);
    assert_eq!(
        (shown[0].as_ptr(), told),
        (room.batch[0].payload.as_ptr(), Some(7))
    );
    assert!(room.shown_to(0, &[]).0.is_empty());
    room.does(1, Deed::Type, 5);
    let (shown, _) = room.shown_to(0, &[]);
    assert_eq!(shown[0].as_ptr(), room.batch[1].payload.as_ptr());
}

#[test]
fn nothing_is_made_for_readers_who_are_not_there() {
    let mut room = Room::of(2);
    room.does(0, Deed::Type, 3);
    room.left = vec![1, 2];
    assert!(effects_of(&room).is_empty(), "its author is alone");
    room.does(1, Deed::Type, 5);
    room.left = vec![2];
    assert_eq!(effects_of(&room).len(), 2, "each is shown the other's");
    room.left = vec![1];
    assert_eq!(
        effects_of(&room).len(),
        3,
        "an author has left, and a reader is here"
    );
}

fn effects_of(room: &Room) -> Effects {
    let mut effects = Effects::new();
    relay(
        &room.content,
        &room.batch,
        7,
        &room.peers(&[]),
        &mut effects,
    );
    effects
}
