//! Where a position is after a delta.

use super::{Action, Delta};

impl Delta {
    /// Where a position is after this delta. What is inserted right there comes before it, or after it if `stays`.
    pub(in crate::ot) fn transform_position(&self, mut position: u64, stays: bool) -> u64 {
        let mut at = 0;
        for component in &self.components {
            if at > position {
                break;
            }
            let length = component.len();
            match component.action {
                Action::Delete(_) => {
                    position -= length.min(position - at);
                    continue;
                }
                Action::Insert(_) | Action::Embed(_) if at < position || !stays => {
                    position = position.saturating_add(length);
                }
                _ => {}
            }
            at = at.saturating_add(length);
        }
        position
    }
}
