//! Repositories of samod, the Rust client of automerge-repo's protocol: unmodified, each with a WebSocket of its own to the
//! server. They end up equal with each other and with the other clients, are told of no heads that could be lost, and stay
//! connected: whatever samod does not know, or is told as an error, it closes its connection for.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::{Future, ready};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use automerge::transaction::Transactable;
use automerge::{Automerge, ObjType, ROOT, ReadDoc};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use protocol::automerge::{DocumentId, Message as Frame, Said, SessionId, decode};
use quire_tests::automerge::{Peer, heads_of};
use quire_tests::node;
use quire_tests::server::{Launch, Server, binary};
use quire_tests::socket::Socket;
use quire_tests::wait::{until, within};
use samod::{
    BackoffConfig, DialError, Dialer, DialerHandle, DocHandle, Repo, SearchState, Transport, Url,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use tokio_tungstenite::tungstenite::{self, Message};

/// The way to the server, which is gone again whenever the connection ends.
#[derive(Clone)]
struct Line {
    server: SocketAddr,
    path: String,
    seen: Arc<Mutex<Seen>>,
}

/// What has gone over it.
#[derive(Default)]
struct Seen {
    connections: usize,
    frames: Vec<Frame>,
}

/// Somebody with a repository.
struct Person {
    repo: Repo,
    line: Arc<Line>,
    dialer: Option<DialerHandle>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_write_at_once_hold_the_same_and_so_does_who_comes_late() -> Result<()> {
    let (_folder, server) = start().await?;
    let [ann, bob] = [Person::of(&server).await?, Person::of(&server).await?];
    let made = ann.make("begun ").await?;
    let found = bob.find(&made).await?;
    ensure!(text_of(&found)? == "begun ");
    for _ in 0..40 {
        write(&made, "a")?;
        write(&found, "b")?;
        tokio::task::yield_now().await;
    }
    until("both have all", async || {
        Ok(are_equal(&made, &found) && text_of(&made)?.len() == 86)
    })
    .await?;
    ann.saved(&made).await?;
    let late = Person::of(&server).await?;
    ensure!(are_equal(&late.find(&made).await?, &made));
    let mut other = Peer::join(server.address(), "other").await?;
    let mut fetched = other.fetch(&id_of(&made)?).await?;
    let heads: Vec<_> = heads_of(&mut fetched).iter().map(|head| head.0).collect();
    ensure!(heads.into_iter().collect::<BTreeSet<_>>() == heads_in(&made));
    ensure!(server.text(&made.document_id().to_string()).await? == text_of(&made)?);
    for person in [&ann, &bob, &late] {
        person.stayed()?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_in_javascript_writes_with_one_of_samod() -> Result<()> {
    if !node::is_ready("@automerge/automerge-repo")? {
        return Ok(());
    }
    let (_folder, server) = start().await?;
    let ann = Person::of(&server).await?;
    let made = ann.make("begun ").await?;
    ann.saved(&made).await?;
    let url = format!("ws://{}/automerge/default", server.address());
    let partner = Command::new("node")
        .arg(node::script("automerge_partner.mjs"))
        .args([&url, &made.url().to_string(), "script ", "rust "])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    write(&made, "rust ")?;
    let ended = within("the partner ends", partner.wait_with_output()).await??;
    ensure!(ended.status.success(), "it ended with {}", ended.status);
    let theirs: Value = serde_json::from_slice(&ended.stdout)?;
    let has_both = async || Ok(text_of(&made)?.len() == "begun script rust ".len());
    until("ann has both", has_both).await?;
    ensure!(theirs["text"] == text_of(&made)?, "{theirs}");
    let heads = made.with_document(|doc| doc.get_heads());
    let heads: BTreeSet<_> = heads.iter().map(ToString::to_string).collect();
    ensure!(theirs["heads"] == json!(heads), "{theirs}");
    ann.stayed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_has_is_not_found_and_comes_when_somebody_brings_it() -> Result<()> {
    let (_folder, server) = start().await?;
    let [mut ann, bob] = [Person::of(&server).await?, Person::of(&server).await?];
    ann.go();
    let made = ann.make("late").await?;
    let asked = bob.repo.find(made.document_id().clone());
    ensure!(within("bob is answered", asked).await??.is_none());
    let (_, states) = bob.repo.search(made.document_id().clone())?;
    ann.come().await?;
    let found = states.filter_map(|state| {
        ready(match state {
            SearchState::Found(handle) => Some(handle),
            _ => None,
        })
    });
    let mut found = std::pin::pin!(found);
    let found = within("bob finds it", found.next()).await?;
    let found = found.context("the search goes on")?;
    until("bob has all", async || Ok(text_of(&found)? == "late")).await?;
    bob.stayed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_were_away_hold_the_same_when_they_are_back() -> Result<()> {
    let (_folder, server) = start().await?;
    let [mut ann, mut bob] = [Person::of(&server).await?, Person::of(&server).await?];
    let made = ann.make("").await?;
    let found = bob.find(&made).await?;
    for person in [&mut ann, &mut bob] {
        person.go();
    }
    for _ in 0..40 {
        write(&made, "a")?;
        write(&found, "b")?;
    }
    for person in [&mut ann, &mut bob] {
        person.come().await?;
    }
    until("both have all", async || {
        Ok(are_equal(&made, &found) && text_of(&made)?.len() == 80)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_repository_was_told_is_stored_outlives_a_kill() -> Result<()> {
    let (_folder, mut server) = start().await?;
    let [ann, bob] = [Person::of(&server).await?, Person::of(&server).await?];
    let made = ann.make("").await?;
    let found = bob.find(&made).await?;
    for round in 1..=5 {
        write(&made, "a")?;
        ann.saved(&made).await?;
        server.kill()?;
        write(&found, "b")?;
        server.restart().await?;
        let mut newcomer = Peer::join(server.address(), "newcomer").await?;
        let stored = newcomer.fetch(&id_of(&made)?).await?;
        let (_, text) = stored.get(ROOT, "text")?.context("the text is there")?;
        let kept = stored.text(&text)?;
        ensure!(kept.matches('a').count() == round, "{kept} in {round}");
        until("both have all", async || {
            Ok(are_equal(&made, &found) && text_of(&made)?.len() == 2 * round)
        })
        .await?;
        bob.saved(&found).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_shows_comes_to_all_others_who_have_the_document_whoever_they_are()
-> Result<()> {
    const HELLO: &[u8] = b"\x65hello";
    let (_folder, server) = start().await?;
    let [ann, bob] = [Person::of(&server).await?, Person::of(&server).await?];
    let made = ann.make("").await?;
    let found = bob.find(&made).await?;
    let mut other = Peer::join(server.address(), "other").await?;
    other.fetch(&id_of(&made)?).await?;
    let [mut to_ann, mut to_bob] = [&made, &found].map(|handle| Box::pin(handle.ephemera()));
    // No value of CBOR: samod sends whatever it is given.
    made.broadcast(vec![0xff]);
    made.broadcast(HELLO.to_vec());
    let shown = within("bob hears", async {
        while let Some(shown) = to_bob.next().await {
            if shown == HELLO {
                return true;
            }
        }
        false
    });
    ensure!(shown.await?);
    let is_hello = |said: &Said| matches!(said, Said::Ephemeral { data, .. } if data == HELLO);
    while !matches!(other.hear().await?, Frame::Document { said, .. } if is_hello(&said)) {}
    let said = Said::Ephemeral {
        session: SessionId("run".into()),
        count: 1,
        data: Bytes::from_static(b"\x63you"),
    };
    other.tell(&id_of(&made)?, said).await?;
    for heard in [&mut to_ann, &mut to_bob] {
        let shown = within("they hear", heard.next()).await?;
        ensure!(shown.as_deref() == Some(b"\x63you"), "{shown:?}");
    }
    ann.stayed()?;
    bob.stayed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_document_that_nobody_changes_nothing_is_said() -> Result<()> {
    let (_folder, server) = start().await?;
    let [ann, bob] = [Person::of(&server).await?, Person::of(&server).await?];
    let quiet = ann.make("quiet").await?;
    let heard = bob.find(&quiet).await?;
    for (person, handle) in [(&ann, &quiet), (&bob, &heard)] {
        person.saved(handle).await?;
    }
    // Answers to what was said last are under way at most.
    let before = [&ann, &bob].map(|person| person.frames_about(&quiet));
    let loud = ann.make("").await?;
    let heard = bob.find(&loud).await?;
    for round in 1..=20 {
        write(&loud, "a")?;
        until("bob reads", async || Ok(text_of(&heard)?.len() == round)).await?;
    }
    for (person, before) in [&ann, &bob].into_iter().zip(before) {
        let since = person.frames_about(&quiet) - before;
        ensure!(since <= 2, "{since} frames of a document that is quiet");
        let loud = person.frames_about(&loud);
        ensure!(loud <= 100, "{loud} frames of twenty changes");
        person.stayed()?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_document_too_many_leaves_the_others_and_the_connection() -> Result<()> {
    let folder = TempDir::new()?;
    let launch = Launch::new(folder.path())?;
    let launch = launch.variable("QUIRE_LIMITS__AUTOMERGE_DOCUMENTS_PER_CONNECTION", "1");
    let server = launch.start().await?;
    let [ann, bob] = [Person::of(&server).await?, Person::of(&server).await?];
    let made = ann.make("").await?;
    let found = bob.find(&made).await?;
    let one_more = ann.make("too many").await?;
    let asked = bob.repo.find(one_more.document_id().clone());
    ensure!(within("bob is answered", asked).await??.is_none());
    write(&made, "a")?;
    until("bob reads", async || Ok(text_of(&found)? == "a")).await?;
    ann.stayed()?;
    bob.stayed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_that_is_not_for_somebody_leaves_him_the_others() -> Result<()> {
    let (folder, server) = start_with_key().await?;
    let token = |document| {
        let who = ["token", "new", "--sub", "ann", "--may", "read,write"];
        quire(
            folder.path(),
            &[&who[..], &["--document", document]].concat(),
        )
    };
    let ann = Person::with(&server, &token("*")?).await?;
    let [made, other] = [ann.make("").await?, ann.make("not for bob").await?];
    let bob = Person::with(&server, &token(&made.document_id().to_string())?).await?;
    let found = bob.find(&made).await?;
    let asked = bob.repo.find(other.document_id().clone());
    ensure!(within("bob is answered", asked).await??.is_none());
    write(&made, "a")?;
    until("bob reads", async || Ok(text_of(&found)? == "a")).await?;
    ann.stayed()?;
    bob.stayed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_only_read_stays_and_reads_on_whatever_he_writes() -> Result<()> {
    let (folder, server) = start_with_key().await?;
    let token = |may| quire(folder.path(), &["token", "new", "--sub", may, "--may", may]);
    let ann = Person::with(&server, &token("read,write")?).await?;
    let bob = Person::with(&server, &token("read")?).await?;
    let made = ann.make("").await?;
    let found = bob.find(&made).await?;
    for round in 1..=5 {
        write(&found, "b")?;
        write(&made, "a")?;
        let read = async || Ok(text_of(&found)?.matches('a').count() == round);
        until("bob reads", read).await?;
    }
    ann.saved(&made).await?;
    ensure!(text_of(&made)? == "aaaaa");
    ann.stayed()?;
    bob.stayed()
}

impl Line {
    async fn open(self) -> Result<Transport> {
        let socket = Socket::connect(self.server, &self.path).await?;
        let (sink, stream) = socket.into_stream().split();
        self.look(|seen| seen.connections += 1);
        let heard = self.clone();
        let stream = stream.filter_map(move |message| {
            ready(match message {
                Ok(Message::Binary(frame)) => Some(Ok(heard.pass(&frame).to_vec())),
                Ok(_) => None,
                Err(fault) => Some(Err(fault)),
            })
        });
        let sink = sink.with(move |frame: Vec<u8>| {
            let frame = self.pass(&frame.into());
            ready(Ok::<_, tungstenite::Error>(Message::Binary(frame)))
        });
        Ok(Transport::new(stream, sink))
    }

    /// Remembers a frame.
    fn pass(&self, frame: &Bytes) -> Bytes {
        let message = decode(frame).expect("what is said can be read");
        self.look(|seen| seen.frames.push(message));
        frame.clone()
    }

    fn look<T>(&self, at: impl FnOnce(&mut Seen) -> T) -> T {
        at(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Dialer for Line {
    type Error = Infallible;

    fn url(&self) -> Url {
        let url = format!("ws://{}{}", self.server, self.path);
        Url::parse(&url).expect("an address is a URL")
    }

    fn connect(
        &self,
    ) -> Pin<Box<dyn Future<Output = Result<Transport, DialError<Infallible>>> + Send>> {
        let line = self.clone();
        Box::pin(async move {
            let opened = line.open().await;
            opened.map_err(|error| DialError::TransientFailure(error.into()))
        })
    }
}

impl Person {
    /// Somebody who is connected.
    async fn of(server: &Server) -> Result<Self> {
        Self::at(server, "/automerge/default".to_owned()).await
    }

    /// Somebody who shows a token.
    async fn with(server: &Server, token: &str) -> Result<Self> {
        let path = format!("/automerge/default?token={}", token.trim());
        Self::at(server, path).await
    }

    async fn at(server: &Server, path: String) -> Result<Self> {
        let line = Line {
            server: server.address(),
            path,
            seen: Arc::default(),
        };
        let mut person = Self {
            repo: Repo::build_tokio().load().await,
            line: Arc::new(line),
            dialer: None,
        };
        person.come().await?;
        Ok(person)
    }

    /// Connects.
    async fn come(&mut self) -> Result<()> {
        let backoff = BackoffConfig {
            initial_delay: Duration::from_millis(20),
            max_delay: Duration::from_millis(100),
            max_retries: None,
        };
        let dialer = self.repo.dial(backoff, self.line.clone())?;
        within("it is connected", dialer.established()).await??;
        self.dialer = Some(dialer);
        Ok(())
    }

    /// Ends the connection.
    fn go(&mut self) {
        if let Some(dialer) = self.dialer.take() {
            dialer.close();
        }
    }

    /// Makes a document with a text.
    async fn make(&self, text: &str) -> Result<DocHandle> {
        let mut doc = Automerge::new();
        doc.transact(|change| {
            let made = change.put_object(ROOT, "text", ObjType::Text)?;
            change.splice_text(made, 0, 0, text)
        })
        .map_err(|failure| failure.error)?;
        Ok(self.repo.create(doc).await?)
    }

    /// Finds a document that somebody has, as soon as that one has told of it.
    async fn find(&self, made: &DocHandle) -> Result<DocHandle> {
        let (mut state, states) = self.repo.search(made.document_id().clone())?;
        let mut states = std::pin::pin!(states);
        let finding = async {
            loop {
                if let SearchState::Found(handle) = state {
                    return Ok(handle);
                }
                let Some(next) = states.next().await else {
                    bail!("the search ended");
                };
                state = next;
            }
        };
        within("it is found", finding).await?
    }

    /// Waits until the server has said that it has all of a document.
    async fn saved(&self, handle: &DocHandle) -> Result<()> {
        until("the server has all", async || {
            let connection = self.dialer.as_ref().and_then(DialerHandle::connection_id);
            let (peers, _) = handle.peers();
            let server = connection.and_then(|connection| peers.get(&connection));
            let told = server.and_then(|server| server.their_heads.clone());
            let told = told.map(|heads| heads.iter().map(|head| head.0).collect());
            Ok(told == Some(heads_in(handle)))
        })
        .await
    }

    /// How many frames about a document have come and gone.
    fn frames_about(&self, document: &DocHandle) -> usize {
        let name = document.document_id().to_string();
        let is_about = |frame: &&Frame| matches!(frame, Frame::Document { document, .. } if document.to_string() == name);
        (self.line).look(|seen| seen.frames.iter().filter(is_about).count())
    }

    /// Looks that its first connection is the one that it still has.
    fn stayed(&self) -> Result<()> {
        let is_there = self.dialer.as_ref().is_some_and(DialerHandle::is_connected);
        let connections = self.line.look(|seen| seen.connections);
        ensure!(is_there && connections == 1, "{connections} connections");
        Ok(())
    }
}

async fn start() -> Result<(TempDir, Server)> {
    let folder = TempDir::new()?;
    let server = Server::start(folder.path()).await?;
    Ok((folder, server))
}

/// A server that asks for tokens.
async fn start_with_key() -> Result<(TempDir, Server)> {
    let folder = TempDir::new()?;
    quire(folder.path(), &["key", "new", "--kid", "app"])?;
    let server = Server::start(folder.path()).await?;
    Ok((folder, server))
}

/// Types at the end.
fn write(handle: &DocHandle, words: &str) -> Result<()> {
    let written = handle.with_document(|doc| {
        doc.transact(|change| {
            let (_, text) = change.get(ROOT, "text")?.expect("the text is there");
            let end = change.length(&text);
            change.splice_text(&text, end, 0, words)
        })
        .map_err(|failure| failure.error)
    });
    written?;
    Ok(())
}

fn text_of(handle: &DocHandle) -> Result<String> {
    let text = handle.with_document(|doc| match doc.get(ROOT, "text")? {
        Some((_, text)) => doc.text(&text),
        None => Ok(String::new()),
    });
    Ok(text?)
}

fn heads_in(handle: &DocHandle) -> BTreeSet<[u8; 32]> {
    let heads = handle.with_document(|doc| doc.get_heads());
    heads.into_iter().map(|head| head.0).collect()
}

fn are_equal(one: &DocHandle, other: &DocHandle) -> bool {
    heads_in(one) == heads_in(other)
}

fn id_of(handle: &DocHandle) -> Result<DocumentId> {
    Ok(DocumentId::of_text(&handle.document_id().to_string())?)
}

/// Runs the server's command line on a data folder.
fn quire(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = std::process::Command::new(binary()?)
        .args(arguments)
        .arg("--data-dir")
        .arg(folder)
        .output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments:?}: {complaint}");
    Ok(String::from_utf8(output.stdout)?)
}
