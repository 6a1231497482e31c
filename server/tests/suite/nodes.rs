//! Several nodes in one process, on one store and one bus in memory: what one says the others hear, and what they do not hear
//! they find in the store.

use std::time::Duration;

use crate::common::nodes::{PATIENCE, Shared, hears, hears_all, presence, push};
use crate::common::wire::PULL_EVERYTHING;
use crate::common::{quarantined, write};
use engine::{DocumentKey, Kind, Order, Quarantined};
use storage::{Revoked, Store, TimelinePage};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn edits_and_presence_go_to_the_clients_of_all_nodes() {
    let shared = Shared::default();
    let nodes = shared.nodes().await;
    let mut clients = nodes.each_ref().map(|node| node.join("plan"));
    for (author, text) in ["one", "two", "three"].into_iter().enumerate() {
        let client = u8::try_from(author).unwrap() + 1;
        clients[author].send_frame(&push(client, text)).unwrap();
        for socket in &mut clients {
            hears(socket, text);
        }
    }
    clients[0]
        .send_frame(&presence(9, 1, r#"{"name":"ada"}"#))
        .unwrap();
    for socket in &mut clients[1..] {
        assert_eq!(hears(socket, "ada")[0], 1);
    }
    let mut late = nodes[2].join("plan");
    late.send_frame(&[3]).unwrap();
    hears(&mut late, "ada");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_gets_lost_on_the_bus_is_found_in_the_store() {
    let shared = Shared::default();
    let [a, b, _] = shared.nodes().await;
    let (mut author, mut reader) = (a.join("plan"), b.join("plan"));
    a.loses_words(true);
    author.send_frame(&push(1, "unheard")).unwrap();
    hears(&mut author, "unheard");
    hears(&mut reader, "unheard");
    a.loses_words(false);
    author.send_frame(&push(2, "heard")).unwrap();
    hears(&mut reader, "heard");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_was_on_a_node_that_stops_is_not_shown_any_more() {
    let shared = Shared::default();
    let [a, b, _] = shared.nodes().await;
    let (mut ada, mut bob) = (a.join("plan"), b.join("plan"));
    ada.send_frame(&presence(9, 1, r#"{"name":"ada"}"#))
        .unwrap();
    hears(&mut bob, "ada");
    let (stopped, closed) = tokio::join!(
        a.stop(),
        tokio::task::spawn_blocking(move || ada.closed().0)
    );
    assert_eq!((stopped, closed.unwrap()), ((), 1012));
    let gone = hears(&mut bob, "null");
    assert_eq!(gone[..4], [1, gone[1], 1, 9]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_was_on_a_node_that_died_is_soon_not_shown_any_more() {
    let shared = Shared::default();
    let [a, b, c] = shared.nodes().await;
    let (mut ada, mut bob, mut cid) = (a.join("plan"), b.join("plan"), c.join("plan"));
    ada.send_frame(&presence(9, 1, r#"{"name":"ada"}"#))
        .unwrap();
    cid.send_frame(&presence(8, 1, r#"{"name":"cid"}"#))
        .unwrap();
    hears_all(&mut bob, &["ada", "cid"]);
    // It says goodbye, and nobody hears it.
    a.loses_words(true);
    a.stop().await;
    drop((a, ada));
    shared.forget_nodes();
    let gone = hears(&mut bob, "null");
    assert_eq!(gone[..4], [1, gone[1], 1, 9]);
    let mut late = b.join("plan");
    late.send_frame(&[3]).unwrap();
    let here = hears(&mut late, "cid");
    assert!(!String::from_utf8_lossy(&here).contains("ada"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_deleted_or_revoked_on_one_node_is_so_on_all() {
    let shared = Shared::default();
    let nodes = shared.nodes().await;
    let [deleted, revoked] = ["deleted", "revoked"].map(|name| {
        let clients = nodes.each_ref().map(|node| node.join(name));
        (DocumentKey::new("default", name).unwrap(), clients)
    });
    let created = shared.store.create(deleted.0.clone(), Kind::Yjs).await;
    assert!(created.is_ok());
    let hub = &nodes[0].app.hub;
    assert!(hub.delete(deleted.0).await.unwrap());
    for mut socket in deleted.1 {
        assert_eq!(socket.closed().0, 4404);
    }
    let auth = &hub.world().auth;
    let entry = auth.revoke(Revoked::Document(revoked.0), None, None, String::new());
    let entry = entry.await.unwrap();
    hub.say_revoked();
    hub.revoked().await;
    for mut socket in revoked.1 {
        assert_eq!(socket.closed().0, 4403);
    }
    for node in &nodes {
        assert_eq!(node.connect("/revoked").closed().0, 4403);
    }
    assert!(auth.lift_revocation(entry.number).await.unwrap());
    hub.say_revoked();
    for node in &nodes {
        until(|| node.app.hub.world().auth.revocations().is_empty()).await;
        node.join("revoked");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_only_reads_hears_of_a_deletion_that_the_bus_lost() {
    let shared = Shared::default();
    let [a, b, c] = shared.nodes().await;
    let plan = DocumentKey::new("default", "plan").unwrap();
    shared.store.create(plan.clone(), Kind::Yjs).await.unwrap();
    let mut readers = [b.join("plan"), c.join("plan")];
    a.loses_words(true);
    assert!(a.app.hub.delete(plan).await.unwrap());
    for reader in &mut readers {
        assert_eq!(reader.closed().0, 4404);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_document_is_opened_anew_everywhere_when_its_log_is_kept_out_or_let_in_again() {
    let shared = Shared::default();
    let [a, b, _] = shared.nodes().await;
    let plan = write(&*shared.store, "plan", &["stored"]).await;
    let page = TimelinePage::After(Order(0), 1);
    let stored = shared.store.timeline(plan.clone(), page).await.unwrap();
    let change = &stored[0].change;
    let entry = Quarantined {
        dot: Some(change.dot),
        ..quarantined("plan", &change.payload)
    };
    let mut readers = [a.join("plan"), b.join("plan")];
    let hub = &a.app.hub;
    for keep_out in [true, false] {
        match keep_out {
            // No word is said of it.
            true => shared.store.quarantine(entry.clone()).await.unwrap(),
            false => {
                let forgotten = shared.store.forget_quarantined(plan.clone(), entry.hash);
                assert_eq!(forgotten.await, Ok(true));
                hub.reopen_everywhere(&plan).await;
            }
        }
        for (reader, node) in readers.iter_mut().zip([&a, &b]) {
            let code = if keep_out { 1013 } else { 1012 };
            assert_eq!(reader.closed().0, code);
            *reader = node.join("plan");
        }
    }
}

/// A message of the Hocuspocus dialect about the document `plan`.
fn of_plan(message: &[u8]) -> Vec<u8> {
    [b"\x04plan", message].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn signals_go_to_the_clients_of_all_nodes() {
    let shared = Shared::default();
    let nodes = shared.nodes().await;
    let mut clients = nodes.each_ref().map(|node| {
        let mut socket = node.connect("/hocuspocus/default");
        socket.send_frame(&of_plan(&[2, 0, 0])).unwrap();
        hears(&mut socket, "read-write");
        socket
    });
    let plan = DocumentKey::new("default", "plan").unwrap();
    assert!(nodes[1].app.hub.signal(&plan, "to all".into()).await);
    for socket in &mut clients {
        hears(socket, "to all");
    }
    let said = [&[5, 4][..], b"hear"].concat();
    clients[2].send_frame(&of_plan(&said)).unwrap();
    for socket in &mut clients[..2] {
        hears(socket, "hear");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_document_that_is_put_away_and_opened_again_hears_the_others() {
    let shared = Shared::default();
    let [a, b, _] = shared.nodes().await;
    let plan = DocumentKey::new("default", "plan").unwrap();
    let mut author = a.join("plan");
    for round in 1..20 {
        let mut reader = b.join("plan");
        b.app.hub.reopen(&plan).await;
        assert_ne!(reader.closed().0, 0);
        let mut reader = b.join("plan");
        let text = format!("round {round}");
        author.send_frame(&push(round, &text)).unwrap();
        hears(&mut reader, &text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_comes_to_another_node_finds_what_they_wrote() {
    let shared = Shared::default();
    let nodes = shared.nodes().await;
    let _open_everywhere = nodes.each_ref().map(|node| node.join("plan"));
    nodes.iter().for_each(|node| node.loses_words(true));
    for round in 1..20 {
        let [here, there] = [round, round + 1].map(|at| &nodes[usize::from(at) % 3]);
        let text = format!("round {round}");
        let mut author = here.join("plan");
        author.send_frame(&push(round, &text)).unwrap();
        // Its own words come back once they are stored.
        hears(&mut author, &text);
        drop(author);
        let mut again = there.connect("/plan");
        again.send_frame(&PULL_EVERYTHING).unwrap();
        let answer = loop {
            let (opcode, payload) = again.next_frame().unwrap();
            if opcode == 2 && payload.starts_with(&[0, 1]) {
                break payload;
            }
        };
        let found = String::from_utf8_lossy(&answer);
        assert!(found.contains(&text), "{text} is not in {found}");
    }
}

#[tokio::test]
async fn every_node_knows_all_of_them() {
    let shared = Shared::default();
    let nodes = shared.nodes().await;
    for node in &nodes {
        let cluster = node.app.hub.world().cluster.clone().unwrap();
        let names = async || {
            let load = server::cluster::load(&node.app.hub);
            let nodes = cluster.nodes(load).await.unwrap();
            nodes.into_iter().map(|it| it.name).collect::<Vec<_>>()
        };
        while names().await != ["a", "b", "c"] {
            tokio::task::yield_now().await;
        }
    }
}

async fn until(mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}
