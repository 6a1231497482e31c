//! A socket with Hocuspocus providers on it, behaving as those of npm do: each says who it is and asks at once, answers
//! what it is asked, and counts what it has sent and is not stored.
//!
//! Frames are written here, apart from the server's own codec: an address, and behind it what [`frames`] writes, or a word of
//! this dialect.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;

use crate::editor::Editor;
use crate::frames::{self, Frame, Presence, put_bytes, take_bytes, take_number};
use crate::socket::{Heard, Socket};

/// A socket, and the providers on it by their addresses.
#[derive(Debug)]
pub struct Hocuspocus {
    /// The connection.
    pub socket: Socket,
    providers: BTreeMap<String, Provider>,
}

/// What one client has of one document.
#[derive(Debug)]
pub struct Provider {
    /// The document.
    pub editor: Editor,
    /// What was sent and is not known to be stored: one from the first question on, as the provider counts.
    pub unsynced: i64,
    /// How many edits were sent, answers to questions included.
    pub sent: u64,
    /// How often it was told that one is stored, and that one was refused.
    pub statuses: [u64; 2],
    /// Whether it has all that the server had.
    pub synced: bool,
    /// What it may do, once it was let in.
    pub scope: Option<String>,
    /// What was shown of others, by their numbers; `null` if they have gone.
    pub presence: BTreeMap<u64, String>,
}

/// What a server says to a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Something of the document or of who is here.
    Frame(Frame),
    /// It may not have the document.
    Denied(String),
    /// It may, and what.
    Granted(String),
    /// It is asked for its token.
    SendToken,
    /// A string of the application.
    Stateless(String),
    /// It has to leave.
    Close(String),
    /// Whether an edit of its own is stored.
    Status(bool),
}

/// What came from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// To the provider with this address.
    Said(String, Said),
    /// A question whether the client is alive.
    Ping,
    /// The end of the connection.
    Ended(Heard),
}

impl Hocuspocus {
    /// Connects to the default workspace.
    ///
    /// # Errors
    /// The server does not open a socket.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        Self::open_at(address, "/").await
    }

    /// Connects to an address.
    ///
    /// # Errors
    /// The server does not open a socket.
    pub async fn open_at(address: SocketAddr, path: &str) -> Result<Self> {
        Ok(Self {
            socket: Socket::connect(address, path).await?,
            providers: BTreeMap::new(),
        })
    }

    /// Adds a provider, which says who it is and asks for what it lacks, and does not wait.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn attach(&mut self, address: &str, token: &str, editor: Editor) -> Result<()> {
        self.socket.send(of_token(address, token)).await?;
        let have = frames::have(&editor.have());
        self.socket.send(addressed(address, &have)).await?;
        let provider = Provider {
            editor,
            unsynced: 1,
            sent: 0,
            statuses: [0, 0],
            synced: false,
            scope: None,
            presence: BTreeMap::new(),
        };
        self.providers.insert(address.to_owned(), provider);
        Ok(())
    }

    /// Adds a provider and waits until it is in sync and all that it has is stored.
    ///
    /// # Errors
    /// It was denied, or the connection ended.
    pub async fn join(&mut self, address: &str, client: u64) -> Result<()> {
        self.attach(address, "T", Editor::new(client)).await?;
        self.saved(address).await
    }

    /// A provider.
    pub fn provider(&self, address: &str) -> &Provider {
        &self.providers[address]
    }

    /// Types at the end, sends the edit, and does not wait.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn append(&mut self, address: &str, text: &str) -> Result<()> {
        let update = self.provider(address).editor.append(text);
        self.push(address, &update).await
    }

    /// Sends an update, which the provider counts.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn push(&mut self, address: &str, update: &[u8]) -> Result<()> {
        let provider = self
            .providers
            .get_mut(address)
            .context("no such provider")?;
        provider.unsynced += 1;
        provider.sent += 1;
        let frame = addressed(address, &frames::update(update));
        self.socket.send(frame).await
    }

    /// Shows one presence.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn show(
        &mut self,
        address: &str,
        client: u64,
        clock: u64,
        state: &str,
    ) -> Result<()> {
        let state = state.to_owned();
        let shown = frames::presence(&[Presence {
            client,
            clock,
            state,
        }]);
        self.socket.send(addressed(address, &shown)).await
    }

    /// Waits until a provider is in sync and all that it sent is stored.
    ///
    /// # Errors
    /// It was denied, or the connection ended.
    pub async fn saved(&mut self, address: &str) -> Result<()> {
        let saved = |provider: &Provider| provider.synced && provider.unsynced == 0;
        self.until(address, saved).await
    }

    /// Waits until a provider is as it should be.
    ///
    /// # Errors
    /// It was turned away, or the connection ended.
    pub async fn until(&mut self, address: &str, wanted: impl Fn(&Provider) -> bool) -> Result<()> {
        while !wanted(self.provider(address)) {
            match self.next().await? {
                Came::Ended(end) => bail!("the connection ended: {end:?}"),
                Came::Said(of, said @ (Said::Denied(_) | Said::Close(_))) if of == address => {
                    bail!("{address:?} was turned away: {said:?}")
                }
                Came::Said(..) | Came::Ping => {}
            }
        }
        Ok(())
    }

    /// Waits for the next thing that is said to one provider, other than about presence.
    ///
    /// # Errors
    /// The connection ended.
    pub async fn said_to(&mut self, address: &str) -> Result<Said> {
        loop {
            match self.next().await? {
                Came::Said(of, said) if of == address => {
                    if !matches!(said, Said::Frame(Frame::Presence(_))) {
                        return Ok(said);
                    }
                }
                Came::Ended(end) => bail!("the connection ended: {end:?}"),
                Came::Said(..) | Came::Ping => {}
            }
        }
    }

    /// Waits for the next thing, and does with it what a provider does.
    ///
    /// # Errors
    /// Nothing came, or something that is not of the protocol.
    pub async fn next(&mut self) -> Result<Came> {
        let frame = loop {
            match self.socket.next().await? {
                Heard::Frame(frame) => break frame,
                Heard::Pong => {}
                end => return Ok(Came::Ended(end)),
            }
        };
        if frame == PING[..] {
            self.socket.send(Bytes::from_static(PONG)).await?;
            return Ok(Came::Ping);
        }
        let (address, said) = read(&frame)?;
        self.take(&address, &said).await?;
        Ok(Came::Said(address, said))
    }

    async fn take(&mut self, address: &str, said: &Said) -> Result<()> {
        let Some(provider) = self.providers.get_mut(address) else {
            return Ok(());
        };
        if let Some(answer) = provider.take(said)? {
            // A connection that breaks here is noticed at the next read.
            let _ = self.socket.send(addressed(address, &answer)).await;
        }
        Ok(())
    }
}

impl Provider {
    /// Takes what was said, and answers if it is to be answered.
    fn take(&mut self, said: &Said) -> Result<Option<Bytes>> {
        match said {
            Said::Frame(Frame::Have(have)) => {
                self.sent += 1;
                return Ok(Some(frames::missing(&self.editor.missing_from(have)?)));
            }
            Said::Frame(Frame::Missing(update)) => {
                self.editor.apply(update)?;
                self.synced = true;
            }
            Said::Frame(Frame::Update(update)) => self.editor.apply(update)?,
            Said::Frame(Frame::Presence(entries)) => {
                let entries = entries.iter();
                self.presence
                    .extend(entries.map(|entry| (entry.client, entry.state.clone())));
            }
            Said::Granted(scope) => self.scope = Some(scope.clone()),
            Said::Status(is_stored) => {
                self.unsynced -= i64::from(*is_stored);
                self.statuses[usize::from(!is_stored)] += 1;
            }
            _ => {}
        }
        Ok(None)
    }
}

/// A frame behind an address.
pub fn addressed(address: &str, frame: &[u8]) -> Bytes {
    let mut bytes = Vec::new();
    put_bytes(&mut bytes, address.as_bytes());
    bytes.extend_from_slice(frame);
    bytes.into()
}

/// Says who the client is, as a provider of version 4.8 does.
pub fn of_token(address: &str, token: &str) -> Bytes {
    let mut body = vec![2, 0];
    put_bytes(&mut body, token.as_bytes());
    put_bytes(&mut body, b"4.8.0");
    addressed(address, &body)
}

/// The same as providers before version 4 say it.
pub fn of_old_token(address: &str, token: &str) -> Bytes {
    let mut body = vec![2, 0];
    put_bytes(&mut body, token.as_bytes());
    addressed(address, &body)
}

/// Leaves a document.
pub fn leave(address: &str) -> Bytes {
    addressed(address, &[7])
}

/// A string of the application.
pub fn stateless(address: &str, text: &str) -> Bytes {
    let mut body = vec![5];
    put_bytes(&mut body, text.as_bytes());
    addressed(address, &body)
}

/// Reads a frame of a server: for whom it is, and what it says.
///
/// # Errors
/// It is not of the dialect.
pub fn read(frame: &[u8]) -> Result<(String, Said)> {
    let mut rest = frame;
    let address = text(&mut rest)?;
    let behind = rest;
    let said = match take_number(&mut rest)? {
        0 | 1 => return Ok((address, Said::Frame(Frame::read(behind)?))),
        2 => match take_number(&mut rest)? {
            0 => Said::SendToken,
            1 => Said::Denied(text(&mut rest)?),
            2 => Said::Granted(text(&mut rest)?),
            other => bail!("the server says {other} of a token"),
        },
        5 => Said::Stateless(text(&mut rest)?),
        7 => Said::Close(text(&mut rest)?),
        8 => Said::Status(take_number(&mut rest)? == 1),
        kind => bail!("the server sent a message of type {kind}"),
    };
    ensure!(rest.is_empty(), "{} bytes follow the message", rest.len());
    Ok((address, said))
}

fn text(rest: &mut &[u8]) -> Result<String> {
    Ok(String::from_utf8(take_bytes(rest)?.to_vec())?)
}

const PING: &[u8] = &[9];
const PONG: &[u8] = &[10];
