//! 84 to 91: the API, and what surrounds the server. Most of it belongs to parts that do not exist yet.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use quire_tests::client::Client;
use quire_tests::http;
use quire_tests::server::Launch;
use tempfile::TempDir;

use super::row::{CameBack, Row, Wanted};
use super::yard::{WARD, request};

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = places();
    rows.extend(lists());
    rows.extend(bodies());
    rows.extend(starts());
    rows.extend([
        Row::later(
            84,
            "vector clocks that are unsorted, doubled, from the future",
            "no dialect carries them",
        ),
        Row::later(
            85,
            "forged messages of the bus, unknown replicas, reused dots",
            "there is no bus",
        ),
        Row::later(
            86,
            "history at a clock that was pruned",
            "nothing is pruned",
        ),
        Row::later(
            87,
            "formulas in exported tables",
            "nothing is exported as a table",
        ),
        Row::later(
            88,
            "archives: paths that climb, bombs, wrong kinds, fields of 4 GiB",
            "there are no imports",
        ),
        Row::later(
            89,
            "webhook addresses: file, gopher, private networks, redirects",
            "there are no webhooks",
        ),
        Row::later(91, "a key file that all may read", "there are no keys"),
        Row::own(
            90,
            "a thousand document names make no metric labels",
            Wanted::Served,
            labels,
        )
        .may_take(64, Duration::from_secs(10)),
    ]);
    rows
}

/// 86: places in a timeline that are none.
fn places() -> Vec<Row> {
    let content = |query: &str| format!("{DOCUMENTS}/{WARD}/content?{query}");
    let place = |query: &str, statuses, code| {
        asks(86, query, content(query), Wanted::Answer(statuses, code))
    };
    vec![
        place("at=18446744073709551616", &[400], "invalid_place"),
        place("at=9223372036854775808", &[200, 400, 404], ""),
        place("at=-1", &[400], "invalid_place"),
        place("at=1.0", &[400, 404], ""),
        place("at=4294967296.1", &[400, 404], ""),
        place("at=9999-99-99T00:00:00Z", &[400], "invalid_place"),
        place("at=1&index=1", &[400], "invalid_place"),
        place("index=18446744073709551615", &[400, 404], ""),
        place("index=1e9", &[400], "invalid_index"),
        place("format=exe", &[400], "invalid_format"),
    ]
}

/// 84 and 87: pages, filters and cursors.
fn lists() -> Vec<Row> {
    let list =
        |number, query: &str, wanted| asks(number, query, format!("{DOCUMENTS}?{query}"), wanted);
    let changes = |query: &str| {
        asks(
            84,
            query,
            format!("{DOCUMENTS}/{WARD}/changes?{query}"),
            Wanted::Answer(&[400], ""),
        )
    };
    let listed = Wanted::Answer(&[200], "");
    let limit = Wanted::Answer(&[400], "invalid_limit");
    vec![
        list(87, "limit=1000000000", limit),
        list(87, "limit=-1", limit),
        list(87, "limit=99999999999999999999999", limit),
        list(87, "prefix=%27%20OR%201=1;--", listed),
        list(87, "prefix=%25%25%25%25%25%25%25%25", listed),
        list(87, "prefix=%00", listed),
        list(87, "prefix=%ff", Wanted::Answer(&[200, 400], "")),
        list(84, "cursor=AAAA", Wanted::Answer(&[400], "invalid_cursor")),
        list(
            84,
            "cursor=%27;select",
            Wanted::Answer(&[400], "invalid_cursor"),
        ),
        changes("cursor=AAAA"),
        changes("cursor=99999999999999999999"),
        changes("direction=sideways"),
    ]
}

/// 87: bodies of requests.
fn bodies() -> Vec<Row> {
    let post = |name: &'static str, body: String, wanted| {
        Row::own(87, name, wanted, move |address| async move {
            request(address, "POST", DOCUMENTS, &body).await
        })
    };
    let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    vec![
        post(
            "JSON nested 8,000 deep",
            deep(8_000),
            Wanted::Answer(&[400, 422], ""),
        ),
        post(
            "JSON nested 20,000 deep",
            deep(20_000),
            Wanted::Answer(&[413], "body_too_large"),
        ),
        post(
            "one key twice",
            r#"{"name":"a","name":"b","kind":"yjs"}"#.to_owned(),
            Wanted::Answer(&[400, 422], ""),
        ),
        post(
            "a body of 100 KB",
            format!("{{\"name\":\"{}\"}}", "n".repeat(100_000)),
            Wanted::Answer(&[413], "body_too_large"),
        ),
        post(
            "a kind that is none",
            r#"{"name":"a","kind":"exe"}"#.to_owned(),
            Wanted::Answer(&[422], "unknown_kind"),
        ),
    ]
}

/// 91: a second server on the data of the first would reuse its dots; a setting that is none is not guessed.
fn starts() -> Vec<Row> {
    vec![
        Row::own(91, "two servers on one folder", Wanted::Gone, |_| async {
            let folder = TempDir::new()?;
            let _first = Launch::new(folder.path())?.start().await?;
            ends(Launch::new(folder.path())?, 1).await
        }),
        Row::own(91, "a setting that there is not", Wanted::Gone, |_| async {
            let folder = TempDir::new()?;
            ends(
                Launch::new(folder.path())?.variable("QUIRE_LIMITS__MESAGE_BYTES", "1"),
                2,
            )
            .await
        }),
        Row::own(91, "a limit that is none", Wanted::Gone, |_| async {
            let folder = TempDir::new()?;
            ends(
                Launch::new(folder.path())?.variable("QUIRE_LIMITS__MAILBOX", "0"),
                2,
            )
            .await
        }),
        Row::later(
            91,
            "SQLite with synchronous=NORMAL",
            "it is set and read back by the server; storage tests refuse others",
        ),
    ]
}

async fn ends(launch: Launch, code: i32) -> Result<CameBack> {
    let status = launch.spawn()?.ended().await?;
    ensure!(status.code() == Some(code), "the start ended with {status}");
    Ok(CameBack::Gone)
}

async fn labels(address: SocketAddr) -> Result<CameBack> {
    let lines = async || {
        anyhow::Ok(
            http::get(address, "/metrics")
                .await?
                .text()?
                .lines()
                .count(),
        )
    };
    let before = lines().await?;
    for number in 0..1_000 {
        Client::join(address, &format!("label-{number}"), 9).await?;
    }
    let page = http::get(address, "/metrics").await?.text()?;
    ensure!(!page.contains("label-"), "a metric names a document");
    let more = lines().await?.saturating_sub(before);
    ensure!(more < 20, "{more} more lines for a thousand documents");
    Ok(CameBack::Served)
}

fn asks(number: u8, name: &str, path: String, wanted: Wanted) -> Row {
    Row::own(
        number,
        &format!("GET …{name}"),
        wanted,
        move |address| async move { request(address, "GET", &path, "").await },
    )
}

const DOCUMENTS: &str = "/api/v1/workspaces/default/documents";
