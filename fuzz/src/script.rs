//! A fuzzer's bytes, read as decisions one after the other. When they are used up, every decision is zero.

/// Bytes that are read as decisions.
#[derive(Clone, Debug)]
pub struct Script<'a> {
    rest: &'a [u8],
}

impl<'a> Script<'a> {
    /// Reads from the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether all bytes are used up.
    pub fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        let (first, rest) = self.rest.split_first().unwrap_or((&0, &[]));
        self.rest = rest;
        *first
    }

    /// One of so many choices.
    pub fn below(&mut self, choices: u8) -> u8 {
        self.byte() % choices
    }

    /// One of some things.
    pub fn one_of<T: Copy>(&mut self, things: &[T]) -> T {
        things[usize::from(self.byte()) % things.len()]
    }

    /// Yes or no.
    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// A number, small as a rule: a byte, or after 255 one of those at which something changes.
    pub fn number(&mut self) -> u64 {
        match self.byte() {
            255 => self.one_of(&EDGES),
            small => u64::from(small),
        }
    }

    /// Two bytes that say how many, and as many bytes of those that are left.
    pub fn chunk(&mut self) -> &'a [u8] {
        let length = usize::from(u16::from_le_bytes([self.byte(), self.byte()]));
        let (chunk, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        chunk
    }
}

/// Writes what [`Script::chunk`] reads.
///
/// # Panics
/// There are more bytes than two can count.
pub fn write_chunk(script: &mut Vec<u8>, bytes: &[u8]) {
    let length = u16::try_from(bytes.len()).expect("chunks are short");
    script.extend_from_slice(&length.to_le_bytes());
    script.extend_from_slice(bytes);
}

const EDGES: [u64; 12] = [
    127,
    128,
    255,
    16_384,
    (1 << 26) - 1,
    1 << 26,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    (1 << 53) - 1,
    1 << 53,
];
