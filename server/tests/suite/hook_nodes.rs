//! Several nodes on one store and one application behind their hooks: it is told by one of them, whichever it happened at,
//! and gives a document its first content once.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::edit;
use crate::common::nodes::{Served, Shared, hears, push};
use crate::common::wire::PULL_EVERYTHING;
use axum::extract::State;
use axum::http::Uri;
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use engine::{DocumentKey, Order};
use serde_json::{Value, json};
use server::config::{HookConfig, HookEvents};
use storage::{Holder, Store, TimelinePage};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// An application that remembers what it is asked and told.
struct Application {
    heard: Heard,
    folder: TempDir,
    port: u16,
}

type Heard = Arc<Mutex<Vec<Value>>>;

impl Application {
    async fn start() -> Self {
        let (heard, folder) = (Heard::default(), TempDir::new().unwrap());
        std::fs::write(folder.path().join("secret"), "a secret of the test's own").unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = Router::new().route("/", post(answer));
        let router = router.with_state(heard.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            heard,
            folder,
            port,
        }
    }

    /// Nodes that tell this application, and ask it for first content if they are to.
    fn behind(&self, load: bool) -> Shared {
        let uri = format!("http://127.0.0.1:{}/", self.port);
        let secret = self.folder.path().join("secret");
        Shared::altered(move |config| {
            config.hook = HookConfig {
                url: Some(uri.parse::<Uri>().unwrap()),
                secret_file: Some(secret.clone()),
                load,
                events: HookEvents {
                    created: true,
                    changed: true,
                    deleted: true,
                },
                debounce: Duration::from_millis(20),
                ..config.hook.clone()
            };
        })
    }

    /// What it heard of an event, by documents.
    fn heard(&self, event: &str) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for heard in self.heard.lock().unwrap().iter() {
            if heard["event"] == event {
                let document = heard["document"].as_str().unwrap().to_owned();
                *counts.entry(document).or_default() += 1;
            }
        }
        counts
    }

    async fn hears(&self, event: &str, document: &str) {
        while !self.heard(event).contains_key(document) {
            tokio::time::sleep(LOOK).await;
        }
    }
}

async fn answer(State(heard): State<Heard>, Json(asked): Json<Value>) -> Json<Value> {
    let is_load = asked["event"] == "load";
    heard.lock().unwrap().push(asked);
    Json(match is_load {
        true => json!({"update": STANDARD.encode(edit(7, "first words"))}),
        false => json!({}),
    })
}

/// Somebody writes at a node.
fn write(node: &Served, document: &str) {
    let mut socket = node.join(document);
    socket.send_frame(&push(1, "written")).unwrap();
    hears(&mut socket, "written");
}

async fn stop_telling(node: &Served) {
    let world = node.app.hub.world();
    world.hook.as_ref().unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_node_tells_whichever_it_happened_at() {
    let application = Application::start().await;
    let nodes = application.behind(false).nodes().await;
    let documents = ["a", "b", "c"].map(|name| [format!("{name}1"), format!("{name}2")]);
    for (node, documents) in nodes.iter().zip(&documents) {
        documents.iter().for_each(|document| write(node, document));
    }
    for document in documents.iter().flatten() {
        application.hears("created", document).await;
        application.hears("changed", document).await;
    }
    let told = application.heard("created");
    assert!(
        told.values().all(|count| *count == 1),
        "told once of each: {told:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn when_a_node_stops_another_tells() {
    let application = Application::start().await;
    let nodes = application.behind(false).nodes().await;
    for (number, node) in nodes.iter().enumerate() {
        let document = format!("before-{number}");
        write(node, &document);
        application.hears("changed", &document).await;
        if number < 2 {
            stop_telling(node).await;
        }
    }
    // Whichever told first, now only the last is left to tell, also what happens at the others.
    write(&nodes[0], "after");
    application.hears("changed", "after").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_tells_while_another_may_and_then_somebody_does() {
    let application = Application::start().await;
    let shared = application.behind(false);
    let dead = |lasts| {
        let holder = Holder {
            node: "dead".to_owned(),
            incarnation: 1,
        };
        shared.store.take_duty("telling".to_owned(), holder, lasts)
    };
    assert_eq!(dead(Duration::from_secs(600)).await, Ok(true));
    let nodes = shared.nodes().await;
    write(&nodes[0], "waits");
    let is_due = async || {
        let news = shared.store.news(9).await.unwrap();
        news.iter().any(|news| news.due_in_ms < -200)
    };
    while !is_due().await {
        tokio::time::sleep(LOOK).await;
    }
    assert!(application.heard("created").is_empty(), "it is another's");
    assert_eq!(dead(Duration::ZERO).await, Ok(true));
    application.hears("created", "waits").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_ask_for_first_content_at_once_store_it_once() {
    let application = Application::start().await;
    let shared = application.behind(true);
    let nodes = shared.nodes().await;
    let mut clients = nodes.each_ref().map(|node| {
        let mut socket = node.connect("/story");
        socket.send_frame(&PULL_EVERYTHING).unwrap();
        socket
    });
    for client in &mut clients {
        hears(client, "first words");
    }
    let asked = application.heard("load")["story"];
    assert!((1..=nodes.len()).contains(&asked), "asked {asked} times");
    let story = DocumentKey::new("default", "story").unwrap();
    let page = TimelinePage::After(Order(0), 9);
    assert_eq!(shared.store.timeline(story, page).await.unwrap().len(), 1);
    drop(nodes[0].join("story"));
    assert_eq!(application.heard("load")["story"], asked, "it is there now");
}

const LOOK: Duration = Duration::from_millis(10);
