//! An event that many are told, and what each of them would compute of it.

use std::sync::OnceLock;

use engine::{AutomergeChange, AutomergeContent, Event};

/// An event, with what is computed of it once for all who are told it.
#[derive(Debug)]
pub struct SharedEvent {
    /// The event.
    pub event: Event,
    changes: OnceLock<Vec<AutomergeChange>>,
}

impl SharedEvent {
    /// An event of which nothing is computed yet.
    pub fn new(event: Event) -> Self {
        Self {
            event,
            changes: OnceLock::new(),
        }
    }

    /// The changes in it; none if it carries none.
    pub fn changes(&self) -> &[AutomergeChange] {
        self.changes.get_or_init(|| match &self.event {
            Event::Change { payload } | Event::Ack { payload, .. } | Event::Missing { payload } => {
                // What a document tells it has read itself.
                AutomergeContent::changes_of(payload).unwrap_or_default()
            }
            _ => Vec::new(),
        })
    }
}
