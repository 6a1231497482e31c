//! Several nodes in one process, on one store and one bus in memory: what one says the others hear, and what they do not hear
//! they find in the store.

mod common;

use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::edit;
use common::wire::{PULL_EVERYTHING, Socket};
use engine::{DocumentKey, Kind, Snapshot};
use server::cluster::Node;
use server::config::{Config, Environment, Flags};
use server::http::{self, App};
use server::listener::{self, Entrance, HeadLimits};
use server::serve::build_node;
use storage::{
    Bus, BusAnswer, BusFigures, BusState, Ear, MemoryBus, MemoryBusHub, MemoryStore, NodeEntry,
    Revoked, Store, Topic, Word,
};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What nodes share.
#[derive(Default)]
struct Shared {
    store: Arc<MemoryStore>,
    buses: MemoryBusHub,
}

/// A node that serves on a port of its own.
struct Served {
    app: Arc<App>,
    address: SocketAddr,
    /// Whether what it says gets lost.
    is_mute: Arc<AtomicBool>,
    stopping: CancellationToken,
}

/// A bus that loses what is said on it, if told to.
struct Lossy {
    bus: MemoryBus,
    is_mute: Arc<AtomicBool>,
}

impl Shared {
    async fn node(&self, name: &str) -> Served {
        let is_mute = Arc::new(AtomicBool::new(false));
        let bus = Lossy {
            bus: self.buses.bus(),
            is_mute: is_mute.clone(),
        };
        let node = Node {
            name: name.to_owned(),
            bus: Some(Arc::new(bus)),
        };
        let app = build_node(&config(), self.store.clone(), Some(node), None)
            .await
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stopping = CancellationToken::new();
        tokio::spawn(listener::serve(listener, entrance(&app), stopping.clone()));
        Served {
            app,
            address,
            is_mute,
            stopping,
        }
    }

    async fn nodes(&self) -> [Served; 3] {
        [
            self.node("a").await,
            self.node("b").await,
            self.node("c").await,
        ]
    }
}

fn config() -> Config {
    let loaded = Config::load_in(&Environment::default(), &Flags::default()).unwrap();
    let mut config = loaded.config;
    config.cluster.heads_interval = Duration::from_millis(50);
    config
}

fn entrance(app: &Arc<App>) -> Entrance {
    Entrance {
        router: http::router(app.clone()),
        limits: HeadLimits {
            bytes_max: 16 * 1024,
            time_max: PATIENCE,
        },
        addresses: app.addresses.clone(),
        tls: None,
    }
}

impl Served {
    fn connect(&self, path: &str) -> Socket {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Socket::over(stream, "quire", path, "").unwrap()
    }

    /// Somebody who has a document open.
    fn join(&self, document: &str) -> Socket {
        let mut socket = self.connect(&format!("/{document}"));
        assert!(socket.joins());
        socket
    }

    fn loses_words(&self, loses: bool) {
        self.is_mute.store(loses, Ordering::SeqCst);
    }

    /// Lets everybody go, as a server does that stops.
    async fn stop(&self) {
        self.stopping.cancel();
        self.app.hub.drain().await;
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

/// What a client sends to have an edit taken.
fn push(client: u8, text: &str) -> Vec<u8> {
    let update = edit(client, text);
    let length = u8::try_from(update.len()).unwrap();
    [&[0, 2, length], &update[..]].concat()
}

/// What a client sends to be shown.
fn presence(client: u8, version: u8, state: &str) -> Vec<u8> {
    let length = u8::try_from(state.len()).unwrap();
    let entry = [&[1, client, version, length], state.as_bytes()].concat();
    let all = u8::try_from(entry.len()).unwrap();
    [&[1, all], &entry[..]].concat()
}

/// Waits for a message that has a text in it.
fn hears(socket: &mut Socket, text: &str) -> Vec<u8> {
    while let Some((opcode, payload)) = socket.next_frame() {
        assert_ne!(opcode, 8, "closed while waiting for {text:?}: {payload:?}");
        if payload
            .windows(text.len())
            .any(|part| part == text.as_bytes())
        {
            return payload;
        }
    }
    panic!("the connection ended while waiting for {text:?}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn edits_and_presence_go_to_the_clients_of_all_nodes() {
    let shared = Shared::default();
    let nodes = shared.nodes().await;
    let mut clients = nodes.each_ref().map(|node| node.join("plan"));
    for (author, text) in ["one", "two", "three"].into_iter().enumerate() {
        let client = u8::try_from(author).unwrap() + 1;
        clients[author].send_frame(&push(client, text)).unwrap();
        for socket in &mut clients {
            hears(socket, text);
        }
    }
    clients[0]
        .send_frame(&presence(9, 1, r#"{"name":"ada"}"#))
        .unwrap();
    for socket in &mut clients[1..] {
        assert_eq!(hears(socket, "ada")[0], 1);
    }
    let mut late = nodes[2].join("plan");
    late.send_frame(&[3]).unwrap();
    hears(&mut late, "ada");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_gets_lost_on_the_bus_is_found_in_the_store() {
    let shared = Shared::default();
    let [a, b, _] = shared.nodes().await;
    let (mut author, mut reader) = (a.join("plan"), b.join("plan"));
    a.loses_words(true);
    author.send_frame(&push(1, "unheard")).unwrap();
    hears(&mut author, "unheard");
    hears(&mut reader, "unheard");
    a.loses_words(false);
    author.send_frame(&push(2, "heard")).unwrap();
    hears(&mut reader, "heard");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_was_on_a_node_that_stops_is_not_shown_any_more() {
    let shared = Shared::default();
    let [a, b, _] = shared.nodes().await;
    let (mut ada, mut bob) = (a.join("plan"), b.join("plan"));
    ada.send_frame(&presence(9, 1, r#"{"name":"ada"}"#))
        .unwrap();
    hears(&mut bob, "ada");
    let (stopped, closed) = tokio::join!(
        a.stop(),
        tokio::task::spawn_blocking(move || ada.closed().0)
    );
    assert_eq!((stopped, closed.unwrap()), ((), 1012));
    let gone = hears(&mut bob, "null");
    assert_eq!(gone[..4], [1, gone[1], 1, 9]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_deleted_or_revoked_on_one_node_is_so_on_all() {
    let shared = Shared::default();
    let nodes = shared.nodes().await;
    let [deleted, revoked] = ["deleted", "revoked"].map(|name| {
        let clients = nodes.each_ref().map(|node| node.join(name));
        (DocumentKey::new("default", name).unwrap(), clients)
    });
    let created = shared.store.create(deleted.0.clone(), Kind::Yjs).await;
    assert!(created.is_ok());
    let hub = &nodes[0].app.hub;
    assert!(hub.delete(deleted.0).await.unwrap());
    for mut socket in deleted.1 {
        assert_eq!(socket.closed().0, 4404);
    }
    let auth = &hub.world().auth;
    let entry = auth.revoke(Revoked::Document(revoked.0), None, None, String::new());
    let entry = entry.await.unwrap();
    hub.say_revoked();
    hub.revoked().await;
    for mut socket in revoked.1 {
        assert_eq!(socket.closed().0, 4403);
    }
    for node in &nodes {
        assert_eq!(node.connect("/revoked").closed().0, 4403);
    }
    assert!(auth.lift_revocation(entry.number).await.unwrap());
    hub.say_revoked();
    for node in &nodes {
        until(|| node.app.hub.world().auth.revocations().is_empty()).await;
        node.join("revoked");
    }
}

/// A message of the Hocuspocus dialect about the document `plan`.
fn of_plan(message: &[u8]) -> Vec<u8> {
    [b"\x04plan", message].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn signals_go_to_the_clients_of_all_nodes() {
    let shared = Shared::default();
    let nodes = shared.nodes().await;
    let mut clients = nodes.each_ref().map(|node| {
        let mut socket = node.connect("/hocuspocus/default");
        socket.send_frame(&of_plan(&[2, 0, 0])).unwrap();
        hears(&mut socket, "read-write");
        socket
    });
    let plan = DocumentKey::new("default", "plan").unwrap();
    assert!(nodes[1].app.hub.signal(&plan, "to all".into()).await);
    for socket in &mut clients {
        hears(socket, "to all");
    }
    let said = [&[5, 4][..], b"hear"].concat();
    clients[2].send_frame(&of_plan(&said)).unwrap();
    for socket in &mut clients[..2] {
        hears(socket, "hear");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_document_that_is_put_away_and_opened_again_hears_the_others() {
    let shared = Shared::default();
    let [a, b, _] = shared.nodes().await;
    let plan = DocumentKey::new("default", "plan").unwrap();
    let mut author = a.join("plan");
    for round in 1..20 {
        let mut reader = b.join("plan");
        b.app.hub.reopen(&plan).await;
        assert_ne!(reader.closed().0, 0);
        let mut reader = b.join("plan");
        let text = format!("round {round}");
        author.send_frame(&push(round, &text)).unwrap();
        hears(&mut reader, &text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_comes_to_another_node_finds_what_they_wrote() {
    let shared = Shared::default();
    let nodes = shared.nodes().await;
    let _open_everywhere = nodes.each_ref().map(|node| node.join("plan"));
    nodes.iter().for_each(|node| node.loses_words(true));
    for round in 1..20 {
        let [here, there] = [round, round + 1].map(|at| &nodes[usize::from(at) % 3]);
        let text = format!("round {round}");
        let mut author = here.join("plan");
        author.send_frame(&push(round, &text)).unwrap();
        // Its own words come back once they are stored.
        hears(&mut author, &text);
        drop(author);
        let mut again = there.connect("/plan");
        again.send_frame(&PULL_EVERYTHING).unwrap();
        let answer = loop {
            let (opcode, payload) = again.next_frame().unwrap();
            if opcode == 2 && payload.starts_with(&[0, 1]) {
                break payload;
            }
        };
        let found = String::from_utf8_lossy(&answer);
        assert!(found.contains(&text), "{text} is not in {found}");
    }
}

#[tokio::test]
async fn every_node_knows_all_of_them() {
    let shared = Shared::default();
    let nodes = shared.nodes().await;
    for node in &nodes {
        let cluster = node.app.hub.world().cluster.clone().unwrap();
        let names = async || {
            let load = server::cluster::load(&node.app.hub);
            let nodes = cluster.nodes(load).await.unwrap();
            nodes.into_iter().map(|it| it.name).collect::<Vec<_>>()
        };
        while names().await != ["a", "b", "c"] {
            tokio::task::yield_now().await;
        }
    }
}

async fn until(mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}

impl Bus for Lossy {
    fn attach(&self, ear: Ear) {
        self.bus.attach(ear);
    }

    fn listen(&self, document: &DocumentKey) {
        self.bus.listen(document);
    }

    fn ignore(&self, document: &DocumentKey) {
        self.bus.ignore(document);
    }

    fn say(&self, topic: &Topic, word: Word) {
        if !self.is_mute.load(Ordering::SeqCst) {
            self.bus.say(topic, word);
        }
    }

    fn states(&self) -> watch::Receiver<BusState> {
        self.bus.states()
    }

    fn figures(&self) -> BusFigures {
        self.bus.figures()
    }

    fn beat(&self, node: NodeEntry) {
        self.bus.beat(node);
    }

    fn leave(&self, node: &str) -> BusAnswer<'_, ()> {
        self.bus.leave(node)
    }

    fn nodes(&self) -> BusAnswer<'_, Vec<NodeEntry>> {
        self.bus.nodes()
    }

    fn keep_hot(&self, snapshot: Snapshot) {
        self.bus.keep_hot(snapshot);
    }

    fn hot(&self, document: &DocumentKey) -> BusAnswer<'_, Option<Snapshot>> {
        self.bus.hot(document)
    }

    fn share_count(&self, node: &str, what: &str, here: u64) -> BusAnswer<'_, u64> {
        self.bus.share_count(node, what, here)
    }

    fn close(&self) -> BusAnswer<'_, ()> {
        self.bus.close()
    }
}

impl fmt::Debug for Lossy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lossy")
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
