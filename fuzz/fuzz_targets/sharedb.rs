//! Gives libFuzzer the target `sharedb`.
#![no_main]

quire_fuzz::target!("sharedb");
