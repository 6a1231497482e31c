//! The server is away, comes back, stands still, forgets, or has no room: words get through again, and nobody did anything.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::ReplicaId;

use super::{documents, down, hub};
use crate::bus::{Bus, BusState, Topic, Word};
use crate::contract::{Node, changes, document, entry, eventually, snapshot};
use crate::redis::RedisBus;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_listened_listens_again_after_a_restart() {
    let Some(mut hub) = hub() else { return };
    let (one, two) = (Node::on(&hub).await, Node::on(&hub).await);
    let documents = documents(10_000);
    documents.iter().for_each(|it| two.bus.listen(it));
    two.is_reached(&documents[9_999], &one).await;
    hub.redis.stop();
    down(&one).await;
    down(&two).await;
    two.bus.ignore(&documents[0]);
    two.bus.listen(&document("late"));
    one.bus.say(&Topic::Cluster, Word::Revoked);
    assert!(one.bus.nodes().await.is_err());
    assert!(one.bus.share_count("one", "ada", 1).await.is_err());
    hub.redis.restart().unwrap();
    one.is_up().await;
    two.is_up().await;
    for document in [&documents[1], &documents[9_999], &document("late")] {
        two.is_reached(document, &one).await;
    }
    assert!(two.bus.figures().reconnects >= 1);
    let subscribed = hub.says(&["PUBSUB", "SHARDNUMSUB", &channel("0"), &channel("1")]);
    let subscribed = String::from_utf8_lossy(&subscribed).into_owned();
    let counts: Vec<_> = subscribed
        .split("\r\n")
        .filter(|it| it.starts_with(':'))
        .collect();
    assert_eq!(counts, [":0", ":1"], "{subscribed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_later_is_found() {
    let Some(mut hub) = hub() else { return };
    hub.redis.stop();
    let bus = RedisBus::connect(&hub.url()).unwrap();
    let mut states = bus.states();
    assert!(matches!(bus.state(), BusState::Down { .. }));
    bus.listen(&document("a"));
    hub.redis.restart().unwrap();
    states.wait_for(|it| *it == BusState::Up).await.unwrap();
    let node = Node::on(&hub).await;
    eventually("it is heard", || async {
        node.bus.say(&Topic::Document(document("a")), Word::Deleted);
        (bus.figures().heard > 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_is_noticed_and_then_bursts() {
    let Some(hub) = hub() else { return };
    let (one, two) = (Node::on(&hub).await, Node::on(&hub).await);
    two.listens(&document("a"), &one).await;
    hub.redis.pause().unwrap();
    down(&one).await;
    down(&two).await;
    let asked = Instant::now();
    assert!(one.bus.share_count("one", "ada", 1).await.is_err());
    assert!(one.bus.hot(&document("a")).await.is_err());
    assert!(asked.elapsed() < Duration::from_secs(5), "nobody waits");
    let about = Topic::Document(document("a"));
    let said = changes(&document("a"), ReplicaId(1), 1, 500).into_iter();
    let said: Vec<_> = said.map(|it| Word::Changes(vec![it])).collect();
    said.iter().for_each(|it| one.bus.say(&about, it.clone()));
    hub.redis.resume().unwrap();
    one.is_up().await;
    two.is_up().await;
    two.listens(&document("b"), &one).await;
    let heard = two.heard();
    let in_order = said
        .iter()
        .filter(|it| heard.iter().any(|(_, word)| word == *it));
    let in_order: Vec<_> = in_order.map(|it| (about.clone(), it.clone())).collect();
    assert_eq!(heard, in_order, "each at most once, and in order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_hangs_is_given_up() {
    let Some(hub) = hub() else { return };
    let (one, two) = (Node::on(&hub).await, Node::on(&hub).await);
    two.listens(&document("a"), &one).await;
    hub.redis.pause().unwrap();
    for node in [&one, &two] {
        eventually("it is given up", || async {
            (node.bus.figures().reconnects > 0).then_some(())
        })
        .await;
        down(node).await;
    }
    hub.redis.resume().unwrap();
    two.is_reached(&document("a"), &one).await;
    one.is_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_emptied_again_and_again_loses_no_word() {
    let Some(hub) = hub() else { return };
    let (one, two) = (Node::on(&hub).await, Node::on(&hub).await);
    two.listens(&document("a"), &one).await;
    let about = Topic::Document(document("a"));
    let said = changes(&document("a"), ReplicaId(1), 1, 200).into_iter();
    let said: Vec<_> = said
        .map(|it| (about.clone(), Word::Changes(vec![it])))
        .collect();
    for (at, (topic, word)) in said.iter().enumerate() {
        one.bus.say(topic, word.clone());
        if at % 10 == 0 {
            one.bus.keep_hot(snapshot(&document("a"), &[], "state"));
            one.bus.beat(entry("one", 1));
            hub.redis.flush().unwrap();
        }
    }
    two.hears(&said).await;
    registered(&two, &one).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_room_words_still_get_through() {
    let Some(hub) = hub() else { return };
    let (one, two) = (Node::on(&hub).await, Node::on(&hub).await);
    two.listens(&document("a"), &one).await;
    hub.says(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    hub.says(&["CONFIG", "SET", "maxmemory", "1"]);
    one.bus.beat(entry("one", 1));
    one.bus.keep_hot(snapshot(&document("a"), &[], "state"));
    assert!(one.bus.share_count("one", "ada", 1).await.is_err());
    eventually("it is refused", || async {
        (one.bus.figures().refused >= 3).then_some(())
    })
    .await;
    two.is_reached(&document("a"), &one).await;
    hub.says(&["CONFIG", "SET", "maxmemory", "0"]);
    registered(&two, &one).await;
    assert_eq!(one.bus.figures().reconnects, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_died_is_forgotten_within_seconds() {
    let Some(hub) = hub() else { return };
    let (one, two) = (Node::on(&hub).await, Node::on(&hub).await);
    registered(&two, &one).await;
    eventually("it is counted", || async {
        let _ = one.bus.share_count("one", "ada", 3).await;
        let counted = two.bus.share_count("two", "ada", 1).await;
        (counted == Ok(3)).then_some(())
    })
    .await;
    drop(one);
    eventually("it is forgotten", || async {
        let nodes = two.bus.nodes().await.ok()?;
        let counted = two.bus.share_count("two", "ada", 1).await.ok()?;
        (nodes.is_empty() && counted == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_is_dropped_lets_go_of_its_connections() {
    let Some(hub) = hub() else { return };
    let node = Node::on(&hub).await;
    let bus: Arc<dyn Bus> = node.bus.clone();
    assert!(format!("{bus:?}").contains("Up"));
    drop((node, bus));
    eventually("nobody is connected but who asks", || async {
        let clients = hub.says(&["CLIENT", "LIST"]);
        let clients = String::from_utf8_lossy(&clients).into_owned();
        (clients.matches("id=").count() == 1).then_some(())
    })
    .await;
}

async fn registered(seen_by: &Node, node: &Node) {
    eventually("it is registered", || async {
        node.bus.beat(entry("one", 1));
        let nodes = seen_by.bus.nodes().await.ok()?;
        (nodes == [entry("one", 1)]).then_some(())
    })
    .await;
}

fn channel(name: &str) -> String {
    let length = name.len();
    format!("quire:0:{{1:w/{length}:{name}}}:words")
}
