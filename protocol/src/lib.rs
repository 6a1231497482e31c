//! Bytes to intents, and events to bytes: the wire protocols that Quire speaks, as pure functions.
//!
//! A *dialect* is one public protocol. Each has one file here, which turns the frames of its clients into
//! [`engine::Intent`]s and [`engine::Event`]s into frames, and beyond which none of its types, numbers or names go. There
//! is no socket, clock or task in this crate, and nothing is remembered between two frames, so a whole conversation can
//! be tested as data.
//!
//! Whatever comes in is hostile until it has been read. All dialects of the lib0 family read through one bounded
//! [`wire::Reader`]: every length is checked against the bytes that are there before anything is done with it, nothing is
//! allocated for a number that a client merely declared, and what is handed on is a slice of the frame, not a copy.
//!
//! Read in this order: [`route`] (what an address names), [`ywebsocket`] (the first dialect), [`close`] (why a connection
//! ends, and the code that makes its client do the right thing), [`preflight`] (what the libraries are never shown), [`wire`] (how numbers and strings lie in a frame),
//! [`websocket`] (what frames lie in). [`automerge`] is read and written, and not served yet.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod automerge;

pub mod close;

mod dialect;
pub use dialect::Dialect;

mod error;
pub use error::FrameError;

pub mod hocuspocus;

pub mod preflight;

pub mod route;

pub mod sharedb;

pub mod websocket;

pub mod wire;

pub mod yjs;

pub mod ywebsocket;
