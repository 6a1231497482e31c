//! Vector clocks of one lane (a node alone), of a few nodes, and of all that ever wrote to an old document.

use divan::{Bencher, black_box};
use engine::{Dot, ReplicaId, VectorClock};

const LANES: [u32; 3] = [1, 16, 256];

#[divan::bench(args = LANES)]
fn observe(bencher: Bencher, lanes: u32) {
    let mut counter = 10;
    let mut clock = clock(lanes, 1);
    bencher.bench_local(|| {
        counter += 1;
        clock.observe(black_box(Dot::new(ReplicaId(lanes / 2 + 1), counter)));
    });
}

#[divan::bench(args = LANES)]
fn join_of_the_same_lanes(bencher: Bencher, lanes: u32) {
    let other = clock(lanes, 2);
    bencher
        .with_inputs(|| clock(lanes, 1))
        .bench_refs(|clock| clock.join(black_box(&other)));
}

#[divan::bench(args = LANES)]
fn join_of_other_lanes(bencher: Bencher, lanes: u32) {
    let other: VectorClock = (1..=lanes).map(|n| Dot::new(ReplicaId(n * 2), 5)).collect();
    let odd: VectorClock = (1..=lanes)
        .map(|n| Dot::new(ReplicaId(n * 2 - 1), 5))
        .collect();
    bencher
        .with_inputs(|| odd.clone())
        .bench_refs(|clock| clock.join(black_box(&other)));
}

#[divan::bench(args = LANES)]
fn compare(bencher: Bencher, lanes: u32) {
    let (one, other) = (clock(lanes, 1), clock(lanes, 2));
    bencher.bench(|| black_box(&one).compare(black_box(&other)));
}

#[divan::bench(args = LANES)]
fn to_bytes(bencher: Bencher, lanes: u32) {
    let clock = clock(lanes, 300);
    bencher.bench(|| black_box(&clock).to_bytes());
}

fn clock(lanes: u32, counter: u64) -> VectorClock {
    (1..=lanes)
        .map(|n| Dot::new(ReplicaId(n), counter))
        .collect()
}
