//! The first content of a document, as the application gives it: stored once, whoever asks for it at the same time.
//!
//! A document that does not exist is looked up in the application before its first client sees anything of it. The content
//! is checked as that of a client would be, and stored as the document's first change; at that the store compares, so of
//! two nodes, or of one before and after a crash, the first wins and the other takes what is there.

use std::sync::Arc;

use anyhow::{Context, bail};
use engine::{Author, DocumentKey, Kind};
use storage::{Failpoint, Past, StoreError};
use tokio::time::timeout;
use tracing::info;

use super::Hook;
use crate::breadcrumb::Step;
use crate::founding::{self, Founding, Unfit};
use crate::quarantine::{self, cause::Cause};
use crate::world::World;

/// Gives a document its first content, if the application has any. True if the document is there now.
///
/// # Errors
/// The application does not answer, or what it gives can not be stored. The document must not be opened then: an empty one
/// would be filled by its clients, and the application's content would come too late.
pub(crate) async fn seed(
    hook: &Hook,
    world: &Arc<World>,
    document: &DocumentKey,
    past: &Past,
) -> anyhow::Result<bool> {
    let Some(first) = hook.first_content(document).await? else {
        return Ok(false);
    };
    let founding = Founding {
        document: document.clone(),
        author: first.author.unwrap_or_else(|| Author::new(AUTHOR)),
        update: first.update,
    };
    if past.quarantined.contains(&founding.hash()) {
        bail!("it is quarantined: it made the engine fail before");
    }
    let founding = try_out(hook, world, founding).await?;
    if founding.is_nothing() {
        return Ok(false);
    }
    let own = world.replicas.current();
    if !world.replicas.may_open(&own) {
        bail!("the store may have lost what this process had named; it is taking a new replica id");
    }
    let change = founding.change(own.id(), world.clock.now());
    Failpoint::BeforeAppend.reach();
    let created = world
        .store
        .create_with(document.clone(), Kind::Yjs, vec![change]);
    match created.await {
        Ok(()) => info!(%document, "document begins with content of the application"),
        Err(StoreError::Exists | StoreError::Deleted) => {
            info!(%document, "document came into being meanwhile, content of the application is dropped");
        }
        Err(failure) => return Err(failure).context("it was not stored"),
    }
    Failpoint::CommitHeard.reach();
    Ok(true)
}

/// Tries the content out where it holds nobody up, and notes what is tried in case it ends the process. What makes the
/// engine fail is quarantined, so that it is not tried again.
async fn try_out(hook: &Hook, world: &World, founding: Founding) -> anyhow::Result<Founding> {
    let mut trail = world.crumbs.begin();
    let (bounds, weight_max) = (hook.bounds, world.limits.document_weight_max);
    let tried = founding.clone();
    let trial = tokio::task::spawn_blocking(move || {
        let step = Step::Push {
            payload: &tried.update,
            author: Some(&tried.author),
            connection: founding::NO_CONNECTION,
        };
        trail.leave(&tried.document, Kind::Yjs, &step);
        tried.check(&bounds, weight_max)
    });
    let (cause, failure) = match timeout(hook.trial_max, trial).await {
        Ok(tried) => match tried? {
            Ok(()) => return Ok(founding),
            Err(Unfit::Content(failure)) if failure.breaks() => (Cause::Edit, failure.to_string()),
            Err(unfit) => return Err(unfit).context("it can not be taken"),
        },
        Err(_) => (Cause::Stuck, "taking it in does not end".to_owned()),
    };
    let quarantined = founding.quarantined(&failure, world.clock.now());
    quarantine::report(&quarantined, cause);
    world.store.quarantine(quarantined).await?;
    bail!("it made the engine fail, and is quarantined")
}

/// Who is said to have written content for which the application names nobody.
const AUTHOR: &str = "hook";
