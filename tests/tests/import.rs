//! Documents of Hocuspocus, taken over by the real binary: all that can be, once, and never beside a running server.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use quire_tests::client::Client;
use quire_tests::server::{Server, binary};
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions};
use tempfile::TempDir;

/// A database with the schema of Hocuspocus' SQLite extension, and these rows.
async fn theirs(folder: &Path, rows: &str) -> Result<()> {
    let path = folder.join("theirs.sqlite");
    let options = SqliteConnectOptions::new().filename(path);
    let mut connection = options.create_if_missing(true).connect().await?;
    let sql = format!("{SCHEMA}; INSERT INTO documents VALUES {rows};");
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut connection)
        .await?;
    Ok(())
}

fn import(folder: &Path, more: &[&str]) -> Result<Output> {
    let mut command = Command::new(binary()?);
    command.current_dir(folder).env_clear().env("HOME", folder);
    command.args(["import", "hocuspocus", "theirs.sqlite", "-o", "json"]);
    Ok(command.args(["--data-dir", "data"]).args(more).output()?)
}

/// Documents and what became of them, in the order of their rows.
type Outcomes = Vec<(String, String)>;

/// What became of each document, and the exit code.
fn outcomes(output: &Output) -> Result<(Outcomes, Option<i32>)> {
    let items: Vec<Value> = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let field = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
    let outcome = |item: &Value| (field(item, "document"), field(item, "outcome"));
    Ok((items.iter().map(outcome).collect(), output.status.code()))
}

fn pairs(wanted: &[(&str, &str)]) -> Outcomes {
    let owned = |(name, outcome): &(&str, &str)| ((*name).to_owned(), (*outcome).to_owned());
    wanted.iter().map(owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_are_taken_over_once_and_served() -> Result<()> {
    let folder = TempDir::new()?;
    let rows = format!("('notes', x'{NOTES}'), ('stories/1', x'{NOTES}'), ('bare', x'0000')");
    theirs(folder.path(), &rows).await?;
    let fresh = pairs(&[
        ("old/notes", "imported"),
        ("old/stories/1", "imported"),
        ("old/bare", "empty"),
    ]);
    let dry = import(folder.path(), &["--prefix", "old/", "--dry-run"])?;
    ensure!(outcomes(&dry)? == (fresh.clone(), Some(0)));
    ensure!(
        !folder.path().join("data/quire.sqlite").exists(),
        "a dry run stores"
    );
    let first = import(folder.path(), &["--prefix", "old/"])?;
    ensure!(outcomes(&first)? == (fresh, Some(0)));
    let again = import(folder.path(), &["--prefix", "old/"])?;
    let there = [
        ("old/notes", "exists"),
        ("old/stories/1", "exists"),
        ("old/bare", "empty"),
    ];
    ensure!(outcomes(&again)? == (pairs(&there), Some(0)));
    let summary = String::from_utf8_lossy(&again.stderr);
    ensure!(
        summary.contains("3 documents: 0 imported, 2 exists"),
        "{summary}"
    );

    let server = Server::start(&folder.path().join("data")).await?;
    let mut client = Client::join(server.address(), "old/notes", 1).await?;
    ensure!(client.editor.text() == TEXT, "{:?}", client.editor.text());
    let update = client.editor.append(", and from Quire");
    client.save(update).await?;
    let changes = server.changes("old%2Fstories%2F1").await?;
    ensure!(
        changes.len() == 1 && changes[0]["author"] == "import",
        "{changes:?}"
    );

    let beside = import(folder.path(), &[])?;
    ensure!(beside.status.code() == Some(1) && beside.stdout.is_empty());
    let said = String::from_utf8_lossy(&beside.stderr);
    ensure!(said.contains("another server uses the data"), "{said}");
    let dry = import(folder.path(), &["--prefix", "old/", "--dry-run"])?;
    ensure!(outcomes(&dry)? == (pairs(&there), Some(0)));
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_taken_is_told_and_keeps_nothing_else_out() -> Result<()> {
    let folder = TempDir::new()?;
    let long = "n".repeat(600);
    let rest = "010101028401010121 00".replace(' ', "");
    let rows = format!(
        "('garbage', x'ffffffff'), ('text', 'hello'), (x'00ff', x'{NOTES}'), ('', x'{NOTES}'),
        ('{long}', x'{NOTES}'), ('half', x'{}'), ('rest', x'{rest}'), ('good', x'{NOTES}')",
        &NOTES[..40]
    );
    theirs(folder.path(), &rows).await?;
    let output = import(folder.path(), &[])?;
    let (outcomes, code) = outcomes(&output)?;
    ensure!(code == Some(1), "{code:?}");
    let taken: Vec<_> = outcomes
        .iter()
        .map(|(_, outcome)| outcome.as_str())
        .collect();
    ensure!(
        taken[..7] == ["refused"; 7] && taken[7] == "imported",
        "{outcomes:?}"
    );
    let items: Vec<Value> = serde_json::from_slice(&output.stdout)?;
    for (at, reason) in [
        (1, "its data is not bytes"),
        (2, "its name is not text"),
        (3, "name is empty"),
        (4, "name is 600 bytes long"),
        (6, "it builds on something that is not in it"),
    ] {
        let said = items[at]["reason"].as_str().unwrap_or_default();
        ensure!(said.contains(reason), "{said}");
    }
    let summary = String::from_utf8_lossy(&output.stderr);
    ensure!(summary.contains("8 documents: 1 imported") && summary.contains("7 refused"));
    Ok(())
}

#[tokio::test]
async fn what_is_no_database_of_hocuspocus_is_refused() -> Result<()> {
    let folder = TempDir::new()?;
    ensure!(import(folder.path(), &[])?.status.code() == Some(3));
    std::fs::write(folder.path().join("theirs.sqlite"), "x".repeat(4_096))?;
    ensure!(import(folder.path(), &[])?.status.code() == Some(1));
    ensure!(
        !folder.path().join("data").exists(),
        "a folder was made for nothing"
    );
    Ok(())
}

const SCHEMA: &str = r#"CREATE TABLE IF NOT EXISTS "documents" (
  "name" varchar(255) NOT NULL,
  "data" blob NOT NULL,
  UNIQUE(name)
)"#;

/// What `@hocuspocus/extension-sqlite` 4.7.0 stored of a document that was edited with the provider.
const NOTES: &str = "01039084ecb302000101047465787405849084ecb30204102066726f6d20486f637573706f637573c49084ecb302049084ecb30205094772656574696e6773019084ecb302010005";
const TEXT: &str = "Greetings from Hocuspocus";
