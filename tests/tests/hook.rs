//! The hook with a real application over HTTP: it is up, down, slow, lying, or says what nobody can use; and it hears of
//! everything, whatever crashes.

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use quire_tests::application::{Application, Say};
use quire_tests::client::{Client, Noticed};
use quire_tests::editor::Editor;
use quire_tests::server::{Launch, Server};
use quire_tests::socket::{Heard, Socket};
use quire_tests::wait::until;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A document as an application has it.
fn content(text: &str) -> Value {
    let editor = Editor::new(77);
    editor.append(text);
    let update = BASE64_STANDARD.encode(editor.everything());
    json!({"update": update, "user": "ada"})
}

async fn loading(application: &Application, folder: &TempDir) -> Result<Server> {
    let launch = Launch::new(folder.path())?.variable("QUIRE_HOOK__LOAD", "true");
    let launch = launch.variable("QUIRE_HOOK__TIMEOUT", "500ms");
    application.hook(launch).start().await
}

async fn telling(application: &Application, launch: Launch) -> Result<Server> {
    let events = launch.variable("QUIRE_HOOK__EVENTS", "created,changed,deleted");
    application.hook(events).start().await
}

/// Comes, and tells the code that it is closed with.
async fn turned_away(server: &Server, document: &str) -> Result<u16> {
    let mut client = Client::open(server.address(), document, Editor::new(5)).await?;
    let have = quire_tests::frames::have(&client.editor.have());
    // It may be closed already.
    let _ = client.socket.send(have).await;
    loop {
        match client.notice().await? {
            Noticed::Ended(Heard::Closed(code, _)) => return Ok(code),
            Noticed::Synced => anyhow::bail!("{document} was opened"),
            Noticed::Ended(end) => anyhow::bail!("{document} ended with {end:?}"),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_document_begins_once_with_what_the_application_has() -> Result<()> {
    let folder = TempDir::new()?;
    let application = Application::start(|_| Say::Json(content("once upon a time"))).await?;
    let mut server = loading(&application, &folder).await?;
    let join = |number| Client::join(server.address(), "tale", number);
    let (one, two, three) = tokio::try_join!(join(1), join(2), join(3))?;
    for client in [&one, &two, &three] {
        ensure!(client.editor.text() == "once upon a time");
    }
    let changes = server.changes("tale").await?;
    ensure!(
        changes.len() == 1 && changes[0]["author"] == "ada",
        "{changes:?}"
    );
    let mut writer = one;
    let update = writer.editor.append(" there was");
    writer.save(update).await?;
    server.kill()?;
    server.restart().await?;
    let again = Client::join(server.address(), "tale", 4).await?;
    ensure!(again.editor.text() == "once upon a time there was");
    let asked = application.heard("load")?;
    ensure!(asked == [json!({"event": "load", "workspace": "default", "document": "tale"})]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_without_content_leaves_the_document_to_its_clients() -> Result<()> {
    let folder = TempDir::new()?;
    let empty = json!({"update": BASE64_STANDARD.encode([0, 0])});
    let mut answers = [Say::Json(json!({})), Say::Status(204), Say::Json(empty)]
        .into_iter()
        .cycle();
    let application = Application::start(move |_| answers.next().unwrap()).await?;
    let server = loading(&application, &folder).await?;
    for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
        let mut client = Client::join(server.address(), name, number as u64 + 1).await?;
        ensure!(client.editor.text().is_empty() && !server.knows(name).await?);
        let update = client.editor.append("mine");
        client.save(update).await?;
        ensure!(server.changes(name).await?.len() == 1);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_application_is_down_nothing_is_opened_empty_and_who_is_here_stays() -> Result<()>
{
    let folder = TempDir::new()?;
    let mut application = Application::start(|_| Say::Json(content("theirs"))).await?;
    let server = loading(&application, &folder).await?;
    let mut here = Client::join(server.address(), "here", 1).await?;
    application.go_down();
    for _ in 0..8 {
        ensure!(turned_away(&server, "new").await? == TRY_AGAIN);
    }
    ensure!(!server.knows("new").await?);
    let resting = r#"quire_hook_requests_total{event="load",outcome="resting"}"#;
    ensure!(server.metric(resting).await? > 0.0, "it was not left alone");
    let update = here.editor.append(" and mine");
    here.save(update).await.context("who is here can write")?;
    let late = Client::join(server.address(), "here", 2).await?;
    ensure!(late.editor.text() == "theirs and mine");
    application.come_up().await?;
    until(
        "the document opens with the application's content",
        async || {
            let client = Client::join(server.address(), "new", 3).await;
            Ok(client.is_ok_and(|client| client.editor.text() == "theirs"))
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_of_no_use_opens_no_document() -> Result<()> {
    let folder = TempDir::new()?;
    let application = Application::start(|_| Say::Json(json!({}))).await?;
    let server = loading(&application, &folder).await?;
    let whole = Editor::new(77);
    whole.append("one");
    let before = whole.have();
    whole.append("two");
    let rest = whole.missing_from(&before)?;
    let update = |bytes: &[u8]| Say::Json(json!({"update": BASE64_STANDARD.encode(bytes)}));
    let lies = [
        Say::Status(404),
        Say::Status(302),
        Say::Raw(b"<html>It works!</html>".to_vec()),
        Say::Json(json!({"update": 7})),
        Say::Json(json!({"update": "&&&"})),
        Say::Json(json!({"content": "AAA="})),
        update(b"not an update"),
        update(&[0xff; 64]),
        update(&whole.everything()[..9]),
        update(&rest),
        Say::Raw(vec![b' '; 100 * 1024 * 1024]),
        Say::Nothing,
        Say::HangUp,
        Say::Status(500),
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let label = format!("{lie:.60?}");
        application.answer(move |_| lie.clone());
        let name = format!("lie-{number}");
        let code = turned_away(&server, &name).await.context(label.clone())?;
        ensure!(code == TRY_AGAIN, "{label}: {code}");
        ensure!(!server.knows(&name).await?, "{label} made a document");
    }
    application.answer(|_| Say::Json(content("the truth")));
    until("the document opens with the truth", async || {
        let client = Client::join(server.address(), "lie-0", 3).await;
        Ok(client.is_ok_and(|client| client.editor.text() == "the truth"))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_while_a_document_is_given_content_gives_it_once() -> Result<()> {
    for failpoint in ["BeforeAppend:1", "CommitHeard:1"] {
        let folder = TempDir::new()?;
        let application = Application::start(|_| Say::Json(content("once"))).await?;
        let launch = Launch::new(folder.path())?.faulty()?;
        let launch = launch
            .variable("QUIRE_HOOK__LOAD", "true")
            .variable("QUIRE_HOOK__EVENTS", "created,changed")
            .variable("QUIRE_FAILPOINT", failpoint);
        let mut server = application.hook(launch).start().await?;
        let _ = Client::join(server.address(), "tale", 1).await;
        server.ended().await.context(failpoint)?;
        server.respawn_with("QUIRE_FAILPOINT", "")?;
        server.ready().await?;
        let client = Client::join(server.address(), "tale", 2).await?;
        ensure!(client.editor.text() == "once", "{failpoint}");
        ensure!(server.changes("tale").await?.len() == 1, "{failpoint}");
        let is_one = |told: &[Value]| told.len() == 1;
        application
            .hears("created", is_one)
            .await
            .context(failpoint)?;
        application
            .hears("changed", is_one)
            .await
            .context(failpoint)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_that_makes_the_engine_fail_does_so_once() -> Result<()> {
    for trap in ["[[panic]]", "[[spin]]", "[[abort]]"] {
        let folder = TempDir::new()?;
        let application = Application::start(move |_| Say::Json(content(trap))).await?;
        let launch = Launch::new(folder.path())?.faulty()?;
        let launch = launch
            .variable("QUIRE_HOOK__LOAD", "true")
            .variable("QUIRE_LIMITS__STEP_MAX", "500ms")
            .variable("QUIRE_LIMITS__STEP_WARN", "100ms");
        let mut server = application.hook(launch).start().await?;
        if trap == "[[abort]]" {
            let _ = Client::join(server.address(), "tale", 1).await;
            server.ended().await?;
            server.restart().await?;
        }
        for _ in 0..3 {
            ensure!(turned_away(&server, "tale").await? == TRY_AGAIN, "{trap}");
        }
        let kept = server.document("tale", "/quarantine").await?.json()?;
        let hashes = kept["items"].as_array().context("a page has items")?;
        ensure!(hashes.len() == 1, "{trap}: {kept}");
        ensure!(!server.knows("tale").await?, "{trap}");
        application.answer(|_| Say::Json(content("something else")));
        let client = Client::join(server.address(), "tale", 2).await?;
        ensure!(client.editor.text() == "something else", "{trap}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_application_hears_of_everything_in_order() -> Result<()> {
    let folder = TempDir::new()?;
    let application = Application::start(|_| Say::Json(json!({}))).await?;
    let server = telling(&application, Launch::new(folder.path())?).await?;
    let mut writer = Client::join(server.address(), "tale", 1).await?;
    for word in 0..60 {
        let update = writer.editor.append(&format!("{word} "));
        writer.save(update).await?;
    }
    let last = last_order(&server, "tale").await?;
    application
        .hears("changed", |told| tells_through(told, last))
        .await?;
    let told = application.heard("changed")?;
    let orders: Vec<_> = told.iter().map(|told| told["order"].as_u64()).collect();
    ensure!(orders.is_sorted() && orders.len() < 60, "{orders:?}");
    let created = application.heard("created")?;
    ensure!(
        created.len() == 1 && created[0]["document"] == "tale",
        "{created:?}"
    );
    ensure!(created[0]["kind"] == "yjs" && created[0]["at"].is_string());
    ensure!(told[0]["user"].is_null() && told[0]["workspace"] == "default");
    let path = "/api/v1/workspaces/default/documents/tale";
    quire_tests::http::request(server.address(), "DELETE", path, None).await?;
    application.hears("deleted", |told| told.len() == 1).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_application_that_was_down_missed_it_hears_after_a_kill() -> Result<()> {
    let folder = TempDir::new()?;
    let mut application = Application::start(|_| Say::Json(json!({}))).await?;
    let mut server = telling(&application, Launch::new(folder.path())?).await?;
    application.go_down();
    for name in ["a", "b", "c"] {
        let mut writer = Client::join(server.address(), name, 1).await?;
        let update = writer.editor.append("unheard of");
        writer.save(update).await?;
    }
    server.kill()?;
    ensure!(application.heard("changed")?.is_empty());
    application.come_up().await?;
    server.restart().await?;
    for name in ["a", "b", "c"] {
        let last = last_order(&server, name).await?;
        let of = |told: &[Value]| {
            let told: Vec<_> = told
                .iter()
                .filter(|it| it["document"] == name)
                .cloned()
                .collect();
            tells_through(&told, last)
        };
        application.hears("changed", of).await?;
    }
    ensure!(application.heard("created")?.len() == 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_outlives_a_crash_at_any_moment_after_its_commit() -> Result<()> {
    for failpoint in ["Committed:20", "CommitHeard:2", "AckQueued:2"] {
        let folder = TempDir::new()?;
        let mut application = Application::start(|_| Say::Json(json!({}))).await?;
        application.go_down();
        let launch = Launch::new(folder.path())?.faulty()?;
        let launch = launch.variable("QUIRE_FAILPOINT", failpoint);
        let mut server = telling(&application, launch).await?;
        let mut writer = Client::join(server.address(), "tale", 1).await?;
        while let Ok(()) = {
            let update = writer.editor.append("x");
            writer.save(update).await
        } {}
        server.ended().await.context(failpoint)?;
        application.come_up().await?;
        server.respawn_with("QUIRE_FAILPOINT", "")?;
        server.ready().await?;
        let last = last_order(&server, "tale").await?;
        application
            .hears("changed", |told| tells_through(told, last))
            .await
            .context(failpoint)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_application_does_not_take_is_told_again_and_holds_up_nobody() -> Result<()> {
    let folder = TempDir::new()?;
    let mut refusals = 0;
    let application = Application::start(move |told| {
        if told["document"] == "stubborn" && refusals < 2 {
            refusals += 1;
            return Say::Status(422);
        }
        Say::Status(204)
    })
    .await?;
    let server = telling(&application, Launch::new(folder.path())?).await?;
    for name in ["stubborn", "easy"] {
        let mut writer = Client::join(server.address(), name, 1).await?;
        let update = writer.editor.append("news");
        writer.save(update).await?;
    }
    let tells =
        |name: &'static str| move |told: &[Value]| told.iter().any(|it| it["document"] == name);
    application.hears("changed", tells("easy")).await?;
    application.hears("changed", tells("stubborn")).await?;
    ensure!(application.heard("created")?.len() == 4, "two were refused");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_application_decides_who_is_let_in_and_what_they_may() -> Result<()> {
    let folder = TempDir::new()?;
    let application = Application::start(decide).await?;
    let launch = Launch::new(folder.path())?.variable("QUIRE_HOOK__AUTHENTICATE", "true");
    let launch = launch.variable("QUIRE_HOOK__EVENTS", "changed");
    let server = application.hook(launch).start().await?;
    let mut ada = Client::join(server.address(), "tale?token=ada", 1).await?;
    let update = ada.editor.append("by ada");
    ada.save(update).await?;
    let mut bob = Client::join(server.address(), "tale?token=bob", 2).await?;
    ensure!(bob.editor.text() == "by ada");
    let update = bob.editor.append("by bob");
    ensure!(bob.save(update).await.is_err(), "a reader wrote");
    for stranger in [
        "tale",
        "tale?token=",
        "tale?token=mallory",
        "other?token=ada",
    ] {
        ensure!(
            turned_away(&server, stranger).await? == UNAUTHORIZED,
            "{stranger}"
        );
    }
    application
        .hears("changed", |told| {
            told.iter().all(|it| it["user"] == "ada") && !told.is_empty()
        })
        .await?;
    let asked = application.heard("authenticate")?;
    let wanted = json!({"event": "authenticate", "workspace": "default", "document": "tale", "token": "ada"});
    ensure!(asked[0] == wanted, "{}", asked[0]);
    let log = server.log();
    ensure!(
        !log.contains("token=") && !log.contains("mallory"),
        "a token is in the log"
    );
    let page = server.get("/metrics").await?.status;
    ensure!(
        page == 401,
        "the metrics of everybody are no document's: {page}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_let_in_by_an_application_that_does_not_say_so() -> Result<()> {
    let folder = TempDir::new()?;
    let mut application = Application::start(decide).await?;
    let launch = Launch::new(folder.path())?
        .variable("QUIRE_HOOK__AUTHENTICATE", "true")
        .variable("QUIRE_HOOK__TIMEOUT", "500ms");
    let server = application.hook(launch).start().await?;
    let mut here = Client::join(server.address(), "tale?token=ada", 1).await?;
    for say in [
        Say::Json(json!({})),
        Say::Status(204),
        Say::Status(401),
        Say::Status(302),
        Say::Raw(b"<html>Please log in</html>".to_vec()),
        Say::Raw(b"true".to_vec()),
        Say::Json(json!({"user": "ada"})),
        Say::Json(json!({"user": "ada", "may": "write"})),
        Say::Json(json!({"user": "ada", "may": ["everything"]})),
        Say::Json(json!({"user": "ada", "may": ["read"], "denied": "no"})),
        Say::Raw(vec![b' '; 10 * 1024 * 1024]),
        Say::Nothing,
        Say::HangUp,
        Say::Status(500),
    ] {
        let label = format!("{say:.60?}");
        application.answer(move |_| say.clone());
        let code = turned_away(&server, "tale?token=ada")
            .await
            .context(label.clone())?;
        ensure!(code == TRY_AGAIN, "{label}: {code}");
    }
    application.go_down();
    ensure!(turned_away(&server, "tale?token=ada").await? == TRY_AGAIN);
    let mut provider = Socket::connect(server.address(), "/").await?;
    provider.send(addressed(&[2, 0], "ada")).await?;
    match provider.next().await? {
        Heard::Closed(TRY_AGAIN, _) => {}
        other => anyhow::bail!("a provider is told {other:?}"),
    }
    let update = here.editor.append("still here");
    here.save(update).await.context("who is here stays")?;
    application.answer(decide);
    application.come_up().await?;
    until("people are let in again", async || {
        Ok(Client::join(server.address(), "tale?token=ada", 3)
            .await
            .is_ok())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_that_is_kept_is_not_asked_for_again() -> Result<()> {
    let folder = TempDir::new()?;
    let application = Application::start(decide).await?;
    let launch = Launch::new(folder.path())?
        .variable("QUIRE_HOOK__AUTHENTICATE", "true")
        .variable("QUIRE_HOOK__AUTHENTICATE_CACHE", "60s");
    let server = application.hook(launch).start().await?;
    for _ in 0..3 {
        Client::join(server.address(), "tale?token=ada", 1).await?;
    }
    Client::join(server.address(), "tale?token=bob", 2).await?;
    ensure!(application.heard("authenticate")?.len() == 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_go_to_the_application_in_their_order_and_its_answers_come_back() -> Result<()> {
    let folder = TempDir::new()?;
    let mut application = Application::start(|asked| {
        let said = asked["payload"].as_str().unwrap_or_default();
        Say::Json(
            json!({"reply": format!("to you: {said}"), "broadcast": format!("to all: {said}")}),
        )
    })
    .await?;
    let launch = Launch::new(folder.path())?.variable("QUIRE_HOOK__SIGNALS", "true");
    let server = application.hook(launch).start().await?;
    let (mut ada, mut bob) = (provider(&server).await?, provider(&server).await?);
    for said in ["one", "two", "three"] {
        ada.send(addressed(&[5], said)).await?;
    }
    for said in ["one", "two", "three"] {
        ensure!(signal(&mut ada).await? == format!("to you: {said}"));
        ensure!(signal(&mut ada).await? == format!("to all: {said}"));
        ensure!(signal(&mut bob).await? == format!("to all: {said}"));
    }
    let asked = application.heard("signal")?;
    let wanted = json!({"event": "signal", "workspace": "default", "document": "tale", "user": null, "payload": "one"});
    ensure!(asked.len() == 3 && asked[0] == wanted, "{asked:?}");
    application.go_down();
    ada.send(addressed(&[5], "unheard of")).await?;
    server
        .metric_reaches("quire_hook_signals_dropped_total", 1.0)
        .await?;
    application.come_up().await?;
    ada.send(addressed(&[5], "again")).await?;
    ensure!(signal(&mut bob).await? == "to all: again");
    Ok(())
}

/// A socket of Hocuspocus' provider that has been let into a document.
async fn provider(server: &Server) -> Result<Socket> {
    let mut socket = Socket::connect(server.address(), "/").await?;
    socket.send(addressed(&[2, 0], "any token")).await?;
    let granted = addressed(&[2, 2], "read-write");
    while socket.next().await? != Heard::Frame(granted.clone()) {}
    Ok(socket)
}

/// The next signal that comes.
async fn signal(socket: &mut Socket) -> Result<String> {
    let begins = [&[4], &b"tale"[..], &[5]].concat();
    loop {
        match socket.next().await? {
            Heard::Frame(frame) if frame.starts_with(&begins) => {
                return Ok(String::from_utf8(frame[begins.len() + 1..].to_vec())?);
            }
            Heard::Frame(_) | Heard::Pong => {}
            end => anyhow::bail!("the connection ended: {end:?}"),
        }
    }
}

/// A frame about the document `tale` that ends with a text, all of them shorter than 128 bytes.
fn addressed(kind: &[u8], text: &str) -> Bytes {
    let length = u8::try_from(text.len()).expect("a short text");
    [&[4], &b"tale"[..], kind, &[length], text.as_bytes()]
        .concat()
        .into()
}

/// Knows ada, who may write one document, and bob, who may read it.
fn decide(asked: &Value) -> Say {
    let may = match (asked["token"].as_str(), asked["document"].as_str()) {
        (Some("ada"), Some("tale")) => json!(["read", "write", "presence"]),
        (Some("bob"), Some("tale")) => json!(["read"]),
        _ => return Say::Json(json!({"denied": "not on the list"})),
    };
    Say::Json(json!({"user": asked["token"], "may": may}))
}

async fn last_order(server: &Server, document: &str) -> Result<u64> {
    let changes = server.changes(document).await?;
    let orders = changes.iter().filter_map(|change| change["order"].as_u64());
    orders.max().context("it has changes")
}

fn tells_through(told: &[Value], order: u64) -> bool {
    told.last().is_some_and(|told| told["order"] == order)
}

/// What a client takes as a reason to stay away.
const UNAUTHORIZED: u16 = 4401;
/// What a client takes as a reason to come back.
const TRY_AGAIN: u16 = 1013;
