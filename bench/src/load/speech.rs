//! What is said to a server and heard from it, in each dialect.
//!
//! y-websocket and those like it: a type (0 sync, 1 awareness) and a body; of sync, 0 is a state vector, 1 and 2 are
//! updates. Hocuspocus puts the document's name before it, and begins with authentication.

use anyhow::Result;

use super::wire::{Reader, put_var_bytes, put_var_uint};
use crate::spec::Dialect;

/// Something a server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard<'a> {
    /// What the server has; it wants the rest.
    Have,
    /// The answer to what was asked at the beginning.
    Missing(&'a [u8]),
    Update(&'a [u8]),
    /// Whether it took what this client wrote: the first that it has not said it of.
    Status(bool),
    Presence(&'a [u8]),
    /// The server does not want this client.
    Refused(&'a [u8]),
}

/// Reads a message; one that is of no interest is passed over.
///
/// # Errors
/// It is not of the dialect.
pub(crate) fn hear<'a>(
    dialect: Dialect,
    message: &'a [u8],
    mut take: impl FnMut(Heard<'a>),
) -> Result<()> {
    let mut reader = Reader(message);
    if dialect == Dialect::Hocuspocus {
        if message.len() == 1 {
            // A ping or pong of its own, without a document.
            return Ok(());
        }
        reader.var_bytes()?;
    }
    while !reader.is_empty() {
        match (reader.var_uint()?, dialect) {
            (SYNC, _) => take(sync(&mut reader)?),
            (AWARENESS, _) => take(Heard::Presence(reader.var_bytes()?)),
            (AUTH, _) => {
                let what = reader.var_uint()?;
                let text = reader.var_bytes()?;
                let refused = match dialect {
                    Dialect::Hocuspocus => what == HOCUSPOCUS_DENIED,
                    _ => true,
                };
                if refused {
                    take(Heard::Refused(text));
                }
            }
            (HOCUSPOCUS_CLOSE, Dialect::Hocuspocus) => take(Heard::Refused(reader.var_bytes()?)),
            (HOCUSPOCUS_STATUS, Dialect::Hocuspocus) => {
                take(Heard::Status(reader.var_uint()? == HOCUSPOCUS_TAKEN));
            }
            // Nothing that follows can be found without knowing how long this one is.
            _ => return Ok(()),
        }
    }
    Ok(())
}

/// Appends what a client says first, as messages of their own.
pub(crate) fn greet(dialect: Dialect, document: &str, say: &mut impl FnMut(&[u8])) {
    let mut message = Vec::new();
    if dialect == Dialect::Hocuspocus {
        address(dialect, document, &mut message);
        put_var_uint(&mut message, AUTH);
        put_var_uint(&mut message, 0);
        put_var_bytes(&mut message, b"bench");
        put_var_bytes(&mut message, PROVIDER);
        say(&message);
        message.clear();
    }
    if dialect != Dialect::Raw {
        address(dialect, document, &mut message);
        // An empty state vector: this client has nothing.
        message.extend_from_slice(&[SYNC as u8, STEP1 as u8, 1, 0]);
        say(&message);
    }
}

/// Appends that this client has nothing that the server lacks.
pub(crate) fn nothing_more(dialect: Dialect, document: &str, out: &mut Vec<u8>) {
    address(dialect, document, out);
    out.extend_from_slice(&[SYNC as u8, STEP2 as u8, 2, 0, 0]);
}

/// Appends an edit.
pub(crate) fn update(dialect: Dialect, document: &str, update: &[u8], out: &mut Vec<u8>) {
    address(dialect, document, out);
    out.extend_from_slice(&[SYNC as u8, UPDATE as u8]);
    put_var_bytes(out, update);
}

/// Appends entries of presence.
pub(crate) fn presence(dialect: Dialect, document: &str, entries: &[u8], out: &mut Vec<u8>) {
    address(dialect, document, out);
    out.push(AWARENESS as u8);
    put_var_bytes(out, entries);
}

/// The path of the socket of a document.
pub(crate) fn path(dialect: Dialect, document: &str) -> String {
    match dialect {
        Dialect::YWebsocket | Dialect::Raw => format!("/{document}"),
        Dialect::Hocuspocus => "/".to_owned(),
        Dialect::YSweet => format!("/d/{document}/ws/{document}"),
    }
}

fn sync<'a>(reader: &mut Reader<'a>) -> Result<Heard<'a>> {
    let step = reader.var_uint()?;
    let body = reader.var_bytes()?;
    Ok(match step {
        STEP1 => Heard::Have,
        STEP2 => Heard::Missing(body),
        UPDATE => Heard::Update(body),
        other => anyhow::bail!("synchronisation of kind {other}"),
    })
}

fn address(dialect: Dialect, document: &str, out: &mut Vec<u8>) {
    if dialect == Dialect::Hocuspocus {
        put_var_bytes(out, document.as_bytes());
    }
}

const SYNC: u64 = 0;
const AWARENESS: u64 = 1;
const AUTH: u64 = 2;
const HOCUSPOCUS_CLOSE: u64 = 7;
const HOCUSPOCUS_STATUS: u64 = 8;

const STEP1: u64 = 0;
const STEP2: u64 = 1;
const UPDATE: u64 = 2;

const HOCUSPOCUS_DENIED: u64 = 1;
const HOCUSPOCUS_TAKEN: u64 = 1;
/// The version that a client of Hocuspocus says it is.
const PROVIDER: &[u8] = b"4.8.0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_several_messages_is_read_through() -> Result<()> {
        let mut frame = Vec::new();
        update(Dialect::YWebsocket, "d", b"abc", &mut frame);
        presence(Dialect::YWebsocket, "d", b"who", &mut frame);
        let mut heard = Vec::new();
        hear(Dialect::YWebsocket, &frame, |what| heard.push(what))?;
        assert_eq!(heard, [Heard::Update(b"abc"), Heard::Presence(b"who")]);
        Ok(())
    }

    #[test]
    fn hocuspocus_is_greeted_with_a_token_and_may_refuse_it() -> Result<()> {
        let mut said = Vec::new();
        greet(Dialect::Hocuspocus, "d", &mut |message| {
            said.push(message.to_vec());
        });
        assert_eq!(
            said,
            [
                &b"\x01d\x02\x00\x05bench\x054.8.0"[..],
                b"\x01d\x00\x00\x01\x00"
            ]
        );
        let mut heard = Vec::new();
        let granted = b"\x01d\x02\x02\x0aread-write";
        hear(Dialect::Hocuspocus, granted, |what| heard.push(what))?;
        assert_eq!(heard, []);
        hear(Dialect::Hocuspocus, b"\x01d\x02\x01\x02no", |what| {
            heard.push(what);
        })?;
        assert_eq!(heard, [Heard::Refused(b"no")]);
        Ok(())
    }

    #[test]
    fn a_status_tells_whether_an_edit_was_taken() -> Result<()> {
        let mut heard = Vec::new();
        for message in [b"\x01d\x08\x01", b"\x01d\x08\x00"] {
            hear(Dialect::Hocuspocus, message, |what| heard.push(what))?;
        }
        assert_eq!(heard, [Heard::Status(true), Heard::Status(false)]);
        heard.clear();
        hear(Dialect::YWebsocket, b"\x08\x01", |what| heard.push(what))?;
        assert_eq!(heard, [], "no other dialect knows it");
        Ok(())
    }
}
