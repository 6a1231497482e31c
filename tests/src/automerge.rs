//! A peer of automerge-repo on a socket, which says what it is told to and hears what comes, and what it may say.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use automerge::{ActorId, AutoCommit};
use bytes::Bytes;
use protocol::automerge::{
    ChangeHash, DocumentId, Envelope, Have, Message, Metadata, PeerId, Said, SyncMessage, decode,
    encode,
};

use crate::socket::{Heard, Socket};

/// A peer that has joined the default workspace.
#[derive(Debug)]
pub struct Peer {
    /// The connection.
    pub socket: Socket,
    name: PeerId,
}

impl Peer {
    /// Connects, says who it is, and waits for the answer.
    ///
    /// # Errors
    /// The server does not let it in.
    pub async fn join(address: SocketAddr, name: &str) -> Result<Self> {
        let mut peer = Self {
            socket: Socket::connect(address, "/automerge/default").await?,
            name: PeerId(name.into()),
        };
        peer.socket.send(join(name)).await?;
        match peer.hear().await? {
            Message::Peer { .. } => Ok(peer),
            other => bail!("{other:?} is no welcome"),
        }
    }

    /// What it says of a document, as bytes.
    pub fn frame(&self, document: &DocumentId, said: Said) -> Bytes {
        said_by(&self.name.0, document, said)
    }

    /// Says something of a document.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn tell(&mut self, document: &DocumentId, said: Said) -> Result<()> {
        let frame = self.frame(document, said);
        self.socket.send(frame).await
    }

    /// Asks for all of a document.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn request(&mut self, document: &DocumentId) -> Result<()> {
        self.tell(document, Said::Request(nothing().write())).await
    }

    /// Waits for the next message.
    ///
    /// # Errors
    /// Nothing came, or the connection ended.
    pub async fn hear(&mut self) -> Result<Message> {
        match self.socket.next().await? {
            Heard::Frame(frame) => decode(&frame).context("what the server says can be read"),
            other => bail!("{:?} heard {other:?}", self.name),
        }
    }

    /// Waits for the next sync message about a document, whatever comes before it.
    ///
    /// # Errors
    /// None came.
    pub async fn hear_sync(&mut self, document: &DocumentId) -> Result<SyncMessage> {
        loop {
            if let Message::Document {
                document: about,
                said: Said::Sync(data),
                ..
            } = self.hear().await?
                && about == *document
            {
                return SyncMessage::read(&data).context("a sync message");
            }
        }
    }

    /// Asks for all of a document and makes it.
    ///
    /// # Errors
    /// The server has none, or what it sent is none.
    pub async fn fetch(&mut self, document: &DocumentId) -> Result<AutoCommit> {
        self.request(document).await?;
        let mut doc = AutoCommit::new();
        loop {
            let message = self.hear_sync(document).await?;
            doc.load_incremental(&message.changes.concat())?;
            if message.heads == heads_of(&mut doc) {
                return Ok(doc);
            }
        }
    }

    /// Sends what a document has that it had not at some heads, and waits until the server says that it has stored it.
    ///
    /// # Errors
    /// The server says something else, or nothing.
    pub async fn save(
        &mut self,
        document: &DocumentId,
        doc: &mut AutoCommit,
        since: &[automerge::ChangeHash],
    ) -> Result<()> {
        let message = news(doc, since);
        let heads = message.heads.clone();
        self.tell(document, Said::Sync(message.write())).await?;
        loop {
            let said = self.hear_sync(document).await?;
            ensure!(said.changes.is_empty(), "it hears of its own changes only");
            if said.heads == heads {
                return Ok(());
            }
        }
    }
}

/// What a peer says first.
pub fn join(name: &str) -> Bytes {
    encode(&Message::Join {
        sender: PeerId(name.into()),
        metadata: Metadata {
            reads_errors: true,
            ..Metadata::default()
        },
        versions: vec!["1".into()],
    })
}

/// What somebody says of a document.
pub fn said_by(name: &str, document: &DocumentId, said: Said) -> Bytes {
    encode(&Message::Document {
        envelope: Envelope {
            sender: PeerId(name.into()),
            target: None,
        },
        document: document.clone(),
        said,
    })
}

/// What a peer says that has nothing.
pub fn nothing() -> SyncMessage {
    SyncMessage {
        have: vec![Have::default()],
        ..SyncMessage::default()
    }
}

/// What a peer says that has these changes, and nothing else to say.
pub fn offer(changes: Vec<Bytes>) -> SyncMessage {
    SyncMessage {
        changes,
        ..nothing()
    }
}

/// What a peer says that has a document, of which the server has what there was at some heads.
pub fn news(doc: &mut AutoCommit, since: &[automerge::ChangeHash]) -> SyncMessage {
    SyncMessage {
        heads: heads_of(doc),
        ..offer(changes_of(doc, since))
    }
}

/// The changes of a document since some heads, each as its chunk.
pub fn changes_of(doc: &mut AutoCommit, since: &[automerge::ChangeHash]) -> Vec<Bytes> {
    let changes = doc.get_changes(since).into_iter();
    changes
        .map(|change| Bytes::copy_from_slice(change.raw_bytes()))
        .collect()
}

/// The heads of a document, in order.
pub fn heads_of(doc: &mut AutoCommit) -> Vec<ChangeHash> {
    let heads = doc.get_heads().into_iter();
    let mut heads: Vec<_> = heads.map(|head| ChangeHash(head.0)).collect();
    heads.sort_unstable();
    heads
}

/// A document whose actor has this number.
pub fn writer(actor: u32) -> AutoCommit {
    AutoCommit::new().with_actor(ActorId::from(actor.to_be_bytes()))
}

/// A document that is named by a number.
pub fn id(number: u8) -> DocumentId {
    DocumentId::new(&[number; 16]).expect("an id has up to 64 bytes")
}
