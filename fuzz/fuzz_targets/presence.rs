//! Gives libFuzzer the target `presence`.
#![no_main]

quire_fuzz::target!("presence");
