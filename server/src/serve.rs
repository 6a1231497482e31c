//! `quire serve`: builds everything from the configuration, serves until told to stop, and stops without losing a word.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

use anyhow::Context;
use engine::ordered::OrderedLimits;
use engine::{DocumentKey, Kind, Limits, PresenceLimits, RosterLimits};
use metrics_exporter_prometheus::PrometheusHandle;
use protocol::automerge::StorageId;
use protocol::preflight::Bounds;
use storage::Store;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::auth::{self, Auth};
use crate::breadcrumb::{self, Crumbs};
use crate::clock::Clock;
use crate::cluster::letting_go::let_go;
use crate::cluster::replicas::OwnReplica;
use crate::cluster::{Cluster, LostReplica, Node, Replicas};
use crate::config::{Config, RateConfig, StoreChoice};
use crate::connection::{ConnectionLimits, PreAuthLimits};
use crate::hook::{Doorkeeper, Hook};
use crate::http::health::Health;
use crate::http::{self, App, SocketLimits};
use crate::hub::{Hub, HubLimits};
use crate::limits::{self, Admission, PaceLimits, Places, PlacesLimits, Rate, Turns};
use crate::listener::{self, Entrance, HeadLimits};
use crate::mail::{Inbox, Mailbox};
use crate::memory::Memory;
use crate::ordered;
use crate::outbox::OutboxLimits;
use crate::receiving::Receiving;
use crate::session;
use crate::stores::{self, OwnFolder};
use crate::telemetry::metrics;
use crate::tls::Tls;
use crate::watchdog::{ABANDONED_MAX, Spares, Watchdog, WatchdogLimits, rounds};
use crate::world::World;

/// Serves until SIGTERM or SIGINT. A second signal stops at once. The runtime must have some threads to spare
/// ([`ABANDONED_MAX`]).
///
/// # Errors
/// The configuration can not be served, the address is taken, or the store can not be opened.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    config.check()?;
    let tls = config.tls.clone().map(Tls::load).transpose()?.map(Arc::new);
    listener::raise_open_files();
    let listener = bind(config.listen)?;
    let name = stores::node_name(&config, listener.local_addr()?);
    let own = OwnFolder::lock(&config, &name)?;
    let store = stores::open(&config).await?;
    let node = stores::node(&config, name)?;
    let metrics = metrics::init()?;
    let crumbs = match &own {
        None => Crumbs::none(),
        Some(own) => breadcrumb::examine(&*store, own.path(), &config).await?,
    };
    tokio::spawn(upkeep(metrics.clone()));
    let spares = Spares::rest(ABANDONED_MAX, Handle::current());
    let parts = Parts {
        store: store.clone(),
        node,
        metrics: Some(metrics),
        crumbs,
        spares: Some(spares),
    };
    let app = assemble(&config, parts).await?;
    let stopping = CancellationToken::new();
    if let Some(tls) = &tls {
        tokio::spawn(tls.clone().watch(stopping.clone()));
    }
    banner(&config, &app.hub.world().auth, listener.local_addr()?);
    let serving = listener::serve(listener, entrance(&config, &app, tls), stopping.clone());
    let serving = tokio::spawn(serving);
    let lost = tokio::select! {
        () = stop_signal() => false,
        () = lost(&app) => true,
    };
    app.health.stop();
    stopping.cancel();
    serving.await.context("the listener failed")?;
    let spread = match lost {
        // What clients say here is stored no more.
        true => Duration::ZERO,
        false => config.shutdown.spread(app.hub.world().cluster.is_some()),
    };
    shut_down(&app, &*store, spread, config.shutdown.grace).await;
    match lost {
        true => Err(LostReplica.into()),
        false => Ok(()),
    }
}

/// Waits until this process may write no more, which only ever happens where several share a store.
async fn lost(app: &App) {
    match &app.hub.world().cluster {
        Some(cluster) => cluster.lost().await,
        None => std::future::pending().await,
    }
}

/// Everything that the handlers need, for a server that leaves no crumbs.
///
/// # Errors
/// The store gave no replica id.
pub async fn build(
    config: &Config,
    store: Arc<dyn Store>,
    metrics: Option<PrometheusHandle>,
) -> anyhow::Result<Arc<App>> {
    build_node(config, store, None, metrics).await
}

/// The same for one of several nodes that share the store.
///
/// # Errors
/// The store gave no replica id.
pub async fn build_node(
    config: &Config,
    store: Arc<dyn Store>,
    node: Option<Node>,
    metrics: Option<PrometheusHandle>,
) -> anyhow::Result<Arc<App>> {
    let parts = Parts {
        store,
        node,
        metrics,
        crumbs: Crumbs::none(),
        spares: None,
    };
    assemble(config, parts).await
}

/// What a server is made of besides its configuration.
struct Parts {
    store: Arc<dyn Store>,
    node: Option<Node>,
    metrics: Option<PrometheusHandle>,
    crumbs: Crumbs,
    spares: Option<Spares>,
}

async fn assemble(config: &Config, parts: Parts) -> anyhow::Result<Arc<App>> {
    let Parts {
        store,
        node,
        metrics,
        crumbs,
        spares,
    } = parts;
    let replica = OwnReplica::take(&*store)
        .await
        .context("the store gave no replica id")?;
    info!(replica = %replica.id(), "this process is a new replica");
    let replicas = Arc::new(Replicas::new(store.clone(), replica));
    let cluster = match node {
        Some(node) => Some(Arc::new(
            Cluster::join(node, replicas.clone(), config, store.clone()).await?,
        )),
        None => None,
    };
    let hook = Hook::new(config, update_bounds(config))?;
    if let Some(hook) = &hook {
        hook.start(&store, cluster.as_ref());
    }
    let auth = Auth::new(config)?
        .for_pages_of(config.origins.clone())
        .kept_in(store.clone())
        .await
        .context("the store did not give its revocations")?;
    let auth = match &hook {
        Some(hook) if hook.decides() => auth.decided_by(Box::new(Doorkeeper(hook.clone()))),
        _ => auth,
    };
    let identity = store.identity().await;
    let identity = identity.context("the store did not say what it is called")?;
    let connections = Arc::new(Semaphore::new(config.limits.connections));
    let world = World {
        store: store.clone(),
        replicas,
        limits: Limits {
            shared: cluster.is_some(),
            ..document_limits(config)
        }
        .into(),
        ordered_limits: ordered_limits(config, cluster.is_some()).into(),
        unsaved_bytes_max: config.limits.unsaved_node_bytes,
        unsaved_bytes: AtomicUsize::new(0),
        held_changes: AtomicUsize::new(0),
        append_failed_ms: AtomicU64::new(0),
        crumbs,
        auth: Arc::new(auth),
        places: Places::new(places_limits(config), cluster.clone()),
        commits_noops: config.commits_noops,
        collections: ordered::Collections::default(),
        projections: config.projections.clone(),
        hook,
        admission: Admission {
            handshakes: Turns::new("handshakes", config.limits.handshakes),
            openings: Turns::new("documents_opening", config.limits.documents_opening),
        },
        memory: Memory::new(config.limits.memory_bytes),
        receiving: Receiving::new(config.limits.receiving_bytes),
        watchdog: Arc::new(Watchdog::new(watchdog_limits(config), spares)),
        message_cpu_max: config.limits.message_cpu,
        connections: connections.clone(),
        connections_max: config.limits.connections,
        cluster: cluster.clone(),
        storage_id: identity.map(storage_id),
        clock: Clock::start(),
    };
    let hub = HubLimits {
        mailbox_max: config.limits.mailbox,
        documents_max: config.limits.documents_open,
    };
    let hub = Hub::new(world, hub, start_session);
    rounds::start(&hub, Handle::current()).context("the watchdog cannot be started")?;
    auth::keep_up(&hub);
    if let Some(cluster) = cluster {
        cluster.start(&hub);
        tokio::spawn(limits::keep_up(hub.downgrade()));
    }
    let sockets = socket_limits(config, hub.world().auth.is_open());
    Ok(Arc::new(App {
        store,
        hub,
        addresses: Arc::new(config.addresses.clone()),
        origins: config.origins.clone(),
        health: Health::default(),
        sockets,
        connections,
        rebuilds: Semaphore::new(REBUILDS_MAX),
        body_time_max: config.limits.request_time,
        open_metrics: config.auth.open_metrics,
        metrics,
    }))
}

/// As clients of automerge-repo name stores: a UUID.
fn storage_id(identity: u128) -> StorageId {
    let digits = format!("{identity:032x}");
    let groups = [0..8, 8..12, 12..16, 16..20, 20..32].map(|group| &digits[group]);
    StorageId(groups.join("-").into())
}

fn places_limits(config: &Config) -> PlacesLimits {
    PlacesLimits {
        per_address_max: config.limits.connections_per_address,
        per_user_max: config.limits.connections_per_user,
        per_document_max: config.limits.connections_per_document,
    }
}

fn watchdog_limits(config: &Config) -> WatchdogLimits {
    WatchdogLimits {
        step_warn: config.limits.step_warn,
        step_max: config.limits.step_max,
    }
}

fn document_limits(config: &Config) -> Limits {
    Limits {
        unsaved_bytes_max: config.limits.unsaved_document_bytes,
        snapshot_changes: config.document.snapshot_changes,
        snapshot_bytes: config.document.snapshot_bytes,
        idle_ms: millis(config.document.idle),
        writers: config.limits.client_ids,
        nesting_max: config.limits.type_depth,
        document_weight_max: config.limits.document_memory,
        presence: PresenceLimits {
            timeout_ms: millis(config.presence.timeout),
            entries_per_connection_max: config.limits.presence_entries,
            state_bytes_max: config.limits.presence_state_bytes,
            wait_max_ms: millis(config.presence.wait_max),
            ..PresenceLimits::default()
        },
        ..Limits::default()
    }
}

fn ordered_limits(config: &Config, is_shared: bool) -> OrderedLimits {
    OrderedLimits {
        waiting_bytes_max: config.limits.unsaved_document_bytes,
        snapshot_operations: config.document.snapshot_changes,
        idle_ms: millis(config.document.idle),
        presence: roster_limits(config),
        is_shared,
        ..OrderedLimits::default()
    }
}

fn roster_limits(config: &Config) -> RosterLimits {
    RosterLimits {
        of_connection_max: config.limits.presence_entries,
        value_bytes_max: config.limits.presence_state_bytes,
        ..RosterLimits::default()
    }
}

/// Documents are of the kind that whoever comes first expects, and ordered if they expect none.
fn start_session(hub: &Hub, key: DocumentKey, kind: Option<Kind>, way: Mailbox, inbox: Inbox) {
    match kind {
        Some(kind) => session::start(hub, key, kind, way, inbox),
        None => ordered::start(hub, key, inbox),
    }
}

fn socket_limits(config: &Config, is_open: bool) -> SocketLimits {
    let outbox = OutboxLimits {
        frames_max: config.limits.outbox_frames,
        bytes_max: config.limits.outbox_bytes,
    };
    SocketLimits {
        pace: Arc::new(pace_limits(config, is_open)),
        message_bytes_max: config.limits.message_bytes,
        connection: Arc::new(ConnectionLimits {
            outbox,
            bounds: update_bounds(config),
            ping_interval: config.connection.ping_interval,
            silence_max: config.connection.silence_timeout,
            documents_max: config.limits.documents_per_connection,
            sharedb_documents_max: config.limits.sharedb_documents_per_connection,
            automerge_documents_max: config.limits.automerge_documents_per_connection,
            pre_auth: PreAuthLimits {
                bytes_max: config.limits.pre_auth_bytes,
                messages_max: config.limits.pre_auth_messages,
                time_max: config.limits.pre_auth_time,
            },
        }),
    }
}

fn pace_limits(config: &Config, is_open: bool) -> PaceLimits {
    let limits = &config.limits;
    let (messages, bytes) = (limits.messages_per_second, limits.bytes_per_second);
    let rate = |limit: RateConfig, burst: usize| {
        let rate = Rate {
            per_second: limit.per_second as u64,
            burst: burst as u64,
        };
        (limit.is_set || !is_open).then_some(rate)
    };
    let messages_burst = messages.per_second * MESSAGES_BURST_S;
    let bytes_burst = (2 * limits.message_bytes)
        .max(bytes.per_second)
        .max(BYTES_BURST_MIN);
    PaceLimits {
        messages: rate(messages, messages_burst),
        bytes: rate(bytes, bytes_burst),
    }
}

pub(crate) fn update_bounds(config: &Config) -> Bounds {
    Bounds {
        structs_max: config.limits.update_items,
        clients_max: config.limits.update_clients,
        memory_max: config.limits.update_memory,
        depth_max: config.limits.value_depth,
        advance_max: config.limits.client_advance,
        ..Bounds::default()
    }
}

/// Sums up what was measured since, so that it does not pile up where nobody reads the metrics.
async fn upkeep(metrics: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP_INTERVAL).await;
        metrics.run_upkeep();
    }
}

fn entrance(config: &Config, app: &Arc<App>, tls: Option<Arc<Tls>>) -> Entrance {
    Entrance {
        router: http::router(app.clone()),
        limits: head_limits(config),
        addresses: app.addresses.clone(),
        tls,
    }
}

fn head_limits(config: &Config) -> HeadLimits {
    HeadLimits {
        bytes_max: config.limits.request_head_bytes,
        time_max: config.limits.request_time,
    }
}

fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    listener::listen(address).with_context(|| {
        format!("can not listen on {address}; is another server using the port? --listen chooses another address")
    })
}

/// Waits for the first request to stop; the second one ends the process.
async fn stop_signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        std::process::exit(1);
    });
}

/// Says goodbye to everyone, stores what is not stored, and closes the store; all within the grace.
async fn shut_down(app: &App, store: &dyn Store, spread: Duration, grace: Duration) {
    info!("stopping: no more connections, storing what is not stored");
    if let Some(cluster) = &app.hub.world().cluster {
        cluster.say_draining(&app.hub, true);
    }
    if timeout(grace, end_all(app, spread)).await.is_err() {
        warn!(
            "stopped before everything was stored or every client had gone; unacknowledged edits come back with their clients"
        );
    }
    if let Some(hook) = &app.hub.world().hook {
        hook.stop().await;
    }
    if let Some(cluster) = &app.hub.world().cluster {
        cluster.leave().await;
    }
    if timeout(grace, store.close()).await.is_err() {
        warn!("the store did not close in time");
    }
    info!("stopped");
}

/// Lets clients go one after the other, if that is to take a while, and has the rest stored and closed.
async fn end_all(app: &App, spread: Duration) {
    if !spread.is_zero() {
        let_go(&app.hub, spread, || true).await;
    }
    app.hub.drain().await;
}

fn banner(config: &Config, auth: &Auth, address: SocketAddr) {
    let store = match config.store {
        StoreChoice::Memory => "memory (nothing survives a restart)".to_owned(),
        StoreChoice::Sqlite => format!("SQLite in {}", config.data_dir.display()),
        StoreChoice::Postgres if config.redis_url.is_some() => "Postgres, with Redis".to_owned(),
        StoreChoice::Postgres => "Postgres, without Redis".to_owned(),
    };
    let (http, ws) = match config.tls {
        Some(_) => ("https", "wss"),
        None => ("http", "ws"),
    };
    let banner = format!(
        "Quire {} is listening on {http}://{address}
  pages        {http}://{address}/
  y-websocket  {ws}://{address}/{{document}}
               {ws}://{address}/yjs/{{workspace}}/{{document}}
  Hocuspocus   {ws}://{address}
               {ws}://{address}/hocuspocus/{{workspace}}
  API          {http}://{address}/api/v1 (described in /openapi.json)
  storage      {store}
  access       {}
",
        env!("CARGO_PKG_VERSION"),
        auth.rule()
    );
    // Whoever started the server may have gone and closed the other end.
    let _ = io::stdout().write_all(banner.as_bytes());
}

/// A client that was away comes back with as many messages as this many seconds allow.
const MESSAGES_BURST_S: usize = 5;
/// As much as is ever read at once.
const BYTES_BURST_MIN: usize = 128 * 1024;
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);
/// How many requests may rebuild content from the log at once; further ones wait. Each may take a processor and as much
/// memory as the document is large.
const REBUILDS_MAX: usize = 4;

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
