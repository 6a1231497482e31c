//! The server from outside: over its sockets, its HTTP interface and its command line, in this process or as the real binary.
//!
//! Everything here is one program, so that what it shares is built and linked once. What needs a process of its own stands
//! beside it: the counts of a process in `hot.rs`, threads that never end in `stuck.rs`.

mod access;
mod api;
mod automerge;
mod automerge_files;
mod batch;
mod capabilities;
mod cli;
#[path = "../common/mod.rs"]
mod common;
mod config;
mod credentials;
mod crumbs;
mod hook_nodes;
mod importing;
mod jwks;
mod limits;
mod nodes;
mod operating;
mod ordered;
mod ordered_nodes;
mod origins;
mod quarantine;
mod receiving;
mod revoking;
mod seeking;
mod sharedb;
mod sharedb_collections;
mod shares;
mod tls;
