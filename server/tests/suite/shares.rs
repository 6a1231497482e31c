//! Limits that nodes keep together, over real sockets: who is over one at all nodes is refused at any of them.

use std::time::Duration;

use crate::common::nodes::{Served, Shared};
use crate::common::wire::{Answer, Socket};
use server::config::Config;

/// Two connections from an address, and two to a document.
fn narrow(config: &mut Config) {
    config.limits.connections_per_address = 2;
    config.limits.connections_per_document = 2;
    config.addresses.trusted_proxies = "127.0.0.1".parse().unwrap();
}

fn from(node: &Served, address: &str) -> Result<Socket, Answer> {
    node.ask("/plan", &format!("X-Forwarded-For: {address}\r\n"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_address_is_counted_at_all_nodes() {
    let shared = Shared::altered(narrow);
    let [a, b, c] = shared.nodes().await;
    let here = (from(&a, "203.0.113.5"), from(&b, "203.0.113.5"));
    assert!(here.0.is_ok() && here.1.is_ok());
    let refused = eventually(|| from(&c, "203.0.113.5").err()).await;
    assert_eq!(refused.status, 429);
    assert!(from(&c, "203.0.113.6").is_ok(), "another address");
    drop(here);
    eventually(|| from(&c, "203.0.113.5").ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_the_bus_a_node_goes_by_what_it_has() {
    let shared = Shared::altered(narrow);
    let [a, b, _] = shared.nodes().await;
    let here = [from(&a, "203.0.113.5"), from(&a, "203.0.113.5")];
    assert!(here.iter().all(Result::is_ok));
    eventually(|| from(&b, "203.0.113.5").err()).await;
    b.loses_words(true);
    let alone = eventually(|| from(&b, "203.0.113.5").ok()).await;
    let second = from(&b, "203.0.113.5");
    assert!(second.is_ok());
    let third = from(&b, "203.0.113.5");
    assert_eq!(third.err().map(|it| it.status), Some(429), "by its own");
    drop((alone, second));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_document_is_counted_at_all_nodes() {
    let shared = Shared::altered(narrow);
    let [a, b, c] = shared.nodes().await;
    let here = [a.join("plan"), b.join("plan")];
    let closed = eventually(|| {
        let mut third = c.connect("/plan");
        (!third.joins()).then_some(third)
    });
    drop(closed.await);
    assert!(c.connect("/other").joins());
    drop(here);
    eventually(|| c.connect("/plan").joins().then_some(())).await;
}

/// Waits until there is something.
async fn eventually<T>(look: impl Fn() -> Option<T>) -> T {
    let waits = async {
        loop {
            match look() {
                Some(found) => return found,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let waited = tokio::time::timeout(crate::common::nodes::PATIENCE, waits).await;
    waited.expect("it is there in time")
}
