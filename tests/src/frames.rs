//! The frames of the y-websocket dialect, written and read for the tests, apart from the server's own codec.
//!
//! A frame is a varUint type and a body (`y-protocols` 1.0.7). Only what a client needs is here: sync steps, updates,
//! awareness, and the refusal that comes before a permanent close.

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;

/// A frame of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The server says what it has, by its state vector, and asks for the rest.
    Have(Bytes),
    /// The server sends what the client lacked.
    Missing(Bytes),
    /// An edit: of somebody else, or the client's own, which says that it is stored.
    Update(Bytes),
    /// Who is here.
    Presence(Vec<Presence>),
    /// The client may not have the document, and why.
    Denied(String),
}

/// One client's presence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// The client.
    pub client: u64,
    /// How often it has spoken.
    pub clock: u64,
    /// Its state as JSON; `null` says that it is gone.
    pub state: String,
}

impl Frame {
    /// Reads a frame.
    ///
    /// # Errors
    /// It is not of the dialect, or something follows its one message: clients up to 3.x would not see that.
    pub fn read(frame: &[u8]) -> Result<Self> {
        let mut rest = frame;
        let read = match take_number(&mut rest)? {
            0 => read_sync(&mut rest)?,
            1 => Self::Presence(read_presence(take_bytes(&mut rest)?)?),
            2 => {
                ensure!(
                    take_number(&mut rest)? == 0,
                    "the server asks for something about rights"
                );
                Self::Denied(String::from_utf8(take_bytes(&mut rest)?.to_vec())?)
            }
            kind => bail!("the server sent a message of type {kind}"),
        };
        ensure!(rest.is_empty(), "{} bytes follow the message", rest.len());
        Ok(read)
    }
}

/// Says what the client has, by its state vector.
pub fn have(state_vector: &[u8]) -> Bytes {
    sync(0, state_vector)
}

/// Sends what the server lacked.
pub fn missing(update: &[u8]) -> Bytes {
    sync(1, update)
}

/// Sends an edit.
pub fn update(update: &[u8]) -> Bytes {
    sync(2, update)
}

/// Shows presence.
pub fn presence(entries: &[Presence]) -> Bytes {
    let mut body = Vec::new();
    put_number(&mut body, entries.len() as u64);
    for entry in entries {
        put_number(&mut body, entry.client);
        put_number(&mut body, entry.clock);
        put_bytes(&mut body, entry.state.as_bytes());
    }
    let mut frame = vec![1];
    put_bytes(&mut frame, &body);
    frame.into()
}

fn sync(message: u8, body: &[u8]) -> Bytes {
    let mut frame = vec![0, message];
    put_bytes(&mut frame, body);
    frame.into()
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn read_sync(rest: &mut &[u8]) -> Result<Frame> {
    let message = take_number(rest)?;
    let body = Bytes::copy_from_slice(take_bytes(rest)?);
    Ok(match message {
        0 => Frame::Have(body),
        1 => Frame::Missing(body),
        2 => Frame::Update(body),
        other => bail!("the server sent a sync message of type {other}"),
    })
}

fn read_presence(mut body: &[u8]) -> Result<Vec<Presence>> {
    let count = take_number(&mut body)?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let (client, clock) = (take_number(&mut body)?, take_number(&mut body)?);
        let state = String::from_utf8(take_bytes(&mut body)?.to_vec())?;
        entries.push(Presence {
            client,
            clock,
            state,
        });
    }
    ensure!(body.is_empty(), "{} bytes follow the presence", body.len());
    Ok(entries)
}

pub(crate) fn take_bytes<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8]> {
    let length = usize::try_from(take_number(rest)?)?;
    let (bytes, after) = rest
        .split_at_checked(length)
        .context("the frame is cut off")?;
    *rest = after;
    Ok(bytes)
}

pub(crate) fn take_number(rest: &mut &[u8]) -> Result<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first().context("the frame is cut off")?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    bail!("a number has more than 64 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_as_y_protocols_writes_them() {
        assert_eq!(have(&[0])[..], [0, 0, 1, 0]);
        assert_eq!(missing(&[0, 0])[..], [0, 1, 2, 0, 0]);
        let gone = Presence {
            client: 300,
            clock: 2,
            state: "null".to_owned(),
        };
        assert_eq!(presence(&[gone])[..], *b"\x01\x09\x01\xac\x02\x02\x04null");
    }

    #[test]
    fn what_is_written_is_read() -> Result<()> {
        let here = vec![Presence {
            client: 1 << 40,
            clock: 9,
            state: "{}".to_owned(),
        }];
        assert_eq!(Frame::read(&presence(&here))?, Frame::Presence(here));
        assert_eq!(
            Frame::read(&update(&[7; 200]))?,
            Frame::Update(vec![7; 200].into())
        );
        assert!(Frame::read(&[0, 2, 5, 1]).is_err(), "cut off");
        assert!(Frame::read(&[0, 2, 1, 1, 0]).is_err(), "something follows");
        Ok(())
    }
}
