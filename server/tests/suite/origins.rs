//! Pages of other origins, on the real binary: those that are listed may read the API and open sockets, others nothing.

use crate::common::wire::{Answer, Server, Socket};

fn server() -> Server {
    Server::start(&[("ORIGINS", "https://good.example, http://localhost:5173")])
}

fn of(origin: &str) -> String {
    format!("Origin: {origin}\r\n")
}

fn socket(server: &Server, headers: &str) -> Result<Socket, Answer> {
    Socket::ask(server, "/notes", headers)
}

const FOREIGN: [&str; 6] = [
    "https://good.example.evil.com",
    "https://evil.com",
    "https://sub.good.example",
    "http://good.example",
    "http://localhost:8080",
    "null",
];

#[test]
fn only_pages_that_are_listed_open_sockets() {
    let server = server();
    let own = format!("http://{}", server.address);
    for origin in ["https://good.example", "http://localhost:5173", &own] {
        let mut open = socket(&server, &of(origin)).expect(origin);
        assert!(open.joins());
    }
    // Whoever is no browser says no origin, and is asked who it is by other means.
    assert!(socket(&server, "").is_ok());
    for origin in FOREIGN {
        let refused = socket(&server, &of(origin)).err().expect(origin);
        assert_eq!(refused.status, 403, "{origin}");
        assert!(refused.body.contains("origin_refused"), "{}", refused.body);
    }
    let twice = of("https://good.example") + &of("https://evil.com");
    assert!(socket(&server, &twice).is_err());
    let hits = server.metric("quire_limit_hits_total{limit=\"origins\"}");
    assert!(hits >= 7.0, "{hits}");
}

#[test]
fn pages_that_are_listed_read_the_api_and_no_others() {
    let server = server();
    let workspaces = "/api/v1/workspaces";
    let allowed = server.get(workspaces, &of("https://good.example"));
    assert_eq!(allowed.status, 200);
    let says = |answer: &Answer, header: &str| answer.head.contains(&format!("\r\n{header}\r\n"));
    assert!(says(
        &allowed,
        "access-control-allow-origin: https://good.example"
    ));
    assert!(says(&allowed, "vary: origin"));
    let absent = server.get("/api/v1/absent", &of("https://good.example"));
    assert_eq!(absent.status, 404);
    assert!(says(
        &absent,
        "access-control-allow-origin: https://good.example"
    ));
    for origin in FOREIGN {
        let refused = server.get(workspaces, &of(origin));
        assert_eq!(refused.status, 403, "{origin}");
        assert!(
            !refused.head.contains("access-control-"),
            "{}",
            refused.head
        );
    }
    let plain = server.get(workspaces, "");
    assert!(plain.status == 200 && !plain.head.contains("access-control-"));
    assert!(says(&plain, "vary: origin"));
}

#[test]
fn a_browser_that_asks_first_is_answered() {
    let server = server();
    let asking = "Access-Control-Request-Method: POST\r\n\
                  Access-Control-Request-Headers: authorization,content-type\r\n";
    let ask =
        |origin: &str| server.request("OPTIONS", "/api/v1/workspaces", &(of(origin) + asking));
    let allowed = ask("https://good.example");
    assert_eq!(allowed.status, 204);
    for header in [
        "access-control-allow-origin: https://good.example",
        "access-control-allow-headers: authorization, content-type",
        "access-control-allow-methods: GET, POST, PUT, PATCH, DELETE",
    ] {
        assert!(allowed.head.contains(header), "{}", allowed.head);
    }
    let refused = ask("https://evil.com");
    assert_eq!(refused.status, 403);
    assert!(!refused.head.contains("access-control-"));
}

#[test]
fn where_nothing_is_listed_any_page_may_connect_and_none_reads_the_api() {
    let server = Server::start(&[]);
    assert!(socket(&server, &of("https://evil.com")).is_ok());
    let answer = server.get("/api/v1/workspaces", &of("https://evil.com"));
    assert!(!answer.head.contains("access-control-"));
}
