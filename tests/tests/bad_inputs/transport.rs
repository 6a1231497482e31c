//! 1 to 18, beneath the dialect: requests, upgrades, WebSocket frames, and clients that fall silent.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use quire_tests::wait::within;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use super::row::{BAD_FRAME, CameBack, Deed, Row, TOO_LARGE, Wanted};
use super::yard::{SECRET, WARD, read_answers};

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = requests();
    rows.extend(upgrades());
    rows.extend(frames());
    rows.extend(closes());
    rows.extend(compression());
    rows.extend(foreign());
    rows.extend(silence());
    rows
}

fn requests() -> Vec<Row> {
    let line = format!("X-Long: {}\r\n", "a".repeat(64 * 1024));
    let many: String = (0..10_000).map(|n| format!("X-{n}: 1\r\n")).collect();
    let some: String = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect();
    let path = format!("/{}", "n".repeat(1_000_000));
    let refused = Wanted::Answer(&[431], "");
    let too_long = Wanted::Either(&[Wanted::Answer(&[414, 431], ""), Wanted::Gone]);
    vec![
        asks(1, "a header line of 64 KiB", "/livez", &line, refused),
        asks(1, "a path of a megabyte", &path, "", too_long),
        asks(2, "ten thousand headers", "/livez", &many, too_long),
        asks(2, "two hundred headers", "/livez", &some, refused),
    ]
}

fn upgrades() -> Vec<Row> {
    let bad = |code| Wanted::Answer(&[400, 426], code);
    let upgrade = |key: &str, version: &str| {
        format!(
            "Upgrade: websocket\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: {version}\r\n"
        )
    };
    let connection = "Connection: Upgrade, close\r\n";
    let whole = upgrade(KEY, "13");
    let no_key = format!("{connection}Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
    let cases = [
        ("an upgrade without a key", no_key, bad("bad_upgrade")),
        (
            "a key that is too short",
            connection.to_owned() + &upgrade("YQ==", "13"),
            bad("bad_upgrade"),
        ),
        (
            "a key that is not base64",
            connection.to_owned() + &upgrade("!!!!!!!!!!!!!!!!!!!!!!==", "13"),
            bad("bad_upgrade"),
        ),
        (
            "version 8 of WebSocket",
            connection.to_owned() + &upgrade(KEY, "8"),
            bad("bad_upgrade"),
        ),
        ("no Connection: upgrade", whole.clone(), bad("bad_upgrade")),
        (
            "no Upgrade",
            format!("{connection}Sec-WebSocket-Key: {KEY}\r\n"),
            Wanted::Answer(&[404], "not_found"),
        ),
    ];
    let mut rows: Vec<_> = cases
        .map(|(what, headers, wanted)| {
            let request = format!("GET /{WARD} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
            let ending =
                format!("GET /{WARD} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
            let request = if headers.contains("Connection") {
                request
            } else {
                ending
            };
            Row::new(3, what, Deed::Bytes(request.into_bytes()), wanted)
        })
        .into();
    let post = format!("POST /{WARD} HTTP/1.1\r\nHost: x\r\n{connection}{whole}\r\n");
    rows.push(Row::new(
        3,
        "an upgrade by POST",
        Deed::Bytes(post.into_bytes()),
        Wanted::Answer(&[400, 405], ""),
    ));
    rows
}

/// Frames that break RFC 6455, sent by someone who has joined.
fn frames() -> Vec<Row> {
    let secret = SECRET.as_bytes();
    let unmasked = [&[0x82, secret.len() as u8][..], secret].concat();
    let length = |bytes: [u8; 8]| [&[0x82, 0xff][..], &bytes, &[0; 4], secret].concat();
    let text = [&[0x81, 0x84, 0, 0, 0, 0][..], &[0xff, 0xfe, 0xc0, 0x00]].concat();
    let raw = |number, what: &str, several, wanted| {
        Row::new(number, what, Deed::EachRaw(several), wanted)
    };
    vec![
        raw(4, "an unmasked frame", vec![unmasked], BAD_FRAME),
        raw(
            5,
            "each reserved bit, each reserved opcode",
            reserved(),
            BAD_FRAME,
        ),
        raw(
            6,
            "a fragmented ping; a ping of 126 bytes",
            control(),
            BAD_FRAME,
        ),
        raw(
            7,
            "a frame of 2^63-1 bytes",
            vec![length(*b"\x7f\xff\xff\xff\xff\xff\xff\xff")],
            TOO_LARGE,
        ),
        raw(
            7,
            "a frame of 2^64-1 bytes",
            vec![length([0xff; 8])],
            TOO_LARGE,
        ),
        raw(
            8,
            "a million fragments of one byte",
            vec![fragments(1)],
            BAD_FRAME,
        ),
        raw(
            8,
            "a million empty fragments",
            vec![fragments(0)],
            BAD_FRAME,
        ),
        raw(
            9,
            "a continuation of nothing",
            vec![vec![0x80, 0x81, 0, 0, 0, 0, 7]],
            BAD_FRAME,
        ),
        raw(10, "text that is not UTF-8", vec![text], BAD_FRAME),
        Row::new(
            11,
            "a text message",
            Deed::Each(vec![Message::Text(SECRET.into())]),
            BAD_FRAME,
        ),
    ]
}

fn reserved() -> Vec<Vec<u8>> {
    let bits = [0x40, 0x20, 0x10].map(|bit| 0x82 | bit);
    let opcodes = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map(|opcode| 0x80 | opcode);
    let first = bits.into_iter().chain(opcodes);
    first.map(|first| vec![first, 0x80, 0, 0, 0, 0]).collect()
}

fn control() -> Vec<Vec<u8>> {
    let long = [&[0x89, 0xfe, 0, 126, 0, 0, 0, 0][..], &[0; 126]].concat();
    vec![vec![0x09, 0x80, 0, 0, 0, 0], long]
}

/// A message in a million fragments of so many bytes, each of which is no message type.
fn fragments(bytes: u8) -> Vec<u8> {
    let fragment = |first: u8| {
        let head = [first, 0x80 | bytes, 0, 0, 0, 0];
        head.into_iter()
            .chain(std::iter::repeat_n(77, bytes.into()))
    };
    let middle = (0..FRAGMENTS - 2).flat_map(|_| fragment(0x00));
    fragment(0x02).chain(middle).chain(fragment(0x80)).collect()
}

/// Close frames that say what may not be said. They are answered as the standard has it, and are a goodbye all the same.
fn closes() -> Vec<Row> {
    let goodbye = Wanted::ClosedBeneath(1002);
    let close = |code: u16| {
        let body = code.to_be_bytes();
        vec![0x88, 0x82, 0, 0, 0, 0, body[0], body[1]]
    };
    let one_byte = vec![0x88, 0x81, 0, 0, 0, 0, 3];
    [
        ("close code 0", close(0), goodbye),
        ("close code 999", close(999), goodbye),
        ("close code 5000", close(5000), goodbye),
        ("a close frame with one byte", one_byte, BAD_FRAME),
    ]
    .map(|(what, bytes, wanted)| Row::new(12, what, Deed::EachRaw(vec![bytes]), wanted))
    .into()
}

fn compression() -> Vec<Row> {
    let declined = Row::own(
        15,
        "compression is offered",
        Wanted::Served,
        offer_compression,
    );
    let bomb = vec![0xc2, 0x84, 0, 0, 0, 0, 0xaa, 0x06, 0x00, 0x00];
    let packed = "Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\u{8}\u{0}";
    let post = format!(
        "POST {DOCUMENTS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{packed}{}",
        '\0'
    );
    vec![
        declined,
        Row::new(
            15,
            "a compressed frame",
            Deed::EachRaw(vec![bomb]),
            BAD_FRAME,
        ),
        Row::new(
            15,
            "a compressed body",
            Deed::Bytes(post.into_bytes()),
            Wanted::Answer(&[400], "invalid_json"),
        ),
    ]
}

/// The answer to an upgrade promises no compression, and the client is served.
async fn offer_compression(address: SocketAddr) -> Result<CameBack> {
    let mut stream = TcpStream::connect(address).await?;
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    let request = upgrade_request(offer);
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
        within("the upgrade is answered", stream.read_buf(&mut answer)).await??;
    }
    let answer = String::from_utf8_lossy(&answer).to_lowercase();
    let declined = answer.starts_with("http/1.1 101") && !answer.contains("extensions");
    declined
        .then_some(CameBack::Served)
        .context("compression is promised")
}

/// Another protocol, and requests that two servers would read differently.
fn foreign() -> Vec<Row> {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let continuations = [0, 0, 4, 9, 0, 0, 0, 0, 1, 0, 0, 0, 0].repeat(1_000);
    let empty_data = [0, 0, 0, 0, 0, 0, 0, 0, 1].repeat(1_000);
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let h2 = |flood: &[u8]| Deed::Bytes([&preface[..], &settings, flood].concat());
    let post = |headers: &str, body: &str| {
        let head = format!(
            "POST {DOCUMENTS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}\r\n\r\n{body}"
        );
        Deed::Bytes(head.into_bytes())
    };
    let hidden = "0\r\n\r\nGET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let refused = Wanted::Answer(&[400], "");
    let none = Wanted::Either(&[Wanted::Gone, Wanted::Answer(&[400, 505], "")]);
    vec![
        Row::new(
            16,
            "a flood of HTTP/2 CONTINUATION (only 1.1 is spoken)",
            h2(&continuations),
            none,
        ),
        Row::new(16, "a flood of empty HTTP/2 DATA", h2(&empty_data), none),
        Row::new(
            18,
            "Content-Length, then Transfer-Encoding",
            post("Content-Length: 64\r\nTransfer-Encoding: chunked", hidden),
            refused,
        ),
        Row::new(
            18,
            "Transfer-Encoding, then Content-Length",
            post("Transfer-Encoding: chunked\r\nContent-Length: 64", hidden),
            refused,
        ),
        Row::new(
            18,
            "two lengths that differ",
            post("Content-Length: 2\r\nContent-Length: 64", hidden),
            refused,
        ),
        Row::new(
            18,
            "Transfer-Encoding: chunked, identity",
            post("Transfer-Encoding: chunked, identity", hidden),
            refused,
        ),
        Row::new(
            18,
            "a space before a header's colon",
            post("Transfer-Encoding : chunked\r\nContent-Length: 2", "{}"),
            refused,
        ),
        Row::new(
            18,
            "a length with a sign",
            post("Content-Length: +2", "{}"),
            refused,
        ),
    ]
}

/// Whoever is silent is not waited for.
fn silence() -> Vec<Row> {
    let half = format!("GET /{WARD} HTTP/1.1\r\nHost: x\r\nX-More: ");
    let waited = Wanted::Either(&[Wanted::Gone, Wanted::Answer(&[408], "")]);
    vec![
        Row::new(
            17,
            "a connection that says nothing",
            Deed::Bytes(Vec::new()),
            waited,
        ),
        Row::new(
            17,
            "half a request, then silence",
            Deed::Bytes(half.into_bytes()),
            waited,
        ),
        Row::own(17, "a request at one byte a second", waited, drip),
        Row::own(
            17,
            "an open socket that never answers a ping",
            Wanted::Closed(1001, "silent"),
            never_answer,
        ),
        Row::own(17, "half a body, then silence", waited, half_a_body),
    ]
}

async fn drip(address: SocketAddr) -> Result<CameBack> {
    let mut stream = TcpStream::connect(address).await?;
    for byte in b"GET /livez HTTP/1.1\r\nHost: the-slowest-client-in-the-world\r\n" {
        let sent = stream.write_all(&[*byte]).await;
        let closed = tokio::time::timeout(Duration::from_secs(1), stream.readable()).await;
        if sent.is_err() || closed.is_ok() {
            return read_answers(stream).await;
        }
    }
    anyhow::bail!("the server waits for ever")
}

async fn half_a_body(address: SocketAddr) -> Result<CameBack> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!(
        "POST {DOCUMENTS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await?;
    read_answers(stream).await
}

/// Opens a socket by hand, and answers nothing that comes over it.
async fn never_answer(address: SocketAddr) -> Result<CameBack> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(upgrade_request("").as_bytes()).await?;
    let mut said = Vec::new();
    within("the server closes", stream.read_to_end(&mut said)).await??;
    let close = (0..said.len()).rev().find(|at| {
        let rest = &said[*at..];
        rest[0] == 0x88 && rest.len() > 3 && rest.len() == usize::from(rest[1]) + 2
    });
    let close = close.context("the server says why it closes")?;
    let code = [said[close + 2], said[close + 3]];
    Ok(CameBack::Closed(u16::from_be_bytes(code)))
}

fn upgrade_request(more: &str) -> String {
    format!(
        "GET /{WARD} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {KEY}\r\n\
         Sec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}

fn asks(number: u8, what: &str, path: &str, headers: &str, wanted: Wanted) -> Row {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    Row::new(number, what, Deed::Bytes(request.into_bytes()), wanted)
}

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const DOCUMENTS: &str = "/api/v1/workspaces/default/documents";
const FRAGMENTS: u32 = 1_000_000;
