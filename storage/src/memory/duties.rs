//! The duties of the store in memory: by their names.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::lease::Holder;
use crate::numbers::millis;

#[derive(Debug, Default)]
pub(super) struct Duties(BTreeMap<String, (u128, u64)>);

impl Duties {
    pub(super) fn take(
        &mut self,
        duty: String,
        holder: &Holder,
        lasts: Duration,
        now_ms: u64,
    ) -> bool {
        let held = self.0.get(&duty);
        let is_free = held.is_none_or(|(incarnation, until_ms)| {
            *incarnation == holder.incarnation || *until_ms <= now_ms
        });
        if is_free {
            let until_ms = now_ms.saturating_add(millis(lasts));
            self.0.insert(duty, (holder.incarnation, until_ms));
        }
        is_free
    }
}
