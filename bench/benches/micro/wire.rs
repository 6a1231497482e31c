//! Frames to intents, what pre-flight looks at, events to frames.

use bytes::Bytes;
use divan::{Bencher, black_box};
use engine::{Event, PresenceEntry, PresenceId};
use protocol::preflight::{Bounds, check_update};
use protocol::websocket::Frame;
use protocol::yjs::UPDATE;
use protocol::ywebsocket;

use crate::material::{Author, PAPER, START, merged};

/// The bytes are made anew each time, as they come from a socket.
#[divan::bench]
fn decode_keystroke(bencher: Bencher) {
    let frame = ywebsocket::encode(&change(keystroke())).expect("it is told");
    bencher
        .with_inputs(|| Bytes::copy_from_slice(&frame))
        .bench_values(|frame| {
            ywebsocket::decode(black_box(&frame)).map(|intents| (frame, intents))
        });
}

#[divan::bench]
fn preflight_keystroke(bencher: Bencher) {
    let update = keystroke();
    bencher.bench(|| check_update(black_box(&update), &Bounds::default()));
}

#[divan::bench]
fn preflight_merged_10_000(bencher: Bencher) {
    let update = merged(&PAPER[..10_000]);
    bencher.bench(|| check_update(black_box(&update), &Bounds::default()));
}

#[divan::bench]
fn encode_change(bencher: Bencher) {
    let event = change(keystroke());
    bencher.bench(|| ywebsocket::encode(black_box(&event)).map(Frame::binary));
}

#[divan::bench]
fn encode_ack(bencher: Bencher) {
    let payload = keystroke();
    let event = Event::Ack {
        tag: UPDATE,
        payload,
        news: true,
    };
    bencher.bench(|| ywebsocket::encode(black_box(&event)).map(Frame::binary));
}

#[divan::bench(args = [1, 100, 1_000])]
fn encode_presence(bencher: Bencher, entries: u64) {
    let event = Event::Presence((0..entries).map(cursor).collect());
    bencher.bench(|| ywebsocket::encode(black_box(&event)).map(Frame::binary));
}

fn keystroke() -> Bytes {
    Author::with(3_405_691_582, &START).keystroke()
}

fn change(payload: Bytes) -> Event {
    Event::Change { payload }
}

fn cursor(number: u64) -> PresenceEntry {
    let state = r##"{"user":{"name":"Ada","color":"#30bced"},"cursor":{"anchor":17,"head":17}}"##;
    PresenceEntry {
        id: PresenceId(number),
        version: 7,
        state: Some(Bytes::from_static(state.as_bytes())),
    }
}
