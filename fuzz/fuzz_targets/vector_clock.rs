//! Gives libFuzzer the target `vector_clock`.
#![no_main]

quire_fuzz::target!("vector_clock");
