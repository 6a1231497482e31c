//! Documents of Automerge: frames taken apart, pre-flight, changes taken in, and what a client lacks, told.

use std::cell::RefCell;

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{AutoCommit, ObjId, ObjType, ROOT, ReadDoc};
use bytes::Bytes;
use divan::{Bencher, black_box};
use engine::{Content, Kind};
use protocol::automerge::{
    Bounds, ChangeHash, DocumentId, Envelope, Flags, Have, Message, PeerId, Said, SyncMessage,
    decode, encode, preflight, split_changes,
};

/// The bytes are made anew each time, as they come from a socket.
#[divan::bench]
fn decode_change(bencher: Bencher) {
    let frame = frame(&saying(vec![Typist::new(100).type_one()]));
    bencher
        .with_inputs(|| Bytes::copy_from_slice(&frame))
        .bench_values(|frame| decode(black_box(&frame)).map(|message| (frame, message)));
}

#[divan::bench]
fn read_sync_message(bencher: Bencher) {
    let data = saying(vec![Typist::new(100).type_one()]).write();
    bencher.bench(|| SyncMessage::read(black_box(&data)));
}

#[divan::bench(args = [1, 100])]
fn preflight_changes(bencher: Bencher, changes: usize) {
    let mut typist = Typist::new(100);
    let message = saying((0..changes).map(|_| typist.type_one()).collect());
    bencher.bench(|| preflight(black_box(&message), &Bounds::default()));
}

/// Each change follows the one before, so the content grows by what is measured.
#[divan::bench(args = [1_000, 50_000], sample_count = 100, sample_size = 10)]
fn integrate_a_change(bencher: Bencher, changes: usize) {
    let mut typist = Typist::new(changes);
    let content = RefCell::new(typist.content());
    let news: Vec<_> = (0..NEWS).map(|_| typist.type_one()).collect();
    let news = RefCell::new(news.into_iter());
    bencher
        .with_inputs(|| news.borrow_mut().next().expect("enough of them"))
        .bench_local_refs(|change| content.borrow_mut().integrate(change));
}

/// What a client lacks that has all but the last hundred changes.
#[divan::bench(args = [1_000, 50_000])]
fn difference(bencher: Bencher, changes: usize) {
    let mut typist = Typist::new(changes);
    let have = typist.heads();
    (0..100).for_each(|_| drop(typist.type_one()));
    let content = typist.content();
    bencher.bench_local(|| content.missing_from(black_box(&have)));
}

#[divan::bench(args = [1_000, 50_000])]
fn everything(bencher: Bencher, changes: usize) {
    let content = Typist::new(changes).content();
    bencher.bench_local(|| content.missing_from(black_box(&[])));
}

/// From what a client lacks to the frame that it is sent.
#[divan::bench(args = [0, 1, 100])]
fn answer(bencher: Bencher, changes: usize) {
    let mut typist = Typist::new(100);
    let changes: Vec<_> = (0..changes).map(|_| typist.type_one()).collect();
    let lacking = Bytes::from(changes.concat());
    bencher.bench(|| frame(&saying(split_changes(black_box(&lacking)))));
}

/// Somebody who has typed so many letters, each a change.
struct Typist {
    doc: AutoCommit,
    text: ObjId,
    heads: Vec<automerge::ChangeHash>,
}

impl Typist {
    fn new(changes: usize) -> Self {
        let mut doc = AutoCommit::new();
        let text = doc.put_object(ROOT, "text", ObjType::Text);
        let text = text.expect("it is a map");
        doc.commit();
        let heads = doc.get_heads();
        let mut typist = Self { doc, text, heads };
        (1..changes).for_each(|_| typist.letter());
        typist.heads = typist.doc.get_heads();
        typist
    }

    fn letter(&mut self) {
        let at = self.doc.length(&self.text);
        let typed = self.doc.splice_text(&self.text, at, 0, "x");
        typed.expect("it is within the text");
        self.doc.commit_with(CommitOptions::default());
    }

    /// A letter more, as a change.
    fn type_one(&mut self) -> Bytes {
        self.letter();
        let changes = self.doc.get_changes(&self.heads);
        self.heads = self.doc.get_heads();
        let change = changes.last().expect("a letter is a change");
        Bytes::copy_from_slice(change.raw_bytes())
    }

    /// The heads, as the engine has them.
    fn heads(&self) -> Vec<u8> {
        self.heads.iter().flat_map(|head| head.0).collect()
    }

    fn content(&mut self) -> Content {
        let mut content = Content::new(Kind::Automerge).expect("it is served");
        let changes = self.doc.get_changes(&[]);
        for change in changes {
            let taken = content.integrate(change.raw_bytes());
            taken.expect("it follows");
        }
        content
    }
}

/// A sync message with these changes.
fn saying(changes: Vec<Bytes>) -> SyncMessage {
    let heads = vec![ChangeHash([7; ChangeHash::BYTES])];
    SyncMessage {
        have: vec![Have {
            last_sync: heads.clone(),
            ..Have::default()
        }],
        heads,
        changes,
        flags: Some(Flags(Flags::KNOWS_SYNC_RESET)),
        ..SyncMessage::default()
    }
}

/// The frame of a sync message.
fn frame(message: &SyncMessage) -> Bytes {
    let peer = |name: &str| PeerId(name.into());
    encode(&Message::Document {
        envelope: Envelope {
            sender: peer("peer-1v8jx0q2"),
            target: Some(peer("storage-server")),
        },
        document: DocumentId::new(&[9; 16]).expect("a good id"),
        said: Said::Sync(message.write()),
    })
}

/// As many as there are samples times their size, and some to try with.
const NEWS: usize = 1_100;
