//! The bus over a Redis Cluster of several servers: the suite of every bus, and masters that end, come again, are replaced,
//! or hand their slots to others meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use engine::DocumentKey;
use services::{Redis, RedisCluster, require};

use super::{documents, down};
use crate::bus::{Bus, BusState, Topic, Word};
use crate::contract::{Hub, Node, entry, eventually};
use crate::redis::RedisBus;
use crate::redis::names::Names;
use crate::redis::slots::slot;

/// A cluster of the test's own. Every node is given the address of another server of it.
struct ClusterHub {
    cluster: RedisCluster,
    next: AtomicUsize,
    user: &'static str,
}

impl Hub for ClusterHub {
    fn bus(&self) -> Arc<dyn Bus> {
        let at = self.next.fetch_add(1, Ordering::Relaxed) % MASTERS;
        let user = format!("://{}", self.user);
        let url = self.cluster.url(at).replace("://", &user);
        Arc::new(RedisBus::connect(&url).unwrap())
    }
}

impl ClusterHub {
    /// A document for each master, whose words that master has.
    fn spread(&self) -> [DocumentKey; MASTERS] {
        let names = Names::of_database(0);
        let mut found = BTreeMap::new();
        for document in documents(1_000) {
            let holder = self
                .cluster
                .holder(slot(&names.channel(&document)))
                .unwrap();
            found.entry(holder).or_insert(document);
            if found.len() == MASTERS {
                break;
            }
        }
        let found: Vec<_> = found.into_values().collect();
        found.try_into().expect("every master has some")
    }

    fn stop(&mut self, at: usize) {
        self.cluster.server_mut(at).stop();
    }

    fn restart(&mut self, at: usize) {
        self.cluster.server_mut(at).restart().unwrap();
    }
}

fn hub_of(start: impl Fn() -> RedisCluster) -> Option<ClusterHub> {
    if !Redis::is_installed() {
        require::missing("redis", "there is no redis-server").unwrap();
        return None;
    }
    Some(ClusterHub {
        cluster: start(),
        next: AtomicUsize::new(0),
        user: "",
    })
}

fn hub() -> Option<ClusterHub> {
    hub_of(|| RedisCluster::start(MASTERS).unwrap())
}

crate::bus_contract! { hub() }

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_dies_takes_only_the_words_of_its_documents() {
    let Some(mut hub) = hub() else { return };
    let (one, two) = (Node::on(&hub).await, Node::on(&hub).await);
    let documents = hub.spread();
    for document in &documents {
        two.listens(document, &one).await;
    }
    hub.stop(1);
    let port = hub.cluster.server(1).port().to_string();
    for node in [&one, &two] {
        let reason = down(node).await;
        assert!(reason.contains(&port), "{reason}");
    }
    for document in [&documents[0], &documents[2]] {
        two.is_reached(document, &one).await;
    }
    assert!(matches!(one.bus.state(), BusState::Down { .. }));
    two.bus.ignore(&documents[1]);
    two.bus.listen(&documents[1]);
    hub.restart(1);
    for node in [&one, &two] {
        node.is_up().await;
    }
    two.is_reached(&documents[1], &one).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_takes_over_is_found() {
    let Some(mut hub) = hub_of(|| RedisCluster::start_with_replicas(MASTERS).unwrap()) else {
        return;
    };
    let (one, two) = (Node::on(&hub).await, Node::on(&hub).await);
    let documents = hub.spread();
    for document in &documents {
        two.listens(document, &one).await;
    }
    hub.stop(0);
    down(&one).await;
    down(&two).await;
    one.is_up().await;
    two.is_up().await;
    for document in &documents {
        two.is_reached(document, &one).await;
    }
    hub.restart(0);
    hub.cluster.is_whole().unwrap();
    two.is_up().await;
    two.is_reached(&documents[0], &one).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_are_handed_over_while_words_are_said() {
    let Some(hub) = hub() else { return };
    let (one, two) = (Node::on(&hub).await, Node::on(&hub).await);
    let documents = hub.spread();
    for document in &documents {
        two.listens(document, &one).await;
    }
    let names = Names::of_database(0);
    let moved = slot(&names.channel(&documents[0]));
    let register = slot(names.register());
    let mut said = 0;
    for to in [1, 2, 0, 2] {
        one.bus.beat(entry("one", 1));
        say(&one, &documents, &mut said, 20);
        hub.cluster.hand_over(moved, to).unwrap();
        hub.cluster.hand_over(register, to).unwrap();
        say(&one, &documents, &mut said, 20);
        tokio::join!(up_again(&one), up_again(&two));
        for document in &documents {
            two.is_reached(document, &one).await;
        }
        eventually("it is in the register", || async {
            one.bus.beat(entry("one", 1));
            let nodes = two.bus.nodes().await.ok()?;
            (nodes == [entry("one", 1)]).then_some(())
        })
        .await;
    }
    let heard = two.heard();
    let of_others = |(topic, _): &&(Topic, Word)| *topic != Topic::Document(documents[0].clone());
    let once: std::collections::HashSet<_> = heard.iter().map(|it| format!("{it:?}")).collect();
    assert_eq!(once.len(), heard.len(), "each at most once");
    let unmoved = heard.iter().filter(of_others).count();
    assert_eq!(
        unmoved,
        said / MASTERS * (MASTERS - 1),
        "what stays where it is loses nothing"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_is_started_again_is_found() {
    let Some(mut hub) = hub() else { return };
    let (one, two) = (Node::on(&hub).await, Node::on(&hub).await);
    let documents = hub.spread();
    documents.iter().for_each(|it| two.bus.listen(it));
    (0..MASTERS).for_each(|at| hub.stop(at));
    down(&one).await;
    down(&two).await;
    (0..MASTERS).for_each(|at| hub.restart(at));
    one.is_up().await;
    two.is_up().await;
    for document in &documents {
        two.is_reached(document, &one).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_lacks_slots_says_so() {
    let Some(hub) = hub() else { return };
    let one = Node::on(&hub).await;
    let tell = |at, what| hub.cluster.ask(at, &["CLUSTER", what, "0", "9"]).unwrap();
    (0..MASTERS).for_each(|at| drop(tell(at, "DELSLOTSRANGE")));
    eventually("they are missed", || async {
        match one.bus.state() {
            BusState::Down { reason } => reason.contains("10 of its slots").then_some(()),
            BusState::Up => None,
        }
    })
    .await;
    tell(0, "ADDSLOTSRANGE");
    one.is_up().await;
}

/// The rights that `docs/redis.md` asks for, and no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_needs_one_right_more() {
    let Some(mut hub) = hub() else { return };
    let rights = "ACL SETUSER few on >p resetkeys resetchannels ~quire:* &quire:* -@all +ssubscribe +sunsubscribe \
                  +spublish +ping +hello +client +eval +time +get +set +hset +hdel +hgetall +pexpire";
    let rights: Vec<_> = rights.split_whitespace().collect();
    for at in 0..MASTERS {
        hub.cluster.ask(at, &rights).unwrap();
    }
    hub.user = "few:p@";
    let bus = hub.bus();
    let reason = eventually("it is refused", || async {
        match bus.state() {
            BusState::Down { reason } if reason.contains("NOPERM") => Some(reason),
            _ => None,
        }
    });
    let reason = reason.await;
    assert!(reason.contains("cluster"), "{reason}");
    for at in 0..MASTERS {
        let more = ["ACL", "SETUSER", "few", "+cluster|slots"];
        hub.cluster.ask(at, &more).unwrap();
    }
    let (one, two) = (Node::on(&hub).await, Node::on(&hub).await);
    for document in hub.spread() {
        two.listens(&document, &one).await;
    }
    let figures = [one.bus.figures(), two.bus.figures()];
    assert_eq!(figures.map(|it| it.refused), [0, 0]);
}

/// It notices that something has changed, so that whoever uses it looks at the store.
async fn up_again(node: &Node) {
    down(node).await;
    node.is_up().await;
}

/// Says something new about each of the documents, so many times.
fn say(node: &Node, documents: &[DocumentKey], said: &mut usize, times: usize) {
    for _ in 0..times {
        for document in documents {
            let word = Word::Signal(Bytes::from(format!("{said}")));
            node.bus.say(&Topic::Document(document.clone()), word);
            *said += 1;
        }
    }
}

const MASTERS: usize = 3;
