//! WebSocket frames (RFC 6455, section 5) as a client sees them: those of the server are not masked, its own are.
//!
//! [`Inbox`] finds the messages in what was read from a socket and hands them on in place; only what is cut by the end of
//! a read, or was sent in fragments, is copied together. Where many clients are sent the same large document, one copy of it
//! does for all: what comes is compared with it as it comes, for else the generator would be busy filling memory.

use std::rc::Rc;

use anyhow::{Context, Result, ensure};

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

/// The frames of one connection, as they come.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    cut: Cut,
    /// A message of which the last fragment is not there yet.
    fragments: Vec<u8>,
    kind: Option<Opcode>,
}

/// The last long frame of any connection, header and all.
pub(crate) type Model = Option<Rc<Vec<u8>>>;

/// The beginning of a frame whose end was not read yet.
#[derive(Debug)]
enum Cut {
    Own(Vec<u8>),
    /// It is the beginning of this one, up to a place.
    Like(Rc<Vec<u8>>, usize),
}

/// What a frame's first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    last: bool,
    opcode: Opcode,
    /// How long the header is, and the payload.
    length: usize,
    payload: usize,
}

impl Inbox {
    /// Takes what was read and hands on each message that is whole; returns how many frames ended.
    ///
    /// # Errors
    /// This is no WebSocket traffic of a server.
    pub(crate) fn feed(
        &mut self,
        mut bytes: &[u8],
        model: &mut Model,
        mut take: impl FnMut(Opcode, &[u8]),
    ) -> Result<u64> {
        let mut frames = 0;
        if !self.cut.is_empty() {
            let Some(whole) = self.cut.complete(&mut bytes)? else {
                return Ok(0);
            };
            let header = Header::read(&whole)?.context("a frame without a header")?;
            self.frame(header, &whole[header.length..], &mut take)?;
            frames += 1;
            if whole.len() >= LONG {
                *model = Some(whole);
            }
        }
        while let Some(header) = Header::read(bytes)? {
            let end = header.length + header.payload;
            if bytes.len() < end {
                break;
            }
            self.frame(header, &bytes[header.length..end], &mut take)?;
            frames += 1;
            bytes = &bytes[end..];
        }
        self.cut = Cut::of(bytes, model.as_ref())?;
        Ok(frames)
    }

    fn frame(
        &mut self,
        header: Header,
        payload: &[u8],
        take: &mut impl FnMut(Opcode, &[u8]),
    ) -> Result<()> {
        match (header.opcode, header.last) {
            (Opcode::Continuation, last) => {
                let kind = self.kind;
                ensure!(kind.is_some(), "a fragment of nothing");
                self.fragments.extend_from_slice(payload);
                if let (true, Some(kind)) = (last, kind) {
                    take(kind, &std::mem::take(&mut self.fragments));
                    self.kind = None;
                }
            }
            (opcode, true) => take(opcode, payload),
            (opcode, false) => {
                ensure!(self.kind.is_none(), "a message within another");
                self.kind = Some(opcode);
                self.fragments.extend_from_slice(payload);
            }
        }
        Ok(())
    }
}

impl Default for Cut {
    fn default() -> Self {
        Self::Own(Vec::new())
    }
}

impl Cut {
    /// The beginning of a frame, which may be that of the model.
    fn of(bytes: &[u8], model: Option<&Rc<Vec<u8>>>) -> Result<Self> {
        let length = Header::read(bytes)?.map(|header| header.length + header.payload);
        let like = model.filter(|model| length == Some(model.len()) && model.starts_with(bytes));
        Ok(match like {
            Some(model) => Self::Like(model.clone(), bytes.len()),
            None => Self::Own(bytes.to_vec()),
        })
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Own(bytes) if bytes.is_empty())
    }

    /// Adds what it lacks, as far as that has come, and gives the frame once it is whole.
    fn complete(&mut self, bytes: &mut &[u8]) -> Result<Option<Rc<Vec<u8>>>> {
        if let Self::Like(model, at) = self {
            let (more, rest) = bytes.split_at(bytes.len().min(model.len() - *at));
            if model[*at..].starts_with(more) {
                *at += more.len();
                *bytes = rest;
                return Ok((*at == model.len()).then(|| model.clone()));
            }
            *self = Self::Own(model[..*at].to_vec());
        }
        let Self::Own(own) = self else {
            return Ok(None);
        };
        let is_whole = extend(own, bytes)?;
        Ok(is_whole.then(|| Rc::new(std::mem::take(own))))
    }
}

/// Adds to a cut frame what it lacks; whether it is whole then.
fn extend(cut: &mut Vec<u8>, bytes: &mut &[u8]) -> Result<bool> {
    loop {
        // Without a whole header it is not known how much is lacking: a byte at a time.
        let wanted = Header::read(cut)?.map(|header| header.length + header.payload);
        let lacking = wanted.map_or(1, |wanted| wanted - cut.len());
        if lacking == 0 || bytes.is_empty() {
            return Ok(lacking == 0);
        }
        let (added, rest) = bytes.split_at(lacking.min(bytes.len()));
        cut.extend_from_slice(added);
        *bytes = rest;
    }
}

impl Header {
    /// Reads the header, if it is all there.
    #[inline]
    fn read(bytes: &[u8]) -> Result<Option<Self>> {
        let &[first, second, ..] = bytes else {
            return Ok(None);
        };
        ensure!(
            first & RESERVED == 0,
            "reserved bits, or a compressed frame"
        );
        ensure!(second & MASKED == 0, "a server does not mask");
        let (length, payload) = match second {
            126 => match bytes.get(2..4) {
                Some(size) => (4, usize::from(u16::from_be_bytes([size[0], size[1]]))),
                None => return Ok(None),
            },
            127 => match bytes.get(2..10).and_then(|size| size.try_into().ok()) {
                Some(size) => (10, u64::from_be_bytes(size) as usize),
                None => return Ok(None),
            },
            short => (2, usize::from(short)),
        };
        ensure!(payload <= PAYLOAD_MAX, "a frame of {payload} bytes");
        Ok(Some(Self {
            last: first & LAST != 0,
            opcode: Opcode::read(first & 0x0f)?,
            length,
            payload,
        }))
    }
}

impl Opcode {
    fn read(number: u8) -> Result<Self> {
        Ok(match number {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => anyhow::bail!("opcode {number}"),
        })
    }

    fn number(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }
}

/// Appends a frame as a client sends it, masked with this key.
pub(crate) fn write(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], key: [u8; 4]) {
    out.push(LAST | opcode.number());
    match payload.len() {
        short @ 0..126 => out.push(MASKED | short as u8),
        length @ 126..=0xffff => {
            out.push(MASKED | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(MASKED | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&key);
    let masked = payload.iter().zip(key.iter().cycle());
    out.extend(masked.map(|(byte, key)| byte ^ key));
}

const LAST: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

/// What is longer may come to many.
const LONG: usize = 64 * 1_024;
/// Larger ones are nonsense rather than documents.
const PAYLOAD_MAX: usize = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            short @ 0..126 => bytes.push(short as u8),
            length @ 126..=0xffff => {
                bytes.push(126);
                bytes.extend((length as u16).to_be_bytes());
            }
            length => {
                bytes.push(127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend(payload);
        bytes
    }

    fn messages(pieces: &[&[u8]]) -> Result<Vec<(Opcode, Vec<u8>)>> {
        messages_beside(&mut None, pieces)
    }

    fn messages_beside(model: &mut Model, pieces: &[&[u8]]) -> Result<Vec<(Opcode, Vec<u8>)>> {
        let (mut inbox, mut found) = (Inbox::default(), Vec::new());
        for piece in pieces {
            inbox.feed(piece, model, |opcode, payload| {
                found.push((opcode, payload.to_vec()));
            })?;
        }
        Ok(found)
    }

    #[test]
    fn a_long_message_is_what_was_sent_whatever_others_were_sent_before() -> Result<()> {
        let long: Vec<_> = (0..200_000_u32).map(|number| number as u8).collect();
        let mut sent = vec![long.clone(), long.clone()];
        for place in [0, 70_000, 199_999] {
            let mut other = long.clone();
            other[place] ^= 1;
            sent.extend([other, long.clone()]);
        }
        let mut model = None;
        for payload in sent {
            let bytes = [frame(0x82, &payload), frame(0x82, b"next")].concat();
            let pieces: Vec<_> = bytes.chunks(65_537).collect();
            let found = messages_beside(&mut model, &pieces)?;
            let expected = [payload, b"next".to_vec()].map(|payload| (Opcode::Binary, payload));
            assert_eq!(found, expected);
        }
        Ok(())
    }

    #[test]
    fn messages_are_found_wherever_reads_cut_them() -> Result<()> {
        let long = vec![7; 70_000];
        let middle = vec![8; 300];
        let sent = [&b"a"[..], &middle, b"", &long, b"bc"];
        let bytes = sent.map(|payload| frame(0x82, payload)).concat();
        for step in [1, 2, 3, 5, 299, 4_096, bytes.len()] {
            let found = messages(&bytes.chunks(step).collect::<Vec<_>>())?;
            let payloads: Vec<_> = found
                .iter()
                .map(|(_, payload)| payload.as_slice())
                .collect();
            assert_eq!(payloads, sent, "cut every {step} bytes");
        }
        Ok(())
    }

    #[test]
    fn fragments_are_put_together_around_a_ping() -> Result<()> {
        let bytes = [
            frame(0x02, b"ab"),
            frame(0x89, b"?"),
            frame(0x00, b"cd"),
            frame(0x80, b"e"),
        ];
        let found = messages(&[&bytes.concat()])?;
        let expected = [
            (Opcode::Ping, b"?".to_vec()),
            (Opcode::Binary, b"abcde".to_vec()),
        ];
        assert_eq!(found, expected);
        Ok(())
    }

    #[test]
    fn nonsense_is_refused() {
        for bytes in [
            &b"\xc2\x00"[..],
            b"\x82\x80",
            b"\x83\x00",
            b"\x80\x00",
            b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert!(messages(&[bytes]).is_err(), "{bytes:x?}");
        }
    }

    #[test]
    fn what_is_sent_is_masked() {
        let mut out = Vec::new();
        write(&mut out, Opcode::Binary, b"Hello", [0x37, 0xfa, 0x21, 0x3d]);
        // The example of section 5.7, but binary.
        assert_eq!(out, b"\x82\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    }
}
