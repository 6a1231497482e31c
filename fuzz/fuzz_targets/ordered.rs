//! Gives libFuzzer the target `ordered`.
#![no_main]

quire_fuzz::target!("ordered");
