//! Tokens from end to end: the real binary, its own command line to make them, and y-websocket clients that show them in
//! every way there is; what ends, is revoked or allows less while somebody types; and that no token is ever logged.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use quire_tests::client::{Client, Noticed};
use quire_tests::editor::Editor;
use quire_tests::http;
use quire_tests::server::{Launch, Server, binary};
use quire_tests::socket::{Heard, Socket};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A server with a key, and the command line on its data folder.
struct House {
    folder: TempDir,
    server: Server,
}

impl House {
    async fn open() -> Result<Self> {
        Self::open_with(|launch| launch).await
    }

    async fn open_with(set: impl FnOnce(Launch) -> Launch) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        quire(folder.path(), &["key", "new", "--kid", "app"])?;
        // Where the disk is fast, who types as fast as it stores is over the limit before his token ends.
        let launch =
            Launch::new(folder.path())?.variable("QUIRE_LIMITS__MESSAGES_PER_SECOND", FAST);
        let server = set(launch).start().await?;
        Ok(Self { folder, server })
    }

    fn token(&self, args: &[&str]) -> Result<String> {
        let token = quire(self.folder.path(), &[&["token", "new"], args].concat())?;
        Ok(token.trim().to_owned())
    }

    /// A token of Ada's, who may read and write.
    fn ada(&self, args: &[&str]) -> Result<String> {
        let all = [&["--sub", "ada", "--may", "read,write,presence"], args].concat();
        self.token(&all)
    }

    async fn join(&self, document: &str, token: &str, number: u64) -> Result<Client> {
        let document = format!("{document}?token={token}");
        Client::join(self.server.address(), &document, number).await
    }

    /// The code with which a connection is closed.
    async fn code(&self, path: &str, headers: &[(&'static str, &str)]) -> Result<u16> {
        let mut socket = Socket::connect_with(self.server.address(), path, headers).await?;
        Ok(socket.close_code().await?.0)
    }

    /// Asks the API for something, as somebody who may everything.
    async fn asks(&self, path: &str, body: &Value) -> Result<Value> {
        let admin = ["--sub", "root", "--may", "read,admin", "--workspace", "*"];
        let path = format!("{path}?token={}", self.token(&admin)?);
        let answer = http::request(self.server.address(), "POST", &path, Some(body)).await?;
        ensure!(answer.status == 201, "{} {}", answer.status, answer.text()?);
        answer.json()
    }

    async fn revoke(&self, what: &Value) -> Result<Value> {
        self.asks("/api/v1/revocations", what).await
    }
}

fn quire(data_dir: &Path, args: &[&str]) -> Result<String> {
    let output = Command::new(binary()?)
        .args(args)
        .arg("--data-dir")
        .arg(data_dir)
        .current_dir(data_dir)
        .output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{args:?}: {complaint}");
    Ok(String::from_utf8(output.stdout)?)
}

/// Types until the connection ends, and tells how. Each edit is stored before the next is made.
async fn types_until_closed(client: &mut Client) -> Result<(u16, usize)> {
    let mut stored = 0;
    loop {
        let edit = client.editor.append("x");
        if client.send(edit).await.is_err() {
            bail!("the connection broke without a word");
        }
        while client.unstored() > 0 {
            match client.notice().await? {
                Noticed::Ended(Heard::Closed(code, _)) => return Ok((code, stored)),
                Noticed::Ended(end) => bail!("it ended without a close code: {end:?}"),
                Noticed::Stored(_) => stored += 1,
                _ => {}
            }
        }
    }
}

/// Waits until a client that says nothing is closed.
async fn closed(client: &mut Client) -> Result<u16> {
    loop {
        match client.notice().await? {
            Noticed::Ended(Heard::Closed(code, _)) => return Ok(code),
            Noticed::Ended(end) => bail!("it ended without a close code: {end:?}"),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_taken_from_wherever_it_is_and_logged_nowhere() -> Result<()> {
    let house = House::open_with(|launch| launch.variable("QUIRE_LOG__FILTER", "trace")).await?;
    let address = house.server.address();
    let host = address.to_string();
    let own = format!("http://{address}");
    let mut shown = Vec::new();
    let mut token = || -> Result<String> {
        let token = house.ada(&[])?;
        shown.push(token.clone());
        Ok(token)
    };
    let [bearer, plain, yauth] = [token()?, token()?, token()?];
    let [protocol, only, cookie] = [token()?, token()?, token()?];
    let [query, access, rest] = [token()?, token()?, token()?];
    let path = format!("/api/v1/tickets?token={rest}");
    let wanted = json!({"document": "notes"});
    let ticket = http::request(address, "POST", &path, Some(&wanted)).await?;
    let ticket = ticket.json()?;
    let ticket = ticket["ticket"].as_str().context("a ticket")?.to_owned();
    let ways: [(String, Vec<(&'static str, String)>); 9] = [
        (
            "/notes".into(),
            vec![("authorization", format!("Bearer {bearer}"))],
        ),
        (
            "/notes".into(),
            vec![(
                "sec-websocket-protocol",
                format!("quire, quire-token-{protocol}"),
            )],
        ),
        (
            "/notes".into(),
            vec![("sec-websocket-protocol", format!("quire-token-{only}"))],
        ),
        (
            "/notes".into(),
            vec![("sec-websocket-protocol", format!("y, yauth-{yauth}"))],
        ),
        (
            "/notes".into(),
            vec![
                ("cookie", format!("quire_token={cookie}")),
                ("origin", own.clone()),
                ("host", host),
            ],
        ),
        (format!("/notes?token={plain}"), vec![]),
        (format!("/notes?access_token={access}&x=1"), vec![]),
        (format!("/notes?x=1&yauth={query}"), vec![]),
        (format!("/notes?ticket={ticket}"), vec![]),
    ];
    for (number, (path, headers)) in (1..).zip(&ways) {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        let socket = Socket::connect_with(address, path, &headers).await?;
        let mut client = Client::on(socket, Editor::new(number));
        client
            .sync()
            .await
            .with_context(|| format!("way {number}"))?;
        let edit = client.editor.append("x");
        client.save(edit).await?;
    }
    let used = format!("/notes?ticket={ticket}");
    ensure!(
        house.code(&used, &[]).await? == 4401,
        "a ticket is good once"
    );
    shown.push(ticket);
    // Refused ones are logged as refused, and no more.
    for bad in ["e30.e30.e30", "opaque-and-secret-enough"] {
        ensure!(house.code(&format!("/notes?token={bad}"), &[]).await? == 4401);
        let header = format!("Bearer {bad}");
        ensure!(house.code("/notes", &[("authorization", &header)]).await? == 4401);
        shown.push(bad.to_owned());
    }
    let get = format!("/api/v1/workspaces/default/documents?token={rest}");
    ensure!(http::get(address, &get).await?.status == 200);
    let log = house.server.log();
    ensure!(
        log.contains("connection refused"),
        "the log is the server's"
    );
    for token in shown {
        let signature = token.rsplit('.').next().unwrap_or_default();
        ensure!(!log.contains(&token), "a token is in the log: {token}");
        ensure!(
            signature.len() < 20 || !log.contains(signature),
            "its signature is"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_shows_nothing_good_is_told_so() -> Result<()> {
    let house = House::open().await?;
    let good = house.ada(&[])?;
    let (start, _) = good.rsplit_once('.').context("a token has a signature")?;
    for token in ["", "nonsense", &format!("{start}.AAAA"), &"x".repeat(9_000)] {
        let code = house.code(&format!("/notes?token={token}"), &[]).await?;
        ensure!(code == 4401, "{token:.20}: {code}");
    }
    ensure!(house.code("/notes", &[]).await? == 4401);
    let cookie = format!("quire_token={good}");
    for origin in [
        "https://evil.example",
        "null",
        "https://127.0.0.1.evil.example",
    ] {
        let headers = [("cookie", cookie.as_str()), ("origin", origin)];
        ensure!(house.code("/notes", &headers).await? == 4401, "{origin}");
    }
    ensure!(house.code("/notes", &[("cookie", &cookie)]).await? == 4401);
    let api = "/api/v1/workspaces/default/documents";
    ensure!(http::get(house.server.address(), api).await?.status == 401);
    house.join("notes", &good, 1).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_ends_while_somebody_types_closes_the_connection() -> Result<()> {
    let house = House::open().await?;
    let mut client = house
        .join("notes", &house.ada(&["--expires", "3s"])?, 1)
        .await?;
    let mut silent = house
        .join("notes", &house.ada(&["--expires", "3s"])?, 2)
        .await?;
    let (code, stored) = types_until_closed(&mut client).await?;
    ensure!(code == 4401, "closed with {code}");
    ensure!(closed(&mut silent).await? == 4401);
    let mut later = house.join("notes", &house.ada(&[])?, 3).await?;
    let text = later.editor.text();
    ensure!(
        text.len() >= stored && stored > 0,
        "{stored} were stored of {}",
        text.len()
    );
    let edit = later.editor.append("y");
    later.save(edit).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_revoked_closes_those_who_are_here_and_refuses_those_who_come() -> Result<()> {
    let house = House::open().await?;
    let bob = house.token(&["--sub", "bob", "--may", "read,write"])?;
    let mut other = house.join("notes", &bob, 9).await?;
    let mut revoked = Vec::new();
    for (number, what) in [
        (1, json!({"token": "t-1"})),
        (2, json!({"user": "ada"})),
        (3, json!({"document": "secret"})),
    ] {
        let token = match number {
            1 => house.ada(&["--id", "t-1"])?,
            2 => house.ada(&[])?,
            _ => house.token(&["--sub", "cleo", "--may", "read,write"])?,
        };
        let document = if number == 3 { "secret" } else { "notes" };
        let mut client = house.join(document, &token, number).await?;
        let mut typing = house.join(document, &token, number + 10).await?;
        house.revoke(&what).await?;
        ensure!(closed(&mut client).await? == 4403, "{what}");
        ensure!(types_until_closed(&mut typing).await?.0 == 4403, "{what}");
        let code = house
            .code(&format!("/{document}?token={token}"), &[])
            .await?;
        ensure!(code == 4403, "{what}: {code}");
        revoked.push(format!("/{document}?token={token}"));
    }
    let edit = other.editor.append("still here");
    other.save(edit).await?;
    let mut house = house;
    house.server.stop().await?;
    house.server.restart().await?;
    for path in revoked {
        let code = house.code(&path, &[]).await?;
        ensure!(code == 4403, "a restart lifts nothing: {code}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_revoked_takes_its_tokens_along() -> Result<()> {
    let house = House::open().await?;
    let data = house.folder.path();
    quire(data, &["key", "new", "--alg", "ES256", "--kid", "next"])?;
    let old = house.ada(&["--key", "app"])?;
    let new = house.ada(&["--key", "next"])?;
    // The running server knows the new key in the end.
    let mut typing = loop {
        if let Ok(client) = house.join("notes", &new, 1).await {
            break client;
        }
    };
    let mut silent = house.join("notes", &old, 2).await?;
    quire(data, &["key", "revoke", "app"])?;
    ensure!(closed(&mut silent).await? == 4403);
    ensure!(house.code(&format!("/notes?token={old}"), &[]).await? == 4401);
    let edit = typing.editor.append("x");
    typing.save(edit).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_read_and_what_they_write_is_answered() -> Result<()> {
    let set = |launch: Launch| launch.variable("QUIRE_AUTH__ANONYMOUS", "read,presence");
    let house = House::open_with(set).await?;
    let mut writer = house.join("notes", &house.ada(&[])?, 1).await?;
    let edit = writer.editor.append("hello");
    writer.save(edit).await?;
    let reader = house.token(&["--sub", "eve", "--may", "read"])?;
    for (number, document) in (2..).zip([format!("notes?token={reader}"), "notes".to_owned()]) {
        let mut client = Client::join(house.server.address(), &document, number).await?;
        ensure!(client.editor.text() == "hello");
        let (code, stored) = types_until_closed(&mut client).await?;
        ensure!((code, stored) == (4403, 0), "{code}, {stored} stored");
    }
    let elsewhere = house.token(&["--sub", "eve", "--may", "write", "--document", "drafts/*"])?;
    ensure!(
        house
            .code(&format!("/notes?token={elsewhere}"), &[])
            .await?
            == 4403
    );
    let edit = writer.editor.append(" again");
    writer.save(edit).await?;
    ensure!(writer.editor.text() == "hello again");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_edit_and_all_others_read() -> Result<()> {
    let house = House::open().await?;
    let token = house.ada(&["--editors-max", "1"])?;
    let mut first = house.join("notes", &token, 1).await?;
    let edit = first.editor.append("first");
    first.save(edit).await?;
    let mut second = house.join("notes", &token, 2).await?;
    ensure!(types_until_closed(&mut second).await?.0 == 4429);
    drop(first);
    // Whoever comes back may edit once the first has gone.
    loop {
        let mut third = house.join("notes", &token, 3).await?;
        let edit = third.editor.append("third");
        if third.save(edit).await.is_ok() {
            return Ok(());
        }
    }
}

/// Messages a second that nobody here can send.
const FAST: &str = "1000000";
