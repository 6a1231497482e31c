//! Sessions at work: batches in, effects out, as `server` does it, and what is checked at every effect.

use bytes::Bytes;
use engine::{
    Audience, Capability, CloseReason, ConnectionId, Dot, Effect, Event, Gist, Input, Joining,
    Kind, Phase, ReplicaId, Rights,
};

use super::bus::{Message, News};
use super::checks::{Check, Found};
use super::form::Form;
use super::node::{Life, Mail, Session};
use super::pieces::Pieces;
use super::store::{Ask, Request};
use super::traffic::access;
use super::voice::{Word, claims};
use super::world::World;

impl World {
    /// Each session of a node takes one answer and some mails, as one batch.
    pub(super) fn run(&mut self, node: usize, mails: usize) -> Found<bool> {
        if !self.nodes[node].is_running() {
            return Ok(false);
        }
        let documents: Vec<_> = self.nodes[node].sessions.keys().copied().collect();
        let mut worked = false;
        for document in documents {
            worked |= self.run_session(node, document, mails)?;
        }
        Ok(worked)
    }

    fn run_session(&mut self, node: usize, document: usize, mails: usize) -> Found<bool> {
        let now = self.nodes[node].now(self.now_ms);
        let Some(session) = self.nodes[node].sessions.get_mut(&document) else {
            return Ok(false);
        };
        let answered = !session.answers.is_empty();
        if answered {
            let answer = session.answers.remove(0);
            session.tell(answer, now);
        }
        let opened = !session.document.phase().is_building();
        let waiting = if opened { session.mailbox.len() } else { 0 };
        for _ in 0..waiting.min(mails) {
            if let Some(mail) = self.session(node, document).mailbox.pop_front() {
                self.open_mail(node, document, mail)?;
            }
        }
        let worked =
            answered || waiting.min(mails) > 0 || !self.session(node, document).effects.is_empty();
        if worked {
            self.settle(node, document)?;
        }
        Ok(worked)
    }

    pub(super) fn session(&mut self, node: usize, document: usize) -> &mut Session {
        let sessions = &mut self.nodes[node].sessions;
        sessions.get_mut(&document).expect("the session is there")
    }

    fn open_mail(&mut self, node: usize, document: usize, mail: Mail) -> Found<()> {
        let now = self.nodes[node].now(self.now_ms);
        match mail {
            Mail::Join(connection) => {
                let joined = Input::Joined(self.joining(connection));
                let since = (self.now_ms, self.session(node, document).failures);
                let may_wait = self.setup.nodes > 1;
                if let Some(line) = self.lines.get_mut(&connection) {
                    line.joined = since;
                    line.waiting = may_wait.then(Vec::new);
                }
                self.session(node, document).tell(joined, now);
            }
            Mail::Leave(connection) => {
                let left = Input::Left { connection };
                self.session(node, document).tell(left, now);
            }
            Mail::Drained(connection, seen) => {
                let drained = Input::Drained { connection, seen };
                self.session(node, document).tell(drained, now);
            }
            Mail::Intents(connection, intents, seen) => {
                self.tell(|| format!("  {connection} to node {node}: {intents:?}"));
                for intent in intents {
                    self.hand_intent(node, document, connection, intent, seen)?;
                }
            }
            Mail::Input(input) => {
                self.note_grant(&input);
                self.session(node, document).tell(input, now);
            }
        }
        Ok(())
    }

    /// A stranger may do everything, as a client that does not count its edits does.
    fn joining(&mut self, connection: ConnectionId) -> Joining {
        let freely = Joining::freely(connection, self.setup.kind, None);
        let Some(line) = self.lines.get_mut(&connection) else {
            return freely;
        };
        let Some(client) = line.client.map(|client| &self.clients[client]) else {
            return freely;
        };
        line.may_write = client.may_write;
        let rights = Rights {
            access: access(client.may_write),
            ..Rights::all(None)
        };
        Joining {
            counts: client.counts,
            rights,
            ..freely
        }
    }

    fn note_grant(&mut self, input: &Input) {
        if let Input::Granted {
            connection, access, ..
        } = input
            && let Some(line) = self.lines.get_mut(connection)
        {
            line.may_write = access.may.contains(Capability::Write);
        }
    }

    /// Ends a batch and performs what the document wants done, unless the node dies in the midst of it.
    pub(super) fn settle(&mut self, node: usize, document: usize) -> Found<()> {
        let now = self.nodes[node].now(self.now_ms);
        let session = self.session(node, document);
        session.replay(now);
        session.document.settle(now, &mut session.effects);
        self.note_let_in(node, document);
        self.check_bounds(node, document)?;
        self.check_causes(node, document)?;
        let session = self.session(node, document);
        let id = session.id;
        let effects = std::mem::take(&mut session.effects);
        self.perform_all(node, document, id, effects)?;
        self.check_answers(node, document)
    }

    /// What waits in a document is bounded.
    fn check_bounds(&self, node: usize, document: usize) -> Found<()> {
        let held = &self.nodes[node].sessions[&document].document;
        let bounds = [
            (
                "bytes for the store",
                held.unsaved_bytes(),
                self.setup.unsaved_bytes_max,
            ),
            (
                "changes for their causes",
                held.held_changes(),
                self.setup.held_changes_max,
            ),
            (
                "edits for missing parts",
                held.content().waiting().len(),
                WAITING_MAX,
            ),
        ];
        for (what, waiting, bound) in bounds {
            Check::Bounds.that(waiting <= bound, || {
                format!("{waiting} {what} wait, {bound} may")
            })?;
        }
        Ok(())
    }

    /// A replica has nothing without what it builds on.
    fn check_causes(&mut self, node: usize, document: usize) -> Found<()> {
        let stored = self.store.document(document);
        if stored.has_lost {
            return Ok(());
        }
        let sessions = &mut self.nodes[node].sessions;
        let session = sessions.get_mut(&document).expect("it runs");
        let clock = session.document.clock();
        for head in clock.heads() {
            for counter in session.caused.get(head.replica) + 1..=head.counter {
                let context = stored.context(Dot::new(head.replica, counter));
                let caused = context.is_none_or(|context| clock.dominates(context));
                Check::Lanes.that(caused, || {
                    format!("node {node} has {head} without what it builds on")
                })?;
            }
        }
        session.caused = clock.clone();
        Ok(())
    }

    fn perform_all(
        &mut self,
        node: usize,
        document: usize,
        id: u64,
        effects: Vec<Effect>,
    ) -> Found<()> {
        for effect in effects {
            if let Some(fuse) = &mut self.nodes[node].fuse {
                if fuse.effects == 0 {
                    let lands = fuse.lands;
                    self.tell(|| format!("  node {node} dies in the midst of a batch"));
                    return self.crash(node, lands);
                }
                fuse.effects -= 1;
            }
            if !matches!(effect, Effect::Send { .. }) {
                self.tell(|| format!("  node {node}: {effect:?}"));
            }
            self.perform(node, document, id, effect)?;
        }
        Ok(())
    }

    fn perform(&mut self, node: usize, document: usize, id: u64, effect: Effect) -> Found<()> {
        match effect {
            Effect::Load => self.ask(id, document, Ask::Load { gist: false }),
            Effect::LoadGist => self.ask(id, document, Ask::Load { gist: true }),
            Effect::LoadLog => {
                return Err(Check::Alarms.failed("a snapshot did not restore"));
            }
            Effect::StoreGist(gist) => return self.store_gist(document, gist),
            Effect::Send { to, event, shows } => {
                return self.send(node, document, &to, &event, shows);
            }
            Effect::Resume { connection } => {
                if let Some(line) = self.lines.get_mut(&connection) {
                    line.resume();
                }
            }
            Effect::Close { connection, reason } => return self.closed(connection, reason),
            Effect::Append(changes) => return self.append(id, document, changes),
            Effect::StoreSnapshot(snapshot) => {
                let stored = self.store.document(document);
                let covered = stored.has_lost || stored.heads().dominates(&snapshot.clock);
                Check::SaidIsStored.that(covered, || {
                    "a snapshot covers more than is stored".to_owned()
                })?;
                self.ask(id, document, Ask::Keep(Box::new(snapshot)));
            }
            Effect::Skipped(dot) => {
                return Err(Check::Alarms.failed(format!("{dot} was skipped")));
            }
            Effect::Quarantine(kept_out) => {
                let stored = self.store.document_mut(document);
                stored.quarantined.insert(kept_out.hash);
                return Check::Alarms.that(self.poisoned[document], || kept_out.reason);
            }
            Effect::ForeignEdit { .. } => {
                return Err(Check::Alarms.failed("the policy is off".to_owned()));
            }
            Effect::ReadOnly { reason } => return Err(Check::Alarms.failed(reason)),
            Effect::Publish(changes) => {
                self.check_published(document, &changes)?;
                self.publish(node, document, &News::Changes(changes));
            }
            Effect::PublishPresence(notices) => {
                let from = self.replica_of(node, document);
                self.publish(node, document, &News::Presence(from, notices));
            }
            Effect::AskPresence => self.publish(node, document, &News::WhoIsHere),
            Effect::PublishRoll(roll) => {
                let from = self.replica_of(node, document);
                self.publish(node, document, &News::Roll(from, roll));
            }
            Effect::AskWhoIs { of, ids } => self.publish(node, document, &News::WhoIs(of, ids)),
            // Nobody signals here.
            Effect::PublishSignal(_) => {}
            Effect::GiveBack(changes) => return self.give_back(id, document, changes),
            Effect::HistoryLost { replica, .. } => {
                let lost = self.store.document(document).has_lost;
                return Check::Alarms.that(lost, || format!("nothing of {replica} was lost"));
            }
            Effect::AskHeads => return self.ask_heads(id, document),
            Effect::Pull { replica, counters } => {
                self.ask(id, document, Ask::Lane(replica, counters));
            }
            Effect::Retire => return self.retire(node, document),
        }
        Ok(())
    }

    /// What a document comes to is kept with the store: nothing but what is stored.
    fn store_gist(&mut self, document: usize, gist: Gist) -> Found<()> {
        let stored = self.store.document(document);
        let covered = stored.covers_have(&gist.have, &self.lost[document], &self.ancestry);
        Check::SaidIsStored.that(covered, || "a gist names what is not stored".to_owned())?;
        self.store.document_mut(document).keep_gist(gist);
        Ok(())
    }

    /// As whom a node speaks of a document; the session may just have been put away.
    fn replica_of(&self, node: usize, document: usize) -> ReplicaId {
        let at = &self.nodes[node];
        let session = at.sessions.get(&document);
        session.map_or(at.replica, |session| session.replica)
    }

    fn ask(&mut self, session: u64, document: usize, ask: Ask) {
        self.store.ask(Request {
            session,
            document,
            ask,
        });
    }

    fn ask_heads(&mut self, session: u64, document: usize) -> Found<()> {
        let is_question = |ask: &Ask| matches!(ask, Ask::Heads { asked: true });
        let alone = self.setup.nodes == 1 || self.store.owes(session, is_question);
        let asked = true;
        self.ask(session, document, Ask::Heads { asked });
        Check::Bounds.that(!alone, || {
            "two questions at a time, or none to ask".to_owned()
        })
    }

    fn append(&mut self, session: u64, document: usize, changes: Vec<engine::Change>) -> Found<()> {
        let most = self.setup.changes_per_append_max;
        let alone = !self
            .store
            .owes(session, |ask| matches!(ask, Ask::Append(_)));
        let good = alone && !changes.is_empty() && changes.len() <= most;
        Check::Bounds.that(good, || format!("an append of {} changes", changes.len()))?;
        for change in &changes {
            let updates = change.updates().unwrap_or_default().len();
            let has_lost = self.store.document(document).has_lost;
            let few = has_lost || updates <= self.setup.updates_per_change_max;
            Check::Bounds.that(few, || format!("a change of {updates} updates"))?;
            self.events
                .note(b'a', change.dot.counter, &change.checksum().to_le_bytes());
        }
        self.ask(session, document, Ask::Append(changes));
        Ok(())
    }

    fn check_published(&self, document: usize, changes: &[engine::Change]) -> Found<()> {
        let stored = self.store.document(document);
        let mut changes = changes.iter().filter(|_| !stored.has_lost);
        let early = changes.find(|change| !stored.heads().contains(change.dot));
        Check::SaidIsStored.that(early.is_none(), || {
            format!("published before it is stored: {early:?}")
        })
    }

    pub(super) fn publish(&mut self, node: usize, document: usize, news: &News) {
        self.events.note(b'p', document as u64, &[node as u8]);
        self.bus.publish(node, self.setup.nodes, document, news);
        self.bus.shed();
    }

    /// A node hears a message, if it hosts the document.
    pub(super) fn hear(&mut self, message: Message) {
        let node = &mut self.nodes[message.to];
        let Some(session) = node.sessions.get_mut(&message.document) else {
            return;
        };
        if node.life != Life::Down && session.mailbox.len() < self.setup.mailbox {
            session.mailbox.push_back(Mail::Input(match message.news {
                News::Changes(changes) => Input::Heard { changes },
                News::Presence(from, notices) => Input::HeardPresence { from, notices },
                News::WhoIsHere => Input::PresenceAsked,
                News::Roll(from, roll) => Input::HeardRoll { from, roll },
                News::WhoIs(of, ids) => Input::WhoIsAsked { of, ids },
            }));
        }
    }

    fn send(
        &mut self,
        node: usize,
        document: usize,
        to: &Audience,
        event: &Event,
        shows: Option<u64>,
    ) -> Found<()> {
        let kind = self.setup.kind;
        let word = Word::new(kind, event);
        for connection in self.audience(node, document, to) {
            self.check_event(node, document, connection, event)?;
            self.tell(|| format!("  node {node} to {connection}: {}", words(kind, event)));
            let Some(word) = word.clone() else { continue };
            if self.line(connection).push(word, shows) {
                self.cut_off(connection, CloseReason::Overloaded)?;
            }
        }
        Ok(())
    }

    fn audience(&self, node: usize, document: usize, to: &Audience) -> Vec<ConnectionId> {
        let here = self.lines.iter().filter(|(_, line)| {
            line.node == node && line.document == document && !line.is_closing()
        });
        here.map(|(connection, _)| *connection)
            .filter(|connection| match to {
                Audience::One(one) => one == connection,
                Audience::AllBut(few) => !few.contains(connection),
                Audience::Among(members) => members.contains(connection),
            })
            .collect()
    }

    /// What must never be said: that something is stored which is not, in any of the ways that clients understand.
    fn check_event(
        &mut self,
        node: usize,
        document: usize,
        to: ConnectionId,
        event: &Event,
    ) -> Found<()> {
        match event {
            Event::Ack { payload, .. } => self.check_ack(node, document, payload),
            Event::Have { have } => {
                let stored = self.store.document(document);
                let covered = stored.covers_have(have, &self.lost[document], &self.ancestry);
                Check::SaidIsStored.that(covered, || "step 1 claims what is not stored".to_owned())
            }
            Event::Change { payload } | Event::Missing { payload }
                if self.setup.kind == Kind::Automerge =>
            {
                let shown = Pieces::of(Kind::Automerge, payload);
                if let (Event::Missing { .. }, line) = (event, self.line(to)) {
                    let so_far = line.answered.get_or_insert_default();
                    so_far.merge_with(shown.clone());
                }
                self.check_stored(document, &shown)
            }
            Event::Change { payload } => {
                let own = self.own_unsaved_edits(node, document, to, payload);
                Check::SaidIsStored.that(own.is_empty(), || {
                    format!("an author was shown its own edits {own} before they were stored")
                })
            }
            Event::Missing { payload } => {
                let answered = Pieces::of(Kind::Yjs, payload);
                let so_far = self.line(to).answered.get_or_insert_default();
                so_far.merge_with(answered);
                Ok(())
            }
            Event::Presence(_)
            | Event::Refused { .. }
            | Event::Rights { .. }
            | Event::Signal(_) => Ok(()),
        }
    }

    /// What is shown only once it is stored is, or was.
    fn check_stored(&self, document: usize, shown: &Pieces) -> Found<()> {
        let stored = &self.store.document(document).inserted;
        let early = shown.diff(stored).diff(&self.lost[document]);
        Check::SaidIsStored.that(early.is_empty(), || {
            format!("{early} was told and not stored")
        })
    }

    /// A node has written frames to a client: heads that it says are stored are, for ever after.
    pub(super) fn check_written(&mut self, to: ConnectionId, document: usize) -> Found<()> {
        let written: Vec<_> = self.line(to).written().cloned().collect();
        for frame in written {
            self.events.note(b'f', to.0, &frame);
            if self.setup.kind == Kind::Automerge {
                let (heads, changes) = claims(&frame);
                self.tell(|| format!("  {to} is told that{heads} are stored, and of{changes}"));
                self.check_stored(document, &heads)?;
                self.check_stored(document, &changes)?;
                let promised = heads.diff(&self.lost[document]);
                self.acked[document].merge_with(promised);
            }
        }
        Ok(())
    }

    fn check_ack(&mut self, node: usize, document: usize, payload: &Bytes) -> Found<()> {
        let edits = Pieces::of(self.setup.kind, payload);
        let covers =
            self.store.document_mut(document).covers(payload) || self.was_stored(document, &edits);
        Check::SaidIsStored.that(covers, || format!("acknowledged and not stored: {edits}"))?;
        self.session(node, document)
            .must_have
            .merge_with(edits.clone());
        self.acked[document].merge_with(edits);
        Ok(())
    }

    /// The edits in an update that a client was the first to send, and that are not stored. A client that was sent nothing
    /// over this connection so far has made them over an earlier one, and is being sent all that there is.
    fn own_unsaved_edits(
        &mut self,
        node: usize,
        document: usize,
        to: ConnectionId,
        payload: &[u8],
    ) -> Pieces {
        let line = &self.lines[&to];
        if line.seen.is_none() {
            return Pieces::default();
        }
        let mut own = Pieces::of(Kind::Yjs, payload);
        own.intersect_with(&line.sent);
        own.diff(&self.session(node, document).unattributed)
            .diff(&self.store.document(document).inserted)
            .diff(&self.lost[document])
    }

    /// Whoever pulled was answered with all that the session certainly has.
    fn check_answers(&mut self, node: usize, document: usize) -> Found<()> {
        let Some(session) = self.nodes[node].sessions.get(&document) else {
            return Ok(());
        };
        let stored = &self.store.document(document).inserted;
        let is_tight = self.poisoned[document] || self.setup.unsaved_bytes_max < ROOMY;
        // What it does not know to be stored it does not show.
        let withholds = session.kind == Kind::Automerge && !session.document.is_durable();
        let here = self.lines.iter_mut().filter(|(_, line)| {
            line.node == node && line.document == document && !line.is_closing()
        });
        for (_, line) in here {
            let Some(answered) = line.answered.take() else {
                continue;
            };
            let pulled = line.pulled.take();
            let had = pulled.and_then(|have| Pieces::had(session.kind, &have, &self.ancestry));
            let Some(had) = had else {
                continue;
            };
            let (joined_ms, failures) = line.joined;
            let waited_ms = self.now_ms - joined_ms;
            let excused =
                is_tight || withholds || failures != session.failures || waited_ms >= JOIN_WAIT_MS;
            if let Some(owed) = line.owed.take().filter(|_| !excused) {
                let owed = owed.diff(&answered).diff(&had).diff(&self.lost[document]);
                let missing = owed.diff(&owed.diff(stored));
                Check::Sessions.that(missing.is_empty(), || {
                    format!("a client came and was not told of {missing}, which was stored")
                })?;
            }
            let missing = session.must_have.diff(&answered).diff(&had);
            Check::Sessions.that(missing.is_empty(), || {
                format!("a client asked and was not told of {missing}")
            })?;
        }
        Ok(())
    }

    /// Puts a session away, unless someone has just come. One that is idle when it ends asks for that twice.
    fn retire(&mut self, node: usize, document: usize) -> Found<()> {
        let Some(session) = self.nodes[node].sessions.get(&document) else {
            return Ok(());
        };
        if !session.mailbox.is_empty() {
            return Ok(());
        }
        let closed = matches!(session.document.phase(), Phase::Closed(_));
        let durable = session.document.is_durable();
        Check::SaidIsStored.that(closed || durable, || {
            "a document is put away before all is stored".to_owned()
        })?;
        self.end_session(node, document, CloseReason::NotReady, true)
    }

    /// Ends a session with all that it holds in memory.
    fn end_session(
        &mut self,
        node: usize,
        document: usize,
        reason: CloseReason,
        lands: bool,
    ) -> Found<()> {
        if let Some(session) = self.nodes[node].sessions.remove(&document) {
            self.orphan(&[session.id], lands)?;
            self.forgive(document)?;
        }
        for connection in self.audience(node, document, &Audience::AllBut([].into())) {
            self.closed(connection, reason)?;
        }
        if self.nodes[node].life == Life::Stopping && self.nodes[node].sessions.is_empty() {
            self.nodes[node].life = Life::Down;
        }
        Ok(())
    }
}

/// An event in words.
fn words(kind: Kind, event: &Event) -> String {
    let pieces = |payload| Pieces::of(kind, payload);
    match event {
        Event::Ack { payload, .. } => format!("ack of {}", pieces(payload)),
        Event::Have { have } => format!("step 1, claims {}", Pieces::named(kind, have)),
        Event::Change { payload } => format!("change {}", pieces(payload)),
        Event::Missing { payload } => format!("step 2 {}", pieces(payload)),
        Event::Presence(entries) => format!("presence {entries:?}"),
        Event::Refused { reason, .. } => format!("refused: {reason:?}"),
        Event::Rights { may_write } => format!("may write: {may_write}"),
        Event::Signal(text) => format!("signal of {} bytes", text.len()),
    }
}

impl Session {
    /// All that its document has, as one value to compare.
    pub(super) fn has(&self) -> Found<(Form, usize)> {
        let content = self.document.content();
        let form = Form::of_content(self.kind, content)?;
        Ok((form, content.waiting().len()))
    }

    pub(super) fn tell(&mut self, input: Input, now: engine::Now) {
        let failed = matches!(input, Input::HeadsFailed | Input::PullFailed);
        self.failures += u64::from(failed);
        self.document.handle(input, now, &mut self.effects);
        for update in self.document.content().waiting() {
            self.unattributed.merge_with(Pieces::of(self.kind, update));
        }
    }

    /// Has the document replay its past, if it has one to replay.
    pub(super) fn replay(&mut self, now: engine::Now) {
        while self.document.next_replay().is_some() {
            self.document.replay(now, &mut self.effects);
        }
    }
}

/// What a client may wait for when it comes, in milliseconds (`engine::Limits::join_wait_ms`).
const JOIN_WAIT_MS: u64 = 2_000;
/// A bound on what waits, in bytes, at which nobody is let in early.
const ROOMY: usize = 1 << 20;
/// Edits that may wait for missing parts in one document (`engine/src/content/yjs/waiting.rs`).
const WAITING_MAX: usize = 1_024;
