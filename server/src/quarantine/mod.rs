//! What is to be kept out of documents, on its way to the store. None of it is lost silently: it is logged at once, and
//! offered to the store until that takes it.

pub(crate) mod cause;

use std::time::Duration;

use engine::{Author, Quarantined};
use storage::{Failpoint, Word};
use tracing::{error, warn};

use crate::hub::Hub;
use crate::telemetry::metrics;
use cause::Cause;

/// Says that a payload is kept out. The reason is left out, because what a library says as it fails may quote content.
pub(crate) fn report(quarantined: &Quarantined, cause: Cause) {
    metrics::quarantined(cause);
    let author = quarantined.author.as_ref().map(Author::as_str);
    let dot = quarantined.dot.map(|dot| dot.to_string());
    let cause = cause.as_str();
    error!(
        document = %quarantined.document, hash = %quarantined.hash, author, dot, cause,
        "payload is kept out of its document; `quire doc quarantine` shows it"
    );
}

/// Reports it, and has the store keep it beside all else that goes on.
pub(crate) fn keep(hub: &Hub, quarantined: Quarantined, cause: Cause) {
    report(&quarantined, cause);
    let world = hub.world();
    hub.spawn(async move {
        let mut delay = RETRY_MIN;
        while let Err(failure) = world.store.quarantine(quarantined.clone()).await {
            let hash = quarantined.hash;
            warn!(document = %quarantined.document, %hash, "store did not take a quarantined payload, it is offered again: {failure}");
            tokio::time::sleep(delay).await;
            delay = (delay * 2).min(RETRY_MAX);
        }
        Failpoint::QuarantineStored.reach();
        world.say(&quarantined.document, word(&quarantined));
    });
}

/// What the other nodes are told, who may have the document open. One that shows what is kept out here would not be equal.
fn word(quarantined: &Quarantined) -> Word {
    Word::KeptOut {
        payload: quarantined.hash,
        in_log: quarantined.dot.is_some(),
    }
}

const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);
