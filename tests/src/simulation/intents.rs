//! What clients ask of a session: handed on, and noted for the checks.

use bytes::Bytes;
use engine::{Audience, ConnectionId, Effect, Input, Intent, Kind};

use super::checks::{Check, Found};
use super::pieces::Pieces;
use super::world::World;

impl World {
    /// Hands on what a client asks. Of an edit whose author may not write, nothing is taken.
    pub(super) fn hand_intent(
        &mut self,
        node: usize,
        document: usize,
        connection: ConnectionId,
        intent: Intent,
        seen: Option<u64>,
    ) -> Found<()> {
        let now = self.nodes[node].now(self.now_ms);
        self.note_let_in(node, document);
        let line = self.lines.get_mut(&connection);
        let waiting = line.and_then(|line| line.waiting.as_mut());
        let waits = waiting
            .map(|waiting| waiting.push(intent.clone()))
            .is_some();
        let is_barred = !waits && self.is_barred(connection, &intent);
        if !waits && !is_barred {
            self.note_intent(node, document, connection, &intent);
        }
        let session = self.session(node, document);
        let before = is_barred.then(|| session.has()).transpose()?;
        let input = Input::Intent {
            connection,
            intent,
            seen,
        };
        session.tell(input, now);
        let Some(before) = before else {
            return Ok(());
        };
        let same = before == session.has()?;
        Check::Rights.that(same, || format!("{connection} may not write, and did"))
    }

    fn is_barred(&self, connection: ConnectionId, intent: &Intent) -> bool {
        let line = self.lines.get(&connection);
        matches!(intent, Intent::Push { .. }) && line.is_some_and(|line| !line.may_write)
    }

    /// What clients said while they waited counts from when they are let in, with the rights that they have then.
    pub(super) fn note_let_in(&mut self, node: usize, document: usize) {
        let effects = self.session(node, document).effects.iter();
        let told: Vec<_> = effects
            .filter_map(|effect| match effect {
                Effect::Send {
                    to: Audience::One(to),
                    ..
                } => Some(*to),
                _ => None,
            })
            .collect();
        let mut let_in = Vec::new();
        for to in told {
            let line = self.lines.get_mut(&to);
            let said = line.and_then(|line| line.waiting.take());
            let_in.extend(said.map(|said| (to, said)));
        }
        let alone = let_in.len() == 1;
        for (from, said) in let_in {
            for intent in said {
                if self.is_barred(from, &intent) {
                    continue;
                }
                // What of it waits for missing parts nobody sees where the next one who is let in brings them.
                if !alone && let Intent::Push { payload, .. } = &intent {
                    let edits = Pieces::of(self.setup.kind, payload);
                    self.session(node, document).unattributed.merge_with(edits);
                }
                self.note_intent(node, document, from, &intent);
            }
        }
    }

    /// Notes what a client asks with, and which edits of its own it is the first to send.
    fn note_intent(&mut self, node: usize, document: usize, from: ConnectionId, intent: &Intent) {
        let kind = self.setup.kind;
        let mut line = self.lines.get_mut(&from);
        match (intent, &mut line) {
            (Intent::Pull { have }, Some(line)) => line.pulled = Some(have.clone()),
            (Intent::PullKept, Some(line)) => line.pulled = Some(Bytes::new()),
            (Intent::Push { payload, .. }, _) => {
                let edits = Pieces::of(kind, payload);
                if kind == Kind::Automerge {
                    self.ancestry.note(payload);
                }
                let brought = &mut self.nodes[node]
                    .sessions
                    .get_mut(&document)
                    .expect("it runs")
                    .brought;
                if let Some(line) = line {
                    let number = line.client.map_or(0, |client| self.clients[client].number);
                    let new = edits.diff(brought);
                    line.sent.merge_with(new.of_client(number));
                }
                brought.merge_with(edits);
            }
            _ => {}
        }
    }
}
