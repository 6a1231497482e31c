//! Documents that are stuck or slow, in this process: they are given up or punished, and no other document notices.

mod common;

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use common::edit;
use engine::{CloseReason, ConnectionId, DocumentKey, Intent, PayloadHash, PushTag};
use protocol::Dialect;
use server::auth::Pass;
use server::config::{Config, Environment, Flags};
use server::http::App;
use server::hub::JoinError;
use server::mail::{Mail, Mailbox, Newcomer, Way};
use server::outbox::{Outbox, OutboxLimits, Taken};
use server::receiving::Receiving;
use server::serve;
use storage::{MemoryStore, QuarantineQuery, Store};
use tokio::runtime::Builder;

/// Runs a test in a runtime that is not waited for: a thread that spins never ends.
fn run(test: impl Future<Output = ()>) {
    let runtime = Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(120), test)
            .await
            .expect("the test comes to its end");
    });
    runtime.shutdown_background();
}

/// A server that is impatient in some way.
async fn server(change: impl FnOnce(&mut Config)) -> (Arc<MemoryStore>, Arc<App>) {
    let store = Arc::new(MemoryStore::new());
    let config = Config::load_in(&Environment::default(), &Flags::default());
    let mut config = config.unwrap().config;
    change(&mut config);
    let app = serve::build(&config, store.clone(), None).await.unwrap();
    (store, app)
}

struct Client {
    id: ConnectionId,
    mailbox: Mailbox,
    outbox: Outbox,
}

impl Client {
    async fn join(app: &App, document: &DocumentKey) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = ConnectionId(NEXT.fetch_add(1, Ordering::Relaxed));
        let outbox = Outbox::new(OutboxLimits {
            frames_max: 100,
            bytes_max: 1 << 20,
        });
        let newcomer = Newcomer {
            connection: id,
            pass: Pass::anonymous().into(),
            dialect: Dialect::YWebsocket,
            address: None,
            way: Way::Frames(outbox.clone()),
        };
        let mailbox = app.hub.join(document, newcomer).await.unwrap();
        Self {
            id,
            mailbox,
            outbox,
        }
    }

    async fn push(&self, payload: &Bytes) {
        let push = Intent::Push {
            payload: payload.clone(),
            tag: PushTag(0),
        };
        let mail = Mail::Intents {
            connection: self.id,
            intents: vec![push],
            seen: None,
            held: Receiving::new(1).meter().take_all_but(0),
        };
        self.mailbox.send(mail).await.unwrap();
    }

    /// Why the connection is closed, once it is.
    async fn closed(&self) -> CloseReason {
        loop {
            let mut frames = VecDeque::new();
            let taken = poll_fn(|context| self.outbox.poll_take(context, &mut frames)).await;
            if let Taken::Close(reason) = taken {
                return reason;
            }
        }
    }
}

fn document(name: &str) -> DocumentKey {
    DocumentKey::new("default", name).unwrap()
}

async fn payloads(store: &MemoryStore, document: &DocumentKey) -> Vec<Bytes> {
    let changes = store.load(document.clone()).await.unwrap().changes;
    changes.into_iter().map(|it| it.change.payload).collect()
}

async fn stored(store: &MemoryStore, document: &DocumentKey, payload: &Bytes) {
    while !payloads(store, document).await.contains(payload) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn quarantined(store: &MemoryStore) -> Vec<PayloadHash> {
    let query = QuarantineQuery {
        limit: 99,
        ..QuarantineQuery::default()
    };
    let entries = store.quarantined(query).await.unwrap().into_iter();
    entries.map(|entry| entry.quarantined.hash).collect()
}

#[test]
fn a_document_that_does_not_come_back_is_given_up_and_opened_anew() {
    run(async {
        let (store, app) = server(|config| {
            config.limits.step_warn = Duration::from_millis(50);
            config.limits.step_max = Duration::from_millis(300);
        })
        .await;
        let (notes, other) = (document("notes"), document("other"));
        let (author, reader) = (
            Client::join(&app, &notes).await,
            Client::join(&app, &notes).await,
        );
        let (kept, spin) = (edit(1, "kept"), edit(2, "[[spin]]"));
        author.push(&kept).await;
        stored(&store, &notes, &kept).await;
        author.push(&spin).await;
        let neighbour = Client::join(&app, &other).await;
        let typed = edit(3, "not held up");
        neighbour.push(&typed).await;
        stored(&store, &other, &typed).await;
        for client in [&author, &reader] {
            assert_eq!(client.closed().await, CloseReason::NotReady);
        }
        assert_eq!(app.hub.world().watchdog.threads_lost(), 1);
        while quarantined(&store).await != [PayloadHash::of(&spin)] {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let (again, late) = (Client::join(&app, &notes).await, edit(4, "late"));
        again.push(&late).await;
        stored(&store, &notes, &late).await;
        again.push(&spin).await;
        assert_eq!(again.closed().await, CloseReason::BadUpdate);
        assert_eq!(payloads(&store, &notes).await, [kept, late]);
    });
}

#[test]
fn what_a_session_says_after_it_was_given_up_is_thrown_away() {
    run(async {
        let (store, app) = server(|config| {
            config.limits.step_warn = Duration::from_millis(200);
            config.limits.step_max = Duration::from_millis(200);
        })
        .await;
        let notes = document("notes");
        let author = Client::join(&app, &notes).await;
        let slow = edit(2, "[[slow]]");
        author.push(&slow).await;
        assert_eq!(author.closed().await, CloseReason::NotReady);
        let (again, next) = (Client::join(&app, &notes).await, edit(3, "next"));
        again.push(&next).await;
        stored(&store, &notes, &next).await;
        while app.hub.world().watchdog.threads_lost() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let last = edit(4, "last");
        again.push(&last).await;
        stored(&store, &notes, &last).await;
        assert_eq!(payloads(&store, &notes).await, [next, last]);
    });
}

#[test]
fn who_sends_what_takes_too_long_is_closed() {
    run(async {
        let (store, app) = server(|config| {
            config.limits.message_cpu = Duration::from_millis(1);
            config.limits.step_max = Duration::from_secs(100);
        })
        .await;
        let notes = document("notes");
        let (author, reader) = (
            Client::join(&app, &notes).await,
            Client::join(&app, &notes).await,
        );
        let slow = edit(2, "[[slow]]");
        author.push(&slow).await;
        assert_eq!(author.closed().await, CloseReason::Overloaded);
        stored(&store, &notes, &slow).await;
        assert_eq!(quarantined(&store).await, []);
        let next = edit(3, "next");
        reader.push(&next).await;
        stored(&store, &notes, &next).await;
    });
}

#[test]
fn beyond_the_bound_of_memory_only_what_adds_nothing_is_taken() {
    run(async {
        let (store, app) = server(|config| config.limits.memory_bytes = 1).await;
        let (notes, first) = (document("notes"), edit(1, "first"));
        let author = Client::join(&app, &notes).await;
        author.push(&first).await;
        stored(&store, &notes, &first).await;
        while app.hub.world().memory.bytes() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        author.push(&first).await;
        author.push(&edit(2, "second")).await;
        assert_eq!(author.closed().await, CloseReason::Overloaded);
        assert_eq!(payloads(&store, &notes).await, [first]);
        let newcomer = Newcomer {
            connection: ConnectionId(1_000),
            pass: Pass::anonymous().into(),
            dialect: Dialect::YWebsocket,
            address: None,
            way: Way::Frames(author.outbox.clone()),
        };
        let other = app.hub.join(&document("other"), newcomer).await;
        assert_eq!(other.map(drop), Err(JoinError::Full));
    });
}
