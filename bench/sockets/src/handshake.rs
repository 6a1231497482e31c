//! The opening handshake by hand, the same for all libraries that take a socket which is open already.

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Answers the request to upgrade, and tells which path it asked for.
pub(crate) async fn agree(stream: &mut TcpStream, extensions: Option<&str>) -> Result<String> {
    stream.set_nodelay(true)?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = stream.read_u8().await?;
        head.push(byte);
    }
    let head = String::from_utf8(head)?;
    let key = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"));
    let (_, key) = key.context("a request to upgrade has a key")?;
    let accept = derive_accept_key(key.as_bytes());
    let extensions = extensions.map_or(String::new(), |agreed| {
        format!("Sec-WebSocket-Extensions: {agreed}\r\n")
    });
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{extensions}\r\n"
    );
    stream.write_all(answer.as_bytes()).await?;
    let path = head
        .split(' ')
        .nth(1)
        .context("a request names what it asks for")?;
    Ok(path.to_owned())
}
