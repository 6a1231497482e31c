//! How open documents stand in the store, looked up again and again because the word that another node said of it may have
//! been lost: whether they were deleted, and what is kept out of them.
//!
//! What is kept out is told to the document, which knows whether it may show it. Where something is let in again, the
//! document is opened anew.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use engine::{DocumentKey, Input, PayloadHash};
use storage::{QuarantineQuery, Standing, StoreError};
use tokio::time::timeout;
use tracing::{debug, info};

use super::{Cluster, rounds};
use crate::hub::{Hub, WeakHub};
use crate::mail::{Mail, Mailbox};

/// Looks until the node goes.
pub(super) async fn watch(cluster: Arc<Cluster>, hub: WeakHub) {
    let mut known = Known::default();
    loop {
        let interval = match cluster.hears() {
            true => cluster.heads_interval() * ROUNDS_WITH_BUS,
            false => cluster.heads_interval().min(rounds::HEADS_WITHOUT_BUS),
        };
        if !rounds::pause(&cluster, interval).await {
            return;
        }
        let Some(hub) = hub.upgrade() else {
            return;
        };
        if let Err(failure) = known.look(&cluster, &hub).await {
            // The round of heads warns of it.
            debug!("what became of documents at other nodes is not known for now: {failure}");
        }
    }
}

/// How each session's document stood when it was last looked at.
#[derive(Default)]
struct Known(HashMap<DocumentKey, (Mailbox, Standing)>);

impl Known {
    async fn look(&mut self, cluster: &Cluster, hub: &Hub) -> Result<(), StoreError> {
        let open = hub.open();
        let mut known = HashMap::with_capacity(open.len());
        for some in open.chunks(rounds::HEADS_AT_ONCE) {
            let documents = some.iter().map(|(key, _)| key.clone()).collect();
            let asked = cluster.store.standings(documents);
            for ((key, mailbox), standing) in some.iter().zip(in_time(asked).await?) {
                let before = self.of(key, mailbox);
                let is_told = tell(cluster, hub, (key, mailbox), before, standing).await?;
                let stands = if is_told { standing } else { before };
                known.insert(key.clone(), (mailbox.clone(), stands));
            }
        }
        self.0 = known;
        Ok(())
    }

    /// As a session's document stood. One that is looked at for the first time may have been opened just before something
    /// was done to it.
    fn of(&self, key: &DocumentKey, mailbox: &Mailbox) -> Standing {
        let known = self.0.get(key).filter(|(known, _)| known.is_same(mailbox));
        known.map(|(_, standing)| *standing).unwrap_or_default()
    }
}

/// Tells a session what is new of its document. False if there was no room for it.
async fn tell(
    cluster: &Cluster,
    hub: &Hub,
    (key, mailbox): (&DocumentKey, &Mailbox),
    before: Standing,
    now: Standing,
) -> Result<bool, StoreError> {
    if now.is_deleted {
        return Ok(before.is_deleted || mailbox.hear(Input::Deleted));
    }
    if now.quarantine < before.quarantine {
        info!(document = %key, "something is let into a document again, it is opened anew");
        reopen(hub, mailbox.clone());
    } else if now.quarantine > before.quarantine {
        let asked = cluster.store.quarantined(QuarantineQuery::of(key));
        let entries = in_time(asked).await?.into_iter();
        let entries = entries.map(|entry| entry.quarantined);
        let known = entries.map(|it| (it.hash, it.dot.is_some()));
        return Ok(mailbox.hear(kept_out(known)));
    }
    Ok(true)
}

/// What a document is told of payloads that are kept out; of each whether it is in the log.
pub(super) fn kept_out(entries: impl IntoIterator<Item = (PayloadHash, bool)>) -> Input {
    let (mut payloads, mut in_log) = (BTreeSet::new(), BTreeSet::new());
    for (hash, is_in_log) in entries {
        match is_in_log {
            true => in_log.insert(hash),
            false => payloads.insert(hash),
        };
    }
    Input::KeptOut { payloads, in_log }
}

/// Has a document opened anew, whenever its session gets to it.
pub(super) fn reopen(hub: &Hub, session: Mailbox) {
    hub.spawn(async move {
        // A session that is being put away is opened anew anyway.
        let _ = session.send(Mail::Drain).await;
    });
}

async fn in_time<T>(asked: storage::Answer<'_, T>) -> Result<T, StoreError> {
    let late = || StoreError::Unavailable("it does not answer".to_owned());
    let answer = timeout(ANSWER_MAX, asked).await;
    answer.unwrap_or_else(|_| Err(late()))
}

/// While the bus is there a word tells of all this, and is seldom lost.
const ROUNDS_WITH_BUS: u32 = 4;
/// How long the store may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);
