//! Gives libFuzzer the target `operation`.
#![no_main]

quire_fuzz::target!("operation");
