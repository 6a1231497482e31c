//! A connection that is cut after the server has committed and before its answer comes: nobody knows what became of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::{Dot, Kind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Fixture, assert_whole};
use crate::contract::{changes, document};
use crate::postgres::PostgresStore;
use crate::store::Store;

/// A proxy that passes everything on, and once it is told to, cuts the next connections at their answers.
struct Proxy {
    port: u16,
    cuts: Arc<AtomicUsize>,
}

impl Proxy {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            cuts: Arc::default(),
        };
        let cuts = Arc::clone(&proxy.cuts);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                tokio::spawn(pass(client, server, Arc::clone(&cuts)));
            }
        });
        proxy
    }

    fn cut(&self, answers: usize) {
        self.cuts.store(answers, Ordering::SeqCst);
    }

    fn is_done(&self) -> bool {
        self.cuts.load(Ordering::SeqCst) == 0
    }
}

async fn pass(mut client: TcpStream, mut server: TcpStream, cuts: Arc<AtomicUsize>) {
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => match read {
                Ok(read @ 1..) if server.write_all(&asked[..read]).await.is_ok() => {}
                _ => return,
            },
            read = server.read(&mut answered) => {
                let cut = cuts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |it| it.checked_sub(1));
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
