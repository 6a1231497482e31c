//! What is done with crumbs at start, before anybody is served: each is tried, what is guilty goes into the quarantine, and
//! the slots are cleared.

use std::path::Path;

use anyhow::{Context, Result};
use bytes::Bytes;
use engine::{Change, Dot, PayloadHash, Quarantined};
use futures_util::{StreamExt, stream};
use storage::Store;
use tracing::{error, info, warn};

use super::trial::{self, Culprit, Verdict};
use super::{Crumb, Crumbs, Found, Leftovers, What};
use crate::clock::Clock;
use crate::config::Config;
use crate::quarantine::{cause::Cause, report};

/// Looks into what the process before left in a folder of its own, and begins to leave crumbs there. The
/// configuration is for the processes that try them.
///
/// # Errors
/// The store can not keep what is guilty. To go on would be to die of it again.
pub async fn examine(store: &dyn Store, own: &Path, config: &Config) -> Result<Crumbs> {
    let folder = own.join(FOLDER);
    let mut left = Leftovers::read(&folder);
    for found in 0..left.found.len() {
        // A mark that cannot be written only means that a trial without an end is held again.
        if let Err(error) = left.note_trial(found) {
            warn!("a trial cannot be noted: {error}");
        }
    }
    let verdicts: Vec<_> = stream::iter(&left.found)
        .map(|found| async move { (found, judge(found, config).await) })
        .buffer_unordered(TRIALS_AT_ONCE)
        .collect()
        .await;
    for (found, verdict) in verdicts {
        carry_out(store, &found.crumb, verdict).await?;
    }
    Ok(Crumbs::clear(&folder).unwrap_or_else(|error| {
        warn!("no crumbs are left, what ends the process will not be known: {error}");
        Crumbs::none()
    }))
}

async fn judge(found: &Found, config: &Config) -> Verdict {
    if found.trials >= TRIALS_MAX {
        return Verdict::Untried("its trials have not ended".to_owned());
    }
    trial::of(&found.crumb, config).await
}

async fn carry_out(store: &dyn Store, crumb: &Crumb, verdict: Verdict) -> Result<()> {
    let document = &crumb.document;
    let guilty = match verdict {
        Verdict::Innocent => {
            let what = crumb.what;
            info!(%document, ?what, "the process before ended while it was at this, which does no harm when it is done again");
            return Ok(());
        }
        Verdict::Guilty(culprit) => {
            guilty(store, crumb, culprit, "ended the process, and did so again").await?
        }
        Verdict::Untried(why) => {
            warn!(%document, "a crumb was not tried and is believed: {why}");
            let reason = "was under way when the process ended, and was not tried";
            untried(store, crumb, reason).await?
        }
    };
    if guilty.is_empty() {
        error!(%document, what = ?crumb.what, "the process ends over this document, but over no single payload");
    }
    for quarantined in guilty {
        report(&quarantined, Cause::Crash);
        let kept = store.quarantine(quarantined).await;
        kept.context("the store did not take what ended the process before")?;
    }
    Ok(())
}

async fn guilty(
    store: &dyn Store,
    crumb: &Crumb,
    culprit: Culprit,
    reason: &str,
) -> Result<Vec<Quarantined>> {
    Ok(match culprit {
        Culprit::Push => of_push(crumb, reason).into_iter().collect(),
        Culprit::Change(dot, hash) => {
            let mut updates = of_change(store, crumb, dot, reason).await?;
            updates.retain(|update| update.hash == hash);
            updates
        }
        Culprit::Snapshot(hash) => vec![account(crumb, hash, Bytes::new(), reason)],
        Culprit::Reading => Vec::new(),
    })
}

async fn untried(store: &dyn Store, crumb: &Crumb, reason: &str) -> Result<Vec<Quarantined>> {
    Ok(match crumb.what {
        What::Push => of_push(crumb, reason).into_iter().collect(),
        What::Replay(dot) => of_change(store, crumb, dot, reason).await?,
        What::Snapshot => {
            let snapshot = store.load(crumb.document.clone()).await?.snapshot;
            let hash = snapshot.map(|snapshot| PayloadHash::of(&snapshot.state));
            hash.map(|hash| account(crumb, hash, Bytes::new(), reason))
                .into_iter()
                .collect()
        }
        What::Read | What::Render => Vec::new(),
    })
}

fn of_push(crumb: &Crumb, reason: &str) -> Option<Quarantined> {
    let payload = crumb.payload.clone()?;
    Some(Quarantined {
        author: crumb.author.clone(),
        connection: Some(crumb.connection),
        ..account(crumb, PayloadHash::of(&payload), payload, reason)
    })
}

/// The updates of a stored change.
async fn of_change(
    store: &dyn Store,
    crumb: &Crumb,
    dot: Dot,
    reason: &str,
) -> Result<Vec<Quarantined>> {
    let lane = store.lane(
        crumb.document.clone(),
        dot.replica,
        dot.counter..=dot.counter,
    );
    let Some(change) = lane.await?.pop().map(|stored| stored.change) else {
        return Ok(Vec::new());
    };
    let updates = change.updates().unwrap_or_default();
    let of_update = |payload: Bytes| of_update(crumb, &change, payload, reason);
    Ok(updates.into_iter().map(of_update).collect())
}

fn of_update(crumb: &Crumb, change: &Change, payload: Bytes, reason: &str) -> Quarantined {
    Quarantined {
        author: change.author.clone(),
        connection: Some(change.connection),
        dot: Some(change.dot),
        ..account(crumb, PayloadHash::of(&payload), payload, reason)
    }
}

fn account(crumb: &Crumb, hash: PayloadHash, payload: Bytes, reason: &str) -> Quarantined {
    Quarantined {
        document: crumb.document.clone(),
        hash,
        payload,
        author: None,
        connection: None,
        dot: None,
        reason: reason.to_owned(),
        wall_ms: Clock::start().now().wall_ms,
    }
}

/// The folder of the crumbs within that of the process.
const FOLDER: &str = "crumbs";

/// Trials that may begin without ending before the crumb is believed as it is. Whoever runs the server may be impatient.
const TRIALS_MAX: u8 = 2;

/// Trials at once. Each opens one document.
const TRIALS_AT_ONCE: usize = 4;
