//! Where a cursor or a selection is after a walk.

use super::{Component, Measure, Walk};

/// A cursor, or what is selected between an anchor and a focus, which may come before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ot) enum Selection {
    Cursor(u64),
    Between(u64, u64),
}

impl Walk {
    /// Where a position is after this walk. What is inserted right there comes after it.
    pub(in crate::ot) fn transform_position(&self, mut cursor: u64) -> u64 {
        let mut at = 0;
        for component in &self.components {
            if cursor <= at {
                break;
            }
            let length = self.measure.of(component);
            match component {
                Component::Skip(_) => at += length,
                Component::Insert(_) => {
                    at += length;
                    cursor += length;
                }
                Component::Delete(_) => cursor -= length.min(cursor - at),
            }
        }
        cursor
    }

    /// Where a selection is after this walk. In `text`, one's own walk leaves the cursor where it ended.
    pub(in crate::ot) fn transform_selection(
        &self,
        selection: Selection,
        is_own: bool,
    ) -> Selection {
        if is_own && self.measure == Measure::Cells {
            return Selection::Cursor(self.end());
        }
        match selection {
            Selection::Cursor(at) => Selection::Cursor(self.transform_position(at)),
            Selection::Between(anchor, focus) => Selection::Between(
                self.transform_position(anchor),
                self.transform_position(focus),
            ),
        }
    }

    fn end(&self) -> u64 {
        let stays = |component: &&Component| !matches!(component, Component::Delete(_));
        let steps = self.components.iter().filter(stays);
        steps.map(|step| self.measure.of(step)).sum()
    }
}
