//! Three real nodes on a real Postgres and a real Redis, and whatever can go wrong among them. After each fault everything
//! has to be as `tests/src/cluster/mod.rs` says.
//!
//! Faults last for `QUIRE_FAULT_SECONDS`, three unless that is set; a minute is the long edition. Each test starts a cluster
//! of its own, and says how long it took until everybody was served again; nothing depends on that.

mod bus;
mod causality;
mod clocks;
mod crowds;
mod ends;
mod failover;
mod figures;
mod ghosts;
mod hot;
mod one;
mod random;
mod recoveries;
mod roaming;
mod shares;
mod store;
