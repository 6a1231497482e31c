//! How fast the SQLite store acknowledges: `cargo run --release -p storage --example append_rate [FOLDER]`.
//!
//! First a lone append at a time, beside the bare cost of flushing this disk; then a thousand documents at once, each
//! with one append of one change under way, as a thousand sessions would.

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use engine::{
    Change, ChangeKind, ConnectionId, DocumentKey, Dot, Hlc, Kind, ReplicaId, VectorClock,
};
use storage::{SqliteStore, Store, StoreError};

const DOCUMENTS: usize = 1_000;
const ROUNDS: u64 = 200;
const LONE_APPENDS: u64 = 500;
const PAYLOAD: Bytes = Bytes::from_static(&[7; 60]);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1);
    let folder = folder.map_or_else(
        || std::env::temp_dir().join("quire-append-rate"),
        PathBuf::from,
    );
    let store = Arc::new(SqliteStore::open(&folder).await?);
    println!("flush of 8 KiB: {:?}", flushes(&folder)?);
    println!("lone append:    {:?}", lone_appends(&*store).await?);
    let started = Instant::now();
    let sessions = (0..DOCUMENTS).map(|number| tokio::spawn(session(Arc::clone(&store), number)));
    let sessions: Vec<_> = sessions.collect();
    for session in sessions {
        session.await??;
    }
    let changes = DOCUMENTS as u64 * ROUNDS;
    let rate = changes as f64 / started.elapsed().as_secs_f64();
    println!("{DOCUMENTS} documents: {rate:.0} changes/s acknowledged");
    store.close().await?;
    Ok(())
}

async fn session(store: Arc<SqliteStore>, number: usize) -> Result<(), StoreError> {
    let replica = store.new_replica().await?;
    let document = document(&format!("crowd {number}"));
    for counter in 1..=ROUNDS {
        let change = change(&document, replica, counter);
        store
            .append(document.clone(), Kind::Yjs, vec![change])
            .await?;
    }
    Ok(())
}

async fn lone_appends(store: &dyn Store) -> Result<Spread, StoreError> {
    let replica = store.new_replica().await?;
    let document = document("alone");
    let mut times = Vec::new();
    for counter in 1..=LONE_APPENDS {
        let change = change(&document, replica, counter);
        let started = Instant::now();
        store
            .append(document.clone(), Kind::Yjs, vec![change])
            .await?;
        times.push(started.elapsed());
    }
    Ok(Spread::of(times))
}

fn flushes(folder: &Path) -> std::io::Result<Spread> {
    let path = folder.join("flush");
    let mut file = File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..LONE_APPENDS {
        let started = Instant::now();
        file.write_all(&[1; 8192])?;
        file.sync_data()?;
        times.push(started.elapsed());
    }
    std::fs::remove_file(path)?;
    Ok(Spread::of(times))
}

/// Half and ninety-nine hundredths of the times were at most so long.
#[derive(Debug)]
#[expect(dead_code, reason = "printed as a whole")]
struct Spread {
    p50: Duration,
    p99: Duration,
}

impl Spread {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self {
            p50: times[times.len() / 2],
            p99: times[times.len() * 99 / 100],
        }
    }
}

fn document(name: &str) -> DocumentKey {
    DocumentKey::new("rate", name).expect("a short name")
}

fn change(document: &DocumentKey, replica: ReplicaId, counter: u64) -> Change {
    Change {
        document: document.clone(),
        dot: Dot::new(replica, counter),
        context: VectorClock::default(),
        hlc: Hlc::from_wall_ms(counter),
        author: None,
        connection: ConnectionId(1),
        kind: ChangeKind::YjsUpdate,
        payload: PAYLOAD,
    }
}
