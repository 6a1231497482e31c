//! Opening documents with snapshots that nodes keep for each other: the right one is used, any other gives way to the store.

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::nodes::{Served, Shared, hears, push};
use common::wire::{PULL_EVERYTHING, Socket};
use engine::{DocumentKey, Dot, Kind, PayloadHash, Quarantined, ReplicaId, Snapshot};
use metrics_exporter_prometheus::PrometheusHandle;
use server::config::Config;
use server::telemetry::metrics;
use storage::{Bus, Store};

/// The metrics are those of the process, so this is one test.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn only_the_snapshot_that_the_store_has_is_used() {
    let metrics = metrics::init().unwrap();
    let shared = Shared::altered(restless);
    let (a, b) = (shared.node("a").await, shared.node("b").await);
    let bus = shared.bus();
    let plan = DocumentKey::new("default", "plan").unwrap();
    write(&a, 1, "first");
    let first = eventually(async || kept(&bus, &plan, 1).await).await;
    put_away(&a).await;
    write(&a, 2, "second");
    let newest = eventually(async || kept(&bus, &plan, 2).await).await;
    put_away(&a).await;
    let used = outcomes(&metrics, "used") + 1;
    reads(&b, &["first", "second"]).await;
    assert_eq!(outcomes(&metrics, "used"), used);

    let mut ahead = newest.clock.clone();
    ahead.observe(Dot::new(ReplicaId(99), 1));
    let wrong = [
        first,
        Snapshot {
            state: Bytes::from_static(&[0, 0]),
            ..newest.clone()
        },
        Snapshot {
            clock: ahead,
            ..newest.clone()
        },
        Snapshot {
            kind: Kind::Text,
            ..newest.clone()
        },
    ];
    for (passed_over, wrong) in wrong.into_iter().enumerate() {
        bus.keep_hot(wrong);
        reads(&b, &["first", "second"]).await;
        assert_eq!(outcomes(&metrics, "passed_over"), passed_over + 1);
    }
    shared.forget_nodes();
    let before = outcomes(&metrics, "none");
    reads(&b, &["first", "second"]).await;
    assert_eq!(outcomes(&metrics, "none"), before + 1);

    bus.keep_hot(newest.clone());
    shared.store.quarantine(aside(&newest)).await.unwrap();
    reads(&b, &["first", "second"]).await;
    bus.keep_hot(newest);
    assert!(shared.store.delete(plan).await.unwrap());
    assert_eq!(b.connect("/plan").closed().0, 4404);
    assert_eq!(outcomes(&metrics, "used"), used);
}

/// A snapshot after every change, and nothing stays in memory.
fn restless(config: &mut Config) {
    config.document.snapshot_changes = 1;
    config.document.idle = Duration::from_millis(1);
}

fn write(node: &Served, client: u8, text: &str) {
    let mut socket = node.join("plan");
    socket.send_frame(&push(client, text)).unwrap();
    hears(&mut socket, text);
}

/// Opens the document, has all of it, and goes again.
async fn reads(node: &Served, texts: &[&str]) {
    let mut socket: Socket = node.join("plan");
    socket.send_frame(&PULL_EVERYTHING).unwrap();
    let answer = hears(&mut socket, texts[0]);
    for text in texts {
        let is_there = answer.windows(text.len()).any(|it| it == text.as_bytes());
        assert!(is_there, "{text} is not there");
    }
    drop(socket);
    put_away(node).await;
}

async fn put_away(node: &Served) {
    eventually(async || (node.app.hub.documents_open() == 0).then_some(())).await;
}

async fn kept(bus: &impl Bus, document: &DocumentKey, changes: u64) -> Option<Snapshot> {
    let hot = bus.hot(document).await.unwrap();
    hot.filter(|snapshot| snapshot.clock.count() == changes)
}

fn aside(snapshot: &Snapshot) -> Quarantined {
    Quarantined {
        document: snapshot.document.clone(),
        hash: PayloadHash::of(&snapshot.state),
        payload: snapshot.state.clone(),
        author: None,
        connection: None,
        dot: None,
        reason: "somebody said so".to_owned(),
        wall_ms: common::FIRST_MS,
    }
}

fn outcomes(metrics: &PrometheusHandle, outcome: &str) -> usize {
    let name = format!("quire_hot_snapshots_total{{outcome=\"{outcome}\"}} ");
    let page = metrics.render();
    let line = page.lines().find_map(|line| line.strip_prefix(&name));
    line.map_or(0, |count| count.parse().unwrap())
}

/// Waits until there is something.
async fn eventually<T>(look: impl AsyncFn() -> Option<T>) -> T {
    let waits = async {
        loop {
            match look().await {
                Some(found) => return found,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let waited = tokio::time::timeout(common::nodes::PATIENCE, waits).await;
    waited.expect("it is there in time")
}
