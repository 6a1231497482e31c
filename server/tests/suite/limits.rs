//! Limits on who connects and how much comes, on the real binary: who is over one hears which, and nobody else notices.

use std::io::Write;

use crate::common::wire::{Server, Socket, upgrade};
use server::listener;

const PER_ADDRESS: &str = "quire_limit_hits_total{limit=\"connections_per_address\"}";

fn from(address: &str) -> String {
    format!("X-Forwarded-For: {address}\r\n")
}

#[test]
fn an_address_has_so_many_connections_and_others_have_theirs() {
    let server = Server::start(&[
        ("LIMITS__CONNECTIONS_PER_ADDRESS", "2"),
        ("TRUSTED_PROXIES", "127.0.0.1"),
    ]);
    let ask = |address: &str| Socket::ask(&server, "/notes", &from(address));
    let mut first = ask("203.0.113.5").ok().unwrap();
    let second = ask("::ffff:203.0.113.5").ok().unwrap();
    let refused = ask("6.6.6.6, 203.0.113.5").err().unwrap();
    assert_eq!(refused.status, 429);
    assert!(
        refused.head.contains("retry-after: 5\r\n"),
        "{}",
        refused.head
    );
    assert!(refused.head.contains("application/problem+json"));
    assert!(refused.body.contains("limits.connections_per_address"));
    assert!(ask("203.0.113.6").is_ok(), "another address");
    assert!(server.metric(PER_ADDRESS) >= 1.0);
    assert!(first.joins());
    // Once the server has heard that one is gone, there is room.
    drop(second);
    while ask("203.0.113.5").is_err() {
        std::thread::yield_now();
    }
    let unforwarded: Vec<_> = (0..5).map(|_| Socket::open(&server, "/notes")).collect();
    assert_eq!(unforwarded.len(), 5, "this machine is not counted");
}

#[test]
fn nobody_but_a_trusted_proxy_says_where_a_client_is() {
    let server = Server::start(&[
        ("LIMITS__CONNECTIONS_PER_ADDRESS", "1"),
        ("DENY", "203.0.113.5"),
        ("TRUSTED_PROXIES", "10.0.0.1"),
    ]);
    let spoofs = ["203.0.113.5", "198.51.100.1", "198.51.100.1"];
    let sockets = spoofs.map(|spoof| Socket::ask(&server, "/notes", &from(spoof)));
    assert!(
        sockets.iter().all(Result::is_ok),
        "the peer is this machine"
    );
}

#[test]
fn a_document_has_so_many_connections() {
    let server = Server::start(&[("LIMITS__CONNECTIONS_PER_DOCUMENT", "2")]);
    let mut here = [
        Socket::open(&server, "/full"),
        Socket::open(&server, "/full"),
    ];
    assert!(here.iter_mut().all(Socket::joins));
    let mut third = Socket::open(&server, "/full");
    let (code, text) = third.closed();
    assert_eq!(code, 1013);
    assert!(text.contains("limits.connections_per_document"), "{text}");
    assert!(Socket::open(&server, "/other").joins());
    assert!(
        here.iter_mut().all(Socket::joins),
        "those who are here stay"
    );
    let hits = "quire_limit_hits_total{limit=\"connections_per_document\"}";
    assert!(server.metric(hits) >= 1.0);
    drop(here);
    while !Socket::open(&server, "/full").joins() {
        std::thread::yield_now();
    }
}

#[test]
fn whom_a_list_keeps_out_hears_nothing_or_that_it_is_refused() {
    let denied = Server::start(&[("DENY", "203.0.113.0/24"), ("TRUSTED_PROXIES", "127.0.0.1")]);
    let answer = denied.get("/", &from("203.0.113.9"));
    assert_eq!(answer.status, 403);
    assert!(answer.body.contains("address_refused"), "{}", answer.body);
    let refused = Socket::ask(&denied, "/notes", &from("203.0.113.9")).err();
    assert_eq!(refused.map(|answer| answer.status), Some(403));
    assert_eq!(
        denied.get("/", &from("203.0.113.9, 198.51.100.1")).status,
        200
    );

    let strangers = Server::start(&[("ALLOW", "203.0.113.0/24")]);
    assert_eq!(strangers.get("/", "").status, 0, "closed before a word");
}

/// Sends the same again and again, and hears what the server says to that.
fn flood(socket: &mut Socket, bytes: &[u8], times: usize) -> (u16, String) {
    for _ in 0..times {
        // The server may have closed already.
        let _ = socket.send(bytes);
    }
    socket.closed()
}

#[test]
fn who_sends_too_many_messages_is_closed_and_others_go_on() {
    let server = Server::start(&[("LIMITS__MESSAGES_PER_SECOND", "20")]);
    let mut neighbour = Socket::open(&server, "/notes");
    assert!(neighbour.joins());
    // Messages, and signs of life, which count as well.
    for frame in [&[0x82, 0x81, 0, 0, 0, 0, 3][..], &[0x89, 0x80, 0, 0, 0, 0]] {
        let mut flooding = Socket::open(&server, "/notes");
        let (code, text) = flood(&mut flooding, frame, 200);
        assert_eq!(code, 1013);
        assert!(text.contains("limits.messages_per_second"), "{text}");
    }
    assert!(neighbour.joins(), "its neighbour is still served");
    let hits = "quire_limit_hits_total{limit=\"messages_per_second\"}";
    assert_eq!(server.metric(hits), 2.0);
}

#[test]
fn who_sends_too_many_bytes_is_closed_and_others_go_on() {
    let settings = [
        ("LIMITS__BYTES_PER_SECOND", "16KiB"),
        ("LIMITS__MESSAGE_BYTES", "128KiB"),
    ];
    let server = Server::start(&settings);
    let mut neighbour = Socket::open(&server, "/notes");
    assert!(neighbour.joins());
    let mut flooding = Socket::open(&server, "/notes");
    // Signs of life that nobody asked for.
    let mut pongs = Vec::new();
    for _ in 0..64 {
        pongs.extend([0x8a, 0xfd, 0, 0, 0, 0]);
        pongs.resize(pongs.len() + 125, 0);
    }
    let (code, text) = flood(&mut flooding, &pongs, 50);
    assert_eq!(code, 1013);
    assert!(text.contains("limits.bytes_per_second"), "{text}");
    assert!(neighbour.joins(), "its neighbour is still served");
}

#[test]
fn in_development_no_pace_is_kept_unless_it_is_set() {
    let server = Server::start(&[]);
    let mut replaying = Socket::open(&server, "/notes");
    let ping = [0x89, 0x80, 0, 0, 0, 0];
    replaying.send(&ping.repeat(20_000)).unwrap();
    assert!(replaying.joins());
}

#[test]
fn a_storm_of_connections_is_served_to_the_last() {
    listener::raise_open_files();
    let server = Server::start(&[
        ("LIMITS__HANDSHAKES", "2"),
        ("LIMITS__DOCUMENTS_OPENING", "1"),
    ]);
    let mut storm: Vec<_> = (0..1_000).map(|_| server.connect()).collect();
    for (number, stream) in storm.iter_mut().enumerate() {
        let request = upgrade(&server.address, &format!("/notes{number}"), "");
        stream.write_all(request.as_bytes()).unwrap();
    }
    for stream in storm {
        let mut socket = Socket::agreed(stream).expect("everybody has their turn");
        assert!(socket.joins());
    }
    for turns in ["handshakes", "documents_opening"] {
        let waiting = format!("quire_admission_waiting{{for=\"{turns}\"}}");
        assert_eq!(server.metric(&waiting), 0.0, "nobody waits any more");
    }
}

/// Waits until a limit was met so often.
fn is_counted(server: &Server, limit: &str, times: f64) {
    let metric = format!("quire_limit_hits_total{{limit=\"{limit}\"}}");
    while server.metric(&metric) < times {
        std::thread::yield_now();
    }
}

#[test]
fn limits_on_messages_and_requests_are_counted_when_they_are_met() {
    let server = Server::start(&[
        ("LIMITS__MESSAGE_BYTES", "1KiB"),
        ("LIMITS__UPDATE_CLIENTS", "1"),
        ("LIMITS__REQUEST_HEAD_BYTES", "8KiB"),
        ("LIMITS__REQUEST_TIME", "500ms"),
    ]);
    let mut too_long = Socket::open(&server, "/notes");
    too_long.send(&[0x82, 0xfe, 8, 0, 0, 0, 0, 0]).unwrap();
    assert_eq!(too_long.closed().0, 4413);
    is_counted(&server, "message_bytes", 1.0);

    let mut too_many = Socket::open(&server, "/notes");
    // An update of two clients, each of whom types a letter.
    let clients = [
        [1, 7, 0, 4, 1, 1, b't', 1, b'a'],
        [1, 8, 0, 4, 1, 1, b't', 1, b'a'],
    ]
    .concat();
    let push = [&[0, 2, 20, 2][..], &clients, &[0]].concat();
    too_many.send_frame(&push).unwrap();
    assert_eq!(too_many.closed().0, 4422);
    is_counted(&server, "update_clients", 1.0);

    let head = format!("X: {}\r\n", "x".repeat(20_000));
    assert_eq!(server.get("/", &head).status, 431);
    is_counted(&server, "request_head_bytes", 1.0);
    let mut silent = server.connect();
    silent.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    is_counted(&server, "request_time", 1.0);
}

#[test]
fn one_connection_too_many_is_counted() {
    let server = Server::start(&[("LIMITS__CONNECTIONS", "1")]);
    let _first = Socket::open(&server, "/notes");
    let refused = Socket::ask(&server, "/notes", "").err().unwrap();
    assert_eq!(refused.status, 503);
    is_counted(&server, "connections", 1.0);
}
