//! Gives libFuzzer the target `hocuspocus`.
#![no_main]

quire_fuzz::target!("hocuspocus");
