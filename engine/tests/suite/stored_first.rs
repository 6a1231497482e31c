//! Documents whose edits are shown once they are stored: nobody is told of anything before. Random scenes of such documents are
//! played by the simulator (`tests/src/simulation/mod.rs`).

mod cluster;
mod unread;

use automerge::ROOT;
use automerge::transaction::Transactable;
use bytes::Bytes;
use engine::{ChangeKind, Input, Intent, Limits, Phase};

use crate::pen::Pen;
use cluster::{Cluster, Fate, is_saved};

/// One node and some clients, of whom the first has founded the document, and all have it.
fn founded(nodes: usize, clients: u8, limits: Limits) -> Cluster {
    let mut cluster = Cluster::new(nodes, clients, limits);
    let (founder, payload) = Pen::founder(1);
    cluster.clients[0].pen = founder;
    for who in 0..usize::from(clients) {
        cluster.join(who, who % nodes);
    }
    cluster.push(0, payload);
    cluster.quiesce();
    cluster
}

fn json(cluster: &Cluster, node: usize) -> serde_json::Value {
    cluster.nodes[node].document.content().json(None).unwrap()
}

#[test]
fn an_edit_is_shown_and_acknowledged_once_it_is_stored() {
    let mut cluster = founded(1, 3, Limits::default());
    let acked = cluster.clients[0].acked;
    cluster.write(0, |pen| pen.type_at(0, "a"));
    cluster.write(1, |pen| pen.type_at(0, "b"));
    while (0..3).any(|who| cluster.read(who)) {}
    assert_eq!(
        (
            cluster.clients[0].acked,
            cluster.clients[2].pen.text().as_str()
        ),
        (acked, "")
    );
    cluster.commit(0, Fate::Failed);
    assert_eq!(cluster.clients[2].unread_changes(), 0);
    cluster.pass(10_000);
    cluster.commit(0, Fate::Stored);
    assert_eq!(
        cluster.clients[2].unread_changes(),
        1,
        "what is stored together is shown together"
    );
    cluster.quiesce();
    assert_eq!(cluster.clients[0].acked, acked + 1);
    let texts: Vec<_> = cluster
        .clients
        .iter()
        .map(|client| client.pen.text())
        .collect();
    assert!(
        texts[0].len() == 2 && texts[1] == texts[0] && texts[2] == texts[0],
        "{texts:?}"
    );
}

#[test]
fn who_comes_meanwhile_is_told_what_is_stored_and_shown_the_rest_afterwards() {
    let mut cluster = founded(1, 3, Limits::default());
    cluster.leave(2);
    cluster.clients[2].pen = Pen::new(9);
    cluster.write(0, |pen| pen.type_at(0, "unsaved"));
    cluster.join(2, 0);
    while cluster.read(2) {}
    assert_eq!(cluster.clients[2].pen.text(), "");
    cluster.quiesce();
    assert_eq!(cluster.clients[2].pen.text(), "unsaved");
}

#[test]
fn who_asks_again_for_everything_is_told_what_was_stored_since() {
    let mut cluster = founded(1, 2, Limits::default());
    let long: String = (0..90_000u32)
        .filter_map(|at| char::from_u32(0x4e00 + at * 7919 % 20_000))
        .collect();
    cluster.write(0, |pen| pen.type_at(0, &long));
    cluster.quiesce();
    for text in ["one", "two"] {
        cluster.write(0, |pen| pen.type_at(0, text));
        cluster.leave(1);
        cluster.clients[1].pen = Pen::new(9);
        cluster.join(1, 0);
        while cluster.read(1) {}
        assert!(!cluster.clients[1].pen.text().contains(text));
        cluster.quiesce();
        assert!(cluster.clients[1].pen.text().contains(text));
    }
}

#[test]
fn who_has_nothing_is_told_what_is_kept_and_nothing_that_is_not_stored() {
    for is_large in [false, true] {
        let limits = Limits {
            snapshot_changes: 4,
            snapshot_bytes: 1 << 20,
            // Of a large document the snapshot is all that is kept, as soon as it is taken.
            document_weight_max: if is_large { 10_000 } else { 1 << 30 },
            ..Limits::default()
        };
        let mut cluster = founded(1, 2, limits);
        let come = |cluster: &mut Cluster| {
            cluster.leave(1);
            cluster.clients[1].pen = Pen::new(9);
            cluster.join(1, 0);
            let answer = cluster.clients[1].unread_answer().cloned();
            while cluster.read(1) {}
            (
                is_saved(&answer.unwrap()),
                cluster.clients[1].pen.text().len(),
            )
        };
        for _ in 0..2 {
            cluster.write(0, |pen| pen.type_at(0, "a"));
            cluster.quiesce();
        }
        assert_eq!(come(&mut cluster), (false, 2), "nothing is kept");
        cluster.write(0, |pen| pen.type_at(0, "b"));
        cluster.write(0, |pen| pen.type_at(0, "b"));
        assert_eq!(come(&mut cluster).1, 2, "it holds what is not stored");
        cluster.quiesce();
        assert_eq!(come(&mut cluster), (true, 4));
        cluster.write(0, |pen| pen.type_at(0, "c"));
        cluster.quiesce();
        cluster.write(0, |pen| pen.type_at(0, "d"));
        assert_eq!(come(&mut cluster), (true, 5), "and what came since");
        cluster.quiesce();
        assert_eq!(cluster.clients[1].pen.text().len(), 6);
    }
}

#[test]
fn what_waits_for_missing_parts_is_not_shown_before_it_is_stored_either() {
    let mut cluster = founded(1, 3, Limits::default());
    let lost = cluster.clients[0].pen.type_at(0, "lost");
    cluster.write(0, |pen| pen.type_at(0, "early "));
    cluster.leave(2);
    cluster.clients[2].pen = Pen::new(9);
    cluster.join(2, 0);
    cluster.push(0, lost);
    cluster.quiesce();
    assert_eq!(cluster.clients[2].pen.text(), "early lost");
}

#[test]
fn changes_are_kept_as_they_came_and_say_so() {
    let mut cluster = founded(1, 1, Limits::default());
    let one = cluster.clients[0].pen.type_at(0, "one");
    let two = cluster.clients[0].pen.type_at(0, "two");
    cluster.push(0, one.clone());
    cluster.push(0, two.clone());
    cluster.quiesce();
    let kinds: Vec<_> = cluster
        .log
        .iter()
        .map(|stored| stored.change.kind)
        .collect();
    assert_eq!(
        kinds,
        [ChangeKind::AutomergeChanges, ChangeKind::AutomergePayloads]
    );
    assert_eq!(cluster.log[1].change.updates().unwrap(), [one, two]);
}

#[test]
fn who_wrote_offline_did_not_see_what_was_written_meanwhile() {
    let limits = Limits {
        snapshot_changes: 3,
        snapshot_bytes: 1,
        ..Limits::default()
    };
    let mut cluster = founded(2, 3, limits);
    let founded = cluster.log[0].change.dot;
    cluster.leave(2);
    cluster.clients[2].pen.type_at(0, "offline ");
    for who in [0, 1, 0, 1, 0] {
        cluster.write(who, |pen| pen.type_at(0, "x"));
        cluster.quiesce();
    }
    assert!(cluster.snapshot.is_some());
    for at in 0..2 {
        cluster.crash(at);
    }
    cluster.join(2, 0);
    cluster.quiesce();
    let changes: Vec<_> = cluster.log.iter().map(|it| &it.change).collect();
    let [.., online, offline] = changes[..] else {
        panic!("all is stored");
    };
    assert_eq!(offline.context.heads().collect::<Vec<_>>(), [founded]);
    assert_eq!(online.context.count(), 5, "it was written after the others");
}

#[test]
fn a_change_that_cannot_be_shown_is_kept_out_and_the_rest_goes_on() {
    let limits = Limits {
        snapshot_changes: 5,
        snapshot_bytes: 1,
        ..Limits::default()
    };
    let mut cluster = founded(2, 3, limits);
    cluster.write(0, |pen| pen.type_at(0, "good "));
    cluster.quiesce();
    let poison = Pen::new(7).edit(|doc| {
        doc.put(ROOT, "poison", "[[panic]]").unwrap();
    });
    cluster.push(1, poison);
    for _ in 0..8 {
        cluster.write(0, |pen| pen.type_at(0, "x"));
        cluster.quiesce();
    }
    assert_eq!(cluster.quarantined.len(), 1);
    for at in 0..2 {
        // A node that never looked does so now.
        let document = &cluster.nodes[at].document;
        let failed = document.content().text(None).is_err();
        assert_eq!(failed, document.content().is_broken());
        cluster.join(2, at);
        cluster.quiesce();
        assert_eq!(cluster.nodes[at].document.phase(), Phase::Open);
        let shown = json(&cluster, at);
        let text = shown["text"].as_str().unwrap();
        assert!(text.starts_with('x') && text.ends_with("good ") && shown.get("poison").is_none());
        assert!(cluster.nodes[at].document.is_read_only());
    }
}

#[test]
fn who_asks_for_what_nobody_has_is_told_all_there_is() {
    let mut cluster = founded(1, 2, Limits::default());
    cluster.write(0, |pen| pen.type_at(0, "text"));
    cluster.quiesce();
    cluster.clients[1].pen = Pen::new(9);
    let have = Bytes::from_static(&[7; 32]);
    cluster.say(1, Intent::Pull { have });
    cluster.quiesce();
    assert_eq!(cluster.clients[1].pen.text(), "text");
}
