//! What operators and load balancers ask: is the process alive, can it serve, what does it count, which version is it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use engine::Capability;
use serde::Serialize;
use storage::{BusState, Store, StoreError};
use tokio::sync::Mutex;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::App;
use super::api::caller::Visit;
use super::problem::Problem;
use crate::cluster::Weakened;

/// Whether this server can serve.
#[derive(Debug, Default)]
pub struct Health {
    stopping: AtomicBool,
    last_check: Mutex<Option<Check>>,
}

/// What the store answered when it was last asked to keep something.
#[derive(Clone, Debug)]
struct Check {
    asked: Instant,
    took: Duration,
    failure: Option<&'static str>,
}

/// What `/readyz?verbose` answers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    /// `ready`; `degraded`, which serves as well, but keeps a promise less well; `draining`, `stopping`, or `unavailable`.
    pub status: &'static str,
    /// The store.
    pub store: StoreReadiness,
    /// Documents in memory.
    pub documents_open: usize,
    /// This node among others; none if it shares its store with nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeReadiness>,
    /// The promises that are kept less well just now.
    pub weakened: Vec<Weakened>,
}

/// How a node is among others.
#[derive(Debug, Serialize, ToSchema)]
pub struct NodeReadiness {
    /// What it is called.
    pub name: String,
    /// Its replica id.
    pub replica: u32,
    /// Whether words of other nodes come at once: `up`, `down`, or `none` if there is no bus.
    pub bus: &'static str,
    /// Changes of other nodes that wait for what they build on.
    pub changes_held: usize,
}

/// How the store is.
#[derive(Debug, Serialize, ToSchema)]
pub struct StoreReadiness {
    /// `ok`, or what is wrong.
    pub status: &'static str,
    /// How long its last committed write took, in milliseconds.
    pub latency_ms: f64,
}

/// What `/version` answers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Version {
    /// The program.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
}

impl Health {
    /// From now on the server is not ready.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Asks the store, but not more often than every [`CHECK_INTERVAL`].
    async fn check(&self, store: &dyn Store) -> Check {
        let mut last = self.last_check.lock().await;
        match &*last {
            Some(check) if check.asked.elapsed() < CHECK_INTERVAL => check.clone(),
            _ => last.insert(Check::ask(store).await).clone(),
        }
    }
}

impl Check {
    async fn ask(store: &dyn Store) -> Self {
        let asked = Instant::now();
        let failure = match timeout(CHECK_TIMEOUT, store.check()).await {
            Ok(Ok(())) => None,
            Ok(Err(StoreError::Full)) => {
                Some("disk is full: edits are kept in memory and not acknowledged")
            }
            Ok(Err(_)) => Some("store fails: edits are kept in memory and not acknowledged"),
            Err(_) => Some("store does not answer: edits are kept in memory and not acknowledged"),
        };
        Self {
            asked,
            took: asked.elapsed(),
            failure,
        }
    }
}

/// The process is alive; it says so even while the store is not.
#[utoipa::path(
    get,
    path = "/livez",
    operation_id = "isAlive",
    responses((status = 200, description = "The process is alive", body = String, content_type = "text/plain"))
)]
pub(super) async fn livez() -> &'static str {
    "ok\n"
}

/// Whether clients should be sent here. `verbose` takes the capability `admin` for all documents, unless
/// `auth.open_metrics` is set; the answer without it is for everybody.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "isReady",
    security((), ("bearer" = ["admin"])),
    params(("verbose" = Option<String>, Query, description = "Answer in JSON with the parts; needs no value")),
    responses(
        (status = 200, description = "It can serve", content((String = "text/plain"), (Readiness = "application/json"))),
        (status = 503, description = "It cannot serve, and why", content((String = "text/plain"), (Readiness = "application/json"))),
    )
)]
pub(super) async fn readyz(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    visit: Visit,
) -> Result<Response, Problem> {
    let is_verbose = query.is_some_and(|query| query.starts_with("verbose"));
    if is_verbose {
        may_watch(&app, &visit).await?;
    }
    let mut check = app.health.check(&*app.store).await;
    if app.hub.world().appends_fail() {
        check.failure = check.failure.or(Some(APPENDS_FAIL));
    }
    if app.hub.world().watchdog.is_exhausted() {
        check.failure = check.failure.or(Some(THREADS_LOST));
    }
    let stopping = app.health.stopping.load(Ordering::Relaxed);
    let weakened = weakened(&app);
    let status = match (stopping, check.failure) {
        (true, _) => "stopping",
        (false, Some(_)) => "unavailable",
        (false, None) if is_draining(&app) => "draining",
        (false, None) if !weakened.is_empty() => "degraded",
        (false, None) => "ready",
    };
    let code = if ["ready", "degraded"].contains(&status) {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    Ok(if is_verbose {
        (code, Json(readiness(&app, status, &check, weakened))).into_response()
    } else {
        let promise = weakened.first().map(|it| it.promise);
        let why = check.failure.or(promise);
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        (code, format!("{status}{why}\n")).into_response()
    })
}

fn is_draining(app: &App) -> bool {
    let cluster = app.hub.world().cluster.clone();
    cluster.is_some_and(|cluster| cluster.is_draining())
}

fn weakened(app: &App) -> Vec<Weakened> {
    let cluster = app.hub.world().cluster.clone();
    cluster.map_or_else(Vec::new, |cluster| cluster.weakened())
}

fn node(app: &App) -> Option<NodeReadiness> {
    let world = app.hub.world();
    let cluster = world.cluster.as_ref()?;
    Some(NodeReadiness {
        name: cluster.name().to_owned(),
        replica: cluster.replica().0,
        bus: match cluster.bus_state() {
            Some(BusState::Up) => "up",
            Some(BusState::Down { .. }) => "down",
            None => "none",
        },
        changes_held: world.held_changes.load(Ordering::Relaxed),
    })
}

fn readiness(app: &App, status: &'static str, check: &Check, weakened: Vec<Weakened>) -> Readiness {
    let store = StoreReadiness {
        status: check.failure.unwrap_or("ok"),
        latency_ms: check.took.as_secs_f64() * 1_000.0,
    };
    Readiness {
        status,
        store,
        documents_open: app.hub.documents_open(),
        node: node(app),
        weakened,
    }
}

/// Counts and delays, for Prometheus. They take the capability `admin` for all documents, unless `auth.open_metrics` is set.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "getMetrics",
    security(("bearer" = ["admin"])),
    responses((status = 200, description = "The page that Prometheus reads", body = String, content_type = "text/plain"))
)]
pub(super) async fn metrics(
    State(app): State<Arc<App>>,
    visit: Visit,
) -> Result<Response, Problem> {
    may_watch(&app, &visit).await?;
    let page = app
        .metrics
        .as_ref()
        .map(|metrics| metrics.render())
        .unwrap_or_default();
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], page).into_response())
}

/// Whether somebody may know how much goes on. That they ask from this machine says nothing: a proxy on it makes all
/// requests look so.
async fn may_watch(app: &App, visit: &Visit) -> Result<(), Problem> {
    if app.open_metrics {
        return Ok(());
    }
    let caller = visit.admit(app, None).await?;
    caller.may_everywhere(Capability::Admin)
}

/// Which program this is.
#[utoipa::path(
    get,
    path = "/version",
    operation_id = "getVersion",
    responses((status = 200, description = "The program and its version", body = Version))
)]
pub(super) async fn version() -> Json<Version> {
    Json(Version {
        name: "quire",
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// A small write may still fit on a disk that has no room for edits.
const APPENDS_FAIL: &str = "store refuses edits: they are kept in memory and not acknowledged";
/// What is lost comes back only with a new process.
const THREADS_LOST: &str =
    "threads are lost to documents that do not come back: restart this server";
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);
