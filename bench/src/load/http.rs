//! One request over HTTP/1.0, waited for: creating documents before a run, and asking for content after it.

use std::io::{Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// Asks, and returns the body of a successful answer.
///
/// # Errors
/// There was no answer in time, or it was not a success.
pub(crate) fn request(
    server: SocketAddrV4,
    method: &str,
    path: &str,
    body: &str,
    patience: Duration,
) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::V4(server), patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {server}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let body = answer.split_off(end.context("an answer without a head")? + 4);
    let head = String::from_utf8_lossy(&answer);
    let status = head.lines().next().unwrap_or_default().to_owned();
    let is_success = status
        .split(' ')
        .nth(1)
        .is_some_and(|code| code.starts_with('2'));
    ensure!(
        is_success,
        "{method} {path}: {status}: {}",
        String::from_utf8_lossy(&body)
    );
    Ok(body)
}
