//! Gives libFuzzer the target `stored`.
#![no_main]

quire_fuzz::target!("stored");
