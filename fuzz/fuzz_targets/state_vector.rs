//! Gives libFuzzer the target `state_vector`.
#![no_main]

quire_fuzz::target!("state_vector");
