//! Gives libFuzzer the target `document`.
#![no_main]

quire_fuzz::target!("document");
