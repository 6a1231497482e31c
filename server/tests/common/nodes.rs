//! Several nodes in one process, on one store and one bus in memory.

use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::{DocumentKey, Snapshot};
use server::cluster::Node;
use server::config::{Config, Environment, Flags};
use server::http::{self, App};
use server::listener::{self, Entrance, HeadLimits};
use server::serve::build_node;
use storage::{
    Bus, BusAnswer, BusError, BusFigures, BusState, Ear, MemoryBus, MemoryBusHub, MemoryStore,
    NodeEntry, Topic, Word,
};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::edit;
use super::wire::{Answer, Socket};

/// What nodes share.
pub(crate) struct Shared {
    pub(crate) store: Arc<MemoryStore>,
    buses: MemoryBusHub,
    /// How often nodes look up what others have stored.
    heads_interval: Duration,
    /// What else is unlike what it is by itself.
    alter: Box<dyn Fn(&mut Config) + Send + Sync>,
}

/// A node that serves on a port of its own.
pub(crate) struct Served {
    pub(crate) app: Arc<App>,
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

impl Default for Shared {
    fn default() -> Self {
        Self {
            store: Arc::default(),
            buses: MemoryBusHub::default(),
            heads_interval: Duration::from_millis(50),
            alter: Box::new(|_| {}),
        }
    }
}

impl Shared {
    /// Nodes that are told what is new, or do not know.
    pub(crate) fn slow_to_look() -> Self {
        Self {
            heads_interval: Duration::from_secs(3_600),
            ..Self::default()
        }
    }

    /// Nodes with other settings than usual.
    pub(crate) fn altered(alter: impl Fn(&mut Config) + Send + Sync + 'static) -> Self {
        Self {
            alter: Box::new(alter),
            ..Self::default()
        }
    }

    /// A bus of somebody who is no node.
    pub(crate) fn bus(&self) -> MemoryBus {
        self.buses.bus()
    }

    /// Empties the register, which those that live enter again.
    pub(crate) fn forget_nodes(&self) {
        self.buses.flush();
    }

    fn config(&self, node: &str) -> Config {
        let loaded = Config::load_in(&Environment::default(), &Flags::default()).unwrap();
        let mut config = loaded.config;
        config.cluster.heads_interval = self.heads_interval;
        config.cluster.address = Some(format!("http://{node}.example"));
        config.shutdown.spread = Some(Duration::from_millis(300));
        (self.alter)(&mut config);
        config
    }

    pub(crate) async fn node(&self, name: &str) -> Served {
        let is_mute = Arc::new(AtomicBool::new(false));
        let bus = Lossy {
            bus: self.buses.bus(),
            is_mute: is_mute.clone(),
        };
        self.serve(name, Some(Arc::new(bus)), is_mute).await
    }

    /// A node that the others cannot tell anything, nor it them.
    pub(crate) async fn node_without_bus(&self, name: &str) -> Served {
        self.serve(name, None, Arc::default()).await
    }

    async fn serve(
        &self,
        name: &str,
        bus: Option<Arc<dyn Bus>>,
        is_mute: Arc<AtomicBool>,
    ) -> Served {
        let node = Node {
            name: name.to_owned(),
            bus,
        };
        let app = build_node(&self.config(name), self.store.clone(), Some(node), None)
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

    pub(crate) async fn nodes(&self) -> [Served; 3] {
        [
            self.node("a").await,
            self.node("b").await,
            self.node("c").await,
        ]
    }
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
    pub(crate) fn connect(&self, path: &str) -> Socket {
        self.ask(path, "").unwrap()
    }

    /// Asks for a socket, with more headers.
    pub(crate) fn ask(&self, path: &str, headers: &str) -> Result<Socket, Answer> {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Socket::over(stream, "quire", path, headers)
    }

    /// Somebody who has a document open.
    pub(crate) fn join(&self, document: &str) -> Socket {
        let mut socket = self.connect(&format!("/{document}"));
        assert!(socket.joins());
        socket
    }

    pub(crate) fn loses_words(&self, loses: bool) {
        self.is_mute.store(loses, Ordering::SeqCst);
    }

    /// Lets everybody go, as a server does that stops.
    pub(crate) async fn stop(&self) {
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
pub(crate) fn push(client: u8, text: &str) -> Vec<u8> {
    let update = edit(client, text);
    let length = u8::try_from(update.len()).unwrap();
    [&[0, 2, length], &update[..]].concat()
}

/// What a client sends to be shown.
pub(crate) fn presence(client: u8, version: u8, state: &str) -> Vec<u8> {
    let length = u8::try_from(state.len()).unwrap();
    let entry = [&[1, client, version, length], state.as_bytes()].concat();
    let all = u8::try_from(entry.len()).unwrap();
    [&[1, all], &entry[..]].concat()
}

/// Waits for a message that has a text in it.
pub(crate) fn hears(socket: &mut Socket, text: &str) -> Vec<u8> {
    hears_all(socket, &[text])
}

/// Waits until each of some texts was in a message, in whatever order they come; the last of the messages.
pub(crate) fn hears_all(socket: &mut Socket, texts: &[&str]) -> Vec<u8> {
    let mut missing = texts.to_vec();
    while let Some((opcode, payload)) = socket.next_frame() {
        assert_ne!(
            opcode, 8,
            "closed while waiting for {missing:?}: {payload:?}"
        );
        missing.retain(|text| !contains(&payload, text));
        if missing.is_empty() {
            return payload;
        }
    }
    panic!("the connection ended while waiting for {missing:?}")
}

fn contains(payload: &[u8], text: &str) -> bool {
    payload
        .windows(text.len())
        .any(|part| part == text.as_bytes())
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
        match self.is_mute.load(Ordering::SeqCst) {
            true => Box::pin(async { Err(BusError("nothing gets through".to_owned())) }),
            false => self.bus.share_count(node, what, here),
        }
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

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
