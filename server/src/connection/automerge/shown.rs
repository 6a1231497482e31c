//! What people have shown of themselves on one connection. Clients pass on to all whom they know what they are shown, so they
//! pass it back here; what came by, or back, is not told again.

use std::collections::HashMap;

use protocol::automerge::{PeerId, SessionId};

/// The last number that was met of each run of each author's program.
#[derive(Debug, Default)]
pub(super) struct Shown(HashMap<(PeerId, SessionId), u64>);

impl Shown {
    /// Notes something. False if it was met before, or something later was.
    pub(super) fn is_new(&mut self, author: &PeerId, session: &SessionId, count: u64) -> bool {
        let of = (author.clone(), session.clone());
        if self.0.get(&of).is_some_and(|last| *last >= count) {
            return false;
        }
        if self.0.len() >= AUTHORS_MAX {
            // Clients that are told something twice take it once.
            self.0.clear();
        }
        self.0.insert(of, count);
        true
    }
}

/// Runs of programs that are remembered; then all are forgotten.
const AUTHORS_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_new_once_and_few_are_remembered() {
        let mut shown = Shown::default();
        let (ann, run) = (PeerId("ann".into()), SessionId("1".into()));
        assert!(shown.is_new(&ann, &run, 1) && shown.is_new(&ann, &run, 3));
        assert!(!shown.is_new(&ann, &run, 3) && !shown.is_new(&ann, &run, 2));
        assert!(shown.is_new(&ann, &SessionId("2".into()), 1));
        for number in 0..5_000 {
            let session = SessionId(number.to_string().into());
            assert!(shown.is_new(&PeerId("bob".into()), &session, 0));
            assert!(shown.0.len() <= AUTHORS_MAX);
        }
    }
}
