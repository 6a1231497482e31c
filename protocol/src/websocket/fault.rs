//! Why bytes are not what a client of RFC 6455 may send.

use thiserror::Error;

/// What is wrong with what a client sent; nothing after it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// A frame without a mask (section 5.1).
    #[error("a frame is not masked")]
    NotMasked,
    /// A bit that belongs to an extension, and none was agreed to (section 5.2).
    #[error("a reserved bit is set")]
    ReservedBit,
    /// A kind of frame that is not defined (section 5.2).
    #[error("opcode {0} is not defined")]
    UnknownOpcode(u8),
    /// A length in more bytes than it takes (section 5.2).
    #[error("a length takes more bytes than it needs")]
    LongLength,
    /// A control frame in fragments (section 5.5).
    #[error("a control frame is fragmented")]
    FragmentedControl,
    /// A control frame of more than 125 bytes (section 5.5).
    #[error("a control frame is longer than 125 bytes")]
    LongControl,
    /// A continuation where no message has begun (section 5.4).
    #[error("a continuation of nothing")]
    NothingToContinue,
    /// A message begins while another is not finished (section 5.4).
    #[error("a message begins within another")]
    MessageWithinMessage,
    /// A text, or the reason of a close, is not UTF-8 (section 8.1).
    #[error("text is not UTF-8")]
    NotUtf8,
    /// A close with half a code (section 5.5.1).
    #[error("a close frame has one byte")]
    HalfCloseCode,
    /// A message is longer than is accepted.
    #[error("a message is longer than is accepted")]
    TooLarge,
}
