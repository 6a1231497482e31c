//! 67 to 69, 72, and more of what clients may say than any would.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use automerge::transaction::Transactable;
use automerge::{AutoCommit, ObjType, ROOT};
use bytes::Bytes;
use protocol::automerge::{DocumentId, Message, Said, SessionId, SyncMessage};
use quire_tests::automerge::{Peer, changes_of, heads_of, id, news, nothing, offer, writer};
use quire_tests::chance::Chance;
use quire_tests::http;
use quire_tests::socket::Heard;
use tokio_tungstenite::tungstenite;

use super::super::row::{CameBack, Row, Wanted};
use super::super::yard::{ATTACKER, automerge_ward, end_of_peer};
use super::chunks::{CHANGE, chunk};

pub(super) fn rows() -> Vec<Row> {
    let long = Duration::from_secs(20);
    vec![
        Row::own(
            67,
            "mutants of changes, with the right checksum",
            Wanted::Served,
            mutants,
        )
        .may_take(96, long),
        Row::own(
            68,
            "one number for two changes of an actor",
            Wanted::Served,
            forked,
        ),
        Row::own(
            69,
            "2,000 changes, the newest first",
            Wanted::Served,
            newest_first,
        )
        .may_take(96, long),
        Row::own(
            69,
            "10,001 changes without what they build on",
            TOO_EARLY,
            orphans,
        )
        .may_take(96, long),
        Row::own(72, "what was shown, shown again", Wanted::Served, replayed),
        Row::own(
            72,
            "a flood of doc-unavailable",
            Wanted::Served,
            unavailable,
        )
        .may_take(96, long),
        Row::own(
            72,
            "3,000 documents that nobody has",
            Wanted::Served,
            strangers,
        )
        .may_take(96, long),
        Row::own(
            72,
            "a flood of requests, answers never read",
            SERVED_OR_GONE,
            requests,
        )
        .may_take(128, long),
        Row::own(
            68,
            "4,000 heads in one document",
            Wanted::Served,
            many_heads,
        )
        .may_take(128, long),
    ]
}

/// Changes of several actors with a few bytes changed and a checksum that is right, most of them refused. Then the document is read
/// in every way.
async fn mutants(address: SocketAddr) -> Result<CameBack> {
    let mut chance = Chance::of_test("automerge mutants");
    let changes = some_changes();
    let mut peer = Peer::join(address, ATTACKER).await?;
    for number in 0..MUTANTS {
        let document = id(100 + (number / MUTANTS_EACH) as u8);
        let good = &changes[chance.below(changes.len() as u64) as usize];
        let sent = offer(vec![changes[0].clone(), mutant(good, &mut chance)]);
        let mut over = peer
            .tell(&document, Said::Sync(sent.write()))
            .await
            .is_err();
        over |= (peer.request(&id(99)).await).is_err();
        while !over {
            match peer.socket.next().await? {
                Heard::Closed(..) | Heard::Gone => over = true,
                Heard::Frame(frame) if is_unavailable(&frame)? => break,
                _ => {}
            }
        }
        if over {
            peer = Peer::join(address, ATTACKER).await?;
        }
    }
    for number in 0..=MUTANTS / MUTANTS_EACH {
        for format in ["json", "text", "binary"] {
            let document = id(100 + number as u8);
            let path =
                format!("/api/v1/workspaces/default/documents/{document}/content?format={format}");
            let status = http::get(address, &path).await?.status;
            let is_answer = matches!(status, 200 | 404);
            ensure!(is_answer, "{format} of {document} is answered {status}");
        }
    }
    end_of_peer(Peer::join(address, ATTACKER).await?).await
}

fn is_unavailable(frame: &Bytes) -> Result<bool> {
    let message = protocol::automerge::decode(frame)?;
    Ok(matches!(
        message,
        Message::Document {
            said: Said::Unavailable,
            ..
        }
    ))
}

/// What two people do to a text and a map, one behind the other.
fn some_changes() -> Vec<Bytes> {
    let mut ann = writer(5);
    let text = ann.put_object(ROOT, "text", ObjType::Text).expect("a text");
    ann.splice_text(&text, 0, 0, "hello")
        .expect("it takes text");
    ann.commit();
    let mut bob = ann.fork().with_actor([6; 4][..].into());
    bob.splice_text(&text, 1, 3, "ipp").expect("it takes text");
    bob.put(ROOT, "n", 7).expect("it takes a number");
    bob.commit();
    ann.delete(ROOT, "text").expect("it is there");
    ann.commit();
    ann.merge(&mut bob).expect("it takes changes");
    ann.put(ROOT, "n", 8).expect("it takes a number");
    ann.commit();
    changes_of(&mut ann, &[])
}

fn mutant(good: &[u8], chance: &mut Chance) -> Bytes {
    let length = good[9..].iter().position(|byte| *byte < 0x80);
    let mut body = good[10 + length.unwrap_or_default()..].to_vec();
    for _ in 0..=chance.below(2) {
        let at = chance.below(body.len() as u64) as usize;
        match chance.below(3) {
            0 => body[at] = chance.below(256) as u8,
            1 => body.insert(at, chance.below(256) as u8),
            _ => drop(body.remove(at)),
        }
    }
    chunk(CHANGE, &body).into()
}

/// The second is refused, its client is told so, and the first stays.
async fn forked(address: SocketAddr) -> Result<CameBack> {
    let (document, mut first, mut second) = (id(1), writer(7), writer(7));
    set(&mut first, "key", 1);
    set(&mut second, "key", 2);
    let mut honest = Peer::join(address, "honest").await?;
    honest.save(&document, &mut first, &[]).await?;
    let mut forger = Peer::join(address, ATTACKER).await?;
    let sent = news(&mut second, &[]);
    forger.tell(&document, Said::Sync(sent.write())).await?;
    while !matches!(forger.hear().await?, Message::Error { .. }) {}
    let came = end_of_peer(forger).await?;
    let mut kept = honest.fetch(&document).await?;
    ensure!(
        heads_of(&mut kept) == heads_of(&mut first),
        "the first stays"
    );
    Ok(came)
}

/// They are no heads until the first of them comes, and then all are stored.
async fn newest_first(address: SocketAddr) -> Result<CameBack> {
    let document = id(2);
    let mut doc = chain(2_000);
    let mut changes = changes_of(&mut doc, &[]);
    let first = changes.remove(0);
    changes.reverse();
    let mut peer = Peer::join(address, ATTACKER).await?;
    let message = offer(changes);
    peer.tell(&document, Said::Sync(message.write())).await?;
    let nobody = peer.hear_sync(&document).await?;
    ensure!(nobody.heads.is_empty(), "what waits is no head");
    let last = SyncMessage {
        heads: heads_of(&mut doc),
        ..offer(vec![first])
    };
    peer.tell(&document, Said::Sync(last.write())).await?;
    while peer.hear_sync(&document).await?.heads != last.heads {}
    let mut other = Peer::join(address, "other").await?;
    let mut fetched = other.fetch(&document).await?;
    ensure!(heads_of(&mut fetched) == last.heads, "all of it is there");
    end_of_peer(peer).await
}

/// The last of them may not wait, so their sender is sent away from the document.
async fn orphans(address: SocketAddr) -> Result<CameBack> {
    let document = id(3);
    let changes = changes_of(&mut chain(10_002), &[]);
    let mut peer = Peer::join(address, ATTACKER).await?;
    let message = offer(changes[1..].to_vec());
    peer.tell(&document, Said::Sync(message.write())).await?;
    loop {
        match peer.socket.next().await? {
            Heard::Frame(frame) if is_unavailable(&frame)? => return Ok(CameBack::Served),
            Heard::Closed(code, _) => return Ok(CameBack::Closed(code)),
            _ => {}
        }
    }
}

/// Each is shown to the others once, and nothing that is older.
async fn replayed(address: SocketAddr) -> Result<CameBack> {
    let document = automerge_ward();
    let mut reader = Peer::join(address, "reader").await?;
    reader.fetch(&document).await?;
    let mut sender = Peer::join(address, ATTACKER).await?;
    sender.fetch(&document).await?;
    for count in [5, 5, 4, 5, 1, 6, 5, 7] {
        sender.tell(&document, shown(count)).await?;
    }
    let mut seen = Vec::new();
    while seen.last() != Some(&7) {
        if let Message::Document {
            said: Said::Ephemeral { count, .. },
            ..
        } = reader.hear().await?
        {
            seen.push(count);
        }
    }
    ensure!(seen == [5, 6, 7], "the others were shown {seen:?}");
    end_of_peer(sender).await
}

fn shown(count: u64) -> Said {
    Said::Ephemeral {
        session: SessionId("a run".into()),
        count,
        data: Bytes::from_static(&[0x61, b'x']),
    }
}

async fn unavailable(address: SocketAddr) -> Result<CameBack> {
    let mut peer = Peer::join(address, ATTACKER).await?;
    for number in 0..100_000_u32 {
        let document = id((number % 32) as u8);
        let frame = peer.frame(&document, Said::Unavailable);
        let message = tungstenite::Message::Binary(frame);
        peer.socket.feed(message).await?;
        while peer.socket.try_next().is_some() {}
    }
    end_of_peer(peer).await
}

/// More than one connection may have; each is told of as one that is not there.
async fn strangers(address: SocketAddr) -> Result<CameBack> {
    let mut peer = Peer::join(address, ATTACKER).await?;
    let mut told = 0;
    for number in 0..3_000_u32 {
        peer.request(&stranger(number)).await?;
        while let Some(heard) = peer.socket.try_next() {
            told += count_unavailable(heard)?;
        }
    }
    while told < 3_000 {
        told += count_unavailable(peer.socket.next().await?)?;
    }
    drop(peer);
    end_of_peer(Peer::join(address, ATTACKER).await?).await
}

fn count_unavailable(heard: Heard) -> Result<usize> {
    match heard {
        Heard::Frame(frame) => Ok(is_unavailable(&frame)?.into()),
        other => anyhow::bail!("it heard {other:?}"),
    }
}

fn stranger(number: u32) -> DocumentId {
    let bytes = [&[9; 12][..], &number.to_be_bytes()].concat();
    DocumentId::new(&bytes).expect("an id has up to 64 bytes")
}

async fn requests(address: SocketAddr) -> Result<CameBack> {
    let document = id(4);
    let mut doc = writer(8);
    doc.put(ROOT, "long", "x".repeat(1 << 18))
        .expect("it takes text");
    doc.commit();
    let mut peer = Peer::join(address, ATTACKER).await?;
    peer.save(&document, &mut doc, &[]).await?;
    let frame = peer.frame(&document, Said::Request(nothing().write()));
    for _ in 0..20_000 {
        let message = tungstenite::Message::Binary(frame.clone());
        if peer.socket.feed(message).await.is_err() {
            return Ok(CameBack::Gone);
        }
    }
    end_of_peer(peer).await
}

/// Many begin a document at once. Whoever names all of its heads, among many others, is answered as fast as others are.
async fn many_heads(address: SocketAddr) -> Result<CameBack> {
    let document = id(5);
    let mut changes = Vec::new();
    for actor in 0..4_000 {
        let mut doc = writer(1_000 + actor);
        set(&mut doc, "key", actor.into());
        changes.extend(changes_of(&mut doc, &[]));
    }
    let mut peer = Peer::join(address, ATTACKER).await?;
    let sent = offer(changes);
    peer.tell(&document, Said::Sync(sent.write())).await?;
    let mut heads = Vec::new();
    while heads.len() < 4_000 {
        heads = peer.hear_sync(&document).await?.heads;
    }
    let others = (0..60_000_u32).map(|number| {
        let mut hash = [3; 32];
        hash[..4].copy_from_slice(&number.to_be_bytes());
        protocol::automerge::ChangeHash(hash)
    });
    let all = SyncMessage {
        heads: others.chain(heads).collect(),
        ..nothing()
    };
    for _ in 0..50 {
        peer.tell(&document, Said::Sync(all.write())).await?;
    }
    end_of_peer(peer).await
}

/// A document of so many changes, each on the one before it.
fn chain(changes: i64) -> AutoCommit {
    let mut doc = writer(11);
    for number in 0..changes {
        set(&mut doc, "key", number);
    }
    doc
}

fn set(doc: &mut AutoCommit, key: &str, value: i64) {
    doc.put(ROOT, key, value).expect("it takes a number");
    doc.commit();
}

const TOO_EARLY: Wanted = Wanted::Closed(1013, "overloaded");
/// Who never reads may be closed when there is too much to tell.
const SERVED_OR_GONE: Wanted = Wanted::Either(&[Wanted::Served, Wanted::Gone, TOO_EARLY]);
const MUTANTS: usize = 600;
/// How many are sent to one document.
const MUTANTS_EACH: usize = 40;
