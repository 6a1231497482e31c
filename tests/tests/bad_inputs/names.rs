//! 37, names: what is no name is refused and makes no document; every other name is opaque, and no two are the same.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use quire_tests::client::Client;
use quire_tests::http;
use quire_tests::wait::within;

use super::row::{BAD_NAME, CameBack, Deed, Row, Wanted};
use super::yard::{INJECTED, request};

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = refused();
    rows.extend(opaque());
    rows.extend(in_requests());
    rows.push(Row::later(
        37,
        "64 documents on one connection, and one more",
        "a y-websocket connection has one",
    ));
    rows
}

fn refused() -> Vec<Row> {
    let long = |length| format!("/{}", "n".repeat(length));
    let forged = format!(
        "/x%0a{}%7d",
        INJECTED.replace('{', "%7b").replace('"', "%22")
    );
    let cases = [
        ("no name", "/yjs/team/".to_owned()),
        ("a workspace alone", "/yjs/team".to_owned()),
        ("a name of 513 bytes", long(513)),
        ("a name of 8,000 bytes", long(8_000)),
        ("NUL in a name", "/a%00b".to_owned()),
        ("a control character in a name", "/a%07b".to_owned()),
        ("a delete in a name", "/a%7Fb".to_owned()),
        ("a newline and a forged line of the log", forged),
        ("an ANSI escape", "/%1b%5b31mred%1b%5b0m".to_owned()),
        ("a C1 control character", "/%c2%9b31m".to_owned()),
        ("a bad percent", "/100%".to_owned()),
        ("a percent that is no number", "/%zz".to_owned()),
        ("bytes that are not UTF-8", "/%ff%fe".to_owned()),
        ("a surrogate as UTF-8", "/%ed%a0%80".to_owned()),
        ("a dialect that is not served", "/quire/team/doc".to_owned()),
    ];
    cases
        .map(|(what, path)| Row::new(37, what, Deed::Open(path), BAD_NAME))
        .into()
}

/// Pairs of addresses that a careless server takes for the same document, or for a file.
fn opaque() -> Vec<Row> {
    let pairs = [
        ("a path out of the folder", "/..%2f..%2fx", "/x"),
        ("encoded dots", "/%2e%2e", "/%2e"),
        ("a:b and c, a and b:c", "/yjs/a:b/c", "/yjs/a/b:c"),
        ("a/b and c, a and b/c", "/yjs/a%2fb/c", "/yjs/a/b/c"),
        ("a star", "/*", "/anything"),
        ("an open bracket", "/%5b", "/%5b%5d"),
        ("percent and underscore", "/%25", "/_"),
        ("a homoglyph", "/p%d0%b0ypal", "/paypal"),
        ("text from right to left", "/%e2%80%aecod", "/doc"),
        ("composed and decomposed", "/caf%c3%a9", "/cafe%cc%81"),
        ("upper and lower case", "/Case", "/case"),
        ("__proto__ and constructor", "/__proto__", "/constructor"),
        (
            "a quote and a semicolon",
            "/%27;drop%20table%20documents;--",
            "/%27",
        ),
        ("a space at the end", "/end%20", "/end"),
    ];
    pairs
        .map(|(name, left, right)| {
            Row::own(37, name, Wanted::Served, move |address| {
                are_two(address, left, right)
            })
        })
        .into()
}

/// What is written at one address is not read at the other.
async fn are_two(address: SocketAddr, left: &'static str, right: &'static str) -> Result<CameBack> {
    for path in [left, right] {
        let mut client = Client::join(address, &path[1..], 9).await?;
        let update = client.editor.append(path);
        client.save(update).await?;
        client.socket.close().await?;
    }
    for path in [left, right] {
        let reader = Client::join(address, &path[1..], 10).await?;
        let text = reader.editor.text();
        ensure!(text == path, "{path} reads {text:?}");
        let (workspace, document) = place_of(path);
        let path = format!("/api/v1/workspaces/{workspace}/documents/{document}/content");
        let answer = http::get(address, &path).await?;
        ensure!(answer.text()? == text, "the API reads otherwise at {path}");
    }
    Ok(CameBack::Served)
}

/// The segments of the API that name what a socket's path names.
fn place_of(path: &str) -> (String, String) {
    let (workspace, document) = match path
        .strip_prefix("/yjs/")
        .and_then(|rest| rest.split_once('/'))
    {
        Some((workspace, document)) => (workspace, document),
        None => ("default", &path[1..]),
    };
    (workspace.to_owned(), document.replace('/', "%2F"))
}

fn in_requests() -> Vec<Row> {
    let create = |name: &'static str, body: &'static str, statuses, code| {
        Row::own(
            37,
            name,
            Wanted::Answer(statuses, code),
            move |address| async move {
                request(
                    address,
                    "POST",
                    "/api/v1/workspaces/default/documents",
                    body,
                )
                .await
            },
        )
    };
    vec![
        create(
            "a lone surrogate in JSON",
            r#"{"name":"\ud800","kind":"yjs"}"#,
            &[400, 422],
            "",
        ),
        create(
            "NUL in JSON",
            r#"{"name":"a\u0000b","kind":"yjs"}"#,
            &[422],
            "invalid_name",
        ),
        create(
            "an empty name in JSON",
            r#"{"name":"","kind":"yjs"}"#,
            &[422],
            "invalid_name",
        ),
        create(
            "__proto__ as a key",
            r#"{"__proto__":{"name":"x"},"kind":"yjs"}"#,
            &[422],
            "invalid_body",
        ),
        long(
            "a name of 10 KB in JSON",
            10_000,
            Wanted::Answer(&[422], "invalid_name"),
        ),
        long(
            "a name of 50 KB in JSON",
            50_000,
            Wanted::Answer(&[413], "body_too_large"),
        ),
        Row::own(
            37,
            "refused names made no documents",
            Wanted::Served,
            no_strangers,
        ),
    ]
}

fn long(what: &'static str, length: usize, wanted: Wanted) -> Row {
    Row::own(37, what, wanted, move |address| async move {
        let body = format!(r#"{{"name":"{}","kind":"yjs"}}"#, "n".repeat(length));
        request(
            address,
            "POST",
            "/api/v1/workspaces/default/documents",
            &body,
        )
        .await
    })
}

async fn no_strangers(address: SocketAddr) -> Result<CameBack> {
    let listing = http::get(address, "/api/v1/workspaces/default/documents?limit=1000");
    let page = within("the documents are listed", listing).await??.json()?;
    let items = page["items"].as_array().context("a page has items")?;
    for item in items {
        let name = item["name"].as_str().context("a document has a name")?;
        let fine = (1..=512).contains(&name.len()) && !name.contains(char::is_control);
        ensure!(fine, "there is a document {name:?}");
    }
    Ok(CameBack::Served)
}
