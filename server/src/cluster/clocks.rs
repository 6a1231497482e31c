//! How far documents are with each node: asked over the bus, and answered by every node of what it has open.
//!
//! It is for operators: nothing depends on it. A node that does not answer in time is one that is not known of, and how
//! many questions are under way, how much each asks for, and how many answers are waited for is bounded.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::{DocumentKey, ReplicaId};
use storage::{OpenClock, Topic, Word};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::Cluster;
use crate::hub::Hub;
use crate::mail::Mail;

/// What each node that answered has open, by its replica id.
pub(crate) type Clocks = BTreeMap<ReplicaId, Vec<OpenClock>>;

/// An answer on its way to whoever asked.
type Heard = (ReplicaId, Vec<OpenClock>);

/// The questions of this node that wait for answers, and those of others that are being answered.
#[derive(Debug)]
pub(super) struct Questions {
    last: AtomicU32,
    waiting: Mutex<HashMap<u64, mpsc::Sender<Heard>>>,
    /// One permit for each question that may be under way.
    asking: Semaphore,
    /// One permit for each question of others that may be worked at; further ones are not answered.
    answering: Arc<Semaphore>,
}

impl Default for Questions {
    fn default() -> Self {
        Self {
            last: AtomicU32::new(0),
            waiting: Mutex::default(),
            asking: Semaphore::new(ASKING_MAX),
            answering: Arc::new(Semaphore::new(ANSWERING_MAX)),
        }
    }
}

/// A question that waits for answers; none are waited for once it is dropped.
struct Waiting<'a> {
    questions: &'a Questions,
    number: u64,
    answers: mpsc::Receiver<Heard>,
}

impl Questions {
    fn ask(&self, replica: ReplicaId) -> Waiting<'_> {
        let count = self.last.fetch_add(1, Ordering::Relaxed);
        let number = u64::from(replica.0) << u32::BITS | u64::from(count);
        let (sender, answers) = mpsc::channel(ANSWERS_MAX);
        self.waiting().insert(number, sender);
        Waiting {
            questions: self,
            number,
            answers,
        }
    }

    /// An answer has come. One that nobody waits for, or that is one too many, is dropped.
    fn answered(&self, number: u64, answer: Heard) {
        if let Some(waiting) = self.waiting().get(&number) {
            let _ = waiting.try_send(answer);
        }
    }

    /// No operation leaves it half changed, so a panic elsewhere does not spoil it.
    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, mpsc::Sender<Heard>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.questions.waiting().remove(&self.number);
    }
}

impl Cluster {
    /// How far some documents are with the other nodes: with all that answer in a moment, and no longer than until so many
    /// have. Without a bus nobody can be asked.
    pub(crate) async fn ask_clocks(&self, documents: Vec<DocumentKey>, others: usize) -> Clocks {
        let mut clocks = Clocks::new();
        let Some(bus) = self.bus().filter(|_| others > 0 && !documents.is_empty()) else {
            return clocks;
        };
        let Ok(_place) = self.questions.asking.acquire().await else {
            return clocks;
        };
        let mut waiting = self.questions.ask(self.replica());
        let question = waiting.number;
        let asked = Word::ClocksAsked {
            question,
            documents,
        };
        bus.say(&Topic::Cluster, asked);
        let collected = async {
            while clocks.len() < others
                && let Some((from, answer)) = waiting.answers.recv().await
            {
                clocks.insert(from, answer);
            }
        };
        // Whoever is late is not known of.
        let _ = timeout(ANSWERS_TIME_MAX, collected).await;
        clocks
    }

    /// Another node asks how far documents are here.
    pub(super) fn answer_clocks(
        self: &Arc<Self>,
        hub: Hub,
        question: u64,
        mut documents: Vec<DocumentKey>,
    ) {
        documents.truncate(DOCUMENTS_MAX);
        let place = self.questions.answering.clone().try_acquire_owned();
        let (Ok(place), Some(bus)) = (place, self.bus().cloned()) else {
            return;
        };
        let from = self.replica();
        tokio::spawn(async move {
            let clocks = open_clocks(&hub, &documents).await;
            let answer = Word::Clocks {
                question,
                from,
                clocks,
            };
            bus.say(&Topic::Cluster, answer);
            drop(place);
        });
    }

    /// Another node has answered.
    pub(super) fn hear_clocks(&self, question: u64, from: ReplicaId, clocks: Vec<OpenClock>) {
        self.questions.answered(question, (from, clocks));
    }
}

/// How far documents are that are open here. One that is too busy to say is left out.
pub(crate) async fn open_clocks(hub: &Hub, documents: &[DocumentKey]) -> Vec<OpenClock> {
    let asked: Vec<_> = documents
        .iter()
        .filter_map(|document| ask(hub, document))
        .collect();
    let until = tokio::time::Instant::now() + SESSIONS_TIME_MAX;
    let mut clocks = Vec::new();
    for answer in asked {
        if let Ok(Ok(clock)) = tokio::time::timeout_at(until, answer).await {
            clocks.push(clock);
        }
    }
    clocks
}

fn ask(hub: &Hub, document: &DocumentKey) -> Option<oneshot::Receiver<OpenClock>> {
    let mailbox = hub.mailbox(document)?;
    let (sender, answer) = oneshot::channel();
    mailbox.try_send(Mail::ClockAsked(sender)).ok()?;
    Some(answer)
}

/// Documents in one question; as many as a page may have.
const DOCUMENTS_MAX: usize = 1_000;
const ASKING_MAX: usize = 4;
const ANSWERING_MAX: usize = 16;
/// Nodes whose answers to one question wait to be looked at.
const ANSWERS_MAX: usize = 256;
/// How long the other nodes are waited for.
const ANSWERS_TIME_MAX: Duration = Duration::from_millis(500);
/// How long the sessions of one node are; the answer has to be back in time.
const SESSIONS_TIME_MAX: Duration = Duration::from_millis(300);
