//! The WebSocket protocol (RFC 6455) from the side of a server, as pure functions: no socket, no task, no buffer that an
//! idle connection would hold. No extension is spoken, so nothing is compressed.
//!
//! A [`Decoder`] is fed bytes as they come, in whatever pieces, and gives what they say: whole messages, pings, a close.
//! It is strict where the standard is, and allocates for what has arrived, never for what a header declares. What a server
//! sends is not masked, so the bytes of a message are the same for all who receive it: a [`Frame`] is made once and shared.

mod close;
pub use close::answer;

mod decoder;
pub use decoder::{Abridged, Decoder, Received};

mod fault;
pub use fault::Fault;

mod frame;
pub use frame::{Chunk, Frame};

mod header;

mod mask;
