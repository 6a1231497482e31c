//! Torn and flipped bytes in the files of the database, at random places: the server serves what is whole and says what is
//! not, or refuses to start and says why. It never shows what nobody wrote, nor less than was written without a word.
//!
//! One loss is beyond it: SQLite ends its write-ahead log at the first frame that is not whole, because a crash leaves
//! such an end behind as well. So a document may go back to what it was before that frame, and only to that. It is said,
//! unless the log was cut off there or only the last commit is gone, for so a crash leaves it.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use quire_tests::chance::Chance;
use quire_tests::client::Client;
use quire_tests::server::{Launch, Server};
use tempfile::TempDir;
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_files_are_noticed() -> Result<()> {
    let mut chance = Chance::of_test("damaged files");
    let (_folder, whole) = written().await?;
    let mut tally = Tally::default();
    for round in 0..ROUNDS {
        let folder = TempDir::new()?;
        copy(whole.data_dir(), folder.path())?;
        let file = if round % 2 == 0 { DATABASE } else { LOG };
        let (what, unsaid_max) = damage(&mut chance, &folder.path().join(file))?;
        let unsaid_max = if file == LOG { unsaid_max } else { 0 };
        look(folder.path(), unsaid_max, &mut tally)
            .await
            .with_context(|| format!("round {round}: {what} in {file}"))?;
    }
    println!("damaged files: {ROUNDS} times; {tally:?}");
    Ok(())
}

/// Chance seldom meets the one block of many that matters.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blank_block_anywhere_is_noticed() -> Result<()> {
    let (_folder, whole) = written().await?;
    let blocks = fs::metadata(whole.data_dir().join(DATABASE))?.len() / BLOCK;
    let mut tally = Tally::default();
    for at in (0..blocks).map(|block| block * BLOCK) {
        let folder = TempDir::new()?;
        copy(whole.data_dir(), folder.path())?;
        let path = folder.path().join(DATABASE);
        let file = OpenOptions::new().write(true).open(path)?;
        file.write_all_at(&[0; BLOCK as usize], at)?;
        look(folder.path(), 0, &mut tally)
            .await
            .with_context(|| format!("blank at {at}"))?;
    }
    println!("damaged files: each of {blocks} blocks; {tally:?}");
    Ok(())
}

/// What became of damaged folders.
#[derive(Debug, Default)]
struct Tally {
    refused_to_start: usize,
    /// Documents that could not be opened, and it was said.
    closed: usize,
    /// Documents that lack something, and it was said.
    alarmed: usize,
    /// Documents as they were before some moment.
    went_back: usize,
    whole: usize,
}

/// A server that was killed with much in its write-ahead log, and is not started again.
async fn written() -> Result<(TempDir, Server)> {
    let folder = TempDir::new()?;
    let launch = Launch::new(folder.path())?.variable("QUIRE_DOCUMENT__SNAPSHOT_CHANGES", "20");
    let mut server = launch.start().await?;
    for half in 0..2 {
        for document in DOCUMENTS {
            let mut client = Client::join(server.address(), document, 1 + half).await?;
            for number in half * EDITS..(half + 1) * EDITS {
                let update = client.editor.append(&token(number));
                client.save(update).await?;
            }
        }
        if half == 0 {
            server.stop().await?;
            server.restart().await?;
        }
    }
    server.kill()?;
    Ok((folder, server))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    for name in [DATABASE, LOG] {
        fs::copy(from.join(name), to.join(name)).with_context(|| name.to_owned())?;
    }
    Ok(())
}

/// Flips some bits, blanks a block, or cuts the end off; says what, and how many edits may then be missing from a log
/// without a word.
fn damage(chance: &mut Chance, path: &Path) -> Result<(String, u64)> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    // Behind what is in the log are zeros.
    let last = fs::read(path)?.iter().rposition(|byte| *byte > 0);
    let at = chance.below(last.context("the file is empty")? as u64 + 1);
    Ok(match chance.below(4) {
        0 => {
            file.set_len(at)?;
            (format!("cut off at {at}"), u64::MAX)
        }
        1 => {
            let block = at - at % BLOCK;
            file.write_all_at(&[0; BLOCK as usize], block)?;
            (format!("blank at {block}"), 1)
        }
        _ => {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at)?;
            byte[0] ^= 1 << chance.below(8);
            file.write_all_at(&byte, at)?;
            (format!("a bit flipped at {at}"), 1)
        }
    })
}

/// Looks at what a server makes of a folder: at most so many edits may be missing without a word, and only from the ends
/// of documents.
async fn look(folder: &Path, unsaid_max: u64, tally: &mut Tally) -> Result<()> {
    let mut unsaid = 0;
    let mut server = Launch::new(folder)?.spawn()?;
    if server.ready().await.is_err() {
        let status = server.ended().await?;
        ensure!(
            status.code().is_some_and(|code| code != 0),
            "the server ended with {status}"
        );
        ensure!(!server.log().trim().is_empty(), "it does not say why");
        tally.refused_to_start += 1;
        return Ok(());
    }
    for document in DOCUMENTS {
        let joining = Client::join(server.address(), document, 99);
        let joined = timeout(JOIN_MAX, joining).await;
        let alarmed = server.log().contains("\"level\":\"ERROR\"");
        match joined {
            Ok(Ok(client)) => {
                let text = client.editor.text();
                let numbers = numbers(&text).with_context(|| format!("{document}: {text:?}"))?;
                let rises = numbers.windows(2).all(|two| two[0] < two[1]);
                ensure!(rises, "{document} is in another order: {numbers:?}");
                let is_beginning = numbers.iter().copied().eq(0..numbers.len() as u64);
                match (numbers.len() as u64 == 2 * EDITS, alarmed) {
                    (true, _) => tally.whole += 1,
                    (false, true) => tally.alarmed += 1,
                    (false, false) => {
                        unsaid += 2 * EDITS - numbers.len() as u64;
                        ensure!(
                            unsaid <= unsaid_max && is_beginning,
                            "{document} lacks edits without a word: {numbers:?}"
                        );
                        tally.went_back += 1;
                    }
                }
            }
            _ => {
                ensure!(alarmed, "{document} can not be opened without a word");
                tally.closed += 1;
            }
        }
    }
    server.get("/livez").await?;
    ensure!(
        !server.log().contains("panicked"),
        "something panicked:\n{}",
        server.log()
    );
    Ok(())
}

fn token(number: u64) -> String {
    format!("<{number}>")
}

/// The numbers of all tokens; an error if there is anything else.
fn numbers(text: &str) -> Result<Vec<u64>> {
    let parts = text.split_terminator('>');
    let number = |part: &str| Ok(part.strip_prefix('<').context("no token")?.parse()?);
    parts.map(number).collect()
}

const DATABASE: &str = "quire.sqlite";
const LOG: &str = "quire.sqlite-wal";
const DOCUMENTS: [&str; 3] = ["one", "two", "three"];
/// Edits of each document before and again after the stop between.
const EDITS: u64 = 60;
const ROUNDS: usize = 100;
/// As a disk loses them, bytes.
const BLOCK: u64 = 512;
const JOIN_MAX: Duration = Duration::from_secs(10);
