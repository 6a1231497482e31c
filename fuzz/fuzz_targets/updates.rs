//! Gives libFuzzer the target `updates`.
#![no_main]

quire_fuzz::target!("updates");
