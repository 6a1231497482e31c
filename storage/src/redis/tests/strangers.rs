//! Who else uses the server: somebody without the password, somebody who says nonsense on our channels, somebody whose keys
//! are called like ours.

use bytes::Bytes;

use super::{RedisHub, down, hub};
use crate::bus::{Bus, BusState, Topic, Word, encoding, keeping};
use crate::contract::{Node, document, eventually, snapshot};
use crate::redis::RedisBus;
use crate::redis::names::Names;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_a_reason_and_is_shown_nowhere() {
    let Some(mut hub) = hub() else { return };
    hub.says(&["CONFIG", "SET", "requirepass", "right"]);
    for url in ["redis://:hunter2@", "redis://ada:hunter2@", "redis://"] {
        let bus = RedisBus::connect(&hub.redis.url().replace("redis://", url)).unwrap();
        let reason = eventually("it is refused", || async {
            match bus.state() {
                BusState::Down { reason } if !reason.contains("not connected") => Some(reason),
                _ => None,
            }
        });
        let reason = reason.await;
        let says_why = ["WRONGPASS", "NOAUTH"].iter().any(|it| reason.contains(it));
        assert!(says_why, "{reason}");
        assert!(!format!("{reason} {bus:?}").contains("hunter2"));
    }
    hub.user = ":right@";
    Node::on(&hub).await;
}

#[tokio::test]
async fn a_url_that_is_none_is_refused_without_showing_it() {
    let urls = [
        "",
        "hunter2",
        "http://ada:hunter2@host",
        "redis://ada:hunter2@host:port",
        "redis://ada:hunter2@host/database",
        "redis://ada:hunter2@host?protocol=hunter2",
        "redis://ada:hunter2@0.0.0.0",
        "rediss://ada:hunter2@host#insecure",
        "redis+unix:",
    ];
    for url in urls {
        let refused = RedisBus::connect(url);
        let refused = refused.map(drop).expect_err(url).to_string();
        assert!(refused.contains("rediss://"), "{refused}");
        assert!(!refused.contains("hunter2"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_on_a_channel_is_counted_and_nothing_else() {
    let Some(hub) = hub() else { return };
    let (one, two) = (Node::on(&hub).await, Node::on(&hub).await);
    two.listens(&document("a"), &one).await;
    let names = Names::of_database(0);
    let (own, to_all) = (names.channel(&document("a")), names.to_all().to_owned());
    let word = |topic: &Topic| encoding::encode(1, topic, &Word::Deleted).words.remove(0);
    let about_b = word(&Topic::Document(document("b")));
    let about_a = word(&Topic::Document(document("a")));
    let mut newer = about_a.to_vec();
    newer[9] = 200;
    let newer = sealed(&newer);
    let nonsense: [&[u8]; 6] = [b"", b"hello", &[1; 40], &about_b, &about_a[1..], &newer];
    for word in nonsense {
        publish(&hub, &own, word);
    }
    publish(&hub, &to_all, &about_a);
    publish(&hub, &own, &vec![7; encoding::WORD_BYTES_MAX + 1]);
    one.bus.say(&Topic::Cluster, Word::Revoked);
    two.hears(&[(Topic::Cluster, Word::Revoked)]).await;
    let figures = two.bus.figures();
    assert_eq!((figures.malformed, figures.unknown), (7, 1));
    assert_eq!(figures.reconnects, 0);
    publish(&hub, &own, &about_a);
    let about_a = (Topic::Document(document("a")), Word::Deleted);
    two.hears(&[(Topic::Cluster, Word::Revoked), about_a]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_others_are_no_answers() {
    let Some(hub) = hub() else { return };
    let node = Node::on(&hub).await;
    let names = Names::of_database(0);
    let hot = names.hot(&document("a"));
    let hot_of_another = keeping::encode_snapshot(&snapshot(&document("b"), &[], "other"));
    for bytes in [&b"nonsense"[..], &hot_of_another.unwrap(), b""] {
        let set = [b"SET", hot.as_bytes(), bytes];
        hub.redis.command(&set).unwrap();
        let answer = eventually("there is an answer", || async {
            node.bus.hot(&document("a")).await.ok()
        });
        assert_eq!(answer.await, None);
    }
    assert_eq!(node.bus.figures().malformed, 3);
    hub.redis.flush().unwrap();
    hub.says(&["RPUSH", &hot, "a list"]);
    hub.says(&["SET", names.register(), "a text"]);
    hub.says(&["SET", &names.count("ada"), "a text"]);
    assert!(node.bus.hot(&document("a")).await.is_err());
    assert!(node.bus.nodes().await.is_err());
    assert!(node.bus.share_count("one", "ada", 1).await.is_err());
    hub.says(&["DEL", names.register(), &names.count("ada")]);
    hub.says(&[
        "HSET",
        names.register(),
        "one",
        "nonsense",
        "two",
        "99999999999999 x",
    ]);
    hub.says(&["HSET", &names.count("ada"), "two", "99999999999999 x"]);
    assert_eq!(node.bus.nodes().await, Ok(Vec::new()));
    let counted = eventually("there is an answer", || async {
        node.bus.share_count("one", "ada", 1).await.ok()
    });
    assert_eq!(counted.await, 0);
    assert_eq!(node.bus.figures().reconnects, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_uses_another_database_is_not_heard() {
    let Some(hub) = hub() else { return };
    let (one, two) = (Node::on(&hub).await, Node::on(&hub).await);
    let other = RedisBus::connect(&format!("{}/1", hub.redis.url())).unwrap();
    let mut states = other.states();
    states.wait_for(|it| *it == BusState::Up).await.unwrap();
    two.listens(&document("a"), &one).await;
    other.say(&Topic::Document(document("a")), Word::Deleted);
    other.say(&Topic::Cluster, Word::Revoked);
    other.close().await.unwrap();
    assert_eq!(other.figures().said, 2);
    two.listens(&document("b"), &one).await;
    assert_eq!(two.heard(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_may_not_listen_says_so() {
    let Some(mut hub) = hub() else { return };
    hub.says(&[
        "ACL",
        "SETUSER",
        "deaf",
        "on",
        ">p",
        "~*",
        "resetchannels",
        "+@all",
    ]);
    hub.user = "deaf:p@";
    let bus = RedisBus::connect(&hub.url()).unwrap();
    let reason = eventually("it is refused", || async {
        match bus.state() {
            BusState::Down { reason } if reason.contains("listen") => Some(reason),
            _ => None,
        }
    });
    let reason = reason.await;
    assert!(reason.contains("NOPERM"), "{reason}");
    hub.says(&["ACL", "SETUSER", "deaf", "allchannels"]);
    let node = Node::on(&hub).await;
    hub.redis.stop();
    down(&node).await;
}

/// The rights that `docs/redis.md` asks for, and no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_with_few_rights_is_enough() {
    let Some(mut hub) = hub() else { return };
    let rights = "ACL SETUSER few on >p resetkeys resetchannels ~quire:* &quire:* -@all +ssubscribe +sunsubscribe \
                  +spublish +ping +hello +client +select +eval +time +get +set +hset +hdel +hgetall +pexpire";
    let rights: Vec<_> = rights.split_whitespace().collect();
    hub.says(&rights);
    hub.user = "few:p@";
    let (one, two) = (Node::on(&hub).await, Node::on(&hub).await);
    two.listens(&document("a"), &one).await;
    two.bus.ignore(&document("a"));
    two.listens(&document("b"), &one).await;
    one.bus.keep_hot(snapshot(&document("a"), &[], "state"));
    eventually("it is kept", || async {
        one.bus.share_count("one", "ada", 3).await.ok();
        let counted = two.bus.share_count("two", "ada", 1).await;
        let hot = two.bus.hot(&document("a")).await;
        (counted == Ok(3) && matches!(hot, Ok(Some(_)))).then_some(())
    })
    .await;
    one.bus.leave("one").await.unwrap();
    assert_eq!(two.bus.nodes().await, Ok(Vec::new()));
    let figures = [one.bus.figures(), two.bus.figures()];
    assert_eq!(figures.map(|it| it.refused), [0, 0]);
}

fn publish(hub: &RedisHub, channel: &str, word: &[u8]) {
    let publish = [b"SPUBLISH", channel.as_bytes(), word];
    hub.redis.command(&publish).unwrap();
}

/// With a checksum that fits again.
fn sealed(word: &[u8]) -> Bytes {
    let mut writer = crate::bus::fields::Writer::part();
    writer.raw(&word[..word.len() - 4]);
    writer.seal()
}
