//! Bystanders: a pair of people who edit a document while something is done to its server, and ought to notice nothing.
//!
//! One types without pause, waits until that is stored, and the other waits until it is seen. How long the slowest round
//! took is kept; on a busy machine that says little, so it is printed and only its excess is a failure.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::task::JoinHandle;

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
        let took = u64::try_from(began.elapsed().as_micros())?;
        watch.slowest_us.fetch_max(took, Ordering::Relaxed);
        watch.rounds.store(round, Ordering::Relaxed);
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

fn text_of(round: u64) -> String {
    format!("round {round}")
}

/// Leaves some of the machine to what is done meanwhile.
const PAUSE: Duration = Duration::from_millis(5);
