//! The session of an ordered document: reads its mailbox, feeds the document, performs the effects.
//!
//! It is the twin of the session of documents that merge (`session`), and simpler: nobody is shown what is not stored, and the
//! types are our own code with a budget of work, so no library is watched. What it asks of the store it looks after itself
//! ([`storing`]): one load, one append, one reading and one snapshot at a time.

mod batch;
pub(crate) use batch::{BatchError, Item, make};

mod collections;
pub use collections::Collections;
pub(crate) use collections::{Documents, Unlisted, Watcher, list};

mod courier;
pub(crate) use courier::{NotMade, Submission, submit};

mod letters;
pub use letters::{Gap, Letter, Letters};

mod members;

mod storing;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use engine::ordered::{
    OrderedDocument, OrderedEffect, OrderedEffects, OrderedInput, Request, State,
};
use engine::{Change, CloseReason, ConnectionId, DocumentKey, Input, Kind, Rights, RosterWord};
use protocol::sharedb::Address;
use storage::{Failpoint, OpenClock, Word};
use tokio::time::Instant;
use tracing::{error, warn};

use crate::alarm::Alarm;
use crate::auth::Pass;
use crate::cluster::replicas::OwnReplica;
use crate::hub::Hub;
use crate::mail::{Inbox, Mail, Newcomer, Post, Wants, Way};
use crate::telemetry::{counted, metrics};
use crate::world::World;
use members::Members;
use storing::{Opened, Requests, Stored};

/// Starts the session of a document, which serves it until it is put away.
pub(crate) fn start(hub: &Hub, key: DocumentKey, inbox: Inbox) {
    let world = hub.world();
    let own = world.replicas.current();
    let limits = world.ordered_limits.clone();
    let (document, effects) =
        OrderedDocument::open(key.clone(), own.id(), limits, world.clock.now());
    let session = Session {
        hub: hub.clone(),
        is_channel: Address::of(key.name()).is_channel(),
        members: Members::new(&key, world.places.of_document(key.clone())),
        world,
        key,
        kind: None,
        own,
        document,
        is_opening: true,
        requests: Requests::default(),
        inbox,
        alarm: Alarm::default(),
        unsaved_bytes: 0,
        weight: 0,
    };
    hub.spawn(Box::new(session).serve(effects));
}

struct Session {
    hub: Hub,
    world: Arc<World>,
    key: DocumentKey,
    /// What the store has it as; none if it has never heard of it.
    kind: Option<Kind>,
    /// Under which it makes changes.
    own: Arc<OwnReplica>,
    document: OrderedDocument,
    /// Whether it is a channel, where people show themselves and nothing is stored.
    is_channel: bool,
    /// Mail is left alone until the past is there, so a flood waits in its own socket.
    is_opening: bool,
    members: Members,
    requests: Requests,
    inbox: Inbox,
    alarm: Alarm,
    /// What this document has added to [`World::unsaved_bytes`].
    unsaved_bytes: usize,
    /// What this document has added to [`World::memory`].
    weight: usize,
}

/// What a session is woken by.
enum News {
    Stored(Stored),
    Post,
    Time,
}

impl Session {
    async fn serve(mut self: Box<Self>, mut effects: OrderedEffects) {
        while !self.perform(effects) {
            effects = OrderedEffects::new();
            match self.next().await {
                News::Stored(stored) => self.take_answer(stored, &mut effects),
                News::Post => {
                    let post = self.inbox.take(self.wants(), BATCH_MAX);
                    self.take_in(post, &mut effects);
                }
                News::Time => self.tell(OrderedInput::Tick, &mut effects),
            }
            let now = self.world.clock.now();
            self.document.settle(now, &mut effects);
            self.account();
        }
    }

    fn wants(&self) -> Wants {
        match self.is_opening {
            true => Wants::Answers,
            false => Wants::All,
        }
    }

    async fn next(&mut self) -> News {
        let deadline = self.document.next_deadline_ms();
        let deadline = deadline.map(|at_ms| self.world.clock.instant(at_ms));
        poll_fn(|context| self.poll_news(deadline, context)).await
    }

    fn poll_news(&mut self, deadline: Option<Instant>, context: &mut Context<'_>) -> Poll<News> {
        if let Poll::Ready(stored) = self.requests.poll(context) {
            return Poll::Ready(News::Stored(stored));
        }
        if self.inbox.poll_ready(self.wants(), context).is_ready() {
            return Poll::Ready(News::Post);
        }
        self.alarm.poll(deadline, context).map(|()| News::Time)
    }

    fn take_answer(&mut self, stored: Stored, effects: &mut OrderedEffects) {
        match stored {
            Stored::Answer(input) => {
                if matches!(input, OrderedInput::Appended) {
                    self.inbox.expect_heads();
                    self.world.stir(&self.key);
                }
                self.tell(input, effects);
            }
            Stored::Opened(opened) => self.opened(*opened, effects),
        }
    }

    fn opened(&mut self, opened: Opened, effects: &mut OrderedEffects) {
        self.is_opening = false;
        if !self.world.replicas.may_open(&self.own) {
            warn!(document = %self.key, replica = %self.own.id(), "document is not opened, the store may have lost something since this process took its replica id; it is taking a new one");
            return self.tell(OrderedInput::OpenFailed, effects);
        }
        self.kind = opened.kind;
        self.tell(opened.input, effects);
    }

    fn take_in(&mut self, post: Post, effects: &mut OrderedEffects) {
        for word in post.answers.into_iter().chain(post.heard) {
            if let Some(input) = heard(word) {
                self.look_twice(&input);
                self.tell(input, effects);
            }
        }
        for mail in post.mails {
            self.open_mail(mail, effects);
        }
    }

    /// Heads that lack something were read before it was stored, or the store has lost it: the next ones tell.
    fn look_twice(&self, input: &OrderedInput) {
        if let OrderedInput::Heads(heads) = input
            && !heads.dominates(&self.document.state().clock)
        {
            self.inbox.expect_heads();
        }
    }

    fn open_mail(&mut self, mail: Mail, effects: &mut OrderedEffects) {
        let input = match mail {
            Mail::Join(newcomer) => match self.admit(newcomer) {
                Some(joined) => joined,
                None => return,
            },
            Mail::Leave(connection) => {
                self.members.remove(connection);
                OrderedInput::Left { connection }
            }
            Mail::Requests {
                connection,
                requests,
                held,
            } => {
                self.ask(connection, requests, effects);
                return drop(held);
            }
            Mail::Renew { connection, pass } => self.renew(connection, pass),
            Mail::Revoked => return self.close_revoked(effects),
            Mail::Deleted => OrderedInput::Deleted,
            Mail::Drain => OrderedInput::Drain,
            Mail::ClockAsked(asker) => {
                let clock = OpenClock {
                    document: self.key.clone(),
                    clock: self.document.state().clock.clone(),
                    held: 0,
                };
                // Whoever asked may have gone.
                return drop(asker.send(clock));
            }
            Mail::WaysAsked(asker) => return drop(asker.send(self.members.ways())),
            // Those are of documents that merge: nobody who sends them was let in.
            Mail::Intents { .. } | Mail::Drained { .. } | Mail::Signal(_) | Mail::Reply { .. } => {
                return;
            }
        };
        self.tell(input, effects);
    }

    /// Passes on what a client asks, within the bounds of this node.
    fn ask(
        &mut self,
        connection: ConnectionId,
        requests: Vec<Request>,
        effects: &mut OrderedEffects,
    ) {
        for request in requests {
            if matches!(request, Request::Submit { .. })
                && let Some(reason) = self.why_not_now()
            {
                self.members.close(connection, reason);
                return self.tell(OrderedInput::Left { connection }, effects);
            }
            let asked = OrderedInput::Asked {
                connection,
                request,
            };
            self.tell(asked, effects);
        }
    }

    /// Why this node takes no operations just now, if it does not.
    fn why_not_now(&self) -> Option<CloseReason> {
        if self.world.is_behind() {
            metrics::limit_hit("unsaved_node_bytes");
            return Some(CloseReason::StoreBehind);
        }
        if self.world.memory.is_full() {
            metrics::limit_hit("memory_bytes");
            return Some(CloseReason::Overloaded);
        }
        None
    }

    /// Takes somebody in. None if there are as many here as may be, if their pass was revoked meanwhile, or if they speak
    /// the dialect of another kind of document.
    fn admit(&mut self, newcomer: Newcomer) -> Option<OrderedInput> {
        if let Err(limit) = self.world.places.in_document(self.members.has_room()) {
            newcomer.close(CloseReason::TooMany(limit));
            return None;
        }
        if self.world.auth.is_revoked(&newcomer.pass, &self.key) {
            newcomer.close(CloseReason::Revoked);
            return None;
        }
        let Way::Letters(letters) = &newcomer.way else {
            newcomer.close(CloseReason::WrongKind);
            return None;
        };
        let connection = newcomer.connection;
        let rights = newcomer.pass.rights(&self.key, self.world.clock.now());
        self.members.add(connection, newcomer.pass, letters.clone());
        Some(OrderedInput::Joined { connection, rights })
    }

    fn renew(&mut self, connection: ConnectionId, pass: Arc<Pass>) -> OrderedInput {
        if self.world.auth.is_revoked(&pass, &self.key) {
            return OrderedInput::Revoked { connection };
        }
        let Rights {
            access, until_ms, ..
        } = pass.rights(&self.key, self.world.clock.now());
        self.members.renew(connection, pass);
        OrderedInput::Granted {
            connection,
            access,
            until_ms,
        }
    }

    fn close_revoked(&mut self, effects: &mut OrderedEffects) {
        let is_revoked = |pass: &Pass| self.world.auth.is_revoked(pass, &self.key);
        for connection in self.members.revoked(is_revoked) {
            self.tell(OrderedInput::Revoked { connection }, effects);
        }
    }

    fn tell(&mut self, input: OrderedInput, effects: &mut OrderedEffects) {
        self.kind = storing::kind_heard(&input).or(self.kind);
        self.document.handle(input, self.world.clock.now(), effects);
    }

    /// Performs effects in their order. Returns true when the document was put away.
    fn perform(&mut self, effects: OrderedEffects) -> bool {
        let mut retired = false;
        for effect in effects {
            match effect {
                OrderedEffect::Load if self.is_channel => {
                    let nothing = Opened::of_nothing();
                    let opened = async { Stored::Opened(Box::new(nothing)) };
                    self.requests.begin(opened);
                }
                OrderedEffect::Load => {
                    let load = storing::load(self.world.clone(), self.key.clone());
                    self.requests.begin(load);
                }
                OrderedEffect::Send { to, event } => self.members.send(&to, &event),
                OrderedEffect::Close { connection, reason } => {
                    if let Some(limit) = counted::of_reason(reason) {
                        metrics::limit_hit(limit);
                    }
                    self.members.close(connection, reason);
                }
                OrderedEffect::Append(changes) => self.append(changes),
                OrderedEffect::Read { from, to } => {
                    let read = storing::read(self.world.clone(), self.key.clone(), from, to);
                    self.requests.begin(read);
                }
                OrderedEffect::Seek(sought) => {
                    let seek = storing::seek(self.world.clone(), self.key.clone(), sought);
                    self.requests.begin(seek);
                }
                OrderedEffect::Lost => {
                    warn!(document = %self.key, "the store has lost operations that it had acknowledged, and is given again what is at hand of them");
                    self.world.replicas.found_loss(&self.own);
                }
                OrderedEffect::GiveBack(changes) => self.give_back(changes),
                OrderedEffect::Publish(changes) => {
                    self.world.say(&self.key, Word::Changes(changes));
                }
                OrderedEffect::AskForWay => {
                    let by = self.document.replica();
                    self.world.say(&self.key, Word::WayAsked { by });
                }
                OrderedEffect::PublishPresence(word) => {
                    self.world.say(&self.key, Word::Roster(word));
                }
                OrderedEffect::AskPresence => self.world.say(&self.key, Word::PresenceAsked),
                OrderedEffect::StoreSnapshot(state) => self.store_snapshot(state),
                OrderedEffect::Unusable(broken) => {
                    error!(document = %self.key, "document is not served: {broken}");
                }
                OrderedEffect::Retire => retired = true,
            }
        }
        retired && self.hub.retire(&self.key, &self.inbox)
    }

    fn append(&mut self, changes: Vec<Change>) {
        if self.is_channel {
            let refused = async { Stored::Answer(OrderedInput::AppendRefused) };
            return self.requests.begin(refused);
        }
        let kind = self.kind.unwrap_or_else(|| storing::kind_of(&changes));
        self.kind = Some(kind);
        let (world, key) = (self.world.clone(), self.key.clone());
        self.requests
            .begin(storing::append(world, key, kind, changes));
    }

    fn give_back(&mut self, changes: Vec<Change>) {
        let kind = self.kind.unwrap_or_else(|| storing::kind_of(&changes));
        let (world, key) = (self.world.clone(), self.key.clone());
        self.requests
            .begin(storing::give_back(world, key, kind, changes));
    }

    fn store_snapshot(&mut self, state: State) {
        let Some(kind) = self.kind else {
            return;
        };
        let (world, key) = (self.world.clone(), self.key.clone());
        self.requests
            .begin(storing::store_snapshot(world, key, kind, state));
    }

    fn account(&mut self) {
        let bytes = self.document.unsaved_bytes();
        self.world.account_unsaved(self.unsaved_bytes, bytes);
        self.unsaved_bytes = bytes;
        let weight = self.document.weight();
        self.world.memory.account(self.weight, weight);
        self.weight = weight;
        Failpoint::BatchSettled.reach();
    }
}

/// What a word of the other nodes is to an ordered document; none if it is none.
fn heard(word: Input) -> Option<OrderedInput> {
    Some(match word {
        Input::Heard { changes } => OrderedInput::Heard(changes),
        Input::Heads { heads, .. } => OrderedInput::Heads(heads),
        Input::HeardRoster(word) => OrderedInput::HeardPresence(word),
        Input::WayAsked(by) => OrderedInput::WayAsked(by),
        Input::PresenceAsked => OrderedInput::PresenceAsked,
        Input::OthersDoubted => OrderedInput::OthersDoubted,
        Input::ReplicasGone(gone) => OrderedInput::ReplicasGone(gone),
        // Said of any document that is put away.
        Input::HeardRoll { from, roll } if roll.people.is_empty() => {
            OrderedInput::HeardPresence(RosterWord::Roll {
                from,
                turn: roll.turn,
                asks: roll.asks,
                people: Vec::new(),
            })
        }
        Input::Deleted => OrderedInput::Deleted,
        _ => return None,
    })
}

impl Drop for Session {
    fn drop(&mut self) {
        if std::thread::panicking() {
            metrics::session_panicked();
            error!(document = %self.key, "the session of a document has failed; its clients are closed and open it anew");
        }
        self.world.account_unsaved(self.unsaved_bytes, 0);
        self.world.memory.account(self.weight, 0);
        self.inbox.close();
        self.members.close_all(CloseReason::NotReady);
        self.hub.forget(&self.key);
    }
}

/// Mails handled as one batch.
const BATCH_MAX: usize = 256;
