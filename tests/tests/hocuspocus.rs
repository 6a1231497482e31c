//! Hocuspocus providers from outside: to the byte as they expect it, in rooms with y-websocket clients, many on one socket;
//! what they count always comes out right, and what is wrong with one document leaves the others alone.

use anyhow::{Result, ensure};
use bytes::Bytes;
use quire_tests::application::{Application, Say};
use quire_tests::chance::Chance;
use quire_tests::client::Client;
use quire_tests::editor::Editor;
use quire_tests::frames::{self, Frame};
use quire_tests::hocuspocus::{
    Came, Hocuspocus, Provider, Said, addressed, leave, of_old_token, of_token, stateless,
};
use quire_tests::http;
use quire_tests::server::{Launch, Server};
use quire_tests::socket::{Heard, Socket};
use serde_json::json;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::Message;

async fn start() -> Result<(TempDir, Server)> {
    let folder = TempDir::new()?;
    let server = Server::start(folder.path()).await?;
    Ok((folder, server))
}

async fn frame(socket: &mut Socket) -> Result<Bytes> {
    match socket.next().await? {
        Heard::Frame(frame) => Ok(frame),
        other => anyhow::bail!("{other:?} came instead of a frame"),
    }
}

async fn send(socket: &mut Socket, frames: &[&'static [u8]]) -> Result<()> {
    for frame in frames {
        socket.send(Bytes::from_static(frame)).await?;
    }
    Ok(())
}

/// As it was seen between provider 4.8 and server 4.7, but that a status is said only of what is stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_is_as_providers_know_it_to_the_byte() -> Result<()> {
    let (_folder, server) = start().await?;
    for path in ["/", "/hocuspocus", "/hocuspocus/default/", "/?token=x"] {
        let mut socket = Socket::connect(server.address(), path).await?;
        let hello: [&[u8]; 3] = [
            b"\x01d\x02\x00\x01T\x054.8.0",
            b"\x01d\x00\x00\x01\x00",
            b"\x01d\x01\x06\x01\x07\x00\x02{}",
        ];
        send(&mut socket, &hello).await?;
        let granted = frame(&mut socket).await?;
        ensure!(granted == b"\x01d\x02\x02\x0aread-write"[..], "{granted:?}");
        let step1 = frame(&mut socket).await?;
        ensure!(step1 == b"\x01d\x00\x00\x01\x00"[..], "{step1:?}");
        let step2 = frame(&mut socket).await?;
        ensure!(step2 == b"\x01d\x00\x01\x02\x00\x00"[..], "{step2:?}");
        send(&mut socket, &[b"\x01d\x00\x01\x02\x00\x00"]).await?;
        let status = frame(&mut socket).await?;
        ensure!(status == b"\x01d\x08\x01"[..], "{status:?}");
        socket.close().await?;
    }
    Ok(())
}

/// Real providers answer step 1; statuses wait for that, but not for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_is_answered_also_to_a_client_that_answers_nothing() -> Result<()> {
    let (_folder, server) = start().await?;
    let mut socket = Socket::connect(server.address(), "/").await?;
    socket.send(of_token("room", "")).await?;
    let update = Editor::new(1).append("kept");
    socket
        .send(addressed("room", &frames::update(&update)))
        .await?;
    while frame(&mut socket).await? != b"\x04room\x08\x01"[..] {}
    ensure!(server.knows("room").await?, "it is stored");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_room_holds_clients_of_both_dialects() -> Result<()> {
    let (_folder, mut server) = start().await?;
    let mut plain = Client::join(server.address(), "room", 1).await?;
    let mut socket = Hocuspocus::open(server.address()).await?;
    socket.join("room", 2).await?;
    let update = plain.editor.append("one ");
    plain.save(update).await?;
    socket
        .until("room", |provider| provider.editor.text() == "one ")
        .await?;
    socket.append("room", "two").await?;
    socket.saved("room").await?;
    plain.reads(|text| text == "one two").await?;
    server.kill()?;
    server.restart().await?;
    ensure!(
        server.text("room").await? == "one two",
        "all that was said to be stored is"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn presence_is_one_and_goes_at_once_when_it_is_taken_back_or_its_document_left() -> Result<()>
{
    let (_folder, server) = start().await?;
    let mut writer = Hocuspocus::open(server.address()).await?;
    let mut watcher = Hocuspocus::open(server.address()).await?;
    watcher.join("room", 1).await?;
    writer.join("room", 2).await?;
    let shown = |wanted: &'static str| {
        move |provider: &Provider| {
            provider
                .presence
                .get(&2)
                .is_some_and(|state| state == wanted)
        }
    };
    writer.show("room", 2, 1, "{\"at\":1}").await?;
    watcher.until("room", shown("{\"at\":1}")).await?;
    writer.show("room", 2, 2, "null").await?;
    watcher.until("room", shown("null")).await?;
    writer.show("room", 2, 3, "{\"at\":2}").await?;
    watcher.until("room", shown("{\"at\":2}")).await?;
    writer.socket.send(leave("room")).await?;
    watcher.until("room", shown("null")).await?;
    writer.join("room", 2).await?;
    writer.show("room", 2, 4, "{\"at\":3}").await?;
    watcher.until("room", shown("{\"at\":3}")).await?;
    writer.socket.send(addressed("room", &[3])).await?;
    let asked = writer.next().await?;
    let Came::Said(_, Said::Frame(Frame::Presence(entries))) = asked else {
        anyhow::bail!("{asked:?} came instead of everybody's presence");
    };
    ensure!(entries.iter().any(|entry| entry.client == 2), "{entries:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_documents_share_a_socket_and_one_more_is_refused() -> Result<()> {
    let (_folder, server) = start().await?;
    let mut socket = Hocuspocus::open(server.address()).await?;
    let names: Vec<_> = (0..64).map(|number| format!("d{number}")).collect();
    for name in &names {
        socket.attach(name, "T", Editor::new(7)).await?;
        socket.append(name, name).await?;
    }
    for name in &names {
        socket.saved(name).await?;
    }
    socket.attach("one-more", "T", Editor::new(7)).await?;
    let Said::Denied(reason) = socket.said_to("one-more").await? else {
        anyhow::bail!("a further document was opened");
    };
    ensure!(reason.contains("documents_per_connection"), "{reason}");
    socket.socket.send(leave("d3")).await?;
    socket.join("one-more", 7).await?;
    for name in names.iter().filter(|name| *name != "d3") {
        socket.append(name, "!").await?;
        socket.saved(name).await?;
        ensure!(server.text(name).await? == format!("{name}!"));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_may_have_a_document_twice() -> Result<()> {
    let (_folder, server) = start().await?;
    let mut socket = Hocuspocus::open(server.address()).await?;
    let (one, two, plain) = ("room\0one", "room\0two", "room");
    socket.join(one, 1).await?;
    socket.join(two, 2).await?;
    socket.join(plain, 3).await?;
    socket.append(one, "a").await?;
    socket.append(two, "b").await?;
    socket.append(plain, "c").await?;
    for address in [one, two, plain] {
        socket.saved(address).await?;
        let whole = |provider: &Provider| provider.editor.text().len() == 3;
        socket.until(address, whole).await?;
    }
    ensure!(server.text("room").await?.len() == 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_can_not_be_read_is_answered_and_its_sender_stays() -> Result<()> {
    let (_folder, server) = start().await?;
    let mut socket = Hocuspocus::open(server.address()).await?;
    socket.join("room", 1).await?;
    let broken: [&[u8]; 5] = [
        b"\x00\x02\x04\xff\xff\xff\xff",
        b"\x00\x02\xff\xff\xff\xff",
        b"\x00\x02\x00",
        b"\x00\x01",
        b"\x00\x02\x02\x00\x00\x00",
    ];
    for body in broken {
        socket.socket.send(addressed("room", body)).await?;
        let said = socket.said_to("room").await?;
        ensure!(said == Said::Status(false), "{body:?} got {said:?}");
    }
    ensure!(!server.knows("room").await?, "nothing is stored");
    socket.append("room", "good").await?;
    socket.saved("room").await?;
    ensure!(socket.provider("room").statuses == [2, 5]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_frame_at_all_closes_its_sender_alone() -> Result<()> {
    let (_folder, server) = start().await?;
    let mut neighbour = Hocuspocus::open(server.address()).await?;
    neighbour.join("room", 1).await?;
    for bytes in [
        &b""[..],
        b"\xff",
        b"\x04room",
        b"\x04room\x06\x00",
        b"\x04room\x00\x07\x00",
        b"\x04room\x01\x02\x05\x01",
    ] {
        let mut socket = Hocuspocus::open(server.address()).await?;
        socket.join("room", 2).await?;
        socket.socket.send(Bytes::from_static(bytes)).await?;
        let (code, reason) = socket.socket.close_code().await?;
        ensure!(code == 4401, "{bytes:?} got {code} {reason:?}");
    }
    let mut socket = Socket::connect(server.address(), "/").await?;
    socket.send_message(Message::text("hello")).await?;
    ensure!(socket.close_code().await?.0 == 4401);
    neighbour.append("room", "still here").await?;
    neighbour.saved("room").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_none_is_denied_and_the_socket_stays() -> Result<()> {
    let (_folder, server) = start().await?;
    let mut socket = Hocuspocus::open(server.address()).await?;
    let long = "n".repeat(600);
    for name in ["", "a\nb", "\0session", long.as_str()] {
        socket.attach(name, "T", Editor::new(1)).await?;
        let said = socket.said_to(name).await?;
        ensure!(matches!(said, Said::Denied(_)), "{name:?} got {said:?}");
    }
    socket.join("room", 1).await?;
    let mut stranger = Hocuspocus::open(server.address()).await?;
    let huge = "n".repeat(2_000);
    stranger.attach(&huge, "T", Editor::new(1)).await?;
    ensure!(stranger.socket.close_code().await?.0 == 4401);
    Ok(())
}

/// A slow reader's queue is dropped, again and again, while it and others edit; what it counts comes out right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_is_told_of_each_of_its_edits() -> Result<()> {
    let folder = TempDir::new()?;
    let launch = Launch::new(folder.path())?
        .variable("QUIRE_LIMITS__OUTBOX_BYTES", "4KiB")
        .variable("QUIRE_LIMITS__OUTBOX_FRAMES", "16");
    let server = launch.start().await?;
    let mut slow = Hocuspocus::open(server.address()).await?;
    slow.join("room", 1).await?;
    let mut busy = Client::join(server.address(), "room", 2).await?;
    let long = "x".repeat(20_000);
    for round in 0..40 {
        for _ in 0..25 {
            slow.append("room", "s").await?;
        }
        let update = busy.editor.append(&format!("{round}{long}"));
        busy.save(update).await?;
    }
    slow.saved("room").await?;
    let provider = slow.provider("room");
    ensure!(provider.statuses == [1_001, 0], "{:?}", provider.statuses);
    let slow_readers = server.metric("quire_slow_readers_total").await?;
    ensure!(slow_readers > 0.0, "its queue was never dropped");
    let whole = server.text("room").await?.len();
    slow.until("room", |provider| provider.editor.text().len() == whole)
        .await
}

/// Edits of all kinds in any order, from a client that reads now and then, beside a busy neighbour: each is answered once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_edit_is_answered_once_whatever_it_is() -> Result<()> {
    let folder = TempDir::new()?;
    let launch = Launch::new(folder.path())?
        .variable("QUIRE_LIMITS__OUTBOX_BYTES", "4KiB")
        .variable("QUIRE_LIMITS__OUTBOX_FRAMES", "8");
    let server = launch.start().await?;
    let mut chance = Chance::of_test("every_edit_is_answered_once_whatever_it_is");
    for round in 0..6 {
        let document = format!("room{round}");
        let mut busy = Client::join(server.address(), &document, 2).await?;
        let mut socket = Hocuspocus::open(server.address()).await?;
        socket.join(&document, 1).await?;
        let (mut good, mut bad) = (1, 0);
        for _ in 0..150 {
            match chance.below(8) {
                0 => {
                    socket.push(&document, &[7; 3]).await?;
                    bad += 1;
                }
                1 => {
                    let empty = addressed(&document, &[0, 2]);
                    socket.socket.send(empty).await?;
                    bad += 1;
                }
                2 => {
                    let update = busy.editor.append(&"b".repeat(9_000));
                    busy.save(update).await?;
                }
                3 if chance.one_in(3) => {
                    let answered = |provider: &Provider| provider.statuses == [good, bad];
                    socket.until(&document, answered).await?;
                }
                _ => {
                    socket.append(&document, "a").await?;
                    good += 1;
                }
            }
        }
        socket
            .until(&document, |provider| provider.statuses == [good, bad])
            .await?;
        // Whatever else is said of edits would be said before this.
        let whole = server.text(&document).await?;
        socket
            .until(&document, |provider| provider.editor.text() == whole)
            .await?;
        ensure!(socket.provider(&document).statuses == [good, bad]);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_socket_is_told_something_in_the_words_of_its_version() -> Result<()> {
    let (_folder, server) = start().await?;
    let mut newer = Hocuspocus::open(server.address()).await?;
    newer.join("room", 1).await?;
    let mut older = Hocuspocus::open(server.address()).await?;
    older.socket.send(of_old_token("room", "T")).await?;
    let nobody = Said::Frame(Frame::Presence(Vec::new()));
    let (newer, older) = tokio::join!(
        async {
            while newer.next().await? != Came::Ping {}
            anyhow::Ok(())
        },
        async {
            let wanted = Came::Said("room".to_owned(), nobody);
            while older.next().await? != wanted {}
            anyhow::Ok(())
        }
    );
    newer.and(older)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_document_is_closed_and_the_others_stay() -> Result<()> {
    let (_folder, server) = start().await?;
    let mut socket = Hocuspocus::open(server.address()).await?;
    for name in ["gone", "kept"] {
        socket.join(name, 1).await?;
    }
    socket.socket.send(of_token("gone", "T")).await?;
    socket.append("gone", "a").await?;
    socket.saved("gone").await?;
    let path = "/api/v1/workspaces/default/documents/gone";
    let deleted = http::request(server.address(), "DELETE", path, None).await?;
    ensure!(deleted.status == 204);
    let said = socket.said_to("gone").await?;
    ensure!(
        matches!(&said, Said::Close(reason) if reason.contains("deleted")),
        "{said:?}"
    );
    socket.attach("gone", "T", Editor::new(1)).await?;
    let said = socket.said_to("gone").await?;
    ensure!(matches!(said, Said::Close(_)), "{said:?}");
    socket.append("kept", "b").await?;
    socket.saved("kept").await
}

/// Also those who are in no document, whom no document could tell.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_told_that_the_server_stops() -> Result<()> {
    let (_folder, mut server) = start().await?;
    let mut nowhere = Socket::connect(server.address(), "/").await?;
    let mut somewhere = Hocuspocus::open(server.address()).await?;
    somewhere.join("room", 1).await?;
    let mut left = Hocuspocus::open(server.address()).await?;
    left.join("room", 2).await?;
    left.socket.send(leave("room")).await?;
    let codes = async {
        let nowhere = nowhere.close_code().await?.0;
        let somewhere = somewhere.socket.close_code().await?.0;
        let left = left.socket.close_code().await?.0;
        ensure!(
            [nowhere, somewhere, left] == [1012; 3],
            "{nowhere} {somewhere} {left}"
        );
        anyhow::Ok(())
    };
    let (stopped, codes) = tokio::join!(server.stop(), codes);
    stopped?;
    codes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strings_of_the_application_go_to_all_others() -> Result<()> {
    let (_folder, server) = start().await?;
    let mut one = Hocuspocus::open(server.address()).await?;
    let mut two = Hocuspocus::open(server.address()).await?;
    one.join("room", 1).await?;
    two.join("room", 2).await?;
    two.join("elsewhere", 3).await?;
    one.socket.send(stateless("room", "héllo")).await?;
    let said = two.said_to("room").await?;
    ensure!(said == Said::Stateless("héllo".to_owned()), "{said:?}");
    Ok(())
}

/// An application that lets in whoever's token begins with a capability: `read:ada`, `write:ada`. Whoever shows nothing may
/// look.
async fn guarded(folder: &TempDir) -> Result<(Application, Server)> {
    let application = Application::start(|asked| {
        let token = asked["token"].as_str().unwrap_or_default();
        Say::Json(match token.split_once(':') {
            None if token.is_empty() => json!({"may": ["read", "history"]}),
            Some(("write", user)) => json!({"may": ["read", "write", "presence"], "user": user}),
            Some(("read", user)) => json!({"may": ["read", "presence"], "user": user}),
            Some(("slow", _)) => return Say::Nothing,
            _ => json!({"denied": "not your story"}),
        })
    })
    .await?;
    let launch = Launch::new(folder.path())?
        .variable("QUIRE_HOOK__AUTHENTICATE", "true")
        .variable("QUIRE_HOOK__TIMEOUT", "4s");
    let server = application.hook(launch).start().await?;
    Ok((application, server))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_token_is_denied_and_a_good_one_may_follow_on_the_same_socket() -> Result<()> {
    let folder = TempDir::new()?;
    let (_application, server) = guarded(&folder).await?;
    let mut socket = Hocuspocus::open(server.address()).await?;
    socket.attach("room", "bad", Editor::new(1)).await?;
    let Said::Denied(reason) = socket.said_to("room").await? else {
        anyhow::bail!("it was let in");
    };
    ensure!(reason.contains("not your story"), "{reason}");
    socket.attach("room", "write:ada", Editor::new(1)).await?;
    socket.append("room", "mine").await?;
    socket.saved("room").await?;
    let changes = server.changes("room").await?;
    ensure!(changes[0]["author"] == "ada", "{changes:?}");
    Ok(())
}

/// The application never answers for one document; the others do not wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_that_nobody_decides_on_holds_up_no_other() -> Result<()> {
    let folder = TempDir::new()?;
    let (_application, server) = guarded(&folder).await?;
    let mut socket = Hocuspocus::open(server.address()).await?;
    socket.attach("slow", "slow:ada", Editor::new(1)).await?;
    for name in ["a", "b", "c"] {
        socket.attach(name, "write:ada", Editor::new(1)).await?;
        socket.append(name, name).await?;
        socket.saved(name).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_are_told_that_they_are_and_their_edits_are_refused() -> Result<()> {
    let folder = TempDir::new()?;
    let (_application, server) = guarded(&folder).await?;
    let mut socket = Hocuspocus::open(server.address()).await?;
    socket.attach("room", "read:eve", Editor::new(1)).await?;
    socket.saved("room").await?;
    ensure!(socket.provider("room").scope.as_deref() == Some("readonly"));
    socket.append("room", "not mine").await?;
    let said = socket.said_to("room").await?;
    ensure!(said == Said::Status(false), "{said:?}");
    ensure!(!server.knows("room").await?, "nothing is stored");
    let newer = of_token("room", "write:eve");
    socket.socket.send(newer).await?;
    loop {
        match socket.next().await? {
            Came::Ended(Heard::Closed(1013, _)) => break,
            Came::Said(_, Said::Granted(scope)) if scope == "read-write" => break,
            Came::Ended(end) => anyhow::bail!("{end:?}"),
            _ => {}
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_token_of_somebody_else_closes_the_document_and_nothing_else() -> Result<()> {
    let folder = TempDir::new()?;
    let (_application, server) = guarded(&folder).await?;
    let mut socket = Hocuspocus::open(server.address()).await?;
    socket.attach("room", "write:ada", Editor::new(1)).await?;
    socket.attach("other", "write:ada", Editor::new(1)).await?;
    socket.saved("room").await?;
    socket.saved("other").await?;
    let newer = of_token("room", "write:ada");
    socket.socket.send(newer).await?;
    socket.append("room", "a").await?;
    socket.saved("room").await?;
    socket.socket.send(of_token("room", "write:eve")).await?;
    let said = socket.said_to("room").await?;
    let Said::Close(reason) = said else {
        anyhow::bail!("{said:?}");
    };
    ensure!(reason.contains("somebody else"), "{reason}");
    socket.append("other", "b").await?;
    socket.saved("other").await?;
    ensure!(server.text("room").await? == "a");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_token_is_asked_for_before_the_old_one_ends() -> Result<()> {
    let folder = TempDir::new()?;
    let application = Application::start(|asked| {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed();
        let now = now.map_or(0, |since| since.as_secs());
        let token = asked["token"].as_str().unwrap_or_default();
        let lasts = if token == "short" { 4 } else { 3_600 };
        Say::Json(json!({"may": ["read", "write"], "user": "ada", "expires": now + lasts}))
    })
    .await?;
    let launch = Launch::new(folder.path())?.variable("QUIRE_HOOK__AUTHENTICATE", "true");
    let server = application.hook(launch).start().await?;
    let mut socket = Hocuspocus::open(server.address()).await?;
    for name in ["kept", "ended", "long"] {
        let token = if name == "long" { "long" } else { "short" };
        socket.attach(name, token, Editor::new(1)).await?;
    }
    let mut asked = 0;
    loop {
        match socket.next().await? {
            Came::Said(name, Said::SendToken) => {
                ensure!(name != "long", "a token was asked for too early");
                asked += 1;
                if name == "kept" {
                    socket.socket.send(of_token("kept", "long")).await?;
                }
            }
            Came::Said(name, Said::Close(reason)) => {
                ensure!(name == "ended" && asked == 2, "{name}: {reason}");
                ensure!(reason.contains("expired"), "{reason}");
                break;
            }
            Came::Ended(end) => anyhow::bail!("{end:?}"),
            _ => {}
        }
    }
    for name in ["kept", "long"] {
        socket.append(name, "still here").await?;
        socket.saved(name).await?;
    }
    Ok(())
}

/// What older providers would throw at: the word that closes a document.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn older_providers_are_denied_where_newer_ones_are_closed() -> Result<()> {
    let folder = TempDir::new()?;
    let (_application, server) = guarded(&folder).await?;
    let mut socket = Hocuspocus::open(server.address()).await?;
    socket
        .socket
        .send(of_old_token("room", "write:ada"))
        .await?;
    let said = socket.said_to("room").await?;
    ensure!(matches!(said, Said::Granted(_)), "{said:?}");
    socket.socket.send(of_old_token("room", "bad")).await?;
    loop {
        match socket.said_to("room").await? {
            Said::Denied(_) => return Ok(()),
            Said::Frame(_) => {}
            other => anyhow::bail!("{other:?}"),
        }
    }
}

/// What one has to say first may be long, in a document with a long past. It is taken once it is known who says it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_message_waits_for_the_decision_where_it_comes_from() -> Result<()> {
    let folder = TempDir::new()?;
    let (_application, server) = guarded(&folder).await?;
    let mut socket = Hocuspocus::open(server.address()).await?;
    let editor = Editor::new(1);
    let long = editor.append(&"long ".repeat(20_000));
    socket.attach("room", "write:ada", editor).await?;
    socket.push("room", &long).await?;
    socket.saved("room").await?;
    ensure!(server.text("room").await?.len() == 100_000);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_unknown_holds_much_or_stays_long() -> Result<()> {
    let folder = TempDir::new()?;
    let (_application, server) = guarded(&folder).await?;
    let update = |number: usize| addressed("room", &frames::update(&vec![0; number]));
    let mut many = Socket::connect(server.address(), "/").await?;
    for _ in 0..17 {
        many.send(update(1)).await?;
    }
    let (code, reason) = many.close_code().await?;
    ensure!(
        code == 1013 && reason.contains("pre_auth_messages"),
        "{code} {reason}"
    );
    let mut much = Socket::connect(server.address(), "/").await?;
    for _ in 0..3 {
        // It may be closed already.
        let _ = much.send(update(8_000)).await;
    }
    let (code, reason) = much.close_code().await?;
    ensure!(
        code == 1013 && reason.contains("pre_auth_bytes"),
        "{code} {reason}"
    );
    let mut long = Socket::connect(server.address(), "/").await?;
    long.send(update(20_000)).await?;
    let (code, reason) = long.close_code().await?;
    ensure!(
        code == 1013 && reason.contains("pre_auth_bytes"),
        "{code} {reason}"
    );
    let mut silent = Socket::connect(server.address(), "/").await?;
    let (code, reason) = silent.close_code().await?;
    ensure!(
        code == 4408 && reason.contains("pre_auth_time"),
        "{code} {reason}"
    );
    let mut refused = Socket::connect(server.address(), "/").await?;
    refused.send(of_token("room", "bad")).await?;
    ensure!(refused.close_code().await?.0 == 4401);
    Ok(())
}
