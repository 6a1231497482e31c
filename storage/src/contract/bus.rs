//! What every bus promises, checked with two or three nodes on one [`Hub`].
//!
//! A bus may take a moment for everything: to begin to listen, to stop, to pass a word on. So the checks wait for what must
//! come. That something does not come is seen by what was said after it. Only what one node says about one topic is sure
//! to come in order, but where all goes over one server, as it mostly does, all of it is.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use engine::{
    DocumentKey, Dot, PresenceEntry, PresenceId, PresenceName, PresenceNotice, PresenceRoll,
    ReplicaId, RosterWord,
};

use super::{changes, document, snapshot};
use crate::bus::{Bus, BusState, NodeEntry, NodeLoad, OpenClock, Topic, Word};

/// What several buses have in common.
pub trait Hub: Send + Sync {
    /// The bus of one more node.
    fn bus(&self) -> Arc<dyn Bus>;
}

impl Hub for crate::bus::MemoryBusHub {
    fn bus(&self) -> Arc<dyn Bus> {
        Arc::new(Self::bus(self))
    }
}

/// Makes a test of each check. `$hub` is an expression that gives a hub of the test's own, or `None` if there can be none
/// here.
#[macro_export]
macro_rules! bus_contract {
    ($hub:expr) => {
        $crate::bus_contract! { $hub;
            a_word_comes_to_those_who_listen_to_its_document
            a_word_to_all_comes_to_all_but_its_sender
            what_is_ignored_comes_no_more
            the_words_of_a_node_come_in_order
            every_word_comes_as_it_was_said
            documents_on_a_bus_never_run_together
            nodes_are_in_the_register_until_they_leave
            nodes_that_beat_no_more_are_forgotten
            a_hot_snapshot_is_given_for_its_document
            counts_are_those_of_the_other_nodes
            a_closed_bus_is_silent
        }
    };
    ($hub:expr; $($check:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                if let Some(hub) = $hub {
                    $crate::contract::$check(&hub).await;
                }
            }
        )+
    };
}

/// A node of a test: its bus, and what it has heard.
pub struct Node {
    /// Its bus.
    pub bus: Arc<dyn Bus>,
    heard: Arc<Mutex<Vec<(Topic, Word)>>>,
}

impl Node {
    /// A node on a hub, once words get through.
    pub async fn on(hub: &dyn Hub) -> Self {
        let node = Self {
            bus: hub.bus(),
            heard: Arc::default(),
        };
        let heard = node.heard.clone();
        node.bus.attach(Arc::new(move |topic, word| {
            heard.lock().unwrap().push((topic, word));
        }));
        node.is_up().await;
        node
    }

    /// Waits until words get through.
    pub async fn is_up(&self) {
        let mut states = self.bus.states();
        let up = states.wait_for(|state| *state == BusState::Up);
        let up = tokio::time::timeout(PATIENCE, up).await;
        up.expect("the bus comes up").expect("the bus lives");
    }

    /// What it has heard, without what was said only to see whether it listens.
    pub fn heard(&self) -> Vec<(Topic, Word)> {
        let heard = self.heard.lock().unwrap();
        let meant = heard.iter().filter(|(_, word)| !is_probe(word));
        meant.cloned().collect()
    }

    /// Waits until it has heard just this, about each topic in this order.
    pub async fn hears(&self, expected: &[(Topic, Word)]) {
        let heard = eventually("it is heard", || async {
            let heard = self.heard();
            (heard.len() >= expected.len()).then_some(heard)
        });
        assert_eq!(by_topic(&heard.await), by_topic(expected));
    }

    /// Listens to a document, and waits until words about it come from another node.
    pub async fn listens(&self, document: &DocumentKey, from: &Self) {
        self.bus.listen(document);
        self.is_reached(document, from).await;
    }

    /// Waits until words about a document come from another node.
    pub async fn is_reached(&self, document: &DocumentKey, from: &Self) {
        let about = Topic::Document(document.clone());
        let probe = Word::Signal(Bytes::from(format!("probe {:p}", self)));
        eventually("it listens", || async {
            from.bus.say(&about, probe.clone());
            let wanted = (about.clone(), probe.clone());
            let heard = self.heard.lock().unwrap();
            heard.contains(&wanted).then_some(())
        })
        .await;
    }
}

fn by_topic(words: &[(Topic, Word)]) -> Vec<(Topic, Word)> {
    let mut words = words.to_vec();
    words.sort_by_key(|(topic, _)| format!("{topic:?}"));
    words
}

/// Asks again and again until there is an answer.
pub async fn eventually<T, F>(what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Only nodes that listen to a document hear what is said about it.
pub async fn a_word_comes_to_those_who_listen_to_its_document(hub: &dyn Hub) {
    let (one, two, three) = (
        Node::on(hub).await,
        Node::on(hub).await,
        Node::on(hub).await,
    );
    two.listens(&document("a"), &one).await;
    three.listens(&document("b"), &one).await;
    three.bus.listen(&document("b"));
    let (about_a, about_b) = (signal("a", "1"), signal("b", "2"));
    for (topic, word) in [&about_a, &about_b, &to_all()] {
        one.bus.say(topic, word.clone());
    }
    two.hears(&[about_a, to_all()]).await;
    three.hears(&[about_b, to_all()]).await;
    assert!(one.bus.figures().said >= 3);
    assert!(two.bus.figures().heard >= 2);
}

/// Whoever says something does not hear it.
pub async fn a_word_to_all_comes_to_all_but_its_sender(hub: &dyn Hub) {
    let (one, two, three) = (
        Node::on(hub).await,
        Node::on(hub).await,
        Node::on(hub).await,
    );
    one.listens(&document("a"), &two).await;
    let own = signal("a", "own");
    one.bus.say(&own.0, own.1.clone());
    one.bus.say(&Topic::Cluster, Word::Revoked);
    two.hears(&[to_all()]).await;
    three.hears(&[to_all()]).await;
    two.bus.say(&Topic::Cluster, Word::Revoked);
    one.hears(&[to_all()]).await;
}

/// Sooner or later nothing comes any more.
pub async fn what_is_ignored_comes_no_more(hub: &dyn Hub) {
    let (one, two) = (Node::on(hub).await, Node::on(hub).await);
    two.listens(&document("a"), &one).await;
    two.listens(&document("b"), &one).await;
    two.bus.ignore(&document("a"));
    let mut round = 0;
    eventually("it is ignored", || {
        round += 1;
        let last = signal("b", &round.to_string());
        let ignored = signal("a", &round.to_string());
        one.bus.say(&ignored.0, ignored.1.clone());
        one.bus.say(&last.0, last.1.clone());
        let two = &two;
        async move {
            let heard = eventually("the other document is heard", || async {
                let heard = two.heard();
                heard.contains(&last).then_some(heard)
            });
            (!heard.await.contains(&ignored)).then_some(())
        }
    })
    .await;
}

/// While nothing is lost.
pub async fn the_words_of_a_node_come_in_order(hub: &dyn Hub) {
    let (one, two) = (Node::on(hub).await, Node::on(hub).await);
    two.listens(&document("a"), &one).await;
    let about = Topic::Document(document("a"));
    let said = changes(&document("a"), ReplicaId(1), 1, 1_000);
    let said = said.into_iter().map(|it| Word::Changes(vec![it]));
    let said: Vec<_> = said.map(|word| (about.clone(), word)).collect();
    for (topic, word) in &said {
        one.bus.say(topic, word.clone());
    }
    two.hears(&said).await;
}

/// With all that is in it.
pub async fn every_word_comes_as_it_was_said(hub: &dyn Hub) {
    let (one, two) = (Node::on(hub).await, Node::on(hub).await);
    two.listens(&document("a"), &one).await;
    let about = Topic::Document(document("a"));
    let mut said: Vec<_> = words().into_iter().map(|it| (about.clone(), it)).collect();
    said.push(to_all());
    for (topic, word) in &said {
        one.bus.say(topic, word.clone());
    }
    two.hears(&said).await;
}

/// Whatever characters are in their names.
pub async fn documents_on_a_bus_never_run_together(hub: &dyn Hub) {
    let named = |workspace, name| DocumentKey::new(workspace, name).unwrap();
    let named = [
        named("a:b", "c"),
        named("a", "b:c"),
        named("a}", "b"),
        named("a", "}b"),
        named("{a", "b"),
        named("1:a", "*"),
        named("é", "✎ ?"),
    ];
    let one = Node::on(hub).await;
    for own in &named {
        let two = Node::on(hub).await;
        two.listens(own, &one).await;
        for other in &named {
            one.bus.say(&Topic::Document(other.clone()), Word::Deleted);
            one.bus.keep_hot(snapshot(other, &[], "other"));
        }
        one.bus.say(&Topic::Cluster, Word::Revoked);
        let expected = (Topic::Document(own.clone()), Word::Deleted);
        two.hears(&[expected, to_all()]).await;
        two.bus.close().await.unwrap();
    }
    let hot = eventually("it is kept", || async {
        one.bus.hot(&named[0]).await.ok().flatten()
    });
    assert_eq!(hot.await.document, named[0]);
}

/// Each node has one entry, its last.
pub async fn nodes_are_in_the_register_until_they_leave(hub: &dyn Hub) {
    let (one, two) = (Node::on(hub).await, Node::on(hub).await);
    let (mut a, b) = (entry("a", 1), entry("b", 2));
    registered(&two, &[(&one, &a), (&two, &b)]).await;
    a.is_draining = true;
    a.address = None;
    registered(&two, &[(&one, &a), (&two, &b)]).await;
    one.bus.leave("a").await.unwrap();
    registered(&two, &[(&two, &b)]).await;
}

/// A node that died is not there for ever.
pub async fn nodes_that_beat_no_more_are_forgotten(hub: &dyn Hub) {
    let (one, two) = (Node::on(hub).await, Node::on(hub).await);
    registered(&two, &[(&one, &entry("a", 1))]).await;
    registered(&two, &[]).await;
}

/// And for no other.
pub async fn a_hot_snapshot_is_given_for_its_document(hub: &dyn Hub) {
    let (one, two) = (Node::on(hub).await, Node::on(hub).await);
    let kept = |state| {
        let dots = [Dot::new(ReplicaId(1), 3), Dot::new(ReplicaId(700), 1)];
        snapshot(&document("a"), &dots, state)
    };
    for state in ["first", "second"] {
        one.bus.keep_hot(kept(state));
        eventually("it is kept", || async {
            let hot = two.bus.hot(&document("a")).await;
            hot.ok().flatten().filter(|it| *it == kept(state))
        })
        .await;
    }
    let none = eventually("there is an answer", || async {
        two.bus.hot(&document("b")).await.ok()
    });
    assert_eq!(none.await, None);
}

/// A node says how many it has and is told of the others'.
pub async fn counts_are_those_of_the_other_nodes(hub: &dyn Hub) {
    let (one, two) = (Node::on(hub).await, Node::on(hub).await);
    counted(&one, ("a", "ada", 3), 0).await;
    counted(&two, ("b", "ada", 4), 3).await;
    counted(&one, ("a", "ada", 1), 4).await;
    counted(&two, ("b", "ada", 4), 1).await;
    counted(&two, ("b", "bob", 9), 0).await;
    one.bus.leave("a").await.unwrap();
    counted(&two, ("b", "ada", 4), 0).await;
}

/// It neither says nor hears anything, and fails nobody who does not know.
pub async fn a_closed_bus_is_silent(hub: &dyn Hub) {
    let (one, two, three) = (
        Node::on(hub).await,
        Node::on(hub).await,
        Node::on(hub).await,
    );
    two.listens(&document("a"), &one).await;
    one.bus.say(&Topic::Cluster, Word::Revoked);
    one.bus.close().await.unwrap();
    two.hears(&[to_all()]).await;
    two.bus.close().await.unwrap();
    two.bus.close().await.unwrap();
    two.bus.say(&Topic::Cluster, Word::Revoked);
    three.bus.say(&Topic::Cluster, Word::Revoked);
    let four = Node::on(hub).await;
    three.bus.say(&Topic::Cluster, Word::Revoked);
    four.hears(&[to_all()]).await;
    three.hears(&[to_all()]).await;
    two.hears(&[to_all()]).await;
}

fn words() -> Vec<Word> {
    let entry = PresenceEntry {
        id: PresenceId(u64::MAX),
        version: 7,
        state: Some(Bytes::from_static(b"{}")),
    };
    let gone = PresenceEntry {
        state: None,
        ..entry
    };
    let notice = |entry, is_self| PresenceNotice {
        entry,
        is_self,
        turn: 9,
    };
    vec![
        Word::Changes(changes(&document("a"), ReplicaId(9), 1, 3)),
        Word::Presence {
            from: ReplicaId(9),
            notices: vec![notice(entry, true), notice(gone, false)],
        },
        Word::PresenceAsked,
        Word::PresenceRoll {
            from: ReplicaId(9),
            roll: PresenceRoll {
                turn: 1 << 40,
                asks: true,
                people: vec![(PresenceId(7), 3), (PresenceId(u64::MAX), 1 << 39)],
            },
        },
        Word::WhoIsAsked {
            of: ReplicaId(9),
            ids: vec![PresenceId(7), PresenceId(u64::MAX)],
        },
        Word::WayAsked { by: ReplicaId(9) },
        Word::Roster(RosterWord::Asked {
            of: ReplicaId(9),
            names: vec![PresenceName {
                source: "it".into(),
                id: "cursor".into(),
            }],
        }),
        Word::Signal(Bytes::new()),
        Word::Deleted,
        Word::ClocksAsked {
            question: 300,
            documents: vec![document("a"), document("b")],
        },
        Word::Clocks {
            question: 300,
            from: ReplicaId(9),
            clocks: vec![OpenClock {
                document: document("a"),
                clock: [Dot::new(ReplicaId(9), 3)].into_iter().collect(),
                held: 1,
            }],
        },
        Word::Clocks {
            question: 301,
            from: ReplicaId(9),
            clocks: Vec::new(),
        },
        Word::Drain {
            node: "one".to_owned(),
            begins: true,
        },
    ]
}

/// A node as it enters itself in the register.
pub fn entry(name: &str, replica: u32) -> NodeEntry {
    NodeEntry {
        name: name.to_owned(),
        replica: ReplicaId(replica),
        earlier: Vec::new(),
        address: Some(format!("http://{name}.example:1234")),
        weight: 100,
        load: NodeLoad {
            connections: 1,
            documents: 2,
        },
        is_draining: false,
        version: "1.2.3".to_owned(),
    }
}

/// Waits until a node knows of exactly these, each of which beats meanwhile.
async fn registered(by: &Node, expected: &[(&Node, &NodeEntry)]) {
    eventually("the register is right", || async {
        for (node, entry) in expected {
            node.bus.beat((*entry).clone());
        }
        let nodes = by.bus.nodes().await.ok()?;
        let expected = expected.iter().map(|(_, entry)| *entry);
        nodes.iter().eq(expected).then_some(())
    })
    .await;
}

async fn counted(node: &Node, (name, what, here): (&str, &str, u64), elsewhere: u64) {
    eventually("the count is right", || async {
        let counted = node.bus.share_count(name, what, here).await.ok()?;
        (counted == elsewhere).then_some(())
    })
    .await;
}

fn signal(name: &str, text: &str) -> (Topic, Word) {
    let word = Word::Signal(Bytes::from(text.to_owned()));
    (Topic::Document(document(name)), word)
}

fn to_all() -> (Topic, Word) {
    (Topic::Cluster, Word::Revoked)
}

fn is_probe(word: &Word) -> bool {
    matches!(word, Word::Signal(signal) if signal.starts_with(b"probe"))
}

/// Longer than a loaded machine takes for anything here.
const PATIENCE: Duration = Duration::from_secs(20);
