//! What a client sends, from bytes in any pieces to whole messages.
//!
//! Between two messages a decoder holds nothing but itself. Of a message that is half here it holds what has come of it,
//! in memory that grows with what comes.

use bytes::Bytes;

use super::header::{HEADER_BYTES_MAX, Header, Kind};
use super::{Fault, close, mask};

/// Reads what a client sends.
#[derive(Debug)]
pub struct Decoder {
    message_bytes_max: usize,
    /// Longer than this may no message be for now.
    for_now_max: usize,
    /// The beginning of a message that is too long for now.
    withheld: Option<Header>,
    /// How much is kept of the beginning and of the end of the message that is read; all of it if this is not said.
    abridging: Option<usize>,
    /// A header that is half here, and how much of it.
    header: [u8; HEADER_BYTES_MAX],
    header_bytes: u8,
    frame: Option<Part>,
    message: Option<Message>,
    /// What has come of a control frame.
    control: Vec<u8>,
}

/// What a client said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A binary message.
    Binary(Bytes),
    /// A text message, which is UTF-8.
    Text(Bytes),
    /// A ping with its payload, which a pong has to repeat.
    Ping(Bytes),
    /// A pong.
    Pong,
    /// The client closes, with this code if it gives one ([`super::answer`]). What comes after it means nothing.
    Close(Option<u16>),
    /// The client begins a message that is too long for now ([`Decoder::limit_for_now`]); nothing of it is taken.
    Withheld,
    /// A binary message without its middle ([`Decoder::abridge`]).
    Abridged(Abridged),
}

/// What was kept of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abridged {
    /// Its beginning.
    pub beginning: Bytes,
    /// How many bytes came between, and were not kept.
    pub left_out: usize,
    /// Its end.
    pub end: Bytes,
}

/// The frame that is being read.
#[derive(Clone, Copy, Debug)]
struct Part {
    kind: Kind,
    is_final: bool,
    mask: [u8; 4],
    /// Bytes of its payload that have not come.
    remaining: u64,
}

/// The message that is being read, over as many fragments as it has.
#[derive(Debug)]
struct Message {
    bytes: Vec<u8>,
    /// Bytes that have come and were not kept.
    left_out: usize,
    /// How much of a text was seen to be UTF-8; nothing of the kind is asked of other messages.
    utf8_until: Option<usize>,
}

impl Decoder {
    /// A decoder that refuses messages of more than so many bytes.
    pub fn new(message_bytes_max: usize) -> Self {
        Self {
            message_bytes_max,
            for_now_max: message_bytes_max,
            withheld: None,
            abridging: None,
            header: [0; HEADER_BYTES_MAX],
            header_bytes: 0,
            frame: None,
            message: None,
            control: Vec::new(),
        }
    }

    /// Takes no message of more than so many bytes until this is said anew. What is longer is not refused, but waits.
    pub fn limit_for_now(&mut self, message_bytes_max: usize) {
        self.for_now_max = message_bytes_max;
    }

    /// Takes the message that is withheld, but of its middle nothing: so many bytes are kept of its beginning, as many of its end,
    /// and as many besides while it comes. False if none is withheld, or a text.
    pub fn abridge(&mut self, kept: usize) -> bool {
        let is_binary = |header: &Header| match &self.message {
            Some(message) => message.utf8_until.is_none(),
            None => header.kind == Kind::Binary,
        };
        let may = self.withheld.as_ref().is_some_and(is_binary);
        self.abridging = may.then_some(kept);
        may
    }

    /// Whether the middle of the message that is read is left out.
    pub fn is_abridging(&self) -> bool {
        self.abridging.is_some()
    }

    /// How many bytes are held of a message that is half here.
    pub fn held(&self) -> usize {
        let message = self.message.as_ref();
        message.map_or(0, |message| message.bytes.len())
    }

    /// Whether a message has begun that may be taken now, or has to wait still.
    pub fn is_withholding(&self) -> bool {
        self.withheld.is_some()
    }

    /// The beginning of the message that is withheld, of which these bytes have come behind what was taken.
    pub fn beginning(&self, come: &[u8]) -> Vec<u8> {
        let Some(header) = &self.withheld else {
            return Vec::new();
        };
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        let before = self.message.as_ref().map_or(&[][..], |it| &it.bytes);
        let mut bytes = [before, &come[..length.min(come.len())]].concat();
        mask::unmask(&mut bytes[before.len()..], header.mask);
        bytes
    }

    /// Gives the next thing that the client said, and takes what it took off the front of `input`. Where nothing more is
    /// whole, all of `input` is taken.
    ///
    /// # Errors
    /// The client breaks the rules, or begins a message that is longer than is accepted. The decoder is not to be asked
    /// again.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Received>, Fault> {
        loop {
            let Some(part) = self.frame.take() else {
                let Some(header) = self.next_header(input)? else {
                    return Ok(None);
                };
                if self.is_too_long_for_now(&header) {
                    self.withheld = Some(header);
                    return Ok(Some(Received::Withheld));
                }
                self.frame = Some(self.begin(header)?);
                continue;
            };
            let part = self.read_payload(part, input);
            if part.remaining > 0 {
                self.frame = Some(part);
                return Ok(None);
            }
            if let Some(received) = self.end(part)? {
                return Ok(Some(received));
            }
        }
    }

    fn next_header(&mut self, input: &mut &[u8]) -> Result<Option<Header>, Fault> {
        match self.withheld.take() {
            Some(header) => Ok(Some(header)),
            None => self.read_header(input),
        }
    }

    fn is_too_long_for_now(&self, header: &Header) -> bool {
        let is_accepted = header.length <= self.room();
        let length = header.length.saturating_add(self.come() as u64);
        let is_long = length > self.for_now_max as u64 && self.abridging.is_none();
        is_accepted && !header.kind.is_control() && is_long
    }

    fn read_header(&mut self, input: &mut &[u8]) -> Result<Option<Header>, Fault> {
        loop {
            let have = usize::from(self.header_bytes);
            let length = Header::length_of(&self.header[..have])?;
            if have == length {
                self.header_bytes = 0;
                return Header::read(&self.header[..length]).map(Some);
            }
            let come = split_off(input, length - have);
            if come.is_empty() {
                return Ok(None);
            }
            self.header[have..have + come.len()].copy_from_slice(come);
            self.header_bytes += come.len() as u8;
        }
    }

    fn begin(&mut self, header: Header) -> Result<Part, Fault> {
        match (header.kind, &self.message) {
            (Kind::Continuation, None) => return Err(Fault::NothingToContinue),
            (Kind::Text | Kind::Binary, Some(_)) => return Err(Fault::MessageWithinMessage),
            (Kind::Text, None) => self.message = Some(Message::new(Some(0))),
            (Kind::Binary, None) => self.message = Some(Message::new(None)),
            _ => {}
        }
        if !header.kind.is_control() && header.length > self.room() {
            return Err(Fault::TooLarge);
        }
        Ok(Part {
            kind: header.kind,
            is_final: header.is_final,
            mask: header.mask,
            remaining: header.length,
        })
    }

    /// How much longer the message may get.
    fn room(&self) -> u64 {
        (self.message_bytes_max - self.come()) as u64
    }

    /// How much of the message has come.
    fn come(&self) -> usize {
        let message = self.message.as_ref();
        message.map_or(0, |message| message.left_out + message.bytes.len())
    }

    fn read_payload(&mut self, mut part: Part, input: &mut &[u8]) -> Part {
        let wanted = usize::try_from(part.remaining).unwrap_or(usize::MAX);
        let come = split_off(input, wanted);
        let bytes = match &mut self.message {
            Some(message) if !part.kind.is_control() => &mut message.bytes,
            _ => &mut self.control,
        };
        let start = bytes.len();
        if part.is_final {
            bytes.reserve_exact(come.len().max(start).min(wanted));
        }
        bytes.extend_from_slice(come);
        mask::unmask(&mut bytes[start..], part.mask);
        part.mask.rotate_left(come.len() % 4);
        part.remaining -= come.len() as u64;
        if let (Some(kept), Some(message)) = (self.abridging, &mut self.message) {
            message.abridge(kept);
        }
        part
    }

    fn end(&mut self, part: Part) -> Result<Option<Received>, Fault> {
        if part.kind.is_control() {
            let payload = std::mem::take(&mut self.control);
            return end_control(part.kind, payload).map(Some);
        }
        let Some(mut message) = self.message.take() else {
            return Ok(None);
        };
        message.check_utf8(part.is_final)?;
        if part.is_final {
            return Ok(Some(message.finish(self.abridging.take())));
        }
        self.message = Some(message);
        Ok(None)
    }
}

impl Message {
    fn new(utf8_until: Option<usize>) -> Self {
        Self {
            bytes: Vec::new(),
            left_out: 0,
            utf8_until,
        }
    }

    /// Gives up what is neither of the first nor of the last bytes, so many each, where that is worth it.
    fn abridge(&mut self, kept: usize) {
        let end = self.bytes.len().saturating_sub(kept);
        if end > 2 * kept {
            self.left_out += self.bytes.drain(kept..end).len();
        }
    }

    /// Checks what came of a text since the last time. A character may lie across fragments, but not across the end.
    fn check_utf8(&mut self, is_final: bool) -> Result<(), Fault> {
        let Some(until) = &mut self.utf8_until else {
            return Ok(());
        };
        match std::str::from_utf8(&self.bytes[*until..]) {
            Ok(_) => *until = self.bytes.len(),
            Err(cut) if cut.error_len().is_none() && !is_final => *until += cut.valid_up_to(),
            Err(_) => return Err(Fault::NotUtf8),
        }
        Ok(())
    }

    fn finish(self, kept: Option<usize>) -> Received {
        let mut bytes = Bytes::from(self.bytes);
        match (self.utf8_until, kept) {
            (Some(_), _) => Received::Text(bytes),
            (None, Some(kept)) if self.left_out > 0 => Received::Abridged(Abridged {
                beginning: bytes.split_to(kept),
                left_out: self.left_out,
                end: bytes,
            }),
            (None, _) => Received::Binary(bytes),
        }
    }
}

fn end_control(kind: Kind, payload: Vec<u8>) -> Result<Received, Fault> {
    Ok(match kind {
        Kind::Ping => Received::Ping(payload.into()),
        Kind::Close => Received::Close(close::read(&payload)?),
        _ => Received::Pong,
    })
}

/// Takes so many bytes off the front, or as many as there are.
fn split_off<'a>(input: &mut &'a [u8], wanted: usize) -> &'a [u8] {
    let (come, rest) = input.split_at(wanted.min(input.len()));
    *input = rest;
    come
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut body = payload.to_vec();
        mask::unmask(&mut body, mask);
        [&[first, 0x80 | payload.len() as u8][..], &mask, &body].concat()
    }

    fn read(decoder: &mut Decoder, mut input: &[u8]) -> Result<Vec<Received>, Fault> {
        let mut all = Vec::new();
        while let Some(received) = decoder.next(&mut input)? {
            all.push(received);
        }
        assert!(input.is_empty());
        Ok(all)
    }

    #[test]
    fn of_what_is_withheld_the_middle_may_be_left_out() {
        let long: Vec<u8> = (0..100).collect();
        let (one, two) = long.split_at(70);
        let whole = masked(0x82, &long);
        let parts = [masked(0x02, one), masked(0x89, b"?"), masked(0x80, two)].concat();
        for (input, step) in [(&whole, 200), (&whole, 1), (&parts, 7)] {
            let mut decoder = Decoder::new(100);
            decoder.limit_for_now(50);
            let mut said = Vec::new();
            for mut input in input.chunks(step) {
                while let Some(received) = decoder.next(&mut input).unwrap() {
                    if received == Received::Withheld {
                        assert!(decoder.abridge(4));
                    } else {
                        said.push(received);
                    }
                }
                assert!(decoder.held() <= 3 * 4, "{}", decoder.held());
            }
            let Some(Received::Abridged(message)) = said.pop() else {
                panic!("{said:?}");
            };
            assert_eq!(message.beginning, long[..4]);
            let end = 4 + message.left_out;
            assert!(message.end == long[end..] && message.end.len() >= 4);
            assert_eq!(
                decoder.next(&mut &masked(0x82, &long)[..]),
                Ok(Some(Received::Withheld))
            );
        }
    }

    #[test]
    fn texts_and_what_is_short_are_not_abridged() {
        let mut decoder = Decoder::new(100);
        decoder.limit_for_now(4);
        let text = masked(0x81, b"12345");
        let mut rest = &text[..];
        assert_eq!(decoder.next(&mut rest), Ok(Some(Received::Withheld)));
        assert!(!decoder.abridge(2));
        let mut decoder = Decoder::new(100);
        assert!(!decoder.abridge(2), "nothing is withheld");
        decoder.limit_for_now(4);
        let short = masked(0x82, b"12345");
        let mut rest = &short[..];
        assert_eq!(decoder.next(&mut rest), Ok(Some(Received::Withheld)));
        assert!(decoder.abridge(2));
        let whole = Received::Binary(Bytes::from_static(b"12345"));
        assert_eq!(decoder.next(&mut rest), Ok(Some(whole)));
    }

    #[test]
    fn what_is_too_long_for_now_waits() {
        let mut decoder = Decoder::new(12);
        decoder.limit_for_now(4);
        let input = [masked(0x82, b"1234"), masked(0x82, b"12345")].concat();
        let mut rest = &input[..];
        let binary = |text: &'static [u8]| Some(Received::Binary(Bytes::from_static(text)));
        assert_eq!(decoder.next(&mut rest).unwrap(), binary(b"1234"));
        for _ in 0..2 {
            let withheld = decoder.next(&mut rest).unwrap();
            assert_eq!((withheld, rest.len()), (Some(Received::Withheld), 5));
            assert!(decoder.is_withholding());
            assert_eq!(decoder.beginning(&rest[..3]), b"123");
            assert_eq!(decoder.beginning(&[rest, b"more"].concat()), b"12345");
        }
        decoder.limit_for_now(12);
        assert_eq!(decoder.next(&mut rest).unwrap(), binary(b"12345"));
        assert!(!decoder.is_withholding());
        let mut rest = &masked(0x82, b"thirteen bytes")[..];
        assert_eq!(decoder.next(&mut rest), Err(Fault::TooLarge));
    }

    #[test]
    fn fragments_are_too_long_for_now_together() {
        let mut decoder = Decoder::new(12);
        decoder.limit_for_now(4);
        let input = [masked(0x02, b"123"), masked(0x80, b"45")].concat();
        let mut rest = &input[..];
        let withheld = decoder.next(&mut rest).unwrap();
        assert_eq!((withheld, rest.len()), (Some(Received::Withheld), 2));
        assert_eq!(decoder.beginning(rest), b"12345");
        decoder.limit_for_now(5);
        let whole = Received::Binary(Bytes::from_static(b"12345"));
        assert_eq!(decoder.next(&mut rest).unwrap(), Some(whole));
    }

    #[test]
    fn pings_come_between_fragments() {
        let frames = [
            masked(0x02, b"one "),
            masked(0x89, b"?"),
            masked(0x00, b""),
            masked(0x80, b"message"),
            masked(0x88, &[0x03, 0xe8]),
        ];
        let wanted = [
            Received::Ping(Bytes::from_static(b"?")),
            Received::Binary(Bytes::from_static(b"one message")),
            Received::Close(Some(1000)),
        ];
        let input = frames.concat();
        let whole = read(&mut Decoder::new(11), &input);
        assert_eq!(whole.unwrap(), wanted);
        let mut decoder = Decoder::new(11);
        let bytes = input.iter().map(|byte| read(&mut decoder, &[*byte]));
        assert_eq!(
            bytes.map(Result::unwrap).collect::<Vec<_>>().concat(),
            wanted
        );
    }

    #[test]
    fn a_message_that_will_be_too_long_is_refused_at_its_header() {
        let mut decoder = Decoder::new(10);
        let first = masked(0x02, b"six...");
        assert_eq!(read(&mut decoder, &first), Ok(vec![]));
        let header = &masked(0x80, b"five.")[..6];
        assert_eq!(read(&mut decoder, header), Err(Fault::TooLarge));
        let huge = [
            0x82, 0xff, 0xff, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0,
        ];
        assert_eq!(read(&mut Decoder::new(10), &huge), Err(Fault::TooLarge));
    }

    #[test]
    fn what_is_declared_is_not_allocated() {
        let mut decoder = Decoder::new(1 << 30);
        let header = [0x82, 0xff, 0, 0, 0, 0, 0x3f, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(read(&mut decoder, &header), Ok(vec![]));
        for _ in 0..1_000 {
            assert_eq!(read(&mut decoder, &[0; 100]), Ok(vec![]));
        }
        let held = decoder.message.unwrap().bytes.capacity();
        assert!((100_000..=200_000).contains(&held), "{held}");
    }

    #[test]
    fn text_is_utf8_wherever_it_is_cut() {
        let text = "née 🙂".as_bytes();
        for cut in 0..=text.len() {
            let frames = [masked(0x01, &text[..cut]), masked(0x80, &text[cut..])].concat();
            let wanted = Received::Text(Bytes::from_static(text));
            assert_eq!(read(&mut Decoder::new(99), &frames), Ok(vec![wanted]));
        }
        let cut_off = masked(0x81, &text[..2]);
        assert_eq!(read(&mut Decoder::new(99), &cut_off), Err(Fault::NotUtf8));
        let early = masked(0x01, &[0xff]);
        assert_eq!(read(&mut Decoder::new(99), &early), Err(Fault::NotUtf8));
    }

    #[test]
    fn messages_are_continued_only_while_there_is_one() {
        let alone = masked(0x80, b"");
        let fault = read(&mut Decoder::new(9), &alone);
        assert_eq!(fault, Err(Fault::NothingToContinue));
        let within = [masked(0x02, b""), masked(0x82, b"")].concat();
        let fault = read(&mut Decoder::new(9), &within);
        assert_eq!(fault, Err(Fault::MessageWithinMessage));
    }
}
