//! Gives libFuzzer the target `update`.
#![no_main]

quire_fuzz::target!("update");
