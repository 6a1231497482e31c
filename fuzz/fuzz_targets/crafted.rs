//! Gives libFuzzer the target `crafted`.
#![no_main]

quire_fuzz::target!("crafted");
