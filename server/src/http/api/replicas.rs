//! The replicas that share the store, and how far documents are with each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use engine::{Capability, DocumentKey, Dot, ReplicaId, VectorClock};
use serde::Deserialize;
use storage::{DocumentQuery, Lease, NodeEntry, OpenClock, Store, StoreError};

use super::caller::Caller;
use super::cursor::{after_name, cut, read_name};
use super::model::{Progress, Replica, ReplicaPage, Replicated, clock};
use super::request::{DEFAULT_WORKSPACE, Parameters, bad_cursor, limit, workspace_name};
use crate::cluster::{clocks, here_and_others};
use crate::http::App;
use crate::http::problem::Problem;
use crate::world::World;

/// Which documents to tell about.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ReplicasQuery {
    /// How far this document is with each replica.
    document: Option<String>,
    /// The workspace of the document, `default` if not said; without a document, all of its documents.
    workspace: Option<String>,
    /// How many documents at most; 50 if not said.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// Where to go on: the `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists the replicas, and tells how far documents are with each: what it shows, what it lacks, what it holds. The nodes are
/// asked over the bus and have half a second to answer.
#[utoipa::path(
    get,
    path = "/api/v1/replicas",
    operation_id = "listReplicas",
    security(("bearer" = ["admin"])),
    params(ReplicasQuery),
    responses(
        (status = 200, description = "The replicas and a page of documents", body = ReplicaPage),
        (status = 400, description = "A parameter cannot be read"),
        (status = 422, description = "The name is not allowed"),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Parameters(query): Parameters<ReplicasQuery>,
) -> Result<Json<ReplicaPage>, Problem> {
    caller.may_everywhere(Capability::Admin)?;
    let (documents, next_cursor) = wanted(&*app.store, query).await?;
    let nodes = here_and_others(&app.hub).await?;
    let leases = leases(&app, &nodes).await?;
    let documents = match documents.is_empty() {
        true => Vec::new(),
        false => replicated(&app, documents, &nodes, &leases).await?,
    };
    let world = app.hub.world();
    let item = |lease: Lease| {
        let entry = nodes.iter().find(|node| has(node, lease.replica));
        let here = is_own(&world, lease.replica);
        Replica::new(lease, entry, here)
    };
    Ok(Json(ReplicaPage {
        items: leases.into_iter().map(item).collect(),
        documents,
        next_cursor,
    }))
}

/// The documents that are asked for, and where the page after them begins.
async fn wanted(
    store: &dyn Store,
    query: ReplicasQuery,
) -> Result<(Vec<DocumentKey>, Option<String>), Problem> {
    let limit = limit(query.limit.as_deref())?;
    let after = query.cursor.as_deref().map(read_name);
    let after = after.map(|name| name.ok_or_else(bad_cursor)).transpose()?;
    let workspace = query.workspace.as_deref();
    if let Some(name) = query.document {
        let key = DocumentKey::new(workspace.unwrap_or(DEFAULT_WORKSPACE), &name)?;
        return Ok((vec![key], None));
    }
    let Some(workspace) = workspace else {
        return Ok((Vec::new(), None));
    };
    workspace_name(workspace)?;
    let page = DocumentQuery {
        workspace: workspace.to_owned(),
        prefix: String::new(),
        after,
        limit: limit + 1,
    };
    let found = store.documents(page).await?;
    let mut keys: Vec<_> = found.into_iter().map(|it| it.document).collect();
    let more = cut(&mut keys, limit);
    let next_cursor = keys.last().filter(|_| more).map(|it| after_name(it.name()));
    Ok((keys, next_cursor))
}

/// The leases of those who live or did a while ago. Whoever has the store to itself holds none, and lives all the same.
async fn leases(app: &App, nodes: &[NodeEntry]) -> Result<Vec<Lease>, StoreError> {
    let mut leases = app.store.leases(ENDED_WITHIN).await?;
    let world = app.hub.world();
    let replica = world.replica();
    match leases.iter_mut().find(|it| it.replica == replica) {
        Some(own) => own.is_held |= world.cluster.is_none(),
        None => leases.push(own_lease(&world)),
    }
    leases.sort_by_key(|lease| lease.replica);
    // Whoever never said who it is, and is not known to live, was another program than a server.
    let is_known = |lease: &Lease| {
        let registered = nodes.iter().any(|node| has(node, lease.replica));
        lease.holder.is_some() || registered || lease.replica == replica
    };
    leases.retain(is_known);
    Ok(leases)
}

fn own_lease(world: &World) -> Lease {
    let now = world.clock.now();
    Lease {
        replica: world.replica(),
        holder: None,
        started_ms: now.wall_ms.saturating_sub(now.monotonic_ms),
        until_ms: None,
        is_held: true,
    }
}

fn has(node: &NodeEntry, replica: ReplicaId) -> bool {
    node.replicas().any(|own| own == replica)
}

fn is_own(world: &World, replica: ReplicaId) -> bool {
    world.replica() == replica || world.replicas.earlier().contains(&replica)
}

/// How far documents are with each process that lives. One that has several replica ids answers under the newest.
async fn replicated(
    app: &App,
    documents: Vec<DocumentKey>,
    nodes: &[NodeEntry],
    leases: &[Lease],
) -> Result<Vec<Replicated>, StoreError> {
    let world = app.hub.world();
    let heads = app.store.heads(documents.clone()).await?;
    let is_earlier = |lease: &Lease| nodes.iter().any(|it| it.earlier.contains(&lease.replica));
    let held = leases.iter().filter(|lease| lease.is_held);
    let held: Vec<_> = held.filter(|lease| !is_earlier(lease)).collect();
    let own = world.replica();
    let mut answers = match &world.cluster {
        Some(cluster) => {
            let others = held.iter().filter(|lease| lease.replica != own);
            cluster.ask_clocks(documents.clone(), others.count()).await
        }
        None => BTreeMap::new(),
    };
    let here = clocks::open_clocks(&app.hub, &documents).await;
    answers.insert(own, here);
    let mut replicated = Vec::new();
    let mut looks = LOOKS_MAX;
    for (document, stored) in documents.into_iter().zip(heads) {
        let mut replicas = Vec::new();
        for lease in &held {
            let open = open_of(&answers, lease.replica, &document);
            let mut progress = progress(&stored, lease, open);
            if let Some(open) = open.flatten() {
                progress.lag_ms =
                    oldest_lacking(app, &document, &stored, &open.clock, &mut looks).await?;
            }
            replicas.push(progress);
        }
        replicated.push(Replicated {
            workspace: document.workspace().to_owned(),
            name: document.name().to_owned(),
            changes: stored.count(),
            clock: clock(&stored),
            replicas,
        });
    }
    Ok(replicated)
}

/// What a replica said of a document: nothing, that it has not opened it, or how far it is.
fn open_of<'a>(
    answers: &'a clocks::Clocks,
    replica: ReplicaId,
    document: &DocumentKey,
) -> Option<Option<&'a OpenClock>> {
    let clocks = answers.get(&replica)?;
    Some(clocks.iter().find(|it| it.document == *document))
}

/// How far a document is with a replica, but for how long ago that was.
fn progress(stored: &VectorClock, lease: &Lease, open: Option<Option<&OpenClock>>) -> Progress {
    let known = open.flatten();
    let lag = |it: &OpenClock| lacking(stored, &it.clock).map(|(_, count)| count).sum();
    Progress {
        replica: lease.replica.0,
        node: lease.holder.as_ref().map(|holder| holder.node.clone()),
        open: open.map(|it| it.is_some()),
        clock: known.map(|it| clock(&it.clock)),
        lag_changes: known.map(lag),
        lag_ms: None,
        held: known.map(|it| it.held),
    }
}

/// Of each lane that goes on beyond a clock the first change that the clock lacks, and how many there are.
fn lacking<'a>(
    stored: &'a VectorClock,
    clock: &'a VectorClock,
) -> impl Iterator<Item = (Dot, u64)> + 'a {
    stored.heads().filter_map(|head| {
        let seen = clock.get(head.replica);
        let count = head.counter.checked_sub(seen).filter(|count| *count > 0)?;
        Some((Dot::new(head.replica, seen + 1), count))
    })
}

/// How long ago the oldest change was made that a clock lacks, as far as some of its lanes tell; 0 if it lacks none.
async fn oldest_lacking(
    app: &App,
    document: &DocumentKey,
    stored: &VectorClock,
    clock: &VectorClock,
    looks: &mut usize,
) -> Result<Option<u64>, StoreError> {
    if lacking(stored, clock).next().is_none() {
        return Ok(Some(0));
    }
    let now_ms = app.hub.world().clock.now().wall_ms;
    let mut oldest_ms: Option<u64> = None;
    for (dot, _) in lacking(stored, clock).take(LANES_MAX.min(*looks)) {
        *looks -= 1;
        let counters = dot.counter..=dot.counter;
        let lane = app.store.lane(document.clone(), dot.replica, counters);
        let made_ms = lane.await?.first().map(|it| it.change.hlc.wall_ms());
        oldest_ms = oldest_ms.into_iter().chain(made_ms).min();
    }
    Ok(oldest_ms.map(|made_ms| now_ms.saturating_sub(made_ms)))
}

/// Whoever ended longer ago is not listed.
const ENDED_WITHIN: Duration = Duration::from_secs(60 * 60);
/// Lanes of a document that are looked into for each replica that is behind.
const LANES_MAX: usize = 8;
/// Lanes that are looked into for one answer; of what is behind beyond that it is not told for how long.
const LOOKS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lacking_is_counted_by_lane() {
        let dot = |replica, counter| Dot::new(ReplicaId(replica), counter);
        let stored = VectorClock::from_iter([dot(1, 5), dot(2, 3), dot(3, 1)]);
        let clock = VectorClock::from_iter([dot(1, 2), dot(2, 4), dot(4, 9)]);
        let found: Vec<_> = lacking(&stored, &clock).collect();
        assert_eq!(found, [(dot(1, 3), 3), (dot(3, 1), 1)]);
        assert_eq!(lacking(&stored, &stored).count(), 0);
    }
}
