//! How fast a store acknowledges: `cargo run --release -p storage --example append_rate [FOLDER]` for SQLite, and with
//! `postgres://...` in place of the folder for Postgres.
//!
//! First a lone append at a time, beside the bare cost of flushing this disk; then a thousand documents with two thousand
//! appends a second between them; then as many as will go, each document with one append of one change under way, as a
//! thousand sessions would; and the same with operations in place of updates, whose places and names are looked at. With each comes the processor time that it took, this program's own included and a server's not.
//! Of Postgres it tells besides how many changes went into a commit and in how many trips, and how long the heads of a
//! thousand documents take with more and more lanes.

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use engine::ordered::{Action, OperationName, Record};
use engine::{
    Change, ChangeKind, ConnectionId, DocumentKey, Dot, Hlc, Kind, ReplicaId, VectorClock,
};
use storage::{Commits, PostgresStore, SqliteStore, Store, StoreError};

const DOCUMENTS: usize = 1_000;
const ROUNDS: u64 = 200;
const LONE_APPENDS: u64 = 500;
/// Appends a second, and how many in all.
const PACE: u64 = 2_000;
const PACED_APPENDS: usize = 8_000;
const PAYLOAD: Bytes = Bytes::from_static(&[7; 60]);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let place = std::env::args().nth(1);
    match place.filter(|place| place.starts_with("postgres")) {
        Some(url) => of_postgres(&url).await,
        None => of_sqlite().await,
    }
}

async fn of_sqlite() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1);
    let folder = folder.map_or_else(
        || std::env::temp_dir().join("quire-append-rate"),
        PathBuf::from,
    );
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder).await?);
    println!("flush of 8 KiB: {:?}", flushes(&folder)?);
    rates(&store).await?;
    Ok(store.close().await?)
}

async fn of_postgres(url: &str) -> Result<(), Box<dyn Error>> {
    let postgres = Arc::new(PostgresStore::connect(url).await?);
    let store: Arc<dyn Store> = postgres.clone();
    let (since, before) = (Instant::now(), postgres.commits());
    rates(&store).await?;
    let (
        Commits {
            commits,
            changes,
            statements,
        },
        took,
    ) = (postgres.commits(), since.elapsed());
    let commits = (commits - before.commits).max(1) as f64;
    println!(
        "all of it:      {:.0} commits/s, {:.1} changes and {:.2} trips a commit",
        commits / took.as_secs_f64(),
        (changes - before.changes) as f64 / commits,
        (statements - before.statements) as f64 / commits,
    );
    heads(&*store).await?;
    Ok(store.close().await?)
}

async fn rates(store: &Arc<dyn Store>) -> Result<(), Box<dyn Error>> {
    let spent = Spent::from_now();
    println!("lone append:    {:?}", lone_appends(&**store).await?);
    println!("                {}", spent.by(LONE_APPENDS));
    let spent = Spent::from_now();
    println!("{PACE} a second: {:?}", paced_appends(store).await?);
    println!("                {}", spent.by(PACED_APPENDS as u64));
    println!("saturated:      {}", saturated(store, Kind::Yjs).await?);
    println!("operations:     {}", saturated(store, Kind::Json0).await?);
    Ok(())
}

/// As many appends to documents of a kind as will go.
async fn saturated(store: &Arc<dyn Store>, kind: Kind) -> Result<String, Box<dyn Error>> {
    let spent = Spent::from_now();
    let sessions =
        (0..DOCUMENTS).map(|number| tokio::spawn(session(Arc::clone(store), number, kind)));
    let sessions: Vec<_> = sessions.collect();
    for session in sessions {
        session.await??;
    }
    Ok(spent.by(DOCUMENTS as u64 * ROUNDS))
}

/// How long it takes to ask for the heads of all documents, as each of them gets more lanes.
async fn heads(store: &dyn Store) -> Result<(), StoreError> {
    let documents = (0..DOCUMENTS).map(|number| document(&format!("crowd {number}")));
    let documents: Vec<_> = documents.collect();
    let mut lanes = 1;
    for wanted in [1, 3, 10, 30] {
        while lanes < wanted {
            let replica = store.new_replica().await?;
            let appends = documents.iter().map(|document| {
                store.append(
                    document.clone(),
                    Kind::Yjs,
                    vec![change(document, replica, 1)],
                )
            });
            futures_util::future::try_join_all(appends).await?;
            lanes += 1;
        }
        let mut times = Vec::new();
        for _ in 0..20 {
            let started = Instant::now();
            store.heads(documents.clone()).await?;
            times.push(started.elapsed());
        }
        println!("heads, {lanes:2} lanes: {:?}", Spread::of(times));
    }
    Ok(())
}

/// Appends at random moments, whatever has become of the ones before.
async fn paced_appends(store: &Arc<dyn Store>) -> Result<Spread, Box<dyn Error>> {
    let replica = store.new_replica().await?;
    let (mut random, mut due) = (1_u64, Instant::now());
    let mut appends = Vec::new();
    for number in 0..PACED_APPENDS {
        let document = document(&format!("paced {}", number % DOCUMENTS));
        let change = change(&document, replica, (number / DOCUMENTS) as u64 + 1);
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let share = ((random >> 33) as f64 + 1.0) / (1_u64 << 31) as f64;
        due += Duration::from_secs_f64(-share.ln() / PACE as f64);
        tokio::time::sleep_until(due.into()).await;
        let store = Arc::clone(store);
        appends.push(tokio::spawn(async move {
            let started = Instant::now();
            let appended = store.append(document, Kind::Yjs, vec![change]).await;
            appended.map(|()| started.elapsed())
        }));
    }
    let mut times = Vec::new();
    for append in appends {
        times.push(append.await??);
    }
    Ok(Spread::of(times))
}

/// Time that passes, and time of the processor.
struct Spent {
    started: Instant,
    processor: Duration,
}

impl Spent {
    fn from_now() -> Self {
        Self {
            started: Instant::now(),
            processor: processor_time(),
        }
    }

    fn by(&self, changes: u64) -> String {
        let rate = changes as f64 / self.started.elapsed().as_secs_f64();
        let each = (processor_time() - self.processor) / u32::try_from(changes).unwrap_or(1);
        format!("{rate:.0} changes/s acknowledged, {each:?} of the processor each")
    }
}

/// What the kernel has counted for this process (`proc_pid_stat(5)`, fields 14 and 15), in hundredths of a second.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields = after_name.split_ascii_whitespace().skip(11).take(2);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

async fn session(store: Arc<dyn Store>, number: usize, kind: Kind) -> Result<(), StoreError> {
    let replica = store.new_replica().await?;
    let document = match kind {
        // Nobody may have been there before: operations count their versions, not those of a lane.
        Kind::Json0 => document(&format!("orders {replica}")),
        _ => document(&format!("crowd {number}")),
    };
    for counter in 1..=ROUNDS {
        let change = match kind {
            Kind::Json0 => operation(&document, replica, counter),
            _ => change(&document, replica, counter),
        };
        store.append(document.clone(), kind, vec![change]).await?;
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

/// The next operation of a document all of whose operations are of one lane.
fn operation(document: &DocumentKey, replica: ReplicaId, counter: u64) -> Change {
    let version = counter - 1;
    let record = Record {
        version,
        made_on: Some(version),
        name: OperationName {
            source: "0123456789abcdef0123456789abcdef".into(),
            number: counter,
        },
        action: Action::Edit {
            received: r#"[{"p":["s",0],"si":"x"}]"#.into(),
            committed: None,
        },
    };
    Change {
        kind: ChangeKind::Operation,
        payload: record.to_bytes(),
        ..change(document, replica, counter)
    }
}
