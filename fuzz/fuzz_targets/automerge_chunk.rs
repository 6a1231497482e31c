//! Gives libFuzzer the target `automerge_chunk`.
#![no_main]

quire_fuzz::target!("automerge_chunk");
