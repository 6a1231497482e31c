//! An editor on a socket, behaving as y-websocket does: it asks for what it lacks, answers what it is asked, sends each
//! edit as it is made, and takes the sight of its own edit as word that it is stored.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use bytes::Bytes;

use crate::editor::Editor;
use crate::frames::{self, Frame};
use crate::socket::{Heard, Socket};
use crate::wait::until;

/// A connected editor.
#[derive(Debug)]
pub struct Client {
    /// The connection.
    pub socket: Socket,
    /// The document.
    pub editor: Editor,
    unstored: HashMap<Bytes, usize>,
    stored: u64,
}

/// What a client noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noticed {
    /// The document is the server's now.
    Synced,
    /// An edit of the client's own is stored.
    Stored(Bytes),
    /// Somebody else's edit came.
    Changed,
    /// Something of no consequence for the document.
    Nothing,
    /// The connection ended.
    Ended(Heard),
}

impl Client {
    /// Connects to a document of the default workspace and waits until it is in sync.
    ///
    /// # Errors
    /// The server does not serve the document.
    pub async fn join(address: SocketAddr, document: &str, number: u64) -> Result<Self> {
        Self::join_with(address, document, Editor::new(number)).await
    }

    /// As [`Self::join`], again and again while the server says to come back.
    ///
    /// # Errors
    /// It says so for too long.
    pub async fn join_in_time(address: SocketAddr, document: &str, number: u64) -> Result<Self> {
        let joined = RefCell::new(None);
        let joining = until("a client is let in", async || {
            *joined.borrow_mut() = Self::join(address, document, number).await.ok();
            Ok(joined.borrow().is_some())
        });
        joining.await?;
        joined.take().context("it was let in")
    }

    /// Connects with a document that has content already, as a client that comes back does.
    ///
    /// # Errors
    /// The server does not serve the document.
    pub async fn join_with(address: SocketAddr, document: &str, editor: Editor) -> Result<Self> {
        let mut client = Self::open(address, document, editor).await?;
        client.sync().await?;
        Ok(client)
    }

    /// Connects, and says nothing yet.
    ///
    /// # Errors
    /// The server does not open a socket.
    pub async fn open(address: SocketAddr, document: &str, editor: Editor) -> Result<Self> {
        let socket = Socket::connect(address, &format!("/{document}")).await?;
        Ok(Self::on(socket, editor))
    }

    /// A client on a socket, which has said nothing yet.
    pub fn on(socket: Socket, editor: Editor) -> Self {
        Self {
            socket,
            editor,
            unstored: HashMap::new(),
            stored: 0,
        }
    }

    /// Asks for what the editor lacks, and waits for it.
    ///
    /// # Errors
    /// The connection ended.
    pub async fn sync(&mut self) -> Result<()> {
        self.socket.send(frames::have(&self.editor.have())).await?;
        loop {
            match self.notice().await? {
                Noticed::Synced => return Ok(()),
                Noticed::Ended(end) => bail!("the connection ended before it was in sync: {end:?}"),
                _ => {}
            }
        }
    }

    /// Sends an edit that the editor has made.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn send(&mut self, update: Bytes) -> Result<()> {
        self.socket.send(frames::update(&update)).await?;
        *self.unstored.entry(update).or_default() += 1;
        Ok(())
    }

    /// Sends an edit and waits until it is stored.
    ///
    /// # Errors
    /// The connection ended before.
    pub async fn save(&mut self, update: Bytes) -> Result<()> {
        self.send(update).await?;
        self.all_stored().await
    }

    /// Waits until every edit that was sent is stored.
    ///
    /// # Errors
    /// The connection ended before.
    pub async fn all_stored(&mut self) -> Result<()> {
        while self.unstored() > 0 {
            if let Noticed::Ended(end) = self.notice().await? {
                bail!(
                    "the connection ended with {} edits not stored: {end:?}",
                    self.unstored()
                );
            }
        }
        Ok(())
    }

    /// How many edits were sent of which it is not known that they are stored.
    pub fn unstored(&self) -> usize {
        self.unstored.values().sum()
    }

    /// How many of its edits were said to be stored.
    pub fn stored(&self) -> u64 {
        self.stored
    }

    /// Waits until the text is as it should be.
    ///
    /// # Errors
    /// It never was.
    pub async fn reads(&mut self, wanted: impl Fn(&str) -> bool) -> Result<()> {
        while !wanted(&self.editor.text()) {
            if let Noticed::Ended(end) = self.notice().await? {
                bail!("the connection ended before the text was as wanted: {end:?}");
            }
        }
        Ok(())
    }

    /// Waits for the next thing.
    ///
    /// # Errors
    /// Nothing came, or something that is not of the protocol.
    pub async fn notice(&mut self) -> Result<Noticed> {
        let heard = self.socket.next().await?;
        self.take(heard).await
    }

    /// Waits for the next thing, however long that takes.
    ///
    /// # Errors
    /// Something came that is not of the protocol.
    pub async fn notice_whenever(&mut self) -> Result<Noticed> {
        let heard = self.socket.next_whenever().await;
        self.take(heard).await
    }

    /// The next thing, if it has come already.
    ///
    /// # Errors
    /// Something came that is not of the protocol.
    pub async fn try_notice(&mut self) -> Result<Option<Noticed>> {
        match self.socket.try_next() {
            Some(heard) => self.take(heard).await.map(Some),
            None => Ok(None),
        }
    }

    async fn take(&mut self, heard: Heard) -> Result<Noticed> {
        let frame = match heard {
            Heard::Frame(frame) => frame,
            Heard::Pong => return Ok(Noticed::Nothing),
            end => return Ok(Noticed::Ended(end)),
        };
        Ok(match Frame::read(&frame)? {
            Frame::Have(have) => {
                let answer = frames::missing(&self.editor.missing_from(&have)?);
                // A connection that breaks here is noticed at the next read.
                let _ = self.socket.send(answer).await;
                Noticed::Nothing
            }
            Frame::Missing(update) => {
                self.editor.apply(&update)?;
                Noticed::Synced
            }
            Frame::Update(update) => self.updated(update)?,
            Frame::Presence(_) | Frame::Denied(_) => Noticed::Nothing,
        })
    }

    fn updated(&mut self, update: Bytes) -> Result<Noticed> {
        let Some(copies) = self.unstored.get_mut(&update) else {
            self.editor.apply(&update)?;
            return Ok(Noticed::Changed);
        };
        *copies -= 1;
        if *copies == 0 {
            self.unstored.remove(&update);
        }
        self.stored += 1;
        Ok(Noticed::Stored(update))
    }
}
