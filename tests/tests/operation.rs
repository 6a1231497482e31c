//! What operators meet: a full disk, damaged rows, a thousand documents, a port in use, idle documents, slow readers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use quire_tests::client::Client;
use quire_tests::require;
use quire_tests::server::{Launch, Server};
use quire_tests::wait::until;
use rustix::process::Signal;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_nothing_is_acknowledged_until_there_is_space() -> Result<()> {
    let Some(disk) = SmallDisk::mount()? else {
        return Ok(());
    };
    let mut server = Server::start(&disk.data_dir()).await?;
    let mut writer = Client::join(server.address(), "full", 1).await?;
    let mut reader = Client::join(server.address(), "full", 2).await?;
    let update = writer.editor.append("before;");
    writer.save(update).await?;

    disk.fill()?;
    type_until_appends_fail(&server, &mut writer).await?;
    server
        .metric_reaches(APPEND_FAILURES, server.metric(APPEND_FAILURES).await? + 3.0)
        .await?;
    while writer.try_notice().await?.is_some() {}
    ensure!(
        writer.unstored() > 0,
        "edits are acknowledged on a full disk"
    );
    until("the server says that its disk is full", async || {
        says_full(&server).await
    })
    .await?;
    let wanted = writer.editor.text();
    reader
        .reads(|text| text == wanted)
        .await
        .context("others see the edits meanwhile")?;

    disk.free()?;
    writer
        .all_stored()
        .await
        .context("acknowledged when there is space")?;
    until("the server is ready again", async || {
        Ok(server.get("/readyz").await?.status == 200)
    })
    .await?;
    server.kill()?;
    server.restart().await?;
    ensure!(
        server.text("full").await? == wanted,
        "an acknowledged edit is missing after a kill"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_snapshot_gives_way_to_the_one_before() -> Result<()> {
    let (_folder, mut server, wanted) = stopped_with_history().await?;
    damage(server.data_dir(), "UPDATE snapshots SET state = zeroblob(length(state)) WHERE id = (SELECT max(id) FROM snapshots)").await?;
    server.restart().await?;
    let fresh = Client::join(server.address(), "damaged", 2).await?;
    ensure!(
        fresh.editor.text() == wanted,
        "the document opens with {:?}",
        fresh.editor.text()
    );
    ensure!(
        server.metric(DAMAGED_ROWS).await? > 0.0,
        "the damage is no alarm"
    );
    ensure!(
        server.text("damaged").await? == wanted,
        "the API reads otherwise"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_change_is_left_out_and_the_author_brings_it_back() -> Result<()> {
    let folder = TempDir::new()?;
    let mut server = Server::start(folder.path()).await?;
    let mut author = Client::join(server.address(), "damaged", 1).await?;
    for word in ["one;", "two;", "three;"] {
        let update = author.editor.append(word);
        author.save(update).await?;
    }
    server.stop().await?;
    let last = "UPDATE changes SET payload = zeroblob(length(payload)) WHERE ord = (SELECT max(ord) FROM changes)";
    damage(server.data_dir(), last).await?;
    server.restart().await?;
    let mut reader = Client::join(server.address(), "damaged", 2).await?;
    ensure!(
        reader.editor.text() == "one;two;",
        "the document opens with {:?}",
        reader.editor.text()
    );
    ensure!(
        server.metric(DAMAGED_ROWS).await? > 0.0,
        "the damage is no alarm"
    );
    let author = Client::join_with(server.address(), "damaged", author.editor).await?;
    reader
        .reads(|text| text == "one;two;three;")
        .await
        .context("the author brings the lost edit back")?;
    author.socket.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_documents_are_not_loaded_at_a_restart() -> Result<()> {
    let folder = TempDir::new()?;
    let mut server = Server::start(folder.path()).await?;
    let address = server.address();
    let writing = (0..DOCUMENTS).map(|number| write_history(address, number));
    stream::iter(writing)
        .buffer_unordered(50)
        .try_collect::<()>()
        .await?;
    server.stop().await?;
    let began = Instant::now();
    server.restart().await?;
    println!(
        "restart with {DOCUMENTS} documents: ready in {} ms",
        began.elapsed().as_millis()
    );
    ensure!(documents_open(&server).await? == 0, "documents were loaded");
    let workspaces = server.get("/api/v1/workspaces").await?.json()?;
    ensure!(
        workspaces["items"][0]["documents"] == DOCUMENTS,
        "the API counts {workspaces}"
    );
    let fresh = Client::join(address, "many-77", 2).await?;
    ensure!(
        fresh.editor.text() == "a77;b77;c77;",
        "a document reads {:?}",
        fresh.editor.text()
    );
    ensure!(
        documents_open(&server).await? == 1,
        "only the one that was asked for is open"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_is_said_and_ends_the_start() -> Result<()> {
    let (folder, other) = (TempDir::new()?, TempDir::new()?);
    let server = Server::start(folder.path()).await?;
    let second = Launch::new(other.path())?.listen(server.address());
    ends_with(second, 1, &["can not listen on", "--listen"]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_folder_in_use_is_said_and_ends_the_start() -> Result<()> {
    let folder = TempDir::new()?;
    let _server = Server::start(folder.path()).await?;
    let said = ["another server", &folder.path().display().to_string()];
    ends_with(Launch::new(folder.path())?, 1, &said).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_all_can_reach_is_refused_without_authentication() -> Result<()> {
    let folder = TempDir::new()?;
    let everywhere: SocketAddr = "0.0.0.0:21999".parse()?;
    let launch = Launch::new(folder.path())?.listen(everywhere);
    ends_with(launch, 2, &["--insecure-allow-anonymous"]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_document_is_put_away_and_comes_back_the_same() -> Result<()> {
    let folder = TempDir::new()?;
    let server = Launch::new(folder.path())?
        .variable("QUIRE_DOCUMENT__IDLE", "50ms")
        .start()
        .await?;
    let mut wanted = String::new();
    for round in 0..20 {
        let mut client = Client::join(server.address(), "idle", round + 1).await?;
        ensure!(
            client.editor.text() == wanted,
            "round {round} reads {:?}",
            client.editor.text()
        );
        let update = client.editor.append(&format!("{round};"));
        client.save(update).await?;
        wanted = client.editor.text();
        client.socket.close().await?;
        until("the document is put away", async || {
            Ok(documents_open(&server).await? == 0)
        })
        .await?;
    }
    ensure!(
        server.text("idle").await? == wanted,
        "the API reads otherwise"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_harms_nobody_and_catches_up() -> Result<()> {
    let folder = TempDir::new()?;
    let server = Server::start(folder.path()).await?;
    let address = server.address();
    let mut slow = Client::join(address, "slow", 1).await?;
    let mut writers = [
        Client::join(address, "slow", 2).await?,
        Client::join(address, "slow", 3).await?,
    ];
    let before = server.memory()?;
    let most = overwrite_pages(&server, &mut writers).await?;
    println!(
        "slow reader: memory {} MB before, {} MB at most",
        before >> 20,
        most >> 20
    );
    ensure!(
        most < before + MEMORY_MORE_MAX,
        "the server took {} MB",
        most >> 20
    );
    ensure!(
        server.metric("quire_slow_readers_total").await? > 0.0,
        "nobody was slow"
    );
    let end = writers[0].editor.append("the end");
    writers[0].save(end).await?;
    for client in writers.iter_mut().chain([&mut slow]) {
        client.reads(|text| text == "the end").await?;
        for (writer, _) in WRITERS {
            let (page, wanted) = (client.editor.value(writer), page_of(writer, PAGES - 1));
            ensure!(
                page == Some(wanted),
                "{} does not read the last page",
                client.editor.client()
            );
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_stopped_for_a_while_goes_on() -> Result<()> {
    let folder = TempDir::new()?;
    let server = Server::start(folder.path()).await?;
    let mut client = Client::join(server.address(), "paused", 1).await?;
    server.signal(Signal::STOP)?;
    let update = client.editor.append("typed into the silence");
    client.send(update).await?;
    ensure!(
        client.try_notice().await?.is_none(),
        "a stopped server says something"
    );
    server.signal(Signal::CONT)?;
    client.all_stored().await?;
    ensure!(
        server.text("paused").await? == "typed into the silence",
        "the edit is there"
    );
    Ok(())
}

/// A disk of a few megabytes, in memory.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// Mounts it, or says why that can not be done.
    fn mount() -> Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            require::missing("mount", "only root can mount a small disk")?;
            return Ok(None);
        }
        let folder = TempDir::new()?;
        std::fs::create_dir(folder.path().join("disk"))?;
        let disk = Self { folder };
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=8m", "quire-test"])
            .arg(disk.data_dir());
        let mounted = mount.output()?;
        if !mounted.status.success() {
            require::missing("mount", &String::from_utf8_lossy(&mounted.stderr))?;
            return Ok(None);
        }
        Ok(Some(disk))
    }

    fn data_dir(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    fn fill(&self) -> Result<()> {
        let full = std::fs::write(self.filler(), vec![1; 64 << 20]);
        ensure!(full.is_err(), "the disk takes everything");
        Ok(())
    }

    fn free(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.filler())?)
    }

    fn filler(&self) -> PathBuf {
        self.data_dir().join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the server may have files open still. One that was never mounted cannot be unmounted.
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(self.data_dir())
            .output();
    }
}

/// Writes page over page, so that much is sent and the document stays small. Returns the most memory that the server took.
async fn overwrite_pages(server: &Server, writers: &mut [Client; 2]) -> Result<u64> {
    let mut most = 0;
    for page in 0..PAGES {
        for (name, index) in WRITERS {
            let update = writers[index].editor.set(name, &page_of(name, page));
            writers[index]
                .save(update)
                .await
                .context("a writer waits for nobody else")?;
        }
        most = most.max(server.memory()?);
    }
    Ok(most)
}

fn page_of(writer: &str, page: usize) -> String {
    format!("{writer}/{page}/{}", "x".repeat(PAGE_BYTES))
}

/// The files that exist have room in them for a few edits more; types until that is used up.
async fn type_until_appends_fail(server: &Server, writer: &mut Client) -> Result<()> {
    for page in 0..400 {
        let update = writer
            .editor
            .append(&format!("{page}{};", "y".repeat(16_000)));
        writer.send(update).await?;
        if server.metric(APPEND_FAILURES).await? > 0.0 {
            return Ok(());
        }
    }
    server.metric_reaches(APPEND_FAILURES, 1.0).await
}

async fn says_full(server: &Server) -> Result<bool> {
    let answer = server.get("/readyz?verbose").await?;
    Ok(answer.status == 503 && answer.text()?.contains("disk is full"))
}

/// A server that was stopped after so many edits that there are several snapshots, and the text.
async fn stopped_with_history() -> Result<(TempDir, Server, String)> {
    let folder = TempDir::new()?;
    let launch = Launch::new(folder.path())?.variable("QUIRE_DOCUMENT__SNAPSHOT_CHANGES", "20");
    let mut server = launch.start().await?;
    let mut client = Client::join(server.address(), "damaged", 1).await?;
    for edit in 0..105 {
        let update = client.editor.append(&format!("{edit};"));
        client.save(update).await?;
    }
    server
        .metric_reaches("quire_snapshots_stored_total", 2.0)
        .await?;
    let wanted = client.editor.text();
    server.stop().await?;
    Ok((folder, server, wanted))
}

/// Changes rows behind the server's back.
async fn damage(data_dir: &Path, sql: &'static str) -> Result<()> {
    let options = SqliteConnectOptions::new().filename(data_dir.join(DATABASE));
    let mut connection: SqliteConnection = options.connect().await?;
    let done = sqlx::query(sql).execute(&mut connection).await?;
    ensure!(
        done.rows_affected() == 1,
        "{} rows were damaged",
        done.rows_affected()
    );
    Ok(connection.close().await?)
}

async fn write_history(address: SocketAddr, number: u64) -> Result<()> {
    let mut client = Client::join(address, &format!("many-{number}"), 1).await?;
    for letter in ["a", "b", "c"] {
        let update = client.editor.append(&format!("{letter}{number};"));
        client.save(update).await?;
    }
    client.socket.close().await
}

async fn documents_open(server: &Server) -> Result<u64> {
    let ready = server.get("/readyz?verbose").await?.json()?;
    ready["documents_open"]
        .as_u64()
        .context("/readyz counts open documents")
}

/// The start ends by itself with this exit code, and says all of this.
async fn ends_with(launch: Launch, code: i32, said: &[&str]) -> Result<()> {
    let mut server = launch.spawn()?;
    let status = server.ended().await?;
    let log = server.log();
    ensure!(
        status.code() == Some(code),
        "the start ended with {status}:\n{log}"
    );
    for words in said {
        ensure!(log.contains(words), "{words:?} is not said:\n{log}");
    }
    Ok(())
}

const DATABASE: &str = "quire.sqlite";
const APPEND_FAILURES: &str = "quire_append_failures_total";
const DAMAGED_ROWS: &str = "quire_damaged_rows_total";
const DOCUMENTS: u64 = 1_000;
/// Two writers write so many pages each, 200 MB in all: far more than the server may keep for a slow reader.
const PAGES: usize = 1_000;
const PAGE_BYTES: usize = 100_000;
const WRITERS: [(&str, usize); 2] = [("left", 0), ("right", 1)];
/// What the allocator, the database and a few copies of the document take, generously.
const MEMORY_MORE_MAX: u64 = 150 << 20;
