//! Gives libFuzzer the target `record`.
#![no_main]

quire_fuzz::target!("record");
