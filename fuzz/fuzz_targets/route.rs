//! Gives libFuzzer the target `route`.
#![no_main]

quire_fuzz::target!("route");
