//! A document: one batch of keystrokes handled and settled, and its commit heard, with a hundred clients and with two.

use std::cell::RefCell;

use bytes::Bytes;
use divan::Bencher;
use engine::{
    ConnectionId, Document, DocumentKey, Effect, Effects, Input, Intent, Joining, Kind, Limits,
    Loaded, Now, ReplicaId,
};
use protocol::yjs::UPDATE;

use crate::material::{Author, START, client};

const CLIENTS: u64 = 100;
const SAMPLES: u32 = 50;

#[divan::bench(args = [1, 10, 100], sample_count = SAMPLES, sample_size = 1)]
fn handle_and_settle(bencher: Bencher, authors: u64) {
    let document = RefCell::new(open(CLIENTS));
    let mut writers = writers(authors);
    let effects = RefCell::new(Effects::new());
    bencher
        .with_inputs(|| {
            acknowledge(&mut document.borrow_mut(), &mut effects.borrow_mut());
            let pushes = writers.iter_mut().zip(1..);
            pushes
                .map(|(writer, who)| push(who, writer.keystroke()))
                .collect::<Vec<_>>()
        })
        .bench_local_values(|pushes| {
            let (mut document, mut effects) = (document.borrow_mut(), effects.borrow_mut());
            work_off(&mut document, pushes, &mut effects);
        });
}

/// The commit of a batch, and the acknowledgements that it releases.
#[divan::bench(args = [1, 10, 100], sample_count = SAMPLES, sample_size = 1)]
fn hear_of_the_commit(bencher: Bencher, authors: u64) {
    let document = RefCell::new(open(CLIENTS));
    let mut writers = writers(authors);
    let effects = RefCell::new(Effects::new());
    bencher
        .with_inputs(|| {
            let (mut document, mut effects) = (document.borrow_mut(), effects.borrow_mut());
            acknowledge(&mut document, &mut effects);
            for (writer, who) in writers.iter_mut().zip(1..) {
                document.handle(push(who, writer.keystroke()), NOW, &mut effects);
            }
            document.settle(NOW, &mut effects);
            let committed = committed(&effects).expect("there is something to store");
            effects.clear();
            committed
        })
        .bench_local_values(|committed| {
            let (mut document, mut effects) = (document.borrow_mut(), effects.borrow_mut());
            document.handle(committed, NOW, &mut effects);
            document.settle(NOW, &mut effects);
        });
}

/// The whole way of a batch in a document of two: handled, settled, heard to be committed, acknowledged.
#[divan::bench(args = [1, 4], sample_count = SAMPLES, sample_size = 1)]
fn of_two_clients(bencher: Bencher, edits: usize) {
    let document = RefCell::new(open(2));
    let mut writers = writers(2);
    let effects = RefCell::new(Effects::new());
    bencher
        .with_inputs(|| {
            let turns = (0..edits).map(|turn| turn % 2);
            turns
                .map(|who| push(who as u64 + 1, writers[who].keystroke()))
                .collect::<Vec<_>>()
        })
        .bench_local_values(|pushes| {
            let (mut document, mut effects) = (document.borrow_mut(), effects.borrow_mut());
            work_off(&mut document, pushes, &mut effects);
            acknowledge(&mut document, &mut effects);
        });
}

/// Handles a batch and ends it.
fn work_off(document: &mut Document, pushes: Vec<Input>, effects: &mut Effects) {
    for push in pushes {
        document.handle(push, NOW, effects);
    }
    document.settle(NOW, effects);
}

/// Clients who type, each in a copy of [`START`].
fn writers(authors: u64) -> Vec<Author> {
    let numbers = 0..authors;
    numbers
        .map(|number| Author::with(client(number), &START))
        .collect()
}

/// A document with [`START`] in it, and so many clients, all up to date.
fn open(clients: u64) -> Document {
    let mut effects = Effects::new();
    let key = DocumentKey::new("default", "batch").expect("a good name");
    let mut document = Document::open(
        key,
        Kind::Yjs,
        ReplicaId(1),
        Limits::default(),
        &mut effects,
    )
    .expect("it is served");
    document.handle(Input::Opened(Loaded::default()), NOW, &mut effects);
    while document.next_replay().is_some() {
        document.replay(NOW, &mut effects);
    }
    for who in 1..=clients {
        let joined = Input::Joined(Joining::freely(ConnectionId(who), Kind::Yjs, None));
        document.handle(joined, NOW, &mut effects);
        let have = Bytes::from_static(&[0]);
        document.handle(said(who, Intent::Pull { have }), NOW, &mut effects);
    }
    document.handle(push(1, START.clone()), NOW, &mut effects);
    document.settle(NOW, &mut effects);
    acknowledge(&mut document, &mut effects);
    document
}

/// Answers the append that is asked for, if one is.
fn acknowledge(document: &mut Document, effects: &mut Effects) {
    while let Some(committed) = committed(effects) {
        effects.clear();
        document.handle(committed, NOW, effects);
        document.settle(NOW, effects);
    }
    effects.clear();
}

fn committed(effects: &Effects) -> Option<Input> {
    effects.iter().find_map(|effect| match effect {
        Effect::Append(changes) => changes.last().map(|last| Input::Committed {
            through: last.dot.counter,
        }),
        _ => None,
    })
}

fn push(who: u64, payload: Bytes) -> Input {
    said(
        who,
        Intent::Push {
            payload,
            tag: UPDATE,
        },
    )
}

fn said(who: u64, intent: Intent) -> Input {
    Input::Intent {
        connection: ConnectionId(who),
        intent,
        seen: None,
    }
}

const NOW: Now = Now {
    monotonic_ms: 1_000,
    wall_ms: 1_700_000_000_000,
};
