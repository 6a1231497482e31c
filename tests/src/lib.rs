//! The harness of the black-box tests: a real server process, and real clients on real sockets.
//!
//! Nothing here shares code with what it tests. Frames are written by [`frames`], not by the server's own codec, so a fault
//! in that cannot hide itself; requests go through [`http`], and the bytes on disk are the server's own affair. Only
//! [`simulation`] has what it tests within it: whole clusters of the pure core, in a world of fakes. And [`sharedb`] has the
//! types of its operations, [`automerge`] the codec of its frames; both are compared with those of npm elsewhere.
//!
//! Read in this order: [`server`] (the process: start, kill, stop, restart), [`client`] (an editor on a socket, as
//! y-websocket is one), [`hocuspocus`] (several on one), [`sharedb`] (a document of operations), [`automerge`] (a peer with
//! many documents), [`wait`] (how tests wait: for conditions, never for time),
//! [`ledger`] (what was acknowledged, and the checker that finds what was lost), [`recipes`] (what no client would
//! send), [`bystanders`] and [`gauge`] (who is to notice nothing, and what it cost), [`cluster`] (three nodes,
//! Postgres, Redis, and what can be done to them), [`application`] (what a hook leads to), [`node`] (scripts with npm packages), [`traces`] (recorded
//! typing), [`chance`] (all chance comes from a printed seed).

pub mod application;

pub mod automerge;

pub mod bystanders;

pub mod chance;

pub mod client;

pub mod cluster;

pub mod drain;

pub mod editor;

pub mod frames;

pub mod gauge;

pub mod hocuspocus;

pub mod http;

pub mod ledger;

pub mod node;

pub mod recipes;

pub use services::require;

pub mod server;

pub mod sharedb;

pub mod simulation;

pub mod socket;

pub mod traces;

pub mod trial;

pub mod wait;
