//! The WebSocket protocol (RFC 6455) from the side of a server, as pure functions: no socket, no task, no buffer that an
//! idle connection would hold.
//!
//! What a server sends is not masked, so the bytes of a message are the same for all who receive it: a [`Frame`] is made
//! once and shared.

mod frame;
pub use frame::Frame;
