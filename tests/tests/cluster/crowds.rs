//! A node dies, and all who were there come to the others at once, while others type on.
//!
//! `QUIRE_CROWD` says how many they are, a thousand unless that is set. Ten of them share a document. Each shows itself
//! and has a word stored at every node that it comes to, keeps what it has, and tries again as y-websocket does.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::env;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use quire_tests::client::{Client, Noticed};
use quire_tests::cluster::{Cluster, Content, Scene, Seats};
use quire_tests::editor::Editor;
use quire_tests::frames::{self, Presence};
use quire_tests::gauge::{self, raise_open_files};
use quire_tests::ledger::{Entry, Ledger, Token};
use quire_tests::socket::Socket;
use quire_tests::wait::until;
use tokio::select;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_whose_node_dies_is_served_by_the_others() -> Result<()> {
    raise_open_files()?;
    let said = env::var("QUIRE_CROWD").ok();
    let people = said.and_then(|said| said.parse().ok()).unwrap_or(1_000);
    let Some(mut cluster) = Cluster::start(3).await? else {
        return Ok(());
    };
    let came = Instant::now();
    let crowd = Throng::begin(&cluster, people);
    crowd.are_served(people).await?;
    crowd.tell("came", came, 0);
    let scene = Scene::begin(&cluster, "crowd", &Seats::usual(10)).await?;
    tell_memory(&cluster)?;
    cluster.nodes[0].kill()?;
    let died = Instant::now();
    crowd.are_served(2 * people).await?;
    crowd.tell("were served elsewhere", died, people);
    scene.recovers(died).await?;
    for (number, node) in cluster.running() {
        let here = node.server.metric("quire_connections").await?;
        println!("crowd: {here} are at node {number}");
    }
    tell_memory(&cluster)?;
    scene.ends(&cluster).await?;
    crowd.ends(&cluster).await
}

fn tell_memory(cluster: &Cluster) -> Result<()> {
    for (number, node) in cluster.running() {
        let mib = gauge::peak(node.server.pid())? >> 20;
        println!("crowd: node {number} had {mib} MiB at its peak");
    }
    Ok(())
}

/// All of them.
struct Throng {
    told: Arc<Told>,
    is_over: watch::Sender<bool>,
    people: JoinSet<Result<(String, Bytes)>>,
}

/// What they were told.
#[derive(Default)]
struct Told {
    /// Each word that was stored, whose it is, and when that was known.
    stored: Mutex<Vec<Service>>,
    /// What somebody waits for, and how many do.
    waiting: Mutex<BTreeMap<&'static str, i64>>,
}

struct Service {
    document: String,
    entry: Entry,
    at: Instant,
}

impl Throng {
    fn begin(cluster: &Cluster, people: usize) -> Self {
        let (is_over, over) = watch::channel(false);
        let mut throng = Self {
            told: Arc::default(),
            is_over,
            people: JoinSet::new(),
        };
        for number in 0..people {
            let person = Person {
                number,
                document: document(number),
                nodes: cluster.addresses(),
                words: 0,
                was_served: false,
                told: throng.told.clone(),
                over: over.clone(),
            };
            throng.people.spawn(person.stay());
        }
        throng
    }

    /// Waits until so many words are stored: one of everybody at each node that they came to.
    async fn are_served(&self, wanted: usize) -> Result<()> {
        let mut before = 0;
        // Each wait is for some more of them, so that a large crowd may take its time.
        while before < wanted {
            let next = (before + PORTION).min(wanted);
            let waiting = until("more of the crowd are served", async || {
                Ok(lock(&self.told.stored).len() >= next)
            });
            let count = || {
                let waiting = lock(&self.told.waiting);
                format!("{} of {wanted}; {waiting:?}", lock(&self.told.stored).len())
            };
            waiting.await.with_context(count)?;
            before = lock(&self.told.stored).len();
        }
        Ok(())
    }

    /// Says how long it took all but the first so many words to be stored.
    fn tell(&self, what: &str, since: Instant, skipped: usize) {
        let told = lock(&self.told.stored);
        let mut times: Vec<_> = told[skipped..].iter().map(|it| it.at - since).collect();
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100];
        println!(
            "crowd: {} {what}: half after {:.2?}, 99 of 100 after {:.2?}, all after {:.2?}",
            times.len(),
            at(50),
            at(99),
            at(100)
        );
    }

    /// Looks at everything, and has them leave.
    async fn ends(self, cluster: &Cluster) -> Result<()> {
        let mut ledger = Ledger::default();
        for Service {
            document, entry, ..
        } in std::mem::take(&mut *lock(&self.told.stored))
        {
            ledger.note(&document, entry);
        }
        let documents: Vec<_> = ledger.documents().collect();
        let settling = documents
            .iter()
            .enumerate()
            .map(async |(number, document)| {
                let first = PER_DOCUMENT * number;
                let here = (first..first + PER_DOCUMENT).filter(|it| *it < self.people.len());
                let content =
                    settled(cluster, &ledger, document, &here.map(client).collect()).await;
                let content = content.with_context(|| (*document).to_owned())?;
                anyhow::Ok(((*document).to_owned(), content))
            });
        let settling = stream::iter(settling).buffer_unordered(AT_ONCE);
        let contents: HashMap<_, _> = settling.try_collect().await?;
        self.is_over.send_replace(true);
        for left in self.people.join_all().await {
            let (document, had) = left?;
            let (had, wanted) = (Content::new(&had)?, &contents[&document]);
            let difference = had.difference(wanted);
            ensure!(had == *wanted, "somebody in {document}: {difference}");
        }
        println!("crowd: {} words stored, all there once", ledger.total());
        Ok(())
    }
}

/// What a document holds at all nodes and in the store, with all that was acknowledged and all who are there.
async fn settled(
    cluster: &Cluster,
    ledger: &Ledger,
    document: &str,
    people: &BTreeSet<u64>,
) -> Result<Content> {
    let mut stored = None;
    for (number, node) in cluster.running() {
        let of_store = Content::stored(node.address(), document).await?;
        until("the node holds what is stored", async || {
            Ok(Content::in_memory(node.address(), document).await? == of_store)
        })
        .await?;
        let lost = ledger.lost(document, &of_store.text, &of_store.keys);
        ensure!(lost.is_empty(), "node {number} lacks {lost:?}");
        stored = Some(of_store);
    }
    let stored = stored.context("no node runs")?;
    let words = stored.text.split(['<', '>']).filter(|it| !it.is_empty());
    let words: Vec<_> = words.collect();
    let distinct: BTreeSet<_> = words.iter().collect();
    ensure!(distinct.len() == words.len(), "something is there twice");
    cluster.shows(document, people).await?;
    Ok(stored)
}

/// One of them.
struct Person {
    number: usize,
    document: String,
    nodes: Vec<SocketAddr>,
    words: u64,
    was_served: bool,
    told: Arc<Told>,
    over: watch::Receiver<bool>,
}

impl Person {
    /// Is at the first node, and when that is gone at one of the others. Returns what it has when all is over.
    async fn stay(mut self) -> Result<(String, Bytes)> {
        let mut editor = Editor::new(client(self.number));
        let (mut node, mut failures) = (0, 0);
        loop {
            failures += 1;
            let path = format!("/{}", self.document);
            let connecting = Socket::connect(self.nodes[node], &path);
            let told = self.told.clone();
            if let Ok(socket) = told.while_waiting("a socket", connecting).await {
                let mut client = Client::on(socket, editor);
                if self.join(&mut client).await.is_ok() {
                    failures = 0;
                    if self.is_at_the_end(&mut client).await? {
                        client.sync().await?;
                        return Ok((self.document, client.editor.everything()));
                    }
                }
                editor = client.editor;
            }
            // All of them are to lose their node: who was not served yet comes to it again.
            if self.was_served {
                node = 1 + (self.number + failures) % (self.nodes.len() - 1);
            }
            let backoff = Duration::from_millis(100 << failures.min(5));
            sleep(backoff.min(BACKOFF_MAX)).await;
        }
    }

    /// Is in sync, shows itself, and has a word stored.
    async fn join(&mut self, client: &mut Client) -> Result<()> {
        let told = self.told.clone();
        told.while_waiting("the document", client.sync()).await?;
        let entry = Presence {
            client: client.editor.client(),
            clock: self.words + 1,
            state: format!("{{\"person\":{}}}", self.number),
        };
        client.socket.send(frames::presence(&[entry])).await?;
        let token = Token::new(client.editor.client(), self.words);
        let update = token.write(&client.editor, self.words);
        self.words += 1;
        let saving = client.save(update.clone());
        told.while_waiting("word that it is stored", saving).await?;
        lock(&self.told.stored).push(Service {
            document: self.document.clone(),
            entry: Entry { token, update },
            at: Instant::now(),
        });
        self.was_served = true;
        Ok(())
    }

    /// Listens until all is over, or until the connection ends.
    async fn is_at_the_end(&mut self, client: &mut Client) -> Result<bool> {
        loop {
            select! {
                noticed = client.notice_whenever() => {
                    if matches!(noticed?, Noticed::Ended(_)) {
                        return Ok(false);
                    }
                }
                over = self.over.wait_for(|over| *over) => return Ok(over.is_ok()),
            }
        }
    }
}

/// Ten people in a row share one; names are in their order.
fn document(person: usize) -> String {
    format!("crowd-{:05}", person / PER_DOCUMENT)
}

fn client(person: usize) -> u64 {
    1_000 + person as u64
}

impl Told {
    /// Somebody waits for this while a promise is kept.
    async fn while_waiting<T>(&self, what: &'static str, kept: impl Future<Output = T>) -> T {
        *lock(&self.waiting).entry(what).or_default() += 1;
        let kept = kept.await;
        *lock(&self.waiting).entry(what).or_default() -= 1;
        kept
    }
}

fn lock<T>(told: &Mutex<T>) -> MutexGuard<'_, T> {
    // No operation leaves it half changed.
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

const PER_DOCUMENT: usize = 10;
const PORTION: usize = 100;
/// Documents that are looked at at once.
const AT_ONCE: usize = 8;
const BACKOFF_MAX: Duration = Duration::from_millis(2_500);
