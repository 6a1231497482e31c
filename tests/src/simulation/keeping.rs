//! What the nodes ask of the store, how they learn of it, and how they die.

use engine::{CloseReason, Input};

use super::checks::{Check, Found};
use super::node::{Life, Mail};
use super::plan::Fate;
use super::store::{Appended, Ask, Request};
use super::world::World;

impl World {
    /// The store deals with one request, and answers the session if that still is there.
    pub(super) fn serve(&mut self, pick: usize, fate: Fate) -> Found<bool> {
        let Some(request) = self.store.take(pick) else {
            return Ok(false);
        };
        let session = request.session;
        let opening = matches!(request.ask, Ask::Load { .. });
        let document = request.document;
        let answer = self.answer(request, fate)?;
        let stored = self.store.document(document).inserted.clone();
        let mut sessions = self
            .nodes
            .iter_mut()
            .flat_map(|node| node.sessions.values_mut());
        if let Some(session) = sessions.find(|other| other.id == session) {
            if opening && matches!(answer, Input::Opened(_)) {
                session.must_have = stored;
            }
            session.answers.push(answer);
        }
        Ok(true)
    }

    fn answer(&mut self, request: Request, fate: Fate) -> Found<Input> {
        let document = self.store.document_mut(request.document);
        let fails = fate != Fate::Done;
        Ok(match request.ask {
            Ask::Load { .. } if fails => Input::OpenFailed,
            Ask::Load { gist } => Input::Opened(document.load(gist)),
            Ask::Append(_) if fate == Fate::FailedBefore => Input::CommitFailed,
            Ask::Append(changes) => {
                let through = changes.last().map_or(0, |change| change.dot.counter);
                match document.append(&changes)? {
                    Appended::Deleted => Input::Deleted,
                    Appended::Hole | Appended::Reused => Input::AppendRefused,
                    Appended::Stored if fails => Input::CommitFailed,
                    Appended::Stored => Input::Committed { through },
                }
            }
            Ask::GiveBack(_) if fate == Fate::FailedBefore => Input::GiveBackFailed,
            Ask::GiveBack(changes) => match document.append(&changes)? {
                Appended::Deleted => Input::Deleted,
                Appended::Reused => Input::GiveBackRefused,
                Appended::Stored if !fails => Input::GivenBack,
                Appended::Stored | Appended::Hole => Input::GiveBackFailed,
            },
            Ask::Keep(_) if fate == Fate::FailedBefore => Input::SnapshotFailed,
            Ask::Keep(snapshot) => match document.keep_snapshot(&snapshot) {
                true if !fails => Input::SnapshotStored,
                _ => Input::SnapshotFailed,
            },
            Ask::Heads { asked: true } if fails => Input::HeadsFailed,
            Ask::Heads { .. } if fails => Input::Tick,
            Ask::Heads { asked } => Input::Heads {
                heads: document.heads().clone(),
                asked,
            },
            Ask::Lane(..) if fails => Input::PullFailed,
            Ask::Lane(replica, counters) => Input::Pulled(document.lane(replica, &counters)),
        })
    }

    /// A node asks how far the lanes of its documents are, as it does every second or two.
    pub(super) fn poll(&mut self, node: usize) {
        if self.setup.nodes == 1 || !self.nodes[node].is_running() {
            return;
        }
        let sessions = self.nodes[node].sessions.iter();
        let sessions: Vec<_> = sessions
            .map(|(document, session)| (*document, session.id))
            .collect();
        for (document, session) in sessions {
            let asked = false;
            if !self
                .store
                .owes(session, |ask| matches!(ask, Ask::Heads { asked: false }))
            {
                self.store.ask(Request {
                    session,
                    document,
                    ask: Ask::Heads { asked },
                });
            }
        }
    }

    /// Sessions have ended: what they had at the store lands or is lost, and nobody waits for an answer.
    pub(super) fn orphan(&mut self, sessions: &[u64], lands: bool) -> Found<()> {
        for request in self.store.orphan(sessions, lands) {
            self.answer(request, Fate::Done)?;
        }
        Ok(())
    }

    /// A node dies: all that it had in memory is gone, and its clients notice.
    pub(super) fn crash(&mut self, node: usize, lands: bool) -> Found<()> {
        let dead = &mut self.nodes[node];
        dead.life = Life::Down;
        dead.fuse = None;
        dead.is_paused = false;
        let sessions: Vec<_> = std::mem::take(&mut dead.sessions)
            .into_values()
            .map(|session| session.id)
            .collect();
        let lost = self.lines.extract_if(.., |_, line| line.node == node);
        for client in lost.filter_map(|(_, line)| line.client.filter(|_| !line.is_dead)) {
            self.clients[client].disconnected();
        }
        self.orphan(&sessions, lands)?;
        self.forgive_all()
    }

    /// A node is told to stop: it lets nobody in any more, and its sessions store what they hold.
    pub(super) fn drain(&mut self, node: usize) {
        let stopping = &mut self.nodes[node];
        if stopping.life == Life::Up {
            let idle = stopping.sessions.is_empty();
            stopping.life = if idle { Life::Down } else { Life::Stopping };
            for session in stopping.sessions.values_mut() {
                session.mailbox.push_back(Mail::Input(Input::Drain));
            }
        }
    }

    /// A document is deleted through one node, which tells its session.
    pub(super) fn delete(&mut self, document: usize, node: usize) {
        self.store.document_mut(document).deleted = true;
        if let Some(session) = self.nodes[node].sessions.get_mut(&document) {
            session.mailbox.push_back(Mail::Input(Input::Deleted));
        }
    }

    /// Time passes: every running session has its deadlines, and every client its timer.
    pub(super) fn pass(&mut self, ms: u64) -> Found<()> {
        let mut left_ms = ms;
        while left_ms > 0 {
            let slice_ms = left_ms.min(SLICE_MS);
            self.pass_slice(self.now_ms + slice_ms)?;
            left_ms -= slice_ms;
        }
        Ok(())
    }

    fn pass_slice(&mut self, until_ms: u64) -> Found<()> {
        for _ in 0..TICKS_MAX {
            let Some((due_ms, node, document)) = self.next_deadline(until_ms) else {
                break;
            };
            self.now_ms = self.now_ms.max(due_ms);
            self.tick(node, document)?;
        }
        let late = self.next_deadline(until_ms);
        Check::Quiet.that(late.is_none(), || {
            format!("a deadline that has passed is not done with: {late:?}")
        })?;
        self.now_ms = until_ms;
        for client in 0..self.clients.len() {
            let said = self.clients[client].page.tick(self.now_ms);
            self.say(client, said);
        }
        Ok(())
    }

    fn next_deadline(&self, until_ms: u64) -> Option<(u64, usize, usize)> {
        let nodes = self.nodes.iter().enumerate();
        let sessions = nodes
            .filter(|(_, node)| node.is_running())
            .flat_map(|(at, node)| {
                let sessions = node.sessions.iter();
                sessions.filter_map(move |(document, session)| {
                    let due_ms = session.document.next_deadline_ms()?;
                    Some((due_ms, at, *document))
                })
            });
        sessions.filter(|(due_ms, ..)| *due_ms <= until_ms).min()
    }

    fn tick(&mut self, node: usize, document: usize) -> Found<()> {
        let now = self.nodes[node].now(self.now_ms);
        if let Some(session) = self.nodes[node].sessions.get_mut(&document) {
            session.tell(Input::Tick, now);
            self.settle(node, document)?;
        }
        Ok(())
    }

    /// Closes what a node that stopped has left open.
    pub(super) fn let_go(&mut self, node: usize) -> Found<()> {
        if self.nodes[node].life == Life::Down {
            let of_node = self.lines.iter().filter(|(_, line)| line.node == node);
            let open: Vec<_> = of_node.map(|(connection, _)| *connection).collect();
            for connection in open {
                self.closed(connection, CloseReason::Stopping)?;
            }
        }
        Ok(())
    }
}

/// How often the timers of clients are looked at.
const SLICE_MS: u64 = 3_000;
/// Deadlines within one slice, beyond which a document is taken to never be done.
const TICKS_MAX: usize = 1_000;
