//! Content: edits taken in, several made one, and what a client lacks.

use std::cell::RefCell;

use bytes::Bytes;
use divan::{Bencher, black_box};
use engine::Content;

use crate::material::{Author, START, WHOLE_PAPER, client, content, merged, one_keystroke_each};

#[divan::bench(sample_count = 100, sample_size = 10)]
fn integrate_into_1_000_characters(bencher: Bencher) {
    integrate(bencher, &START);
}

#[divan::bench(sample_count = 100, sample_size = 10)]
fn integrate_into_the_paper(bencher: Bencher) {
    integrate(bencher, &WHOLE_PAPER);
}

/// Each keystroke follows the one before, so the content grows by what is measured.
fn integrate(bencher: Bencher, start: &Bytes) {
    let keystrokes = Author::with(client(0), start).keystrokes(KEYSTROKES);
    let keystrokes = RefCell::new(keystrokes.into_iter());
    let content = RefCell::new(content(start));
    bencher
        .with_inputs(|| keystrokes.borrow_mut().next().expect("enough of them"))
        .bench_local_refs(|update| content.borrow_mut().integrate(update));
}

#[divan::bench(args = [2, 10, 100])]
fn merge_of_different_authors(bencher: Bencher, authors: u64) {
    let content = content(&START);
    let updates = one_keystroke_each(authors);
    bencher.bench_local(|| content.merge(black_box(&updates)));
}

/// What a client lacks that has all but the last hundred keystrokes.
#[divan::bench]
fn difference_in_1_000_characters(bencher: Bencher) {
    let (content, have) = ahead_of_a_reader(&START);
    bencher.bench_local(|| content.missing_from(black_box(&have)));
}

#[divan::bench]
fn difference_in_the_paper(bencher: Bencher) {
    let (content, have) = ahead_of_a_reader(&WHOLE_PAPER);
    bencher.bench_local(|| content.missing_from(black_box(&have)));
}

#[divan::bench]
fn everything_of_the_paper(bencher: Bencher) {
    let content = content(&WHOLE_PAPER);
    bencher.bench_local(|| content.missing_from(black_box(&[0])));
}

fn ahead_of_a_reader(start: &Bytes) -> (Content, Bytes) {
    let mut content = content(start);
    let have = content.have(std::iter::empty());
    let news = Author::with(client(0), start).keystrokes(100);
    content.integrate(&merged(&news)).expect("it follows");
    (content, have)
}

/// As many as there are samples times their size, and some to try with.
const KEYSTROKES: usize = 1_100;
