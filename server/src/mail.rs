//! What the session of a document is sent: by connections, by the hub, by the store, and when the server stops.
//!
//! A mailbox holds nothing while nothing waits: there may be tens of thousands of idle ones. Who sends waits for room;
//! the session takes all that has come together, under one lock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use engine::ordered::Request;
use engine::{Change, CloseReason, ConnectionId, Input, Intent, PresenceId, VectorClock};
use protocol::Dialect;
use storage::OpenClock;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

use crate::auth::Pass;
use crate::events::Events;
use crate::ordered::Letters;
use crate::outbox::Outbox;
use crate::receiving::Held;

/// The way to a session's mailbox. It is bounded: a sender waits when it is full, unless the session is given up. Cheap to
/// clone.
#[derive(Clone, Debug)]
pub struct Mailbox(Arc<Shared>);

/// The end from which a mailbox is read. Once it is dropped nobody can send to it.
#[derive(Debug)]
pub struct Inbox(Arc<Shared>);

/// The session is gone, or will never read its mail again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// What a session takes from its mailbox at once.
#[derive(Debug, Default)]
pub(crate) struct Post {
    /// Answers of the store, or that a time has come.
    pub(crate) answers: Vec<Input>,
    /// What other nodes say, in the order in which it came.
    pub(crate) heard: Vec<Input>,
    /// Mail, in the order in which it came.
    pub(crate) mails: Vec<Mail>,
}

/// What a session takes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    /// Answers of the store only; mail and the words of other nodes are left alone.
    Answers,
    /// All that comes.
    All,
}

#[derive(Debug)]
struct Shared {
    /// One place for each mail that may still come; closed when nobody will read it.
    room: Semaphore,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    post: Post,
    /// What the words that wait take up, in bytes.
    heard_bytes: usize,
    /// The store's heads as they were told last, and whether the session has yet to be told.
    heads: Option<(VectorClock, bool)>,
    reader: Option<Waker>,
    is_closed: bool,
}

impl Mailbox {
    /// A mailbox for so many mails, and the end from which they are read.
    pub fn new(mails_max: usize) -> (Self, Inbox) {
        let shared = Arc::new(Shared {
            room: Semaphore::new(mails_max),
            queue: Mutex::default(),
        });
        (Self(shared.clone()), Inbox(shared))
    }

    /// Sends a mail, and waits for room if there is none.
    ///
    /// # Errors
    /// Nobody will read it.
    pub async fn send(&self, mail: Mail) -> Result<(), Gone> {
        let place = self.0.room.acquire().await.map_err(|_| Gone)?;
        self.put(mail, place).map_err(|_| Gone)
    }

    /// Sends a mail if there is room, or gives it back.
    #[allow(
        clippy::result_large_err,
        reason = "the error is the mail, for its next try"
    )]
    pub(crate) fn try_send(&self, mail: Mail) -> Result<(), Mail> {
        match self.0.room.try_acquire() {
            Ok(place) => self.put(mail, place),
            Err(_) => Err(mail),
        }
    }

    /// Waits for room, without taking it; or until nobody reads the mailbox.
    pub(crate) async fn room(&self) {
        // Either way there is no more to wait for.
        let _ = self.0.room.acquire().await;
    }

    /// Answers what the session asked of the store, which asks for a few things at a time.
    pub(crate) fn answer(&self, answer: Input) {
        let mut queue = self.0.queue();
        // A session that was put away waits for no answer.
        if !queue.is_closed {
            queue.post.answers.push(answer);
            wake(queue);
        }
    }

    /// Takes what another node says, if there is room for it; false if there is not. Nobody waits for room: what is dropped
    /// is found in the store. That the document was deleted is said once, and always has room.
    pub(crate) fn hear(&self, word: Input) -> bool {
        let bytes = weight_of(&word);
        let mut queue = self.0.queue();
        if queue.is_closed {
            return true;
        }
        let is_full = queue.post.heard.len() >= WORDS_MAX
            || queue.heard_bytes.saturating_add(bytes) > WORDS_BYTES_MAX;
        if is_full && !matches!(word, Input::Deleted) {
            return false;
        }
        queue.heard_bytes += bytes;
        queue.post.heard.push(word);
        wake(queue);
        true
    }

    /// Tells the session the store's heads, unless it knows them; the last ones count.
    pub(crate) fn tell_heads(&self, heads: VectorClock) {
        let mut queue = self.0.queue();
        let is_known = matches!(&queue.heads, Some((known, _)) if *known == heads);
        if !queue.is_closed && !is_known {
            queue.heads = Some((heads, true));
            wake(queue);
        }
    }

    /// Whether nobody will read it any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.0.room.is_closed()
    }

    /// Whether it is the way to the same session.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Nobody is to wait for this session any more.
    pub(crate) fn abandon(&self) {
        self.0.room.close();
    }

    #[allow(
        clippy::result_large_err,
        reason = "the error is the mail, for its next try"
    )]
    fn put(&self, mail: Mail, place: SemaphorePermit<'_>) -> Result<(), Mail> {
        let mut queue = self.0.queue();
        if queue.is_closed {
            return Err(mail);
        }
        // The place is free again once the mail is taken.
        place.forget();
        queue.post.mails.push(mail);
        wake(queue);
        Ok(())
    }
}

/// Wakes whoever waits for mail, once.
fn wake(mut queue: MutexGuard<'_, Queue>) {
    let reader = queue.reader.take();
    drop(queue);
    if let Some(reader) = reader {
        reader.wake();
    }
}

impl Inbox {
    /// Is woken when there is an answer, or mail if that is wanted.
    pub(crate) fn poll_ready(&self, wants: Wants, context: &mut Context<'_>) -> Poll<()> {
        let mut queue = self.0.queue();
        if queue.has(wants) {
            return Poll::Ready(());
        }
        queue.reader = Some(context.waker().clone());
        Poll::Pending
    }

    /// Takes all answers, and all words and up to so many mails if they are wanted.
    pub(crate) fn take(&self, wants: Wants, mails_max: usize) -> Post {
        let post = self.0.queue().take(wants, mails_max);
        self.0.room.add_permits(post.mails.len());
        post
    }

    /// The store's heads are to be told once more, even if they are those that were told last.
    pub(crate) fn expect_heads(&self) {
        self.0.queue().heads = None;
    }

    /// Whether no mail waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.queue().post.mails.is_empty()
    }

    /// Takes no more, and throws away what waits.
    pub(crate) fn close(&self) {
        self.0.room.close();
        let mut queue = self.0.queue();
        queue.is_closed = true;
        let left = (std::mem::take(&mut queue.post), queue.reader.take());
        drop(queue);
        drop(left);
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.close();
    }
}

impl Post {
    /// One thing that has happened.
    pub(crate) fn of(input: Input) -> Self {
        Self {
            answers: vec![input],
            ..Self::default()
        }
    }

    fn has(&self, wants: Wants) -> bool {
        let has_words = || !self.mails.is_empty() || !self.heard.is_empty();
        !self.answers.is_empty() || wants == Wants::All && has_words()
    }

    fn take_mails(&mut self, mails_max: usize) -> Vec<Mail> {
        if self.mails.len() > mails_max {
            self.mails.drain(..mails_max).collect()
        } else {
            std::mem::take(&mut self.mails)
        }
    }
}

impl Queue {
    fn has(&self, wants: Wants) -> bool {
        self.post.has(wants) || matches!(self.heads, Some((_, true)))
    }

    fn take(&mut self, wants: Wants, mails_max: usize) -> Post {
        let mut post = Post {
            answers: std::mem::take(&mut self.post.answers),
            ..Post::default()
        };
        if let Some((heads, is_news)) = &mut self.heads
            && std::mem::take(is_news)
        {
            post.answers.push(Input::Heads {
                heads: heads.clone(),
                asked: false,
            });
        }
        if wants == Wants::All {
            post.heard = std::mem::take(&mut self.post.heard);
            post.mails = self.post.take_mails(mails_max);
            self.heard_bytes = 0;
        }
        post
    }
}

/// What a word of another node takes up while it waits, in bytes.
pub(crate) fn weight_of(word: &Input) -> usize {
    let of_change = |change: &Change| change.payload.len() + WORD_OVERHEAD_BYTES;
    match word {
        Input::Heard { changes } => changes.iter().map(of_change).sum(),
        Input::HeardPresence { notices, .. } => {
            let states = notices.iter().filter_map(|it| it.entry.state.as_ref());
            notices.len() * WORD_OVERHEAD_BYTES + states.map(Bytes::len).sum::<usize>()
        }
        Input::HeardRoll { roll, .. } => {
            roll.people.len() * size_of::<(PresenceId, u64)>() + WORD_OVERHEAD_BYTES
        }
        Input::WhoIsAsked { ids, .. } => ids.len() * size_of::<PresenceId>() + WORD_OVERHEAD_BYTES,
        Input::HeardRoster(word) => word.weight() + WORD_OVERHEAD_BYTES,
        Input::Signal(text) => text.len() + WORD_OVERHEAD_BYTES,
        _ => WORD_OVERHEAD_BYTES,
    }
}

impl Shared {
    /// A panic elsewhere can not leave the queue half changed, so a poisoned lock is as good as any.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the session of a document is sent.
#[derive(Debug)]
pub enum Mail {
    /// A connection wants to join.
    Join(Newcomer),
    /// A connection closed.
    Leave(ConnectionId),
    /// A connection asks for something.
    Intents {
        /// Which.
        connection: ConnectionId,
        /// What, in the order in which it came.
        intents: Vec<Intent>,
        /// How much of this replica's lane it had been shown.
        seen: Option<u64>,
        /// The message that they came in, until they are worked off.
        held: Held,
    },
    /// A connection asks for something of an ordered document.
    Requests {
        /// Which.
        connection: ConnectionId,
        /// What, in the order in which it came.
        requests: Vec<Request>,
        /// The messages that they came in, until they are worked off.
        held: Vec<Held>,
    },
    /// A connection whose outbox was dropped has written what came before.
    Drained {
        /// Which.
        connection: ConnectionId,
        /// How much of this replica's lane it had been shown.
        seen: Option<u64>,
    },
    /// A connection showed a newer token.
    Renew {
        /// Which.
        connection: ConnectionId,
        /// What it may do from now on.
        pass: Arc<Pass>,
    },
    /// Some passes were revoked.
    Revoked,
    /// This is for all connections that can be told it.
    Signal(Bytes),
    /// This is for one connection, if it can be told it.
    Reply {
        /// Which.
        connection: ConnectionId,
        /// What.
        text: Bytes,
    },
    /// The document was deleted.
    Deleted,
    /// The server is stopping.
    Drain,
    /// Somebody wants to know how far the document is here.
    ClockAsked(oneshot::Sender<OpenClock>),
    /// Somebody wants to close the connections one after the other.
    WaysAsked(oneshot::Sender<Vec<(ConnectionId, Way)>>),
}

/// A connection that wants to join.
#[derive(Debug)]
pub struct Newcomer {
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

/// Where to put what a connection is told.
#[derive(Clone, Debug)]
pub enum Way {
    /// Frames of a document that merges.
    Frames(Outbox),
    /// Letters of a document that is ordered.
    Letters(Letters),
    /// Events of a document that merges, for a connection that writes its own frames.
    Events(Events),
}

impl Newcomer {
    /// Turns it away.
    pub(crate) fn close(&self, reason: CloseReason) {
        self.way.close(self.connection, reason);
    }
}

impl Way {
    /// Lets the connection go that it leads to.
    pub(crate) fn close(&self, connection: ConnectionId, reason: CloseReason) {
        match self {
            Self::Frames(outbox) => outbox.close(reason),
            Self::Letters(letters) => letters.close(connection, reason),
            Self::Events(events) => events.close(connection, reason),
        }
    }
}

/// Words of other nodes that wait for one session. Further ones are dropped, and found in the store.
const WORDS_MAX: usize = 1_024;
/// The same in bytes.
const WORDS_BYTES_MAX: usize = 8 * 1024 * 1024;
/// What a change or a notice takes up besides its bytes.
const WORD_OVERHEAD_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use super::*;

    fn leave(connection: u64) -> Mail {
        Mail::Leave(ConnectionId(connection))
    }

    fn left(post: &Post) -> Vec<u64> {
        let of = |mail: &Mail| match mail {
            Mail::Leave(connection) => connection.0,
            other => panic!("{other:?} was not sent"),
        };
        post.mails.iter().map(of).collect()
    }

    async fn take(inbox: &Inbox, wants: Wants) -> Post {
        poll_fn(|context| inbox.poll_ready(wants, context)).await;
        inbox.take(wants, 2)
    }

    async fn is_pending(future: impl Future) -> bool {
        let mut future = pin!(future);
        poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
    }

    #[tokio::test]
    async fn what_waits_is_taken_together_and_in_order() {
        let (mailbox, inbox) = Mailbox::new(9);
        for connection in 1..=3 {
            mailbox.send(leave(connection)).await.unwrap();
        }
        mailbox.answer(Input::SnapshotStored);
        let post = take(&inbox, Wants::All).await;
        assert_eq!((left(&post), post.answers.len()), (vec![1, 2], 1));
        assert!(!inbox.is_empty());
        assert_eq!(left(&take(&inbox, Wants::All).await), [3]);
        assert!(inbox.is_empty());
    }

    #[tokio::test]
    async fn mail_is_left_alone_while_only_answers_are_asked_for() {
        let (mailbox, inbox) = Mailbox::new(9);
        mailbox.send(leave(1)).await.unwrap();
        assert!(is_pending(take(&inbox, Wants::Answers)).await);
        mailbox.answer(Input::SnapshotStored);
        let post = take(&inbox, Wants::Answers).await;
        assert_eq!((post.mails.len(), post.answers.len()), (0, 1));
        assert_eq!(left(&take(&inbox, Wants::All).await), [1]);
    }

    #[tokio::test]
    async fn who_sends_to_a_full_mailbox_waits_for_room() {
        let (mailbox, inbox) = Mailbox::new(1);
        mailbox.send(leave(1)).await.unwrap();
        assert!(mailbox.try_send(leave(2)).is_err());
        let reading = async {
            assert!(is_pending(mailbox.send(leave(9))).await);
            take(&inbox, Wants::All).await
        };
        let (sent, post) = tokio::join!(mailbox.send(leave(2)), reading);
        assert_eq!((sent, left(&post)), (Ok(()), vec![1]));
        assert_eq!(left(&take(&inbox, Wants::All).await), [2]);
    }

    #[tokio::test]
    async fn nobody_waits_for_a_session_that_is_gone_or_given_up() {
        for end in [
            |_: &Mailbox, inbox| drop(inbox),
            |mailbox: &Mailbox, _inbox: Inbox| mailbox.abandon(),
        ] {
            let (mailbox, inbox) = Mailbox::new(1);
            mailbox.send(leave(1)).await.unwrap();
            let ending = async { end(&mailbox, inbox) };
            let (sent, (), ()) = tokio::join!(mailbox.send(leave(2)), mailbox.room(), ending);
            assert_eq!(sent, Err(Gone));
            assert!(mailbox.is_gone());
            assert!(mailbox.try_send(leave(3)).is_err());
        }
    }
}
