//! Gives libFuzzer the target `automerge_frame`.
#![no_main]

quire_fuzz::target!("automerge_frame");
