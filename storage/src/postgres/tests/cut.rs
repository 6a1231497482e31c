//! A connection that is cut after the server has committed and before its answer comes: nobody knows what became of it. And
//! one on which every answer is late.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use engine::{Dot, Kind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Fixture, assert_whole};
use crate::contract::{changes, document, operations};
use crate::postgres::PostgresStore;
use crate::store::{Store, StoreError};

/// A proxy that passes everything on, and once it is told to, cuts the next connections at their answers, or has answers
/// wait.
struct Proxy {
    port: u16,
    faults: Arc<Faults>,
}

#[derive(Default)]
struct Faults {
    cuts: AtomicUsize,
    late_ms: AtomicU64,
}

impl Proxy {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            faults: Arc::default(),
        };
        let faults = Arc::clone(&proxy.faults);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                tokio::spawn(pass(client, server, Arc::clone(&faults)));
            }
        });
        proxy
    }

    fn cut(&self, answers: usize) {
        self.faults.cuts.store(answers, Ordering::SeqCst);
    }

    fn be_late(&self, late: Duration) {
        let late_ms = u64::try_from(late.as_millis()).unwrap();
        self.faults.late_ms.store(late_ms, Ordering::SeqCst);
    }

    fn is_done(&self) -> bool {
        self.faults.cuts.load(Ordering::SeqCst) == 0
    }
}

async fn pass(mut client: TcpStream, mut server: TcpStream, faults: Arc<Faults>) {
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => match read {
                Ok(read @ 1..) if server.write_all(&asked[..read]).await.is_ok() => {}
                _ => return,
            },
            read = server.read(&mut answered) => {
                let late_ms = faults.late_ms.load(Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(late_ms)).await;
                let cut = faults.cuts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |it| it.checked_sub(1));
                match read {
                    Ok(read @ 1..) if cut.is_err() => {
                        if client.write_all(&answered[..read]).await.is_err() {
                            return;
                        }
                    }
                    _ => return,
                }
            }
        }
    }
}

/// A store that reaches the fixture's database by a line that can be cut.
async fn cuttable(fixture: &Fixture) -> (Proxy, PostgresStore) {
    let proxy = Proxy::to(fixture.server.port()).await;
    let url = fixture.server.url(&fixture.database);
    let url = url.replace(&fixture.server.port().to_string(), &proxy.port.to_string());
    (proxy, PostgresStore::connect(&url).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_is_found_to_be_done() {
    let Some(fixture) = Fixture::open().await else {
        return;
    };
    let (proxy, store) = cuttable(&fixture).await;
    let replica = store.new_replica().await.unwrap();
    let notes = document("notes");
    for from in [1, 4, 7] {
        proxy.cut(usize::from(from > 1));
        let appended = store.append(
            notes.clone(),
            Kind::Yjs,
            changes(&notes, replica, from, from + 2),
        );
        assert_eq!(appended.await, Ok(()));
        assert!(proxy.is_done());
    }
    let all: Vec<_> = (1..=9).map(|it| Dot::new(replica, it)).collect();
    assert_whole(&fixture, &notes, &all).await;
}

/// What was stored may not be taken for what another node has stored: not in a batch, and not of several documents.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_whose_answer_was_lost_are_found_to_be_stored() {
    let Some(fixture) = Fixture::open().await else {
        return;
    };
    let (proxy, store) = cuttable(&fixture).await;
    let replica = store.new_replica().await.unwrap();
    let ordered = document("ordered");
    let next = |version| operations(Dot::new(replica, version + 1), version, 3, "a");
    for version in [0, 3, 6] {
        proxy.cut(usize::from(version > 0));
        let appended = store.append(ordered.clone(), Kind::Json0, next(version));
        assert_eq!(appended.await, Ok(()));
        assert!(proxy.is_done());
    }
    for version in [9, 12, 15] {
        proxy.cut(1);
        let appends = vec![(ordered.clone(), Kind::Json0, next(version))];
        assert_eq!(store.append_all(appends).await, Ok(Ok(())));
        assert!(proxy.is_done());
    }
    let read = store.operations(ordered, 0, None).await.unwrap();
    assert_eq!(read.len(), 18);
}

/// Opening a connection takes longer than anybody waits for it. What was begun for one is there for the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_whose_answers_are_late_is_reached_in_the_end() {
    let Some(fixture) = Fixture::open().await else {
        return;
    };
    let (proxy, store) = cuttable(&fixture).await;
    let replica = store.new_replica().await.unwrap();
    let notes = document("notes");
    proxy.be_late(LATE);
    let appended = again(async || {
        let first = changes(&notes, replica, 1, 1);
        store.append(notes.clone(), Kind::Yjs, first).await
    });
    let loaded = again(async || store.load(notes.clone()).await.map(drop));
    let (appended, loaded) = tokio::join!(appended, loaded);
    assert_eq!((appended, loaded), (Ok(()), Ok(())));
    proxy.be_late(Duration::ZERO);
    assert_whole(&fixture, &notes, &[Dot::new(replica, 1)]).await;
}

/// Asks a few times, as whoever has something to store does.
async fn again(ask: impl AsyncFn() -> Result<(), StoreError>) -> Result<(), StoreError> {
    for _ in 1..ASKED_MAX {
        if ask().await.is_ok() {
            return Ok(());
        }
    }
    ask().await
}

/// At every answer on the way the connection is cut once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_creates_or_deletes_knows_its_own_work_again() {
    let Some(fixture) = Fixture::open().await else {
        return;
    };
    let (proxy, store) = cuttable(&fixture).await;
    let replica = store.new_replica().await.unwrap();
    for number in 0..6 {
        let [empty, full] = ["empty", "full"].map(|it| document(&format!("{it} {number}")));
        let first = changes(&full, replica, 1, 2);
        proxy.cut(number);
        let created = store.create(empty.clone(), Kind::Yjs).await;
        assert!(created.is_ok(), "{created:?}");
        proxy.cut(number);
        let created = store.create_with(full.clone(), Kind::Yjs, first).await;
        assert_eq!(created, Ok(()));
        assert_whole(
            &fixture,
            &full,
            &[Dot::new(replica, 1), Dot::new(replica, 2)],
        )
        .await;
        proxy.cut(number);
        assert_eq!(store.delete(full).await, Ok(true));
    }
}

/// A connection takes six answers at least, and an attempt at a commit waits four seconds for it.
const LATE: Duration = Duration::from_millis(900);
const ASKED_MAX: usize = 4;
