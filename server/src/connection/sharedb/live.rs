//! Queries that a client is kept up to date with. Each watches its collection, and looks through it when that has stirred.
//!
//! One looks at a time, and the next not before all is written that the one before had to tell. So for a reader that is slow
//! nothing gathers: what stirs meanwhile is found in one look. Whoever drops a query ends all of it.

use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use engine::CloseReason;
use protocol::sharedb::{self, Code, Results};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::super::End;
use super::hearing::Message;
use super::looking::{Known, News, Query, documents};
use super::requests::refused;
use super::seat::Seats;
use crate::ordered::Watcher;

/// The queries of a connection.
pub(super) struct Live {
    queries: BTreeMap<u64, Running>,
    /// How many there have been.
    last: u64,
    /// There is one.
    turns: Arc<Semaphore>,
    /// The turn of the query whose words are being written.
    writing: Option<OwnedSemaphorePermit>,
    say: mpsc::Sender<Said>,
    said: mpsc::Receiver<Said>,
}

struct Running {
    /// No other query of the connection has had it.
    number: u64,
    work: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// What a query has to say.
struct Said {
    id: u64,
    number: u64,
    texts: Vec<String>,
    then: Then,
    turn: Option<OwnedSemaphorePermit>,
}

/// What becomes of a query.
enum Then {
    GoesOn,
    Ends,
    /// It ends the connection.
    Closes(CloseReason),
}

/// What a client is kept up to date with.
pub(super) struct Subscription {
    pub(super) id: u64,
    pub(super) query: Query,
    pub(super) watcher: Watcher,
}

/// How it begins.
pub(super) struct Beginning {
    /// What the client has of it already, with the versions that it has them in.
    pub(super) results: Option<Results>,
    pub(super) message: Message,
}

/// The way from a query to its connection.
struct Voice {
    id: u64,
    number: u64,
    say: mpsc::Sender<Said>,
}

impl Default for Live {
    fn default() -> Self {
        let (say, said) = mpsc::channel(1);
        Self {
            queries: BTreeMap::new(),
            last: 0,
            turns: Arc::new(Semaphore::new(1)),
            writing: None,
            say,
            said,
        }
    }
}

impl Live {
    /// Whether there may be one of this id; one that there is gives way.
    pub(super) fn has_room(&self, id: u64) -> bool {
        self.queries.len() < QUERIES_MAX || self.queries.contains_key(&id)
    }

    /// Begins to keep a client up to date.
    pub(super) fn begin(&mut self, subscription: Subscription, beginning: Beginning) {
        self.last += 1;
        let (id, number) = (subscription.id, self.last);
        let say = self.say.clone();
        let voice = Voice { id, number, say };
        let work = Box::pin(subscription.keep_up(beginning, voice, self.turns.clone()));
        self.queries.insert(id, Running { number, work });
    }

    /// The client wants no more of a query.
    pub(super) fn end(&mut self, id: u64) {
        self.queries.remove(&id);
    }

    /// All is written that was said, so the next query may look.
    pub(super) fn all_written(&mut self) {
        self.writing = None;
    }

    /// Helps all of them along, and gives what one of them says.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Said> {
        for running in self.queries.values_mut() {
            // It never ends by itself.
            let _ = running.work.as_mut().poll(context);
        }
        while let Poll::Ready(Some(said)) = self.said.poll_recv(context) {
            let running = self.queries.get(&said.id);
            if running.is_some_and(|running| running.number == said.number) {
                return Poll::Ready(said);
            }
        }
        Poll::Pending
    }
}

impl Seats {
    /// Tells what queries have to say.
    pub(super) fn poll_live(&mut self, context: &mut Context<'_>) {
        while let Poll::Ready(said) = self.live.poll(context) {
            said.texts.into_iter().for_each(|text| self.say(text));
            self.live.writing = said.turn;
            match said.then {
                Then::GoesOn => {}
                Then::Ends => self.live.end(said.id),
                Then::Closes(reason) => self.ending = self.ending.or(Some(End::Close(reason))),
            }
        }
    }
}

impl Subscription {
    async fn keep_up(self, beginning: Beginning, voice: Voice, turns: Arc<Semaphore>) {
        let over = self.query.over();
        tokio::select! {
            biased;
            () = over => voice.say(Vec::new(), Then::Closes(CloseReason::Expired), None).await,
            () = self.tell(beginning, &voice, turns) => {}
        }
        pending::<()>().await;
    }

    async fn tell(mut self, beginning: Beginning, voice: &Voice, turns: Arc<Semaphore>) {
        let turn = turns.clone().acquire_owned().await.ok();
        match self.begin(beginning.results).await {
            Ok((known, texts)) => {
                voice.say(texts, Then::GoesOn, turn).await;
                drop(beginning.message);
                self.go_on(known, voice, turns).await;
            }
            Err((code, why)) => {
                let text = refused(&beginning.message.text, code, &why);
                voice.say(vec![text], Then::Ends, turn).await;
            }
        }
    }

    /// The answer: what there is, or what is new for whoever has some of it.
    async fn begin(
        &mut self,
        results: Option<Results>,
    ) -> Result<(Known, Vec<String>), (Code, String)> {
        let documents = documents(self.watcher.next().await)?;
        let Some(results) = results else {
            let news = self.query.look(&Known::default(), &documents).await?;
            let text = sharedb::found("qs", self.id, &news.inserted);
            return Ok((news.known, vec![text]));
        };
        let news = self.query.look(&Known::of(&results), &documents).await?;
        let wanted = results.iter().filter(|(_, version)| version.is_none());
        let wanted = wanted.map(|(id, _)| id.as_str()).collect();
        let wanted = self.query.fetch(&wanted, &documents).await?;
        let mut texts = self.changes(&news);
        texts.extend(news.operations);
        texts.push(sharedb::query_subscribed(self.id, &wanted));
        Ok((news.known, texts))
    }

    /// Tells what is new, until there can be no more.
    async fn go_on(mut self, mut known: Known, voice: &Voice, turns: Arc<Semaphore>) {
        loop {
            let documents = documents(self.watcher.next().await);
            let turn = turns.clone().acquire_owned().await.ok();
            if self.query.is_revoked() {
                let closes = Then::Closes(CloseReason::Revoked);
                return voice.say(Vec::new(), closes, turn).await;
            }
            let looked = match documents {
                Ok(documents) => self.query.look(&known, &documents).await,
                Err(why) => Err(why),
            };
            match looked {
                Ok(news) => {
                    let mut texts = self.changes(&news);
                    texts.extend(news.operations);
                    known = news.known;
                    if !texts.is_empty() {
                        voice.say(texts, Then::GoesOn, turn).await;
                    }
                }
                // It is looked again when the collection is listed again.
                Err((Code::Unavailable, _)) => {
                    drop(turn);
                    self.watcher.look_again().await;
                }
                Err((code, why)) => {
                    let text = sharedb::query_failed(self.id, code, &why);
                    return voice.say(vec![text], Then::Ends, turn).await;
                }
            }
        }
    }

    /// What became of the results, which is told before what became of the documents.
    fn changes(&self, news: &News) -> Vec<String> {
        let changed = || sharedb::query_changed(self.id, &news.steps, &news.inserted);
        let is_changed = !news.steps.is_empty();
        is_changed.then(changed).into_iter().collect()
    }
}

impl Voice {
    async fn say(&self, texts: Vec<String>, then: Then, turn: Option<OwnedSemaphorePermit>) {
        let said = Said {
            id: self.id,
            number: self.number,
            texts,
            then,
            turn,
        };
        // Without a connection there is nobody who runs this.
        let _ = self.say.send(said).await;
    }
}

/// Queries that one client may be kept up to date with.
const QUERIES_MAX: usize = 64;
