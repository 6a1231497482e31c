//! 41, 46 and 62: presence that lies about its size, speaks for others, or is no JSON.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use quire_tests::client::Client;
use quire_tests::frames::{self, Frame, Presence};
use quire_tests::recipes::{Writer, nested_json};
use quire_tests::socket::{Heard, Socket};
use tokio_tungstenite::tungstenite::Message;

use super::row::{BAD_FRAME, CameBack, Deed, Row, Wanted};
use super::yard::{SECRET, end_of};

pub(crate) fn rows() -> Vec<Row> {
    let body = |body: Bytes| Message::Binary(Writer::new().number(1).bytes(&body).done());
    let count = |count| body(Writer::new().number(count).done());
    let state = |state: &str| Message::Binary(frames::presence(&[shown(9, 1, state)]));
    let not_utf8 = body(
        Writer::new()
            .number(1)
            .number(1)
            .number(1)
            .bytes(&[0xff, 0xfe])
            .done(),
    );
    let crowd: Vec<_> = (0..70_000).map(|client| shown(client, 1, "{}")).collect();
    let not_json = ["", "{", "{'a':1}", "NaN", "{}{}", "\u{feff}{}", SECRET].map(state);
    let cut = vec![
        Message::Binary(Bytes::from_static(&[1, 1, 5])),
        Message::Binary(Bytes::from_static(&[1, 4, 1, 1, 1, 99])),
        Message::Binary(Bytes::from_static(&[1, 3, 0, 7, 7])),
    ];
    vec![
        Row::new(
            41,
            "10^8, 2^32-1, 2^60 entries",
            Deed::Each(vec![
                count(100_000_000),
                count(u32::MAX.into()),
                count(1 << 60),
            ]),
            BAD_FRAME,
        ),
        Row::new(
            41,
            "70,000 entries",
            Deed::Each(vec![Message::Binary(frames::presence(&crowd))]),
            BAD_FRAME,
        ),
        Row::new(
            41,
            "awareness that is cut off, or goes on",
            Deed::Each(cut),
            BAD_FRAME,
        ),
        Row::new(
            46,
            "a state that is not UTF-8",
            Deed::Each(vec![not_utf8]),
            BAD_FRAME,
        ),
        Row::new(
            62,
            "states that are no JSON",
            Deed::Each(not_json.into()),
            BAD_FRAME,
        ),
        Row::new(
            62,
            "a state nested 129 deep",
            Deed::Each(vec![state(&nested_json(129)), state(&nested_json(100_000))]),
            BAD_FRAME,
        ),
        Row::own(
            62,
            "1e999, one key twice, markup: passed on as they came",
            Wanted::Served,
            odd_states,
        ),
        Row::own(
            62,
            "another's state replaced, removed, frozen",
            Wanted::Served,
            spoof,
        ),
        Row::own(
            62,
            "a state of a megabyte is dropped",
            Wanted::Served,
            long_state,
        ),
        Row::own(
            62,
            "10,000 entries of one connection: 64 are shown",
            Wanted::Served,
            many_entries,
        ),
        Row::own(
            62,
            "a flood of goodbyes of strangers",
            Wanted::Served,
            goodbyes,
        ),
    ]
}

async fn odd_states(address: SocketAddr) -> Result<CameBack> {
    let mut reader = Client::join(address, "odd", 1).await?.socket;
    let mut odd = Client::join(address, "odd", 9).await?.socket;
    let states = [
        r#"{"n":1e999}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"user":{"name":"<img src=x onerror=alert(1)>","color":"red;}"}}"#,
    ];
    for (version, state) in (1..).zip(states) {
        odd.send(frames::presence(&[shown(9, version, state)]))
            .await?;
        sees(&mut reader, |entry| {
            entry.client == 9 && entry.state == state
        })
        .await?;
    }
    end_of(odd).await
}

/// The victim stays as it is, and can still move.
async fn spoof(address: SocketAddr) -> Result<CameBack> {
    let mut reader = Client::join(address, "spoof", 2).await?.socket;
    let mut victim = Client::join(address, "spoof", 1).await?.socket;
    victim
        .send(frames::presence(&[shown(1, 1, r#"{"who":"me"}"#)]))
        .await?;
    sees(&mut reader, |entry| entry.client == 1).await?;
    let mut attacker = Client::join(address, "spoof", 9).await?.socket;
    attacker
        .send(frames::presence(&[shown(9, 1, "{}")]))
        .await?;
    for (version, state) in [
        (2, r#"{"who":"not me"}"#),
        (3, "null"),
        (u32::MAX.into(), "{}"),
    ] {
        attacker
            .send(frames::presence(&[shown(1, version, state)]))
            .await?;
    }
    attacker
        .send(frames::presence(&[shown(9, 2, r#"{"done":1}"#)]))
        .await?;
    let entries = sees(&mut reader, |entry| entry.state == r#"{"done":1}"#).await?;
    let lies = entries.iter().find(|entry| entry.client == 1);
    ensure!(lies.is_none(), "the victim is shown as {lies:?}");
    victim
        .send(frames::presence(&[shown(1, 2, r#"{"who":"moved"}"#)]))
        .await?;
    sees(&mut reader, |entry| {
        entry.client == 1 && entry.state.contains("moved")
    })
    .await?;
    end_of(attacker).await
}

async fn long_state(address: SocketAddr) -> Result<CameBack> {
    let mut sender = Client::join(address, "long", 9).await?.socket;
    let state = format!("\"{}\"", "s".repeat(1 << 20));
    sender
        .send(frames::presence(&[shown(9, 1, &state)]))
        .await?;
    sender.send(frames::presence(&[shown(9, 2, "{}")])).await?;
    let mut reader = Client::join(address, "long", 1).await?.socket;
    reader.send(Bytes::from_static(&[3])).await?;
    sees(&mut reader, |entry| {
        entry.client == 9 && entry.state == "{}"
    })
    .await?;
    end_of(sender).await
}

async fn many_entries(address: SocketAddr) -> Result<CameBack> {
    let mut sender = Client::join(address, "many", 9).await?.socket;
    let entries: Vec<_> = (0..10_000).map(|client| shown(client, 1, "{}")).collect();
    sender.send(frames::presence(&entries)).await?;
    let came = end_of_kept(&mut sender).await?;
    let mut reader = Socket::connect(address, "/many").await?;
    let shown = sees(&mut reader, |_| true).await?.len();
    ensure!(shown <= 64, "{shown} entries of one connection are shown");
    Ok(came)
}

async fn goodbyes(address: SocketAddr) -> Result<CameBack> {
    let mut sender = Client::join(address, "goodbyes", 9).await?.socket;
    for round in 0..50 {
        let gone: Vec<_> = (0..10_000)
            .map(|n| shown(round * 10_000 + n, 1, "null"))
            .collect();
        sender.send(frames::presence(&gone)).await?;
    }
    end_of(sender).await
}

/// Waits for an entry, and returns all entries that came until then, the frame with it included.
async fn sees(reader: &mut Socket, wanted: impl Fn(&Presence) -> bool) -> Result<Vec<Presence>> {
    let mut seen = Vec::new();
    loop {
        let Heard::Frame(frame) = reader.next().await? else {
            continue;
        };
        if let Frame::Presence(entries) = Frame::read(&frame)? {
            let found = entries.iter().any(&wanted);
            seen.extend(entries);
            if found {
                return Ok(seen);
            }
        }
    }
}

/// Whether it is served on; the connection stays.
async fn end_of_kept(sender: &mut Socket) -> Result<CameBack> {
    sender.send(frames::have(&[0])).await?;
    loop {
        let heard = sender.next().await?;
        let Heard::Frame(frame) = heard else {
            return Err(anyhow::anyhow!("the connection ended: {heard:?}"));
        };
        if matches!(Frame::read(&frame).context("a frame")?, Frame::Missing(_)) {
            return Ok(CameBack::Served);
        }
    }
}

fn shown(client: u64, clock: u64, state: &str) -> Presence {
    Presence {
        client,
        clock,
        state: state.to_owned(),
    }
}
