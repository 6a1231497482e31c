//! Quiet: everything flows, everyone comes back, and when nothing moves any more all that must hold is looked at.

use std::sync::Arc;

use engine::history::{self, Replayed};
use engine::{Content, Input, Kind, Now, PresenceRoll};

use super::bus::{Message, News};
use super::checks::{Check, Found};
use super::contexts;
use super::form::Form;
use super::node::{Life, Mail, Session};
use super::pieces::Pieces;
use super::plan::Fate;
use super::store::Lasting;
use super::world::World;

impl World {
    /// Lets everything flow for some rounds, or until nothing moves.
    pub(super) fn calm(&mut self, rounds: usize) -> Found<()> {
        for _ in 0..rounds {
            if !self.flow()? {
                break;
            }
        }
        Ok(())
    }

    /// Moves all that can move once. False if there was nothing.
    fn flow(&mut self) -> Found<bool> {
        let mut moved = false;
        for client in 0..self.clients.len() {
            moved |= self.upload(client, usize::MAX)?;
        }
        for node in 0..self.nodes.len() {
            moved |= self.run(node, usize::MAX)?;
        }
        while self.serve(0, Fate::Done)? {
            moved = true;
        }
        while let Some(message) = self.next_that_has_room() {
            self.hear(message);
            moved = true;
        }
        for client in 0..self.clients.len() {
            moved |= self.download(client, usize::MAX)?;
        }
        Ok(moved)
    }

    /// The oldest message of those that would not be dropped.
    fn next_that_has_room(&mut self) -> Option<Message> {
        let (nodes, room) = (&self.nodes, self.setup.mailbox);
        self.bus.take_first(|message| {
            let session = nodes[message.to].sessions.get(&message.document);
            session.is_none_or(|session| session.mailbox.len() < room)
        })
    }

    fn flow_until_quiet(&mut self) -> Found<()> {
        for _ in 0..ROUNDS_MAX {
            if !self.flow()? {
                return Ok(());
            }
        }
        Err(Check::Quiet.failed("something moves for ever"))
    }

    /// Ends all faults, has everyone come back, waits until all is quiet, and checks.
    pub(super) fn quiesce(&mut self) -> Found<()> {
        for node in 0..self.nodes.len() {
            self.heal(node)?;
        }
        (0..self.clients.len()).for_each(|client| self.grant(client, true));
        self.miss_the_gone();
        self.renew()?;
        self.check_what_is_told()?;
        for _ in 0..RENEWALS {
            self.come_back();
            self.renew()?;
        }
        self.give_up_what_is_nowhere()?;
        self.await_presence()?;
        self.read_all()?;
        for document in 0..self.setup.documents {
            if !self.store.document(document).deleted && !self.is_scarred(document)? {
                self.check_document(document)?;
            }
        }
        self.check_bus_and_requests()
    }

    /// Changes that build on what the store has lost are held until that was looked for in vain, of each lane several times.
    fn give_up_what_is_nowhere(&mut self) -> Found<()> {
        for _ in 0..PULLS_MAX {
            let mut sessions = self.nodes.iter().flat_map(|node| node.sessions.values());
            if sessions.all(|session| session.document.held_changes() == 0) {
                break;
            }
            self.renew()?;
        }
        Ok(())
    }

    /// Lets everything flow, also what only the passing of time sets going.
    fn renew(&mut self) -> Found<()> {
        self.flow_until_quiet()?;
        self.pass(RENEWAL_MS)?;
        (0..self.nodes.len()).for_each(|node| self.poll(node));
        self.flow_until_quiet()
    }

    /// Who is connected since before and has what is stored was told so.
    fn check_what_is_told(&self) -> Found<()> {
        for client in &self.clients {
            let stored = self.store.document(client.document);
            let is_here = client.line.is_some() && !client.is_banished;
            let told = client.page.is_told_the_same().filter(|_| is_here);
            if told != Some(false) || stored.deleted || stored.has_lost {
                continue;
            }
            let kind = self.setup.kind;
            let replayed = replay(kind, stored)?;
            let all = all_of(kind, &replayed.content)?;
            let own = Pieces::of(kind, &client.page.everything());
            let differs = !all.diff(&own).is_empty() || !own.diff(&all).is_empty();
            Check::Sessions.that(differs, || {
                format!(
                    "client {} has what is stored, and was told of other heads",
                    client.number
                )
            })?;
        }
        Ok(())
    }

    /// The register and the hubs tell who is gone: nodes that were replaced, and documents that are open nowhere on a node.
    fn miss_the_gone(&mut self) {
        let gone: Arc<[_]> = self.gone.clone().into();
        for node in 0..self.nodes.len() {
            for session in self.nodes[node].sessions.values_mut() {
                let missed = Input::ReplicasGone(gone.clone());
                session.mailbox.push_back(Mail::Input(missed));
            }
        }
        self.miss_the_put_away();
    }

    /// The hubs tell which documents are open nowhere on their node, as they do when one is put away.
    fn miss_the_put_away(&mut self) {
        for node in 0..self.nodes.len() {
            let at = &self.nodes[node];
            let (mut own, now) = (at.earlier.clone(), at.now(self.now_ms));
            own.push(at.replica);
            for document in 0..self.setup.documents {
                if !self.nodes[node].sessions.contains_key(&document) {
                    for replica in &own {
                        let nobody = News::Roll(*replica, PresenceRoll::of_nobody(now));
                        self.publish(node, document, &nobody);
                    }
                }
            }
        }
    }

    /// Waits for as long as a lost word about presence may take to be made up for.
    fn await_rolls(&mut self) -> Found<()> {
        for _ in 0..ROLLS_MS / ROLL_STEP_MS {
            self.pass(ROLL_STEP_MS)?;
            self.miss_the_put_away();
            self.flow_until_quiet()?;
        }
        self.await_presence()
    }

    /// Lets what has gathered of presence be shown.
    fn await_presence(&mut self) -> Found<()> {
        self.pass(self.setup.presence_wait_max_ms)?;
        self.flow_until_quiet()
    }

    /// Has the content of all documents loaded that nobody has looked at.
    fn read_all(&mut self) -> Found<()> {
        for node in &mut self.nodes {
            let unread = node.sessions.values_mut();
            for session in unread.filter(|session| session.document.is_unread()) {
                session.mailbox.push_back(Mail::Input(Input::ContentWanted));
            }
        }
        self.flow_until_quiet()
    }

    fn heal(&mut self, node: usize) -> Found<()> {
        self.nodes[node].fuse = None;
        self.nodes[node].is_paused = false;
        while self.nodes[node].life == Life::Stopping {
            self.flow_until_quiet()?;
            self.pass(RENEWAL_MS)?;
        }
        self.let_go(node)?;
        self.start(node);
        self.notice(node)
    }

    fn come_back(&mut self) {
        for client in 0..self.clients.len() {
            let node = client % self.setup.nodes;
            self.join(client, node);
        }
    }

    fn check_bus_and_requests(&self) -> Found<()> {
        let quiet = self.bus.is_empty() && !self.store.is_asked();
        Check::Quiet.that(quiet, || "something is still under way".to_owned())
    }

    fn check_document(&mut self, document: usize) -> Found<()> {
        let replayed = self.check_replay(document)?;
        for node in 0..self.nodes.len() {
            self.check_replica(node, document, &replayed)?;
        }
        for client in &self.clients {
            if client.document == document && !client.is_banished {
                let who = format!("client {}", client.number);
                check_same(&who, &client.page.form()?, &replayed)?;
                Check::Agreement.that(!client.page.waits(), || {
                    format!("{who} waits for what it was never sent")
                })?;
            }
        }
        self.check_opening(document, &replayed)?;
        self.check_presence(document)?;
        self.check_newcomers(document, &replayed)?;
        self.check_departure(document)
    }

    /// The log from zero: it has all that was ever acknowledged.
    fn check_replay(&self, document: usize) -> Found<Form> {
        let stored = self.store.document(document);
        let lost = self.acked[document].diff(&stored.inserted);
        Check::SaidIsStored.that(lost.is_empty(), || format!("{lost} is lost"))?;
        let kind = self.setup.kind;
        if kind == Kind::Automerge && !stored.has_lost {
            contexts::check(&stored.changes)?;
        }
        let replayed = replay(kind, stored)?;
        Check::Alarms.that(replayed.skipped == 0, || {
            format!("{} changes can not be replayed", replayed.skipped)
        })?;
        let lost = self.acked[document].diff(&all_of(kind, &replayed.content)?);
        Check::SaidIsStored.that(lost.is_empty(), || {
            format!("{lost} is not in a replay from zero")
        })?;
        Form::of_content(kind, &replayed.content)
    }

    fn check_replica(&self, node: usize, document: usize, replayed: &Form) -> Found<()> {
        let Some(session) = self.nodes[node].sessions.get(&document) else {
            return Ok(());
        };
        let who = format!("node {node}");
        let held = &session.document;
        Check::Quiet.that(held.is_durable(), || format!("{who} has not stored all"))?;
        check_same(
            &who,
            &Form::of_content(session.kind, held.content())?,
            replayed,
        )?;
        let heads = self.store.document(document).heads();
        Check::Lanes.that(held.clock() == heads, || {
            format!("{who} is at {:?}, the store at {heads:?}", held.clock())
        })?;
        Check::Agreement.that(held.content().waiting().is_empty(), || {
            format!("edits wait on {who} for what never comes")
        })
    }

    /// A document that is opened now, from a snapshot if there is one, has the same content.
    fn check_opening(&self, document: usize, replayed: &Form) -> Found<()> {
        let past = self.store.document(document).load(false);
        let mut session = Session::new(0, document, engine::ReplicaId(u32::MAX), &self.setup);
        let now = Now::default();
        session.tell(Input::Opened(past), now);
        session.replay(now);
        session.document.settle(now, &mut session.effects);
        let opened = Form::of_content(session.kind, session.document.content())?;
        check_same("a document that is opened", &opened, replayed)
    }

    fn check_presence(&self, document: usize) -> Found<()> {
        let here: Vec<_> = self
            .clients
            .iter()
            .filter(|client| client.document == document && client.line.is_some())
            .filter_map(|client| Some((client.number, client.page.others()?)))
            .collect();
        for (number, seen) in &here {
            let others = here.iter().map(|(other, _)| *other);
            let mut others: Vec<_> = others.filter(|other| other != number).collect();
            others.sort_unstable();
            Check::Presence.that(*seen == others, || {
                format!("client {number} sees {seen:?}, here are {others:?}")
            })?;
        }
        Ok(())
    }

    /// When all works, who leaves is gone as soon as news of presence is shown, on every node.
    fn check_departure(&mut self, document: usize) -> Found<()> {
        let mut clients = self.clients.iter();
        let Some(leaver) =
            clients.position(|client| client.document == document && client.line.is_some())
        else {
            return Ok(());
        };
        self.cut(leaver, usize::MAX);
        (0..self.nodes.len()).try_for_each(|node| self.notice(node))?;
        self.flow_until_quiet()?;
        self.await_presence()?;
        self.check_presence(document)?;
        self.join(leaver, leaver % self.setup.nodes);
        self.flow_until_quiet()?;
        self.await_presence()?;
        self.check_unheard_departure(document, leaver)
    }

    /// The same within seconds, if the other nodes do not hear of it.
    fn check_unheard_departure(&mut self, document: usize, leaver: usize) -> Found<()> {
        self.cut(leaver, usize::MAX);
        (0..self.nodes.len()).try_for_each(|node| self.notice(node))?;
        (0..self.nodes.len()).try_for_each(|node| self.run(node, usize::MAX).map(drop))?;
        self.bus.lose_presence();
        self.await_rolls()?;
        self.check_presence(document)?;
        self.join(leaver, leaver % self.setup.nodes);
        self.flow_until_quiet()?;
        self.await_presence()
    }

    /// Someone who comes now, to any node and with nothing, is shown all that there is.
    fn check_newcomers(&mut self, document: usize, replayed: &Form) -> Found<()> {
        for node in 0..self.nodes.len() {
            let probe = self.new_probe(document);
            self.clients.push(probe);
            let at = self.clients.len() - 1;
            self.join(at, node);
            self.flow_until_quiet()?;
            let shown = self.clients[at].page.form()?;
            self.cut(at, usize::MAX);
            self.notice(node)?;
            self.flow_until_quiet()?;
            self.clients.pop();
            let who = format!("someone who comes to node {node}");
            let equal = shown == *replayed;
            Check::Sessions.that(equal, || format!("{who}: {}", shown.difference(replayed)))?;
        }
        Ok(())
    }
}

fn check_same(who: &str, held: &Form, replayed: &Form) -> Found<()> {
    let equal = held == replayed;
    Check::Agreement.that(equal, || {
        format!(
            "{who} and a replay from zero: {}",
            held.difference(replayed)
        )
    })
}

/// What is stored, from zero.
fn replay(kind: Kind, stored: &Lasting) -> Found<Replayed> {
    let replayed = history::replay(kind, None, &stored.changes, &stored.quarantined);
    replayed.map_err(|error| Check::Alarms.failed(error.to_string()))
}

/// All that a document holds, with what waits.
pub(super) fn all_of(kind: Kind, content: &Content) -> Found<Pieces> {
    let update = content.update();
    let update = update.map_err(|error| Check::Agreement.failed(error.to_string()))?;
    let mut all = Pieces::of(kind, &update);
    for waiting in content.waiting() {
        all.merge_with(Pieces::of(kind, waiting));
    }
    Ok(all)
}

/// Rounds of everything flowing, beyond which it is taken to never end. Where few mails have room it takes hundreds.
const ROUNDS_MAX: usize = 2_000;
/// How often everyone renews its presence before it is looked at: long enough for whoever is silent to expire.
const RENEWALS: usize = 8;
/// How often what is missing is looked for, of all lanes together, on one node after the other.
const PULLS_MAX: usize = 128;
/// Within what time a lost word about presence is made up for.
const ROLLS_MS: u64 = 5_000;
const ROLL_STEP_MS: u64 = 250;
/// How long a renewal takes to be due.
const RENEWAL_MS: u64 = 16_000;
