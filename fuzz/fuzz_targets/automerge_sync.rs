//! Gives libFuzzer the target `automerge_sync`.
#![no_main]

quire_fuzz::target!("automerge_sync");
