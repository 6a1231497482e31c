//! What the other nodes are told when a document is put away here: that nobody is with this node any more, whatever ended the
//! session. One that failed or was given up has not said goodbye for its clients, and a goodbye may be lost.

use std::sync::Arc;
use std::time::Duration;

use engine::{DocumentKey, Now, PresenceRoll};
use storage::Word;
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::Cluster;

impl Cluster {
    /// Says it three times, beside the caller, who holds locks. It is about what was said before this moment: if the document is opened again
    /// meanwhile, that does no harm.
    pub(crate) fn say_nobody_is_here(self: &Arc<Self>, document: &DocumentKey, now: Now) {
        let runtime = self.bus().and_then(|_| Handle::try_current().ok());
        let Some(runtime) = runtime else {
            return;
        };
        for from in self.own() {
            let roll = PresenceRoll::of_nobody(now);
            let word = Word::PresenceRoll { from, roll };
            runtime.spawn(self.clone().say_thrice(document.clone(), word));
        }
    }

    async fn say_thrice(self: Arc<Self>, document: DocumentKey, word: Word) {
        for pause in PAUSES {
            tokio::select! {
                () = sleep(pause) => self.say(&document, word.clone()),
                () = self.leaving.cancelled() => return,
            }
        }
    }
}

/// After what it is said, again, and once more.
const PAUSES: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(2),
];
