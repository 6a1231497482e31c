//! Messages that never become whole, on the real binary: together they take up so much memory and no more.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crate::common::wire::{Server, Socket};

/// Begins a message of a mebibyte, and sends so much of it.
fn begin(socket: &mut Socket, sent: usize) {
    let mut bytes = vec![0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0];
    bytes.resize(bytes.len() + sent, 0);
    // The server may have closed meanwhile, which is read later.
    let _ = socket.send(&bytes);
}

#[test]
fn who_asks_for_more_than_there_is_room_for_is_closed_and_others_go_on() {
    let server = Server::start(&[("LIMITS__RECEIVING_BYTES", "256KiB")]);
    let mut hogs: Vec<_> = (0..3).map(|_| Socket::open(&server, "/notes")).collect();
    for hog in &mut hogs {
        begin(hog, 200 * 1024);
    }
    // No two of them fit in together, so one stays at most.
    let (codes, closed) = channel();
    for mut hog in hogs {
        let codes = codes.clone();
        // Whoever stays reads until the server is gone.
        thread::spawn(move || codes.send(hog.closed().0));
    }
    for _ in 0..2 {
        assert_eq!(closed.recv_timeout(Duration::from_secs(30)), Ok(1013));
    }
    let mut modest = Socket::open(&server, "/notes");
    assert!(modest.joins(), "a small message is answered");
}
