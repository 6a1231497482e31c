//! The server: everything that touches the world. Wiring only; what a document is stands in `engine`, what bytes mean in
//! `protocol`, what survives in `storage`.
//!
//! The [`listener`] takes connections. A [`connection`] is one [`socket`]. Its dialect's adapter turns frames into intents, which go to the mailbox of a
//! [`session`]: the task of one hot document, found or opened by the [`hub`]. The session feeds the document, performs
//! its effects, and puts frames into each connection's [`outbox`]. [`http`] serves everything that is not a socket.

pub mod address;
mod alarm;
pub mod auth;
mod automerge_file;
pub mod breadcrumb;
pub mod cli;
mod clock;
pub mod cluster;
pub mod config;
pub mod connection;
pub mod events;
mod founding;
pub mod hook;
pub mod http;
pub mod hub;
mod joins;
pub mod limits;
pub mod listener;
pub mod mail;
pub mod memory;
mod naming;
pub mod ordered;
pub mod origins;
pub mod outbox;
mod outward;
pub mod place;
mod quarantine;
pub mod receiving;
pub mod serve;
pub mod session;
pub mod socket;
mod stores;
pub mod telemetry;
pub mod tls;
pub mod watchdog;
pub mod world;
