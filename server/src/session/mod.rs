//! The session: the task of one hot document. It reads its mailbox, feeds the document, performs the effects.
//!
//! All that waits in the mailbox is handled as one batch. What the document asks of the store comes back as an input
//! ([`storing`]); there is at most one load, one append and one snapshot on the way.
//! While the past is being loaded the mailbox is left alone, so a flood waits in its own socket.

pub(crate) mod members;
pub use members::{Member, Members};

pub(crate) mod courier;

mod hot;
mod others;
mod signals;
mod storing;
mod work;

use std::future::poll_fn;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use engine::{
    Audience, Change, CloseReason, ConnectionId, Document, DocumentKey, Effect, Effects, Event,
    Gist, Input, Intent, Joining, Kind, Now, Phase, PresenceDropped, Rights, Snapshot,
};
use storage::{Failpoint, Word};
use tokio::time::Instant;
use tracing::{error, warn};

use crate::alarm::Alarm;
use crate::auth::Pass;
use crate::clock::Stopwatch;
use crate::cluster::replicas::OwnReplica;
use crate::hook::Signals;
use crate::hub::Hub;
use crate::mail::{Inbox, Mail, Mailbox, Newcomer, Post, Wants, Way, weight_of};
use crate::quarantine::{self, cause::Cause};
use crate::telemetry::{counted, metrics};
use crate::world::World;
use members::SharedMembers;
use storing::Appending;
use work::Work;
pub(crate) use work::apart;

/// Starts the session of a document, which serves it until it is put away.
pub(crate) fn start(hub: &Hub, key: DocumentKey, kind: Kind, way: Mailbox, inbox: Inbox) {
    let mut effects = Effects::new();
    let world = hub.world();
    let own = world.replicas.current();
    match Document::open(
        key.clone(),
        kind,
        own.id(),
        world.limits.clone(),
        &mut effects,
    ) {
        Ok(document) => {
            let session = Session::new(hub.clone(), key, kind, own, document, way, inbox);
            // What a task is given by value stands in it twice.
            hub.spawn(Box::new(session).serve(effects));
        }
        Err(refused) => {
            warn!(document = %key, "{refused}");
            // The hub is busy with starting it.
            let hub = hub.clone();
            tokio::spawn(async move { hub.forget(&key) });
        }
    }
}

struct Session {
    hub: Hub,
    world: Arc<World>,
    key: DocumentKey,
    kind: Kind,
    /// Under which it makes changes.
    own: Arc<OwnReplica>,
    document: Document,
    members: SharedMembers,
    work: Work,
    /// Where the store's answers go.
    way: Mailbox,
    inbox: Inbox,
    /// An edit that waits for content that is being loaded, and the mail after it that was taken with it.
    held_back: Vec<Mail>,
    alarm: Alarm,
    appending: Appending,
    /// The way of signals to the application, once there was one.
    signals: Option<Signals>,
    /// What this document has added to [`World::unsaved_bytes`].
    unsaved_bytes: usize,
    /// What this document has added to [`World::held_changes`].
    held_changes: usize,
    /// What this document has added to [`World::memory`].
    weight: usize,
}

/// What a session is woken by.
enum News {
    Post,
    /// The store has answered an append.
    Stored(Box<Input>),
    /// It is time for something.
    Time,
}

/// What a client asks for.
struct Asked {
    connection: ConnectionId,
    intent: Intent,
    seen: Option<u64>,
}

impl Session {
    fn new(
        hub: Hub,
        key: DocumentKey,
        kind: Kind,
        own: Arc<OwnReplica>,
        document: Document,
        way: Mailbox,
        inbox: Inbox,
    ) -> Self {
        let world = hub.world();
        let members = SharedMembers::new(key.clone());
        let tally = world.places.of_document(key.clone());
        members.lock().count_in(tally);
        let watch = world
            .watchdog
            .watch(key.clone(), way.clone(), members.clone());
        let work = Work::new(world.clone(), key.clone(), kind, watch);
        Self {
            hub,
            world,
            key,
            kind,
            own,
            document,
            members,
            work,
            way,
            inbox,
            held_back: Vec::new(),
            alarm: Alarm::default(),
            appending: Appending::default(),
            signals: None,
            unsaved_bytes: 0,
            held_changes: 0,
            weight: 0,
        }
    }

    async fn serve(mut self: Box<Self>, mut effects: Effects) {
        while !self.work.is_abandoned() && !self.perform(effects) {
            let post = self.next().await;
            let is_heavy = self.work.is_heavy(burden_of(&post), self.weight);
            // Made anew for each batch: an idle document holds on to no buffer.
            effects = Effects::new();
            self.work.begin();
            apart(is_heavy, || self.take_in(post, &mut effects));
            self.replay(&mut effects).await;
            let now = self.world.clock.now();
            apart(is_heavy, || self.document.settle(now, &mut effects));
            Failpoint::BatchSettled.reach();
            self.work.end();
            self.account();
        }
    }

    /// Waits for something to happen: mail, an answer of the store, or that a time has come.
    async fn next(&mut self) -> Post {
        let wants = if self.document.phase().is_building() {
            Wants::Answers
        } else {
            Wants::All
        };
        if wants == Wants::All && !self.held_back.is_empty() {
            let mut post = self.inbox.take(wants, BATCH_MAX);
            post.mails.splice(0..0, self.held_back.drain(..));
            return post;
        }
        let (news, waited) = self.wait(wants).await;
        let stored = match news {
            News::Time => return Post::of(Input::Tick),
            News::Stored(answer) => Some(*answer),
            News::Post => None,
        };
        // Whoever was just woken may be waiting for this very thread, and would wait for the next batch too. And where many
        // are about to send something, all of that is handled, shown and stored as one.
        if !waited || self.document.peers() > FEW_PEERS {
            give_way().await;
        }
        let mut post = self.inbox.take(wants, BATCH_MAX);
        post.answers.extend(stored);
        post
    }

    /// Waits until something has happened, and tells whether it had to.
    async fn wait(&mut self, wants: Wants) -> (News, bool) {
        let deadline = self.document.next_deadline_ms();
        let deadline = deadline.map(|at_ms| self.world.clock.instant(at_ms));
        let mut polls = 0;
        let news = poll_fn(|context| {
            polls += 1;
            self.poll_news(wants, deadline, context)
        });
        (news.await, polls > 1)
    }

    fn poll_news(
        &mut self,
        wants: Wants,
        deadline: Option<Instant>,
        context: &mut Context<'_>,
    ) -> Poll<News> {
        if let Some(answer) = self.appending.poll(context) {
            return Poll::Ready(News::Stored(Box::new(answer)));
        }
        if self.inbox.poll_ready(wants, context).is_ready() {
            return Poll::Ready(News::Post);
        }
        self.alarm.poll(deadline, context).map(|()| News::Time)
    }

    /// Tells the document of all that has happened.
    fn take_in(&mut self, post: Post, effects: &mut Effects) {
        for answer in post.answers {
            self.document
                .handle(answer, self.world.clock.now(), effects);
        }
        for word in post.heard {
            self.hear(word, effects);
        }
        let mut stopwatch = Stopwatch::start(self.world.message_cpu_max);
        for mail in post.mails {
            if self.holds_back(&mail, effects) {
                self.held_back.push(mail);
            } else {
                self.open_mail(mail, &mut stopwatch, effects);
            }
        }
    }

    /// Whether a mail waits for content that is not here: an edit, and what comes after it. An edit is handed over when it can be
    /// taken in, because that is noted before.
    fn holds_back(&mut self, mail: &Mail, effects: &mut Effects) -> bool {
        let is_push = |intent: &Intent| matches!(intent, Intent::Push { .. });
        let has_push = matches!(mail, Mail::Intents { intents, .. } if intents.iter().any(is_push));
        if has_push && self.document.is_unread() {
            let now = self.world.clock.now();
            self.document.handle(Input::ContentWanted, now, effects);
        }
        self.document.phase() == Phase::Rebuilding
    }

    /// Has the document replay its past, if it has one to replay, and lets others run now and then. What there is to do already
    /// does not wait for that.
    async fn replay(&mut self, effects: &mut Effects) {
        if self.document.next_replay().is_some() {
            self.perform(mem::take(effects));
        }
        while self.document.next_replay().is_some() && !self.work.is_abandoned() {
            apart(true, || self.replay_some(effects));
            self.work.end();
            tokio::task::yield_now().await;
            self.work.begin();
        }
    }

    fn replay_some(&mut self, effects: &mut Effects) {
        let mut bytes = 0;
        while let Some(piece) = self.document.next_replay()
            && bytes <= REPLAY_BYTES_AT_ONCE
        {
            bytes += piece.payload.len() + PIECE_OVERHEAD_BYTES;
            self.work.replay(piece);
            self.document.replay(self.world.clock.now(), effects);
        }
    }

    fn open_mail(&mut self, mail: Mail, stopwatch: &mut Stopwatch, effects: &mut Effects) {
        let now = self.world.clock.now();
        let input = match mail {
            Mail::Join(newcomer) => match self.admit(newcomer, now) {
                Some(joined) => joined,
                None => return,
            },
            Mail::Leave(connection) => {
                self.members.lock().remove(connection);
                Input::Left { connection }
            }
            Mail::Intents {
                connection,
                intents,
                seen,
                held,
            } => {
                for intent in intents {
                    let asked = Asked {
                        connection,
                        intent,
                        seen,
                    };
                    if !self.forward(asked, now, stopwatch, effects) {
                        break;
                    }
                }
                return drop(held);
            }
            // Whoever sends them was not let in.
            Mail::Requests { .. } => return,
            Mail::Drained { connection, seen } => Input::Drained { connection, seen },
            Mail::Renew { connection, pass } => {
                match self.world.auth.is_revoked(&pass, &self.key) {
                    true => Input::Revoked { connection },
                    false => self.renew(connection, pass, now),
                }
            }
            Mail::Revoked => return self.close_revoked(now, effects),
            Mail::Signal(text) => Input::Signal(text),
            Mail::Reply { connection, text } => return self.reply(connection, text),
            Mail::Deleted => Input::Deleted,
            Mail::Drain => Input::Drain,
            Mail::ClockAsked(asker) => return self.tell_clock(asker),
            Mail::WaysAsked(asker) => return self.tell_ways(asker),
        };
        self.document.handle(input, now, effects);
    }

    /// Takes somebody in. None if there are as many here as may be, or if their pass was revoked meanwhile: of that only
    /// those were told who were here by then.
    fn admit(&mut self, newcomer: Newcomer, now: Now) -> Option<Input> {
        let has_room = self.members.lock().has_room();
        if let Err(limit) = self.world.places.in_document(has_room) {
            newcomer.close(CloseReason::TooMany(limit));
            return None;
        }
        if self.world.auth.is_revoked(&newcomer.pass, &self.key) {
            newcomer.close(CloseReason::Revoked);
            return None;
        }
        let (Some(kind), Way::Frames(_) | Way::Events(_)) =
            (newcomer.dialect.kind(), &newcomer.way)
        else {
            newcomer.close(CloseReason::WrongKind);
            return None;
        };
        let joining = Joining {
            connection: newcomer.connection,
            kind,
            rights: newcomer.pass.rights(&self.key, now),
            counts: newcomer.dialect.counts(),
        };
        let member = Member {
            way: newcomer.way,
            connection: newcomer.connection,
            pass: newcomer.pass,
            dialect: newcomer.dialect,
            address: newcomer.address,
        };
        self.members.lock().add(member);
        Some(Input::Joined(joining))
    }

    fn renew(&mut self, connection: ConnectionId, pass: Arc<Pass>, now: Now) -> Input {
        let Rights {
            access, until_ms, ..
        } = pass.rights(&self.key, now);
        self.members.lock().renew(connection, pass);
        Input::Granted {
            connection,
            access,
            until_ms,
        }
    }

    /// Has those closed whose passes were revoked.
    fn close_revoked(&mut self, now: Now, effects: &mut Effects) {
        let is_revoked = |pass: &Pass| self.world.auth.is_revoked(pass, &self.key);
        let revoked = self.members.lock().revoked(is_revoked);
        for connection in revoked {
            self.document
                .handle(Input::Revoked { connection }, now, effects);
        }
    }

    /// Passes on what a client asks, within the bounds of this node. False if that had its connection closed.
    fn forward(
        &mut self,
        asked: Asked,
        now: Now,
        stopwatch: &mut Stopwatch,
        effects: &mut Effects,
    ) -> bool {
        if self.is_for_application(&asked, now) {
            return true;
        }
        let connection = asked.connection;
        let is_push = matches!(asked.intent, Intent::Push { .. });
        if is_push && self.world.is_behind() {
            metrics::limit_hit("unsaved_node_bytes");
            return self.expel(connection, CloseReason::StoreBehind, now, effects);
        }
        if self.world.memory.is_full() && self.brings_news(&asked.intent) {
            metrics::limit_hit("memory_bytes");
            return self.expel(connection, CloseReason::Overloaded, now, effects);
        }
        self.ask_engine(asked, now, effects);
        Failpoint::EditIntegrated.reach();
        if stopwatch.lap() && is_push {
            warn!(document = %self.key, %connection, "an edit took too long; it is taken in, and its sender is closed");
            metrics::message_over_budget();
            return self.expel(connection, CloseReason::Overloaded, now, effects);
        }
        true
    }

    fn ask_engine(&mut self, asked: Asked, now: Now, effects: &mut Effects) {
        let Asked {
            connection,
            intent,
            seen,
        } = asked;
        if let Intent::Push { payload, .. } = &intent {
            let author = self.members.lock().author(connection);
            self.work.push(payload, author, connection);
        }
        let input = Input::Intent {
            connection,
            intent,
            seen,
        };
        self.document.handle(input, now, effects);
    }

    /// Whether an edit would add to the document. What cannot be read is for the document to refuse.
    fn brings_news(&self, intent: &Intent) -> bool {
        match intent {
            Intent::Push { payload, .. } => {
                let brings = self.document.content().brings(payload);
                brings.is_ok_and(|brings| !brings.is_nothing())
            }
            _ => false,
        }
    }

    /// Closes a connection for a reason that the document does not know of; always false.
    fn expel(
        &mut self,
        connection: ConnectionId,
        reason: CloseReason,
        now: Now,
        effects: &mut Effects,
    ) -> bool {
        self.members.lock().close(connection, reason);
        let left = Input::Left { connection };
        self.document.handle(left, now, effects);
        false
    }

    /// Performs effects in their order. Returns true when the document was put away.
    fn perform(&mut self, effects: Effects) -> bool {
        let mut retired = false;
        for effect in effects {
            match effect {
                Effect::Load => self.load(),
                Effect::LoadGist => self.load_gist(),
                Effect::LoadLog => self.load_log(),
                Effect::Send { to, event, shows } => self.send(&to, &event, shows),
                Effect::Resume { connection } => self.members.lock().resume(connection),
                Effect::Close { connection, reason } => {
                    count(reason);
                    self.members.lock().close(connection, reason);
                }
                Effect::Append(changes) => self.append(changes),
                Effect::StoreSnapshot(snapshot) => self.store_snapshot(snapshot),
                Effect::StoreGist(gist) => self.store_gist(gist),
                Effect::Skipped(dot) => {
                    metrics::damaged_rows(1);
                    error!(document = %self.key, %dot, "stored change does not decode, the document opens without it");
                }
                Effect::Quarantine(quarantined) => {
                    let cause = quarantined.dot.map_or(Cause::Edit, |_| Cause::Stored);
                    quarantine::keep(&self.hub, quarantined, cause);
                }
                Effect::ForeignEdit {
                    connection,
                    writer,
                    refused,
                    first,
                } => {
                    metrics::foreign_edit(refused);
                    if first {
                        warn!(document = %self.key, %connection, writer = writer.0, refused, "an edit is under the number of somebody else who is connected");
                    }
                }
                Effect::ReadOnly { reason } => {
                    error!(document = %self.key, "document takes no more edits: {reason}");
                }
                Effect::Publish(changes) => self.say(Word::Changes(changes)),
                Effect::PublishPresence(notices) => self.publish_presence(notices),
                Effect::AskPresence => self.say(Word::PresenceAsked),
                Effect::PublishRoll(roll) => self.publish_roll(roll),
                Effect::AskWhoIs { of, ids } => self.say(Word::WhoIsAsked { of, ids }),
                Effect::PublishSignal(text) => self.say(Word::Signal(text)),
                Effect::AskHeads => self.ask_heads(),
                Effect::Pull { replica, counters } => self.pull(replica, counters),
                Effect::GiveBack(changes) => self.give_back(changes),
                Effect::HistoryLost { replica, counters } => {
                    error!(document = %self.key, %replica, first = counters.start(), last = counters.end(), "the store has lost changes that it had acknowledged: what they did is stored again, who made them and when is not known any more");
                }
                Effect::Retire => retired = true,
            }
        }
        retired && self.held_back.is_empty() && self.hub.retire(&self.key, &self.inbox)
    }

    fn send(&self, to: &Audience, event: &Event, shows: Option<u64>) {
        self.members.lock().send(to, event, shows);
        match event {
            Event::Ack { .. } => Failpoint::AckQueued.reach(),
            Event::Refused { reason, .. } => count(*reason),
            _ => {}
        }
    }

    fn give_back(&self, changes: Vec<Change>) {
        warn!(document = %self.key, changes = changes.len(), "the store has lost changes that it had acknowledged, and is given them again");
        self.world.replicas.found_loss(&self.own);
        let (world, key) = (self.world.clone(), self.key.clone());
        self.ask(storing::give_back(world, key, self.kind, changes));
    }

    fn load(&self) {
        let (world, key) = (self.world.clone(), self.key.clone());
        self.open(storing::load(world, key, self.kind));
    }

    fn load_gist(&self) {
        let (world, key) = (self.world.clone(), self.key.clone());
        self.open(storing::load_gist(world, key, self.kind));
    }

    fn load_log(&self) {
        metrics::damaged_rows(1);
        error!(document = %self.key, "a snapshot does not restore, the document opens from its log");
        self.open(storing::load_from_log(self.world.clone(), self.key.clone()));
    }

    fn append(&mut self, changes: Vec<Change>) {
        let (world, key) = (self.world.clone(), self.key.clone());
        self.appending
            .begin(storing::append(world, key, self.kind, changes));
    }

    fn store_snapshot(&self, snapshot: Snapshot) {
        self.ask(storing::store_snapshot(self.world.clone(), snapshot));
    }

    fn store_gist(&self, gist: Gist) {
        self.hub
            .spawn(storing::store_gist(self.world.clone(), gist));
    }

    /// Reads the past. A document that is only being opened is refused if names could be given again that were lost.
    fn open(&self, load: impl Future<Output = Input> + Send + 'static) {
        let (world, key, own) = (self.world.clone(), self.key.clone(), self.own.clone());
        let is_first = self.document.phase() == Phase::Opening;
        self.ask(async move {
            let loaded = load.await;
            if !is_first || world.replicas.may_open(&own) {
                return loaded;
            }
            warn!(document = %key, replica = %own.id(), "document is not opened, the store may have lost something since this process took its replica id; it is taking a new one");
            Input::OpenFailed
        });
    }

    /// Runs a request to the store beside the session.
    fn ask(&self, request: impl Future<Output = Input> + Send + 'static) {
        let way = self.way.clone();
        self.hub.spawn(async move { way.answer(request.await) });
    }

    fn account(&mut self) {
        let bytes = self.document.unsaved_bytes();
        self.world.account_unsaved(self.unsaved_bytes, bytes);
        self.unsaved_bytes = bytes;
        self.count_dropped_presence();
        self.count_held(self.document.held_changes());
        let weight = self.document.weight();
        self.world.memory.account(self.weight, weight);
        self.weight = weight;
    }
}

impl Session {
    fn count_dropped_presence(&mut self) {
        let PresenceDropped { entries, states } = self.document.take_dropped_presence();
        if entries > 0 {
            metrics::limit_hits("presence_entries", entries);
        }
        if states > 0 {
            metrics::limit_hits("presence_state_bytes", states);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if std::thread::panicking() {
            metrics::session_panicked();
            error!(document = %self.key, "the session of a document has failed; its clients are closed and open it anew");
        }
        self.world.account_unsaved(self.unsaved_bytes, 0);
        self.world.memory.account(self.weight, 0);
        self.count_held(0);
        self.inbox.close();
        self.members.lock().close_all(CloseReason::NotReady);
        self.hub.forget(&self.key);
    }
}

/// How much a post asks for: the bytes of its edits, and for each pull what an answer is worth.
fn burden_of(post: &Post) -> usize {
    let heard: usize = post.heard.iter().map(weight_of).sum();
    let intents = post.mails.iter().flat_map(|mail| match mail {
        Mail::Intents { intents, .. } => &intents[..],
        _ => &[],
    });
    let burden = |intent: &Intent| match intent {
        Intent::Push { payload, .. } => payload.len(),
        Intent::Pull { .. } | Intent::PullKept => PULL_BURDEN_BYTES,
        _ => 0,
    };
    heard + intents.map(burden).sum::<usize>()
}

/// Counts the limit that an edit was refused for, if it was one.
fn count(reason: CloseReason) {
    if let Some(limit) = counted::of_reason(reason) {
        metrics::limit_hit(limit);
    }
}

/// Lets all others run that can, and goes on when its turn comes again, on any thread. What tokio offers for this ties a
/// task to the thread that it is on, which may then be lost to another document.
async fn give_way() {
    let mut gave_way = false;
    poll_fn(|context| {
        if gave_way {
            return Poll::Ready(());
        }
        gave_way = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// How much of its past a document replays before others may run: a few milliseconds.
const REPLAY_BYTES_AT_ONCE: usize = 64 * 1024;
/// What a piece of the past costs besides its bytes.
const PIECE_OVERHEAD_BYTES: usize = 64;
/// What answering a pull is likened to, in bytes of edits: in a large document, all of it may have to be encoded.
const PULL_BURDEN_BYTES: usize = 1024;
/// Mails handled as one batch.
const BATCH_MAX: usize = 256;
/// Where so few are there is little to be gained by waiting for others who are about to send something.
const FEW_PEERS: usize = 4;
