//! What is taken away while it is in use, on the real binary: whoever uses it is closed at once and stays out, and nobody else
//! notices.

use std::io::Write;

use crate::common::tokens::{self, SECRET, claims, now_s, sign};
use crate::common::wire::{Answer, Server, Socket};
use serde_json::{Value, json};
use tempfile::TempDir;

struct Guarded {
    server: Server,
    _folder: TempDir,
}

impl Guarded {
    fn start() -> Self {
        let folder = tokens::folder();
        let server = Server::start(&[("DATA_DIR", tokens::path_of(&folder))]);
        Self {
            server,
            _folder: folder,
        }
    }

    /// Somebody who has opened a document.
    fn join(&self, document: &str, token: &str) -> Socket {
        let mut socket = self.connect(document, token);
        assert!(socket.joins());
        socket
    }

    fn connect(&self, document: &str, token: &str) -> Socket {
        Socket::open(&self.server, &format!("/{document}?token={token}"))
    }

    fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let mut stream = self.server.connect();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: quire\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        Answer::read(&mut std::io::BufReader::new(stream))
    }

    fn revoke(&self, what: &Value) -> Value {
        let mut claims = claims("root", &[]);
        claims["quire"] = json!({"workspace": "*", "may": ["admin"]});
        let answer = self.post("/api/v1/revocations", &sign(&claims, SECRET), what);
        assert_eq!(answer.status, 201, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }
}

fn writer(user: &str, id: &str) -> String {
    let mut claims = claims(user, &["read", "write", "presence"]);
    claims["jti"] = json!(id);
    sign(&claims, SECRET)
}

const REVOKED: u16 = 4403;

#[test]
fn a_user_who_is_revoked_is_closed_everywhere_and_stays_out() {
    let guarded = Guarded::start();
    let (ada, bob) = (writer("ada", "a"), writer("bob", "b"));
    let mut theirs = ["one", "two"].map(|document| guarded.join(document, &bob));
    let mut other = guarded.join("one", &ada);
    let ticket = guarded.post("/api/v1/tickets", &bob, &json!({}));
    let ticket: Value = serde_json::from_str(&ticket.body).unwrap();

    guarded.revoke(&json!({"user": "bob", "reason": "left"}));
    for socket in &mut theirs {
        assert_eq!(socket.closed().0, REVOKED);
    }
    assert!(other.joins(), "others stay");
    assert_eq!(guarded.connect("one", &bob).closed().0, REVOKED);
    let address = format!("/one?ticket={}", ticket["ticket"].as_str().unwrap());
    let mut late = Socket::open(&guarded.server, &address);
    assert_eq!(
        late.closed().0,
        REVOKED,
        "a ticket from before is no way in"
    );

    let mut newer = claims("bob", &["read"]);
    newer["iat"] = json!(now_s() + 2);
    guarded.join("one", &sign(&newer, SECRET));
}

#[test]
fn a_token_that_is_revoked_leaves_others_of_its_user() {
    let guarded = Guarded::start();
    let (laptop, phone) = (writer("bob", "laptop"), writer("bob", "phone"));
    let (mut gone, mut stays) = (guarded.join("one", &laptop), guarded.join("one", &phone));
    guarded.revoke(&json!({"token": "laptop"}));
    assert_eq!(gone.closed().0, REVOKED);
    assert!(stays.joins());
    assert_eq!(guarded.connect("two", &laptop).closed().0, REVOKED);
}

#[test]
fn a_document_is_revoked_for_all_and_lifted_again() {
    let guarded = Guarded::start();
    let ada = writer("ada", "a");
    let (mut here, mut elsewhere) = (guarded.join("one", &ada), guarded.join("two", &ada));
    let entry = guarded.revoke(&json!({"document": "one"}));
    assert_eq!(here.closed().0, REVOKED);
    assert!(elsewhere.joins());
    assert_eq!(guarded.connect("one", &ada).closed().0, REVOKED);

    let admin = sign(&claims("root", &["admin"]), SECRET);
    let path = format!("/api/v1/revocations/{}", entry["id"]);
    let shown = format!("Authorization: Bearer {admin}\r\n");
    assert_eq!(guarded.server.request("DELETE", &path, &shown).status, 204);
    guarded.join("one", &ada);
}

#[test]
fn what_was_written_before_a_revocation_stays_and_what_comes_with_it_does_not() {
    let guarded = Guarded::start();
    let (ada, bob) = (writer("ada", "a"), writer("bob", "b"));
    let mut socket = guarded.join("one", &bob);
    let update = crate::common::edit(1, "kept");
    let frame = [&[0, 2, u8::try_from(update.len()).unwrap()], &update[..]].concat();
    socket.send_frame(&frame).unwrap();
    while socket.next_frame().unwrap().1 != frame {}
    guarded.revoke(&json!({"user": "bob"}));
    assert_eq!(socket.closed().0, REVOKED);

    // Bob comes back with what was written offline.
    let mut again = guarded.connect("one", &bob);
    let update = crate::common::edit(2, "late");
    let offline = [&[0, 2, u8::try_from(update.len()).unwrap()], &update[..]].concat();
    let _ = again.send_frame(&offline);
    assert_eq!(again.closed().0, REVOKED);
    let shown = format!("Authorization: Bearer {ada}\r\n");
    let path = "/api/v1/workspaces/default/documents/one/content";
    assert_eq!(guarded.server.get(path, &shown).body, "kept");
}

/// No address, token or ticket that was shown is in the log.
#[test]
fn what_was_shown_is_not_logged() {
    let guarded = Guarded::start();
    let bob = writer("bob", "b");
    let ticket = guarded.post("/api/v1/tickets", &bob, &json!({})).body;
    let ticket: Value = serde_json::from_str(&ticket).unwrap();
    let ticket = ticket["ticket"].as_str().unwrap();
    guarded.join("one", &bob);
    assert!(Socket::open(&guarded.server, &format!("/one?ticket={ticket}")).joins());
    let asking = format!("/api/v1/whoami?token={bob}x&ticket={ticket}");
    assert_eq!(guarded.server.get(&asking, "").status, 401);
    guarded.revoke(&json!({"user": "bob"}));
    assert_eq!(guarded.connect("one", &bob).closed().0, REVOKED);
    guarded.server.logs("revoked");
    let log = guarded.server.log();
    let signature = bob.rsplit('.').next().unwrap();
    assert!(!log.contains(signature) && !log.contains(ticket), "{log}");
}
