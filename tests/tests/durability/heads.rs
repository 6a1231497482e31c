//! Whatever heads a client of automerge-repo was told are there after a `kill -9`, with all that they build on; and clients
//! that have more, or less, come to the same as the server.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use automerge::transaction::Transactable;
use automerge::{AutoCommit, ObjType, ROOT, ReadDoc};
use protocol::automerge::{ChangeHash, DocumentId, Have, Message, Said, SyncMessage, decode};
use quire_tests::automerge::{Peer, changes_of, heads_of, id, news, nothing, writer};
use quire_tests::chance::Chance;
use quire_tests::server::Server;
use quire_tests::socket::Heard;
use tempfile::TempDir;

use super::rounds_or;

/// Somebody who types, and has a document that outlives the connections.
struct Writer {
    doc: AutoCommit,
    peer: Peer,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_were_told_are_there_after_a_kill() -> Result<()> {
    let mut chance = Chance::of_test("heads");
    let folder = TempDir::new()?;
    let mut server = Server::start(folder.path()).await?;
    let mut docs = [founded(&server).await?, writer(2)];
    let mut told: BTreeSet<_> = heads_of(&mut docs[0]).into_iter().collect();
    for round in 0..rounds_or(50) {
        play(&mut server, &mut docs, &mut told, &mut chance)
            .await
            .with_context(|| format!("round {round}"))?;
    }
    println!("heads: {} were told", told.len());
    Ok(())
}

/// A document that is stored.
async fn founded(server: &Server) -> Result<AutoCommit> {
    let mut doc = writer(1);
    doc.put_object(ROOT, "text", ObjType::Text)?;
    doc.commit();
    let mut peer = Peer::join(server.address(), "founder").await?;
    peer.save(&document(), &mut doc, &[]).await?;
    Ok(doc)
}

/// Has the writers come, looks for what was told before, has them type until the server is killed, and starts it again.
async fn play(
    server: &mut Server,
    docs: &mut [AutoCommit; 2],
    told: &mut BTreeSet<ChangeHash>,
    chance: &mut Chance,
) -> Result<()> {
    let mut newcomer = Peer::join(server.address(), "newcomer").await?;
    let mut found = newcomer.fetch(&document()).await?;
    let lost = told.iter().find(|head| !has(&mut found, head));
    ensure!(lost.is_none(), "{lost:?} was told and is lost");
    let mut writers = Vec::new();
    for (doc, name) in docs.iter_mut().zip(["ann", "bob"]) {
        let peer = Peer::join(server.address(), name).await?;
        let doc = std::mem::replace(doc, AutoCommit::new());
        let mut writer = Writer { doc, peer };
        writer.come(told).await?;
        writers.push(writer);
    }
    for _ in 0..=chance.below(40) {
        let who = chance.below(2) as usize;
        writers[who].type_one().await?;
        while let Some(heard) = writers[who].peer.socket.try_next() {
            writers[who].take(heard, told)?;
        }
    }
    tokio::time::sleep(Duration::from_micros(chance.below(8_000))).await;
    server.kill()?;
    for (doc, mut writer) in docs.iter_mut().zip(writers) {
        while writer.hear(told).await? {}
        *doc = writer.doc;
    }
    server.restart().await
}

impl Writer {
    /// Comes to the same as the server: is told what it lacks, and sends what the server lacks.
    async fn come(&mut self, told: &mut BTreeSet<ChangeHash>) -> Result<()> {
        let says = SyncMessage {
            heads: heads_of(&mut self.doc),
            have: vec![Have::default()],
            ..nothing()
        };
        self.say(&says).await?;
        let theirs = self.peer.hear_sync(&document()).await?;
        self.learn(&theirs, told)?;
        let theirs: Vec<_> = theirs.heads.iter().map(known).collect();
        let lacked = news(&mut self.doc, &theirs);
        self.say(&lacked).await?;
        while !told.is_superset(&heads_of(&mut self.doc).into_iter().collect()) {
            ensure!(self.hear(told).await?, "the server is there");
        }
        Ok(())
    }

    async fn type_one(&mut self) -> Result<()> {
        let before = self.doc.get_heads();
        let (_, text) = self.doc.get(ROOT, "text")?.context("the text is there")?;
        let at = self.doc.length(&text);
        self.doc.splice_text(&text, at, 0, "x")?;
        self.doc.commit();
        let typed = SyncMessage {
            heads: heads_of(&mut self.doc),
            changes: changes_of(&mut self.doc, &before),
            ..nothing()
        };
        self.say(&typed).await
    }

    async fn say(&mut self, message: &SyncMessage) -> Result<()> {
        let said = Said::Sync(message.write());
        self.peer.tell(&document(), said).await
    }

    /// Takes what comes next. False if the connection has ended.
    async fn hear(&mut self, told: &mut BTreeSet<ChangeHash>) -> Result<bool> {
        let heard = self.peer.socket.next().await?;
        self.take(heard, told)
    }

    fn take(&mut self, heard: Heard, told: &mut BTreeSet<ChangeHash>) -> Result<bool> {
        let Heard::Frame(frame) = heard else {
            return Ok(false);
        };
        if let Message::Document {
            said: Said::Sync(data),
            ..
        } = decode(&frame)?
        {
            self.learn(&SyncMessage::read(&data)?, told)?;
        }
        Ok(true)
    }

    fn learn(&mut self, message: &SyncMessage, told: &mut BTreeSet<ChangeHash>) -> Result<()> {
        self.doc.load_incremental(&message.changes.concat())?;
        told.extend(message.heads.iter().copied());
        Ok(())
    }
}

fn has(doc: &mut AutoCommit, head: &ChangeHash) -> bool {
    doc.get_change_by_hash(&known(head)).is_some()
}

fn known(head: &ChangeHash) -> automerge::ChangeHash {
    automerge::ChangeHash(head.0)
}

fn document() -> DocumentId {
    id(1)
}
