//! A trial of durability: writers type without pause into several documents of one server, which comes to its end in one
//! way or another and is started again, round after round.
//!
//! At each start a fresh client and the API have to show every edit that was ever acknowledged; at the end the log on disk
//! is read without the server and has to hold every one of them, byte for byte. Lanes have no holes and no doubles. Writers
//! come back with their documents as a browser does, so lost edits are offered again.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use engine::{DocumentKey, Order};
use storage::{Failpoint, SqliteStore, Store, TimelinePage};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::chance::Chance;
use crate::client::{Client, Noticed};
use crate::editor::Editor;
use crate::ledger::{Entry, Ledger, Token};
use crate::server::{Launch, Server};
use crate::socket::Heard;

/// How a round ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// By SIGKILL, at any moment.
    Killed,
    /// By SIGTERM.
    Stopped,
    /// By itself, when it comes to a failpoint for the so-and-so-manieth time.
    At(Failpoint, u64),
}

/// A server on one folder over many rounds, and what it ever acknowledged.
#[derive(Debug)]
pub struct Trial {
    name: &'static str,
    _folder: TempDir,
    server: Server,
    chance: Chance,
    ledger: Ledger,
    documents: u64,
    writers: Vec<Writer>,
    writers_per_document: u64,
    next_writer: u64,
}

/// Somebody who types into one document.
#[derive(Debug)]
struct Writer {
    document: String,
    number: u64,
    typed: u64,
    editor: Editor,
}

/// What became of a writer in a round.
struct Report {
    writer: Writer,
    acknowledged: Vec<Entry>,
    end: Option<Heard>,
}

impl Trial {
    /// Starts a server that is launched as told.
    ///
    /// # Errors
    /// It did not start.
    pub async fn begin(
        name: &'static str,
        documents: u64,
        writers_per_document: u64,
        settings: impl FnOnce(Launch) -> Result<Launch>,
    ) -> Result<Self> {
        let folder = TempDir::new()?;
        let server = settings(Launch::new(folder.path())?)?.start().await?;
        let (chance, ledger) = (Chance::of_test(name), Ledger::default());
        let (writers, next_writer) = (Vec::new(), 1);
        Ok(Self {
            name,
            _folder: folder,
            server,
            chance,
            ledger,
            documents,
            writers,
            writers_per_document,
            next_writer,
        })
    }

    /// Has everybody type until the server ends, starts it again, and looks for what was acknowledged.
    ///
    /// # Errors
    /// Something acknowledged is lost, or the server did not end or start as it should.
    pub async fn round(&mut self, round: u64, how: How) -> Result<()> {
        if let How::At(point, nth) = how {
            self.set_failpoint(point, nth).await?;
        }
        if round.is_multiple_of(ROUNDS_PER_DOCUMENT) {
            self.begin_documents(round / ROUNDS_PER_DOCUMENT);
        }
        let mut typing = JoinSet::new();
        for writer in self.writers.drain(..) {
            typing.spawn(writer.type_until_the_end(self.server.address()));
        }
        if !matches!(how, How::At(..)) {
            tokio::time::sleep(Duration::from_millis(self.chance.below(TYPING_MAX_MS))).await;
        }
        self.end_server(how)
            .await
            .with_context(|| format!("in round {round}, to end by {how:?}"))?;
        for report in typing.join_all().await {
            self.take(report?, how)?;
        }
        self.server.restart().await?;
        for document in self.current_documents() {
            self.check(&document)
                .await
                .with_context(|| format!("after round {round}"))?;
        }
        Ok(())
    }

    fn begin_documents(&mut self, generation: u64) {
        self.writers.clear();
        for document in 0..self.documents {
            for _ in 0..self.writers_per_document {
                let document = format!("g{generation}d{document}");
                self.writers.push(Writer {
                    document,
                    number: self.next_writer,
                    typed: 0,
                    editor: Editor::new(self.next_writer),
                });
                self.next_writer += 1;
            }
        }
    }

    fn current_documents(&self) -> Vec<String> {
        let mut documents: Vec<_> = self
            .writers
            .iter()
            .map(|writer| writer.document.clone())
            .collect();
        documents.dedup();
        documents
    }

    /// Starts the server once more, to end at a failpoint; if it does so before it is ready, that is as good.
    async fn set_failpoint(&mut self, point: Failpoint, nth: u64) -> Result<()> {
        self.server.kill()?;
        let chosen = format!("{point:?}:{nth}");
        self.server.respawn_with("QUIRE_FAILPOINT", &chosen)?;
        // Where the point lies on the way to readiness, the server has ended.
        let _ = self.server.ready().await;
        Ok(())
    }

    async fn end_server(&mut self, how: How) -> Result<()> {
        if how == How::Killed {
            return self.server.kill();
        }
        if matches!(how, How::At(..)) {
            let status = self.server.ended().await?;
            ensure!(!status.success(), "the server ended with {status}");
            return Ok(());
        }
        let began = Instant::now();
        let status = self.server.stop().await?;
        ensure!(status.success(), "the server stopped with {status}");
        ensure!(
            began.elapsed() < STOP_MAX,
            "the server took {:?} to stop",
            began.elapsed()
        );
        Ok(())
    }

    fn take(&mut self, report: Report, how: How) -> Result<()> {
        let told = matches!(report.end, Some(Heard::Closed(1012, _)) | None);
        ensure!(
            how != How::Stopped || told,
            "a writer was told {:?}",
            report.end
        );
        for entry in report.acknowledged {
            self.ledger.note(&report.writer.document, entry);
        }
        self.writers.push(report.writer);
        self.writers.sort_by_key(|writer| writer.number);
        Ok(())
    }

    /// Looks for all that was ever acknowledged in a document, with a client that knows nothing and through the API.
    async fn check(&self, document: &str) -> Result<()> {
        let fresh = Client::join(self.server.address(), document, u64::from(u32::MAX))
            .await?
            .editor;
        ensure!(
            !fresh.waits(),
            "{document} has edits that wait for lost ones"
        );
        self.nothing_lost(document, "a fresh client", &fresh.text(), &fresh.keys())?;
        if self.ledger.count(document) == 0 {
            return Ok(());
        }
        let map = self
            .server
            .document(document, "/content?format=json&field=map")
            .await?
            .json()?;
        let keys = map
            .as_object()
            .map(|map| map.keys().cloned().collect::<Vec<_>>())
            .unwrap_or_default();
        let text = self.server.text(document).await?;
        self.nothing_lost(document, "the API", &text, &keys)?;
        ensure!(
            text == fresh.text(),
            "{document} reads otherwise in the API than in a client"
        );
        self.check_timeline(document).await
    }

    fn nothing_lost(&self, document: &str, whom: &str, text: &str, keys: &[String]) -> Result<()> {
        let lost = self.ledger.lost(document, text, keys);
        let of = self.ledger.count(document);
        ensure!(
            lost.is_empty(),
            "{document}: {whom} lacks {} of {of} acknowledged edits, first {:?}",
            lost.len(),
            lost[0]
        );
        Ok(())
    }

    /// The timeline counts at least the acknowledged edits, is in order, and its lanes have no holes.
    async fn check_timeline(&self, document: &str) -> Result<()> {
        let (mut updates, mut before) = (0, 0);
        let mut lanes: BTreeMap<u64, u64> = BTreeMap::new();
        for change in self.server.changes(document).await? {
            let number = |field: &str| {
                change[field]
                    .as_u64()
                    .with_context(|| format!("a change has {field}: {change}"))
            };
            let (order, replica, counter) =
                (number("order")?, number("replica")?, number("counter")?);
            let last = lanes.insert(replica, counter).unwrap_or(0);
            ensure!(
                counter == last + 1,
                "{document}: counter {counter} of replica {replica} follows {last}"
            );
            ensure!(order > before, "{document}: order {order} follows {before}");
            before = order;
            updates += number("updates")?;
        }
        let acknowledged = self.ledger.count(document) as u64;
        ensure!(
            updates >= acknowledged,
            "{document}: {updates} edits in the timeline, {acknowledged} acknowledged"
        );
        Ok(())
    }

    /// Looks for everything once more, also in the log on disk.
    ///
    /// # Errors
    /// Something acknowledged is lost.
    pub async fn end(mut self) -> Result<()> {
        let documents: Vec<_> = self.ledger.documents().map(str::to_owned).collect();
        for document in &documents {
            self.check(document).await.context("in the end")?;
        }
        self.server.stop().await?;
        let store = SqliteStore::open(self.server.data_dir()).await?;
        for document in &documents {
            let unlogged = self
                .ledger
                .unlogged(document, &log_of(&store, document).await?);
            ensure!(
                unlogged.is_empty(),
                "{document}: {} acknowledged edits are not in the log, first {:?}",
                unlogged.len(),
                unlogged[0]
            );
        }
        ensure!(self.ledger.total() > 0, "nothing was ever acknowledged");
        println!(
            "{}: {} acknowledged edits, none lost",
            self.name,
            self.ledger.total()
        );
        Ok(())
    }
}

impl Writer {
    /// Joins and types until the connection ends.
    async fn type_until_the_end(mut self, address: SocketAddr) -> Result<Report> {
        let editor = std::mem::replace(&mut self.editor, Editor::new(0));
        let mut client = Client::open(address, &self.document, editor).await;
        let Ok(client) = client.as_mut() else {
            // Killed before it could join; it comes back as somebody new, because nobody has seen anything of it.
            self.editor = Editor::new(self.number + self.typed * (1 << 32));
            return Ok(Report {
                writer: self,
                acknowledged: Vec::new(),
                end: None,
            });
        };
        let (acknowledged, end) = self.type_on(client).await?;
        self.editor = std::mem::replace(&mut client.editor, Editor::new(0));
        Ok(Report {
            writer: self,
            acknowledged,
            end,
        })
    }

    async fn type_on(&mut self, client: &mut Client) -> Result<(Vec<Entry>, Option<Heard>)> {
        let (mut tokens, mut acknowledged) = (BTreeMap::new(), Vec::new());
        if client.sync().await.is_err() {
            return Ok((acknowledged, None));
        }
        loop {
            if client.unstored() < UNSTORED_MAX {
                let token = Token::new(self.number, self.typed);
                let update = token.write(&client.editor, self.typed);
                self.typed += 1;
                tokens.insert(update.clone(), token);
                // If it cannot be sent, what came before is to be read still.
                let _ = client.send(update).await;
            }
            let busy = client.unstored() < UNSTORED_MAX;
            let noticed = if busy {
                client.try_notice().await?
            } else {
                Some(client.notice().await?)
            };
            match noticed {
                Some(Noticed::Stored(update)) => {
                    let token = tokens
                        .remove(&update)
                        .context("the echo is of an edit that was made")?;
                    acknowledged.push(Entry { token, update });
                }
                Some(Noticed::Ended(end)) => return Ok((acknowledged, Some(end))),
                _ => {}
            }
        }
    }
}

/// Every raw edit in the log of a document.
async fn log_of(store: &SqliteStore, document: &str) -> Result<HashSet<Bytes>> {
    let key = DocumentKey::new("default", document)?;
    let (mut log, mut after) = (HashSet::new(), Order(0));
    loop {
        let page = store
            .timeline(key.clone(), TimelinePage::After(after, PAGE))
            .await?;
        for stored in &page {
            log.extend(stored.change.updates()?);
            after = stored.order;
        }
        if page.len() < PAGE {
            return Ok(log);
        }
    }
}

/// The longest that a round types before its end; the shortest is nothing at all.
const TYPING_MAX_MS: u64 = 900;
/// So long a document is in use before the next one: its text is read in each of these rounds.
const ROUNDS_PER_DOCUMENT: u64 = 10;
/// Edits that a writer has on the way at once.
const UNSTORED_MAX: usize = 8;
const STOP_MAX: Duration = Duration::from_secs(10);
const PAGE: usize = 1_000;
