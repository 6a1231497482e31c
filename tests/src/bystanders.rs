//! Bystanders: a pair of people who edit a document while something is done to its server, and ought to notice nothing.
//!
//! One types without pause, waits until that is stored, and the other waits until it is seen. How long the slowest round
//! took is kept; on a busy machine that says little, so it is printed and only its excess is a failure.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use automerge::transaction::Transactable;
use automerge::{AutoCommit, ObjType, ROOT, ReadDoc};
use protocol::automerge::DocumentId;
use tokio::task::JoinHandle;

use crate::automerge::{Peer, writer};
use crate::client::Client;
use crate::wait::until;

/// A pair of people at work.
#[derive(Debug)]
pub struct Bystanders {
    document: String,
    watch: Arc<Watch>,
    work: JoinHandle<Result<()>>,
}

#[derive(Debug, Default)]
struct Watch {
    rounds: AtomicU64,
    slowest_us: AtomicU64,
    over: AtomicBool,
}

impl Bystanders {
    /// Has a pair join a document and begin.
    ///
    /// # Errors
    /// The server does not serve them.
    pub async fn begin(address: SocketAddr, document: &str) -> Result<Self> {
        let writer = Client::join(address, document, 1).await?;
        let reader = Client::join(address, document, 2).await?;
        let watch = Arc::new(Watch::default());
        let work = tokio::spawn(work(writer, reader, watch.clone()));
        Ok(Self {
            document: document.to_owned(),
            watch,
            work,
        })
    }

    /// The same with an Automerge document.
    ///
    /// # Errors
    /// The server does not serve them.
    pub async fn begin_automerge(address: SocketAddr, document: DocumentId) -> Result<Self> {
        let writer = Peer::join(address, "bystander-1").await?;
        let reader = Peer::join(address, "bystander-2").await?;
        let watch = Arc::new(Watch::default());
        let named = document.to_string();
        let work = tokio::spawn(work_automerge(writer, reader, document, watch.clone()));
        Ok(Self {
            document: named,
            watch,
            work,
        })
    }

    /// Waits until they have begun and ended a round after this moment, and returns how long the slowest one took since
    /// this was last asked.
    ///
    /// # Errors
    /// They were disturbed.
    pub async fn go_on(&self) -> Result<Duration> {
        let enough = self.rounds() + 2;
        let what = format!("the bystanders of {} go on", self.document);
        let going = async || {
            ensure!(!self.work.is_finished(), "{what}, but they were disturbed");
            Ok(self.rounds() >= enough)
        };
        until(&what, going).await?;
        let slowest = self.watch.slowest_us.swap(0, Ordering::Relaxed);
        Ok(Duration::from_micros(slowest))
    }

    /// Ends their work, and returns how many rounds there were and what the document holds.
    ///
    /// # Errors
    /// They were disturbed.
    pub async fn end(self) -> Result<(u64, String)> {
        self.watch.over.store(true, Ordering::Relaxed);
        self.work.await??;
        let rounds = self.watch.rounds.load(Ordering::Relaxed);
        Ok((rounds, text_of(rounds)))
    }

    fn rounds(&self) -> u64 {
        self.watch.rounds.load(Ordering::Relaxed)
    }
}

impl Watch {
    /// A round is over, which began then.
    fn note(&self, round: u64, began: Instant) -> Result<()> {
        let took = u64::try_from(began.elapsed().as_micros())?;
        self.slowest_us.fetch_max(took, Ordering::Relaxed);
        self.rounds.store(round, Ordering::Relaxed);
        Ok(())
    }
}

async fn work(mut writer: Client, mut reader: Client, watch: Arc<Watch>) -> Result<()> {
    let mut typed = 0;
    for round in 1.. {
        if watch.over.load(Ordering::Relaxed) {
            break;
        }
        let (began, text) = (Instant::now(), text_of(round));
        let update = writer.editor.replace(0, typed, &text);
        typed = u32::try_from(text.len())?;
        writer.save(update).await?;
        reader.reads(|read| read == text).await?;
        watch.note(round, began)?;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

async fn work_automerge(
    mut writing: Peer,
    mut reading: Peer,
    document: DocumentId,
    watch: Arc<Watch>,
) -> Result<()> {
    let (mut written, mut read) = (writer(1), AutoCommit::new());
    let text = written.put_object(ROOT, "text", ObjType::Text)?;
    let mut saved = Vec::new();
    for round in 1.. {
        if watch.over.load(Ordering::Relaxed) {
            break;
        }
        let began = Instant::now();
        let typed = written.length(&text);
        written.splice_text(&text, 0, typed.try_into()?, &text_of(round))?;
        written.commit();
        writing.save(&document, &mut written, &saved).await?;
        saved = written.get_heads();
        if round == 1 {
            reading.request(&document).await?;
        }
        while text_in(&read)? != text_of(round) {
            let message = reading.hear_sync(&document).await?;
            read.load_incremental(&message.changes.concat())?;
        }
        watch.note(round, began)?;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

fn text_in(doc: &AutoCommit) -> Result<String> {
    match doc.get(ROOT, "text")? {
        Some((_, text)) => Ok(doc.text(&text)?),
        None => Ok(String::new()),
    }
}

fn text_of(round: u64) -> String {
    format!("round {round}")
}

/// Leaves some of the machine to what is done meanwhile.
const PAUSE: Duration = Duration::from_millis(5);
