//! The connections of a session: where each event goes, encoded once for each dialect. Only a connection that has the
//! document by an address of its own is written to by itself.
//!
//! An event mostly goes to nearly everyone, so the members are a plain list: passing it on walks that list beside the list
//! of those who are left out, and does nothing for a receiver but to put the shared frame into its outbox.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::{Audience, Author, CloseReason, ConnectionId, DocumentKey, Event, PushTag};
use protocol::Dialect;
use protocol::automerge::SharedEvent;
use protocol::websocket::Frame;
use smallvec::SmallVec;

use crate::auth::Pass;
use crate::events::Events;
use crate::limits::Tally;
use crate::mail::Way;
use crate::outbox::Outbox;
use crate::telemetry::metrics;

/// The members of a document, within the watchdog's reach.
#[derive(Clone, Debug)]
pub(crate) struct SharedMembers(Arc<Mutex<Members>>);

impl SharedMembers {
    /// Nobody yet.
    pub(crate) fn new(document: DocumentKey) -> Self {
        Self(Arc::new(Mutex::new(Members::new(document))))
    }

    /// The members. A panic elsewhere can not leave them half changed, so a poisoned lock is as good as any.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Members> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The outboxes of a document's connections.
#[derive(Debug)]
pub struct Members {
    /// Its name is the address by which nearly all of them have it.
    document: DocumentKey,
    /// In the order of their connections, whose numbers grow.
    members: Vec<Member>,
    /// A large frame that some still wait for: whoever asks for the same is given the same.
    large: Option<Large>,
    /// The places that they take up, where those are counted.
    tally: Option<Tally<DocumentKey>>,
}

/// The frame of an event that carries much.
#[derive(Debug)]
struct Large {
    event: Event,
    dialect: Dialect,
    frame: Frame,
}

/// A connection that has the document.
#[derive(Debug)]
pub struct Member {
    /// Which.
    pub connection: ConnectionId,
    /// Who, and what they may do.
    pub pass: Arc<Pass>,
    /// In which dialect.
    pub dialect: Dialect,
    /// By which address of its own it has the document, where it may have several; none if by the document's name.
    pub address: Option<Box<str>>,
    /// Where to put what it is told.
    pub way: Way,
}

impl Members {
    /// Nobody yet.
    pub fn new(document: DocumentKey) -> Self {
        Self {
            document,
            members: Vec::new(),
            large: None,
            tally: None,
        }
    }

    /// From now on the places that they take up are counted.
    pub(super) fn count_in(&mut self, tally: Tally<DocumentKey>) {
        self.tally = Some(tally);
        self.recount();
    }

    /// Whether there may be one more.
    pub(super) fn has_room(&self) -> bool {
        let tally = self.tally.as_ref();
        tally.is_none_or(|tally| tally.may_have_more())
    }

    fn recount(&mut self) {
        if let Some(tally) = &mut self.tally {
            tally.set(self.members.len());
        }
    }

    /// Takes a connection in.
    pub fn add(&mut self, member: Member) {
        match self.find(member.connection) {
            Ok(at) => self.members[at] = member,
            Err(at) => self.members.insert(at, member),
        }
        self.recount();
    }

    /// Who is behind a connection; none if anonymous.
    pub(super) fn author(&self, connection: ConnectionId) -> Option<Author> {
        self.get(connection)?.pass.author()
    }

    /// What a connection was let in with; none if it has left.
    pub(super) fn pass(&self, connection: ConnectionId) -> Option<Arc<Pass>> {
        Some(self.get(connection)?.pass.clone())
    }

    /// A connection showed a newer token.
    pub(super) fn renew(&mut self, connection: ConnectionId, pass: Arc<Pass>) {
        if let Ok(at) = self.find(connection) {
            self.members[at].pass = pass;
        }
    }

    /// The connections whose passes are no longer good, in order.
    pub(super) fn revoked(&self, is_revoked: impl Fn(&Pass) -> bool) -> Vec<ConnectionId> {
        let gone = self
            .members
            .iter()
            .filter(|member| is_revoked(&member.pass));
        gone.map(|member| member.connection).collect()
    }

    pub(super) fn remove(&mut self, connection: ConnectionId) {
        self.take(connection);
    }

    /// Closes a connection once all that waits for it is written.
    pub(super) fn close(&mut self, connection: ConnectionId, reason: CloseReason) {
        if let Some(member) = self.take(connection) {
            member.way.close(connection, reason);
        }
    }

    /// Closes every connection.
    pub(crate) fn close_all(&mut self, reason: CloseReason) {
        self.members
            .drain(..)
            .for_each(|member| member.way.close(member.connection, reason));
        self.recount();
    }

    /// The ways to all.
    pub(super) fn ways(&self) -> Vec<(ConnectionId, Way)> {
        let way = |member: &Member| (member.connection, member.way.clone());
        self.members.iter().map(way).collect()
    }

    /// Lets a connection whose queue was dropped have frames again.
    pub(super) fn resume(&self, connection: ConnectionId) {
        if let Some(Way::Frames(outbox)) = self.get(connection).map(|member| &member.way) {
            outbox.resume();
        }
    }

    /// Puts an event into the outboxes of all whom it is for.
    pub fn send(&mut self, to: &Audience, event: &Event, shows: Option<u64>) {
        // What nobody waits for any more is not kept.
        self.large.take_if(|large| large.frame.is_unique());
        let mut frames = Frames {
            event,
            name: self.document.name(),
            encoded: self.known(event).into_iter().collect(),
            shared: None,
        };
        self.send_to(to, &mut frames, shows);
        let last = frames.encoded.pop();
        if let Some((dialect, Some(frame))) = last
            && frame.length() >= LARGE_BYTES
        {
            let event = event.clone();
            self.large = Some(Large {
                event,
                dialect,
                frame,
            });
        }
    }

    /// The frame of an event, if it is the large one.
    fn known(&self, event: &Event) -> Option<(Dialect, Option<Frame>)> {
        let large = self.large.as_ref()?;
        let same = is_same(&large.event, event);
        same.then(|| (large.dialect, Some(large.frame.clone())))
    }

    fn send_to(&self, to: &Audience, frames: &mut Frames<'_>, shows: Option<u64>) {
        match to {
            Audience::One(connection) => self.send_to_some(&[*connection], frames, shows),
            Audience::Among(members) => self.send_to_some(members, frames, shows),
            Audience::AllBut(few) => {
                let mut few = few.iter().peekable();
                for member in &self.members {
                    while few.next_if(|one| **one < member.connection).is_some() {}
                    if few.peek() != Some(&&member.connection) {
                        member.push(frames, shows);
                    }
                }
            }
        }
    }

    fn send_to_some(&self, some: &[ConnectionId], frames: &mut Frames<'_>, shows: Option<u64>) {
        let members = some.iter().filter_map(|connection| self.get(*connection));
        members.for_each(|member| member.push(frames, shows));
    }

    fn get(&self, connection: ConnectionId) -> Option<&Member> {
        self.find(connection).ok().map(|at| &self.members[at])
    }

    fn take(&mut self, connection: ConnectionId) -> Option<Member> {
        let at = self.find(connection).ok()?;
        let member = self.members.remove(at);
        self.recount();
        Some(member)
    }

    fn find(&self, connection: ConnectionId) -> Result<usize, usize> {
        self.members
            .binary_search_by_key(&connection, |member| member.connection)
    }
}

impl Member {
    fn push(&self, frames: &mut Frames<'_>, shows: Option<u64>) {
        match &self.way {
            Way::Frames(outbox) => self.push_frame(outbox, frames, shows),
            Way::Events(events) => self.tell(events, frames),
            // Ordered documents have no members of this kind.
            Way::Letters(_) => {}
        }
    }

    fn tell(&self, events: &Events, frames: &mut Frames<'_>) {
        if !events.put(self.connection, frames.shared_event()) {
            metrics::slow_reader();
        }
    }

    fn push_frame(&self, outbox: &Outbox, frames: &mut Frames<'_>, shows: Option<u64>) {
        if let Some(is_stored) = self.dialect.answer(frames.event) {
            if is_of_question(frames.event) {
                outbox.compared();
            }
            if outbox.answer(is_stored, shows) {
                tokio::spawn(stop_waiting(outbox.clone()));
            }
            return;
        }
        if matches!(frames.event, Event::Have { .. }) {
            outbox.asks();
        }
        if let Some(frame) = frames.of(self)
            && !outbox.push(frame, shows)
        {
            metrics::slow_reader();
        }
    }
}

/// Answers are held back for a client that is about to tell what it wrote offline. One that does not is not waited for.
async fn stop_waiting(outbox: Outbox) {
    tokio::time::sleep(TELLING_MAX).await;
    outbox.compared();
}

/// Whether an event is about what a client has answered with to a question.
fn is_of_question(event: &Event) -> bool {
    matches!(event, Event::Ack { tag, .. } | Event::Refused { tag, .. } if *tag == PushTag::ANSWER)
}

/// Whether two events are of one kind and carry the very same bytes, without looking at those.
fn is_same(one: &Event, other: &Event) -> bool {
    match (one, other) {
        (Event::Missing { payload: a }, Event::Missing { payload: b })
        | (Event::Change { payload: a }, Event::Change { payload: b }) => {
            a.as_ptr() == b.as_ptr() && a.len() == b.len()
        }
        _ => false,
    }
}

/// An event in each dialect that was asked for; few enough that a list is the fastest map.
struct Frames<'a> {
    event: &'a Event,
    /// The document's.
    name: &'a str,
    encoded: SmallVec<[(Dialect, Option<Frame>); 2]>,
    /// As it is told to those who write their own frames.
    shared: Option<Arc<SharedEvent>>,
}

impl Frames<'_> {
    fn of(&mut self, member: &Member) -> Option<Frame> {
        match &member.address {
            Some(address) => member
                .dialect
                .encode(address, self.event)
                .map(Frame::binary),
            None => self.shared(member.dialect).cloned(),
        }
    }

    fn shared_event(&mut self) -> &Arc<SharedEvent> {
        let event = self.event;
        self.shared
            .get_or_insert_with(|| Arc::new(SharedEvent::new(event.clone())))
    }

    fn shared(&mut self, dialect: Dialect) -> Option<&Frame> {
        let known = self.encoded.iter().position(|(known, _)| *known == dialect);
        let at = known.unwrap_or_else(|| {
            let frame = dialect.encode(self.name, self.event).map(Frame::binary);
            self.encoded.push((dialect, frame));
            self.encoded.len() - 1
        });
        self.encoded[at].1.as_ref()
    }
}

/// How long a client may take to tell what it wrote offline. It sends that right behind the edits which it tells of.
const TELLING_MAX: Duration = Duration::from_secs(1);
/// A frame that is worth keeping for others.
const LARGE_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::task::{Context, Waker};

    use super::*;
    use crate::outbox::OutboxLimits;

    const LIMITS: OutboxLimits = OutboxLimits {
        frames_max: 8,
        bytes_max: 1_000,
    };

    fn document() -> DocumentKey {
        DocumentKey::new("team", "plan").unwrap()
    }

    /// Which of the connections 1 to 6, of whom 4 has left, get an event.
    fn receivers(to: &Audience) -> Vec<u64> {
        let mut members = Members::new(document());
        let outboxes: Vec<_> = (0..7).map(|_| Outbox::new(LIMITS)).collect();
        for number in [2, 1, 3, 4, 6, 5] {
            let outbox = outboxes[number as usize].clone();
            members.add(Member {
                connection: ConnectionId(number),
                pass: Pass::anonymous().into(),
                dialect: Dialect::YWebsocket,
                address: None,
                way: Way::Frames(outbox),
            });
        }
        members.remove(ConnectionId(4));
        let payload = bytes::Bytes::from_static(&[0, 0]);
        members.send(to, &Event::Change { payload }, None);
        let mut context = Context::from_waker(Waker::noop());
        let got = |number: &u64| {
            let outbox = &outboxes[*number as usize];
            outbox
                .poll_take(&mut context, &mut VecDeque::new())
                .is_ready()
        };
        (1..7).filter(got).collect()
    }

    /// The frames that members with these addresses get of an event.
    fn frames_of(addresses: &[Option<&str>], event: &Event) -> Vec<Frame> {
        let mut members = Members::new(document());
        let outboxes: Vec<_> = addresses.iter().map(|_| Outbox::new(LIMITS)).collect();
        for (number, address) in addresses.iter().enumerate() {
            members.add(Member {
                connection: ConnectionId(number as u64),
                pass: Pass::anonymous().into(),
                dialect: Dialect::Hocuspocus,
                address: address.map(Into::into),
                way: Way::Frames(outboxes[number].clone()),
            });
        }
        members.send(&Audience::AllBut([].into()), event, None);
        let mut context = Context::from_waker(Waker::noop());
        let taken = outboxes.iter().flat_map(|outbox| {
            let mut frames = VecDeque::new();
            let _ = outbox.poll_take(&mut context, &mut frames);
            frames
        });
        taken.collect()
    }

    #[test]
    fn only_an_address_of_its_own_has_a_member_written_to_by_itself() {
        let payload = bytes::Bytes::from_static(&[0, 0]);
        let event = Event::Change { payload };
        let frames = frames_of(&[None, Some("plan\0a"), None], &event);
        let length = |address: &str| {
            let frame = protocol::hocuspocus::encode(address, &event).unwrap();
            Frame::binary(frame).length()
        };
        let lengths: Vec<_> = frames.iter().map(Frame::length).collect();
        assert_eq!(lengths, [length("plan"), length("plan\0a"), length("plan")]);
        let shared: Vec<_> = frames.iter().map(|frame| !frame.is_unique()).collect();
        assert_eq!(shared, [true, false, true]);
    }

    #[test]
    fn an_event_goes_to_whom_it_is_for() {
        let some = |numbers: &[u64]| numbers.iter().copied().map(ConnectionId).collect();
        assert_eq!(receivers(&Audience::AllBut(some(&[]))), [1, 2, 3, 5, 6]);
        assert_eq!(
            receivers(&Audience::AllBut(some(&[0, 2, 4, 6, 9]))),
            [1, 3, 5]
        );
        assert!(receivers(&Audience::AllBut(some(&[1, 2, 3, 5, 6]))).is_empty());
        assert_eq!(receivers(&Audience::Among(some(&[3, 4, 6]))), [3, 6]);
        assert_eq!(receivers(&Audience::One(ConnectionId(5))), [5]);
    }
}
