//! Gives libFuzzer the target `automerge_document`.
#![no_main]

quire_fuzz::target!("automerge_document");
