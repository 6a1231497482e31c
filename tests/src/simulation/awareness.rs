//! Whom a client sees, by the rules of the JavaScript clients (`awareness.js` of y-protocols 1.0.7, and what y-websocket
//! does with it): a newer clock wins, nobody is taken for gone who is oneself, all that changes is sent back to the
//! server, and who has been silent for 30 s is forgotten.

use std::collections::BTreeMap;

use crate::frames::Presence;

/// A client's view of who is here.
#[derive(Debug)]
pub(super) struct Awareness {
    own: u64,
    seen: BTreeMap<u64, Seen>,
}

#[derive(Clone, Debug)]
struct Seen {
    clock: u64,
    heard_ms: u64,
    state: Option<String>,
}

impl Awareness {
    pub(super) fn new(own: u64, now_ms: u64) -> Self {
        let me = Seen {
            clock: 0,
            heard_ms: now_ms,
            state: Some("{}".to_owned()),
        };
        Self {
            own,
            seen: [(own, me)].into(),
        }
    }

    /// What is shown when the client connects.
    pub(super) fn hello(&self) -> Vec<Presence> {
        self.entries([self.own])
    }

    /// Takes what the server says, and returns what is sent back: all that changed.
    pub(super) fn apply(&mut self, entries: &[Presence], now_ms: u64) -> Vec<Presence> {
        let changed: Vec<_> = entries
            .iter()
            .filter(|entry| self.take(entry, now_ms))
            .map(|entry| entry.client)
            .collect();
        self.entries(changed)
    }

    fn take(&mut self, entry: &Presence, now_ms: u64) -> bool {
        let state = (entry.state != "null").then(|| entry.state.clone());
        let known = self.seen.get(&entry.client);
        let (clock, is_here) = known.map_or((0, false), |seen| (seen.clock, seen.state.is_some()));
        let newer = clock < entry.clock || (clock == entry.clock && state.is_none() && is_here);
        if !newer {
            return false;
        }
        let denied = entry.client == self.own && state.is_none();
        let is_news = !denied && (state.is_some() || known.is_some());
        let seen = Seen {
            clock: entry.clock + u64::from(denied),
            heard_ms: now_ms,
            state: if denied { Some("{}".to_owned()) } else { state },
        };
        self.seen.insert(entry.client, seen);
        is_news
    }

    /// What the timer does: renews oneself, and forgets who is silent. Returns what is sent to the server.
    pub(super) fn tick(&mut self, now_ms: u64) -> Vec<Presence> {
        let mut changed = Vec::new();
        for (client, seen) in &mut self.seen {
            let silent_ms = now_ms - seen.heard_ms;
            if *client == self.own && silent_ms >= OUTDATED_MS / 2 {
                seen.clock += 1;
                seen.heard_ms = now_ms;
                changed.push(*client);
            } else if *client != self.own && silent_ms >= OUTDATED_MS && seen.state.is_some() {
                seen.state = None;
                changed.push(*client);
            }
        }
        self.entries(changed)
    }

    /// The connection is gone: nobody else is seen any more. Clocks are remembered.
    pub(super) fn disconnected(&mut self) {
        for (client, seen) in &mut self.seen {
            if *client != self.own {
                seen.state = None;
            }
        }
    }

    /// Whom the client sees besides itself.
    pub(super) fn others(&self) -> Vec<u64> {
        let here = self.seen.iter().filter(|(_, seen)| seen.state.is_some());
        here.map(|(client, _)| *client)
            .filter(|client| *client != self.own)
            .collect()
    }

    fn entries(&self, clients: impl IntoIterator<Item = u64>) -> Vec<Presence> {
        let entry = |client: u64| {
            let seen = &self.seen[&client];
            Presence {
                client,
                clock: seen.clock,
                state: seen.state.clone().unwrap_or_else(|| "null".to_owned()),
            }
        };
        clients.into_iter().map(entry).collect()
    }
}

/// After how long a silent client is forgotten; half of it is how often a client renews itself.
const OUTDATED_MS: u64 = 30_000;
