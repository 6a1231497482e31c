//! Gives libFuzzer the target `delete_set`.
#![no_main]

quire_fuzz::target!("delete_set");
