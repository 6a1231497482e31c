//! Gives libFuzzer the target `websocket`.
#![no_main]

quire_fuzz::target!("websocket");
