//! Gives libFuzzer the target `ywebsocket_frame`.
#![no_main]

quire_fuzz::target!("ywebsocket_frame");
