//! 38 to 61: updates and state vectors that lie about their size, break the format, or are right and too much.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use quire_tests::chance::Chance;
use quire_tests::client::Client;
use quire_tests::editor::Editor;
use quire_tests::frames;
use quire_tests::http;
use quire_tests::recipes::{self, Writer};
use quire_tests::socket::Heard;
use tokio_tungstenite::tungstenite::Message;

use super::row::{BAD_FRAME, BAD_UPDATE, CameBack, Deed, Row, Wanted};
use super::yard::{SECRET, end_of};

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = not_of_the_dialect();
    rows.extend(counts());
    rows.extend(values());
    rows.extend(clocks());
    rows.extend(structure());
    rows.extend(much());
    rows
}

/// 38 and 39, and what is no message at all.
fn not_of_the_dialect() -> Vec<Row> {
    let secret = SECRET.as_bytes();
    let frame = |bytes: &[u8]| Message::Binary(Bytes::copy_from_slice(bytes));
    let endless = vec![
        frame(&[0xff; 64]),
        frame(&[&[0, 2][..], &[0x80; 64]].concat()),
    ];
    let beyond = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    let overflow = vec![frame(&beyond), frame(&[&[0, 2][..], &beyond].concat())];
    let strange = vec![
        frame(&[&[77][..], secret].concat()),
        frame(&[0, 9]),
        frame(&[&[0, 2, 100][..], secret].concat()),
        frame(&[&frames::have(&[0])[..], secret].concat()),
        frame(&[3; 1_025]),
        Message::Binary(frames::have(secret)),
    ];
    let half = Editor::new(9).append(SECRET);
    let none = [secret, &[], &half[..half.len() / 2], &[0xff; 12]];
    let none = none.map(|update| Message::Binary(frames::update(update)));
    vec![
        Row::new(
            38,
            "a number that never ends",
            Deed::Each(endless),
            BAD_FRAME,
        ),
        Row::bad_update(38, "such a number in an update", &[0xff; 64]),
        Row::new(39, "a number beyond 2^64", Deed::Each(overflow), BAD_FRAME),
        Row::bad_update(39, "such a number in an update", &beyond),
        Row::new(
            38,
            "six frames that are none of the dialect",
            Deed::Each(strange),
            BAD_FRAME,
        ),
        Row::new(
            38,
            "four updates that are none",
            Deed::Each(none.into()),
            BAD_UPDATE,
        ),
    ]
}

/// 40, 42, 43, 55: counts that nothing follows. `with_capacity` believed them (5.1, C).
fn counts() -> Vec<Row> {
    let many = u64::from(u32::MAX);
    let number = |number| Writer::new().number(number);
    let hundred_million: &[u8] = &[0x80, 0xc2, 0xd7, 0x2f];
    let have = |bytes: &[u8]| Message::Binary(frames::have(bytes));
    let vectors = vec![
        have(&number(many).done()),
        have(hundred_million),
        have(&number(1 << 52).done()),
    ];
    let overlapping = recipes::deletions(9, &[(0, 5), (2, 5), (0, 5)]);
    vec![
        Row::new(
            40,
            "state vectors of 2^32-1, 10^8, 2^52 entries",
            Deed::Each(vectors),
            BAD_FRAME,
        ),
        Row::bad_update(
            42,
            "2^32-1 clients",
            &number(many).number(1).number(1).number(0).done(),
        ),
        Row::bad_update(42, "10^8 clients in four bytes", hundred_million),
        Row::bad_update(
            42,
            "2^32-1 items",
            &number(1).number(many).number(7).number(0).done(),
        ),
        Row::bad_update(
            43,
            "2^32-1 deleted ranges",
            &number(0).number(1).number(7).number(many).done(),
        ),
        Row::bad_update(
            43,
            "a deleted range beyond 2^32",
            &recipes::deletions(7, &[(1 << 31, 1 << 31)]),
        ),
        Row::bad_update(
            43,
            "a deleted range that overflows",
            &recipes::deletions(7, &[(5, u64::MAX - 2)]),
        ),
        sequence(
            43,
            "deleted ranges that overlap, of nobody",
            &[overlapping],
            Wanted::Either(&[Wanted::Served, BAD_UPDATE]),
        ),
        Row::bad_update(
            55,
            "the second encoding, with 10^8 items",
            &recipes::SECOND_ENCODING,
        ),
        Row::later(55, "such a bomb in an import", "there are no imports"),
    ]
}

/// 44 to 46: values and texts.
fn values() -> Vec<Row> {
    let deep = |depth, opening: &[u8]| {
        let value = recipes::nested_value(depth, opening);
        Message::Binary(frames::update(&recipes::items(
            7,
            0,
            &[recipes::at_root("t", recipes::ANY, &value)],
        )))
    };
    let arrays = [129, 10_000, 30_000, 1_000_000].map(|depth| deep(depth, &recipes::OPEN_ARRAY));
    let objects = [129, 10_000, 1_000_000].map(|depth| deep(depth, &recipes::OPEN_OBJECT));
    let json = recipes::nested_json(129);
    let json = Writer::new().bytes(json.as_bytes()).done();
    let in_item = |kind, content: Bytes| {
        Message::Binary(frames::update(&recipes::items(
            7,
            0,
            &[recipes::at_root("t", kind, &content)],
        )))
    };
    let texts = vec![
        in_item(recipes::JSON, Writer::new().number(1).raw(&json).done()),
        in_item(recipes::EMBED, json.clone()),
        in_item(
            recipes::FORMAT,
            Writer::new().bytes(b"bold").raw(&json).done(),
        ),
    ];
    vec![
        Row::new(
            44,
            "arrays nested 129 to 1,000,000 deep",
            Deed::Each(arrays.into()),
            BAD_UPDATE,
        ),
        Row::new(
            44,
            "objects nested 129 to 1,000,000 deep",
            Deed::Each(objects.into()),
            BAD_UPDATE,
        ),
        Row::new(
            45,
            "JSON, embeds and formats nested 129 deep",
            Deed::Each(texts),
            BAD_UPDATE,
        ),
        Row::new(
            46,
            "text, keys and names that are not UTF-8",
            Deed::Each(not_utf8()),
            BAD_UPDATE,
        ),
    ]
}

/// The first of these ended a process by a wild pointer (yrs 0.27.4).
fn not_utf8() -> Vec<Message> {
    let bad: [&[u8]; 4] = [
        &[0xff, 0xfe, 0xc0],
        &[0xc3],
        &[0xed, 0xa0, 0x80],
        &[0xf8, 0x88, 0x80, 0x80, 0x80],
    ];
    let items = bad.into_iter().flat_map(|bad| {
        let value = Writer::new()
            .number(1)
            .raw(&[118, 1])
            .bytes(bad)
            .raw(&[126])
            .done();
        let root = Writer::new()
            .raw(&[recipes::STRING, 1])
            .bytes(bad)
            .bytes(b"x")
            .done();
        let key = Writer::new()
            .raw(&[recipes::STRING | 0x20, 1])
            .bytes(b"map")
            .bytes(bad)
            .bytes(b"x")
            .done();
        [
            recipes::at_root("t", recipes::STRING, &recipes::text(bad)),
            recipes::at_root("t", recipes::ANY, &value),
            root,
            key,
        ]
    });
    items
        .map(|item| Message::Binary(frames::update(&recipes::items(7, 0, &[item]))))
        .collect()
}

/// 47 to 49: ids and clocks.
fn clocks() -> Vec<Row> {
    let letter = recipes::at_root("text", recipes::STRING, &recipes::text(b"x"));
    let far = u64::from(u32::MAX);
    let claim = |length| recipes::items(7, 0, &[recipes::collected(length)]);
    let skip = |length| recipes::items(7, 0, &[Writer::new().raw(&[10]).number(length).done()]);
    let by = |client| recipes::items(client, 0, std::slice::from_ref(&letter));
    vec![
        Row::bad_update(47, "client 2^53", &by(1 << 53)),
        Row::bad_update(47, "client 2^64-1", &by(u64::MAX)),
        sequence(47, "client 0", &[by(0)], Wanted::Served),
        Row::bad_update(48, "2^32-1 collected items of a victim", &claim(far)),
        Row::bad_update(48, "2^32-1 skipped items of a victim", &skip(far)),
        Row::bad_update(
            48,
            "2^31-1 collected items of a victim",
            &claim((1 << 31) - 1),
        ),
        Row::own(
            48,
            "a thousand collected items of a victim who is here",
            Wanted::Closed(1013, "foreign_writer"),
            silence,
        ),
        Row::bad_update(
            49,
            "a clock of 2^32-1",
            &recipes::items(7, far, std::slice::from_ref(&letter)),
        ),
        Row::bad_update(
            49,
            "a clock that passes 2^31 within",
            &recipes::items(7, (1 << 31) - 1, &[recipes::collected(2)]),
        ),
    ]
}

/// Somebody writes; another claims what he will write next. He must go on being heard.
async fn silence(address: SocketAddr) -> Result<CameBack> {
    let mut victim = Client::join(address, "silence", 31).await?;
    let first = victim.editor.append("still ");
    victim.save(first).await?;
    let mut attacker = Client::join(address, "silence", 9).await?.socket;
    let claim = recipes::items(31, 6, &[recipes::collected(1_000)]);
    attacker.send(frames::update(&claim)).await?;
    let came = end_of(attacker).await?;
    let second = victim.editor.append("heard");
    victim.save(second).await?;
    let newcomer = Client::join(address, "silence", 32).await?;
    ensure!(newcomer.editor.text() == "still heard", "he was silenced");
    Ok(came)
}

/// 50, 51, 56, 59, 60: items that point where nothing is, at themselves, or at each other.
fn structure() -> Vec<Row> {
    let x = recipes::text(b"x");
    let unknown = (11..=31).map(|kind| recipes::items(7, 0, &[recipes::at_root("t", kind, &x)]));
    let types = [7, 8, 100, 255].map(|kind| {
        recipes::items(
            7,
            0,
            &[recipes::at_root(
                "t",
                recipes::TYPE,
                &Writer::new().number(kind).done(),
            )],
        )
    });
    let unknown = unknown
        .chain(types)
        .map(|update| Message::Binary(frames::update(&update)));
    let string = recipes::STRING;
    let own = |several: &[Bytes]| [recipes::items(7, 0, several)];
    let root = recipes::at_root("text", string, &x);
    let any = Wanted::Either(&[Wanted::Served, BAD_UPDATE, Wanted::ClosedBeneath(1013)]);
    let lone = |text: &[u8]| recipes::at_root("text", string, &recipes::text(text));
    let forked = [
        recipes::items(7, 0, &[lone(b"one")]),
        recipes::items(7, 0, &[lone(b"two")]),
    ];
    let format = |n: u64| {
        let mark = Writer::new().bytes(b"bold").bytes(b"true").done();
        if n == 0 {
            recipes::at_root("text", recipes::FORMAT, &mark)
        } else {
            recipes::behind((7, n - 1), recipes::FORMAT, &mark)
        }
    };
    let formats: Vec<_> = (0..100_000).map(format).collect();
    let pair = recipes::items(7, 0, &[lone("\u{1f600}".as_bytes())]);
    let split = recipes::items(8, 0, &[recipes::behind((7, 0), string, &x)]);
    vec![
        Row::new(
            50,
            "contents 11 to 31, types 7 to 255",
            Deed::Each(unknown.collect()),
            BAD_UPDATE,
        ),
        sequence(
            51,
            "an item behind itself",
            &own(&[recipes::behind((7, 0), string, &x)]),
            any,
        ),
        sequence(
            51,
            "an item before itself",
            &own(&[recipes::before((7, 0), string, &x)]),
            any,
        ),
        sequence(
            51,
            "an item within itself",
            &own(&[recipes::within((7, 0), recipes::TYPE, &[0])]),
            any,
        ),
        sequence(
            51,
            "two items, each behind the other",
            &own(&[
                recipes::behind((7, 1), string, &x),
                recipes::behind((7, 0), string, &x),
            ]),
            any,
        ),
        sequence(
            51,
            "two clients, each waiting for the other",
            &[
                recipes::items(7, 0, &[recipes::behind((8, 0), string, &x)]),
                recipes::items(8, 0, &[recipes::behind((7, 0), string, &x)]),
            ],
            any,
        ),
        sequence(
            51,
            "an item within a text",
            &own(&[root, recipes::within((7, 0), string, &x)]),
            any,
        ),
        sequence(
            51,
            "an item within a deleted type",
            &[
                recipes::items(7, 0, &[recipes::at_root("a", recipes::TYPE, &[0])]),
                recipes::deletions(7, &[(0, 1)]),
                recipes::items(7, 1, &[recipes::within((7, 0), string, &x)]),
            ],
            any,
        ),
        sequence(
            51,
            "an item within one that is missing",
            &own(&[recipes::within((99, 5), string, &x)]),
            any,
        ),
        sequence(56, "one id, two contents", &forked, Wanted::Served),
        Row::later(56, "the same to two nodes", "one node serves a data folder"),
        sequence(
            59,
            "100,000 subdocuments of one guid",
            &[subdocuments(100_000)],
            any,
        )
        .may_take(400, Duration::from_secs(5)),
        sequence(
            60,
            "an item between two halves of a character",
            &[pair.clone(), split],
            any,
        ),
        sequence(
            60,
            "half a character deleted",
            &[pair, recipes::deletions(7, &[(1, 1)])],
            any,
        ),
        sequence(
            60,
            "100,000 formats that never end",
            &[recipes::items(7, 0, &formats)],
            any,
        )
        .may_take(400, Duration::from_secs(8)),
    ]
}

fn subdocuments(count: usize) -> Bytes {
    let content = Writer::new().bytes(b"the-same-guid").raw(&[118, 0]).done();
    let first = recipes::at_root("docs", recipes::SUBDOCUMENT, &content);
    let next = |n: u64| recipes::behind((7, n), recipes::SUBDOCUMENT, &content);
    let all: Vec<_> = std::iter::once(first)
        .chain((0..count as u64 - 1).map(next))
        .collect();
    recipes::items(7, 0, &all)
}

/// 52 to 54, 57, 58, 61: right, and too much.
fn much() -> Vec<Row> {
    let gaps: Vec<_> = (0..10_000)
        .map(|n| {
            recipes::items(
                100_000 + n,
                1,
                &[recipes::behind(
                    (100_000 + n, 0),
                    recipes::STRING,
                    &recipes::text(b"x"),
                )],
            )
        })
        .collect();
    let waits = Wanted::Either(&[Wanted::Served, Wanted::ClosedBeneath(1013)]);
    let refused = Wanted::Either(&[Wanted::Served, BAD_UPDATE, Wanted::ClosedBeneath(4419)]);
    vec![
        sequence(
            52,
            "20,000 new clients at one place, ascending",
            &[recipes::crowd(20_000)],
            refused,
        )
        .may_take(300, Duration::from_secs(10)),
        sequence(53, "10,000 edits that wait for ever", &gaps, waits)
            .may_take(200, Duration::from_secs(10)),
        Row::own(
            54,
            "200,000 types within each other, in pieces",
            Wanted::Either(&[Wanted::Served, Wanted::Closed(4422, "bad_update")]),
            nest,
        )
        .may_take(700, Duration::from_secs(15)),
        Row::own(
            57,
            "a megabyte of step 2, a hundred times",
            waits,
            repeat_everything,
        )
        .may_take(300, Duration::from_secs(10)),
        Row::own(
            58,
            "a thousand step 1 on a document of 5 MB, nothing read",
            Wanted::Served,
            ask_for_much,
        )
        .may_take(400, Duration::from_secs(10)),
        Row::own(
            61,
            "2,000 mutants of right updates",
            Wanted::Served,
            mutants,
        )
        .may_take(300, Duration::from_secs(20)),
    ]
}

/// Sends a chain of nested types, deletes its root, and has the API render what there is.
async fn nest(address: SocketAddr) -> Result<CameBack> {
    let mut sender = Client::join(address, "nest", 9).await?.socket;
    for piece in 0..20 {
        let clocks = piece * 10_000..(piece + 1) * 10_000;
        let _ = sender
            .send(frames::update(&recipes::nested_types(7, clocks)))
            .await;
    }
    let _ = sender
        .send(frames::update(&recipes::deletions(7, &[(0, 1)])))
        .await;
    let came = end_of(sender).await?;
    for format in ["json", "text", "binary"] {
        let path = format!("/api/v1/workspaces/default/documents/nest/content?format={format}");
        let status = http::get(address, &path).await?.status;
        ensure!(
            matches!(status, 200 | 404),
            "rendering {format} is answered {status}"
        );
    }
    Ok(came)
}

async fn repeat_everything(address: SocketAddr) -> Result<CameBack> {
    let mut client = Client::join(address, "repeat", 9).await?;
    let update = client.editor.append(&"m".repeat(1 << 20));
    client.save(update).await?;
    let everything = frames::missing(&client.editor.missing_from(&[0])?);
    for _ in 0..100 {
        // What waits for the store may become too much, and then it is closed.
        let _ = client.socket.send(everything.clone()).await;
    }
    let came = end_of(client.socket).await?;
    let changes = http::get(
        address,
        "/api/v1/workspaces/default/documents/repeat/changes",
    )
    .await?
    .json()?;
    let stored = changes["items"].as_array().map_or(0, Vec::len);
    ensure!(stored == 1, "what is no news is stored {stored} times");
    Ok(came)
}

async fn ask_for_much(address: SocketAddr) -> Result<CameBack> {
    let mut client = Client::join(address, "much", 9).await?;
    let update = client.editor.append(&"m".repeat(5 << 20));
    client.save(update).await?;
    for _ in 0..1_000 {
        client.socket.send(frames::have(&[0])).await?;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    end_of(client.socket).await
}

/// Updates of several clients with a few bytes changed, most of them refused; then everything is read in every way.
async fn mutants(address: SocketAddr) -> Result<CameBack> {
    let mut chance = Chance::of_test("mutants");
    let seeds: Vec<_> = (0..6).map(seed_update).collect();
    let mut client = Client::join(address, "mutants", 9).await?;
    for _ in 0..2_000 {
        let mut update = seeds[chance.below(6) as usize].to_vec();
        for _ in 0..=chance.below(3) {
            let at = chance.below(update.len() as u64) as usize;
            update[at] = chance.below(256) as u8;
        }
        let mut over = client.socket.send(frames::update(&update)).await.is_err();
        while let Some(heard) = client.socket.try_next() {
            over |= matches!(heard, Heard::Closed(..) | Heard::Gone);
            if over {
                break;
            }
        }
        if over {
            client = Client::open(address, "mutants", Editor::new(9)).await?;
        }
    }
    drop(client);
    for format in ["json", "text", "binary"] {
        let path = format!("/api/v1/workspaces/default/documents/mutants/content?format={format}");
        let status = http::get(address, &path).await?.status;
        ensure!(
            matches!(status, 200 | 404),
            "rendering {format} is answered {status}"
        );
    }
    end_of(
        Client::open(address, "mutants", Editor::new(9))
            .await?
            .socket,
    )
    .await
}

/// All that a client typed and erased in a few steps, as one update.
fn seed_update(client: u64) -> Bytes {
    let editor = Editor::new(client + 1);
    editor.append("some words");
    editor.set("key", "value");
    editor.replace(2, 4, "\u{1f600}");
    editor.missing_from(&[0]).unwrap_or_default()
}

fn sequence(number: u8, name: &str, updates: &[Bytes], wanted: Wanted) -> Row {
    let frames = updates
        .iter()
        .map(|update| frames::update(update))
        .collect();
    Row::new(number, name, Deed::Sequence(frames), wanted)
}
