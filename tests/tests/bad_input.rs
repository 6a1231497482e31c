//! What bad input gets beyond the table of `bad_inputs`: the sender alone is answered or closed, with the right code and a
//! reason; it is logged once without
//! content and counted; nothing is stored; and whoever else edits the document notices nothing.
//!
//! Codes and reasons are those of `docs/protocols.md`.

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use engine::{DocumentKey, Kind};
use quire_tests::client::Client;
use quire_tests::editor::Editor;
use quire_tests::frames::{self, Frame};
use quire_tests::http;
use quire_tests::server::{Launch, Server};
use quire_tests::socket::{Heard, Socket};
use quire_tests::wait::within;
use storage::{SqliteStore, Store};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_over_the_limit_closes_its_sender() -> Result<()> {
    let mut ward =
        Ward::with(|launch| launch.variable("QUIRE_LIMITS__MESSAGE_BYTES", "4KiB")).await?;
    let long = Editor::new(9).append(&SECRET.repeat(1_000));
    ward.closes(
        "a message over the limit",
        Message::Binary(frames::update(&long)),
        4413,
        "too_large",
    )
    .await?;
    ward.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_still_on_its_way_does_not_take_the_code_from_its_reader() -> Result<()> {
    let ward = Ward::open().await?;
    let mut sender = Client::join(ward.server.address(), DOCUMENT, 9)
        .await?
        .socket;
    sender.send(Bytes::from_static(&[77])).await?;
    let more = Bytes::from(vec![0; 64 * 1024]);
    for _ in 0..200 {
        // The server closes meanwhile; how much it takes is its own affair.
        let _ = sender.send(more.clone()).await;
    }
    check_goodbye(sender, 4400).await?;
    ward.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_speaks_while_it_is_turned_away_hears_why() -> Result<()> {
    let ward = Ward::open().await?;
    let address = ward.server.address();
    let mut sender = Socket::connect(address, "/quire/team/doc").await?;
    ward.server
        .metric_reaches(&closed_metric("bad_name"), 1.0)
        .await?;
    for _ in 0..3 {
        let sent = sender.send(frames::have(&[0])).await;
        sent.context("the connection is open until the client has closed it too")?;
        ward.server.get("/livez").await?;
    }
    check_goodbye(sender, 4414).await?;
    ward.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_of_another_kind_is_refused_and_kept() -> Result<()> {
    let folder = TempDir::new()?;
    let store = SqliteStore::open(folder.path()).await?;
    let key = DocumentKey::new("default", "drawing")?;
    store.create(key, Kind::Automerge).await?;
    store.close().await?;
    drop(store);
    let mut ward = Ward::start(Launch::new(folder.path())?, folder).await?;
    ward.closes_joining("a document of another kind", "/drawing", 4409, "wrong_kind")
        .await?;
    let known = ward.server.document("drawing", "").await?.json()?;
    ensure!(
        known["kind"] == "automerge" && known["changes"] == 0,
        "the document is now {known}"
    );
    ward.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_document_stays_deleted() -> Result<()> {
    let mut ward = Ward::open().await?;
    let address = ward.server.address();
    let mut client = Client::join(address, "gone", 5).await?;
    let update = client.editor.append("soon gone");
    client.save(update).await?;
    let path = "/api/v1/workspaces/default/documents/gone";
    ensure!(
        http::request(address, "DELETE", path, None).await?.status == 204,
        "it can be deleted"
    );
    let (code, _) = client.socket.close_code().await?;
    ensure!(code == 4404, "whoever has it open is closed with {code}");
    ward.closes_joining("a deleted document", "/gone", 4404, "deleted")
        .await?;
    ensure!(
        ward.server.get(path).await?.status == 410,
        "the API says that it is gone"
    );
    ward.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_that_never_got_a_valid_edit_does_not_exist() -> Result<()> {
    let ward = Ward::open().await?;
    let address = ward.server.address();
    let mut reader = Client::join(address, "never", 5).await?;
    reader
        .socket
        .send(frames::update(SECRET.as_bytes()))
        .await?;
    ensure!(
        reader.socket.close_code().await?.0 == 4422,
        "the update is refused"
    );
    let looker = Client::join(address, "looked-at", 6).await?;
    looker.socket.close().await?;
    for document in ["never", "looked-at"] {
        ensure!(
            !ward.server.knows(document).await?,
            "{document} exists, although nobody wrote into it"
        );
    }
    ward.end().await
}

/// A server on which two neighbours edit the document that bad input is thrown at.
struct Ward {
    _folder: TempDir,
    server: Server,
    writer: Client,
    reader: Client,
    written: usize,
}

/// What the server has counted and said so far.
struct Tally {
    closed: f64,
    said: usize,
    changes: usize,
}

impl Ward {
    async fn open() -> Result<Self> {
        Self::with(|launch| launch).await
    }

    async fn with(settings: impl FnOnce(Launch) -> Launch) -> Result<Self> {
        let folder = TempDir::new()?;
        let launch = settings(Launch::new(folder.path())?);
        Self::start(launch, folder).await
    }

    async fn start(launch: Launch, folder: TempDir) -> Result<Self> {
        let server = launch.start().await?;
        let writer = Client::join(server.address(), DOCUMENT, 1).await?;
        let reader = Client::join(server.address(), DOCUMENT, 2).await?;
        let mut ward = Self {
            _folder: folder,
            server,
            writer,
            reader,
            written: 0,
        };
        ward.neighbour_goes_on("nothing").await?;
        Ok(ward)
    }

    /// One neighbour types, it is stored, and the other sees it.
    async fn neighbour_goes_on(&mut self, after: &str) -> Result<()> {
        self.written += 1;
        let update = self.writer.editor.append(&format!("{};", self.written));
        let wanted = self.writer.editor.text();
        self.writer
            .save(update)
            .await
            .with_context(|| format!("a neighbour types after {after}"))?;
        let reading = self.reader.reads(|text| text == wanted).await;
        reading.with_context(|| format!("a neighbour reads after {after}"))
    }

    /// Somebody joins the neighbours' document, sends this, and is closed.
    async fn closes(&mut self, what: &str, message: Message, code: u16, label: &str) -> Result<()> {
        let before = self.tally(label).await?;
        let mut sender = Client::join(self.server.address(), DOCUMENT, 9)
            .await?
            .socket;
        sender.send_message(message).await?;
        self.was_closed(what, sender, code, label, &before).await
    }

    /// Whoever comes to this address is closed before it has said anything.
    async fn closes_joining(
        &mut self,
        what: &str,
        path: &str,
        code: u16,
        label: &str,
    ) -> Result<()> {
        let before = self.tally(label).await?;
        let sender = Socket::connect(self.server.address(), path).await?;
        self.was_closed(what, sender, code, label, &before).await
    }

    async fn was_closed(
        &mut self,
        what: &str,
        sender: Socket,
        code: u16,
        label: &str,
        before: &Tally,
    ) -> Result<()> {
        check_goodbye(sender, code)
            .await
            .with_context(|| what.to_owned())?;
        self.server
            .metric_reaches(&closed_metric(label), before.closed + 1.0)
            .await
            .with_context(|| what.to_owned())?;
        let now = self.tally(label).await?;
        ensure!(
            now.closed == before.closed + 1.0,
            "{what} is counted {} times",
            now.closed - before.closed
        );
        ensure!(
            now.said == before.said + 1,
            "{what} is logged {} times:\n{}",
            now.said - before.said,
            self.server.log()
        );
        ensure!(now.changes == before.changes, "{what} is in the timeline");
        self.neighbour_goes_on(what).await
    }

    async fn tally(&self, label: &str) -> Result<Tally> {
        Ok(Tally {
            closed: self.server.metric(&closed_metric(label)).await?,
            said: self
                .server
                .log()
                .lines()
                .filter(|line| tells_of_an_end(line))
                .count(),
            changes: self.server.changes(DOCUMENT).await?.len(),
        })
    }

    /// The document holds what the neighbours typed and nothing else; the log holds nobody's content.
    async fn end(mut self) -> Result<()> {
        let wanted = self.writer.editor.text();
        ensure!(
            self.server.text(DOCUMENT).await? == wanted,
            "the document is what the neighbours typed"
        );
        ensure!(!self.server.log().contains(SECRET), "content is in the log");
        self.server.stop().await?;
        self.server.restart().await?;
        ensure!(
            self.server.text(DOCUMENT).await? == wanted,
            "the document is the same after a restart"
        );
        ensure!(
            !self.server.log().contains("panicked"),
            "something panicked:\n{}",
            self.server.log()
        );
        Ok(())
    }
}

/// The sender is closed with this code and a reason; one that is to stay away also hears that it is denied.
async fn check_goodbye(mut sender: Socket, code: u16) -> Result<()> {
    let (denied, end) = within("the sender is closed", heard_last(&mut sender)).await??;
    let Heard::Closed(told, reason) = end else {
        bail!("the connection ended without a code");
    };
    ensure!(
        told == code,
        "closed with {told} ({reason}), not with {code}"
    );
    ensure!(
        !reason.is_empty() && !reason.contains(SECRET),
        "the reason is {reason:?}"
    );
    ensure!(
        denied.as_ref() == Some(&reason),
        "the permission was denied with {denied:?}"
    );
    Ok(())
}

/// Why the permission was denied, if it was, and how the connection ended.
async fn heard_last(sender: &mut Socket) -> Result<(Option<String>, Heard)> {
    let mut denied = None;
    loop {
        match sender.next().await? {
            Heard::Frame(frame) => {
                if let Frame::Denied(reason) = Frame::read(&frame)? {
                    denied = Some(reason);
                }
            }
            Heard::Pong => {}
            end => return Ok((denied, end)),
        }
    }
}

fn closed_metric(label: &str) -> String {
    format!("quire_connections_closed_total{{reason=\"{label}\"}}")
}

fn tells_of_an_end(line: &str) -> bool {
    line.contains("connection closed") || line.contains("connection refused")
}

const DOCUMENT: &str = "ward";
/// Stands in what bad clients send, and must stand in no log.
const SECRET: &str = "the-secret-of-the-bad-client";
