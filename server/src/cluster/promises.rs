//! Which of its promises a node keeps less well just now. What was acknowledged is stored in any case; only how soon others
//! hear of it differs.

use std::sync::atomic::Ordering;

use serde::Serialize;
use storage::BusState;
use utoipa::ToSchema;

use super::Cluster;

/// Something that is slower or less certain than it should be, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Weakened {
    /// What holds instead of what usually does.
    pub promise: &'static str,
    /// What is wrong.
    pub because: String,
}

impl Cluster {
    /// What is not as it should be; empty if all is well.
    pub fn weakened(&self) -> Vec<Weakened> {
        let bus = match self.bus_state() {
            Some(BusState::Down { reason }) => Some(Weakened {
                promise: BUS_DOWN,
                because: format!("the bus is away: {reason}"),
            }),
            Some(BusState::Up) | None => None,
        };
        let heads = self.heads_fail.load(Ordering::Relaxed).then(|| Weakened {
            promise: HEADS_FAIL,
            because: "the store does not tell what other nodes have stored".to_owned(),
        });
        let lease = self.hold_fails.load(Ordering::Relaxed).then(|| Weakened {
            promise: HOLD_FAILS,
            because: "the store is not told that this node lives".to_owned(),
        });
        [bus, heads, lease].into_iter().flatten().collect()
    }
}

const BUS_DOWN: &str = "edits of other nodes are shown within a second instead of at once; presence and messages of their clients are not shown";
const HEADS_FAIL: &str = "edits of other nodes that the bus loses are not found; clients that come from another node may not see at once what they wrote there";
const HOLD_FAILS: &str = "other nodes may take this one for dead";
