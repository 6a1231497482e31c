//! The store: appends of one document, one after the other, in memory and on disk.
//!
//! On disk the time is that of the disk: one flush an append, however many changes there are in it.

use std::cell::Cell;
use std::hint::black_box;

use bytes::Bytes;
use divan::Bencher;
use engine::{
    Change, ChangeKind, ConnectionId, DocumentKey, Dot, Hlc, Kind, ReplicaId, VectorClock,
};
use storage::{MemoryStore, SqliteStore, Store};
use tokio::runtime::{Builder, Runtime};

const CHANGES: [u64; 3] = [1, 100, 1_000];

#[divan::bench(args = CHANGES, sample_count = 50, sample_size = 4)]
fn memory(bencher: Bencher, changes: u64) {
    measure(bencher, &runtime(), &MemoryStore::new(), changes);
}

#[divan::bench(args = CHANGES, sample_count = 50, sample_size = 1)]
fn sqlite(bencher: Bencher, changes: u64) {
    let (runtime, folder) = (runtime(), tempfile::tempdir().expect("a folder"));
    let store = runtime
        .block_on(SqliteStore::open(folder.path()))
        .expect("it opens");
    measure(bencher, &runtime, &store, changes);
    runtime.block_on(store.close()).expect("it closes");
}

fn measure(bencher: Bencher, runtime: &Runtime, store: &dyn Store, changes: u64) {
    let replica = runtime.block_on(store.new_replica()).expect("a replica");
    let document = DocumentKey::new("default", "appended").expect("a good name");
    let next = Cell::new(1);
    bencher
        .with_inputs(|| {
            let first = next.replace(next.get() + changes);
            (first..first + changes)
                .map(|counter| change(&document, Dot::new(replica, counter)))
                .collect::<Vec<_>>()
        })
        .bench_local_values(|changes| {
            let appended = store.append(document.clone(), Kind::Yjs, changes);
            runtime.block_on(black_box(appended)).expect("it is stored");
        });
}

fn change(document: &DocumentKey, dot: Dot) -> Change {
    let context = [Dot::new(ReplicaId(dot.replica.0), dot.counter - 1)];
    Change {
        document: document.clone(),
        dot,
        context: VectorClock::from_iter(context),
        hlc: Hlc::from_wall_ms(dot.counter),
        author: None,
        connection: ConnectionId(1),
        kind: ChangeKind::YjsUpdate,
        payload: Bytes::from_static(&[7; 30]),
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}
