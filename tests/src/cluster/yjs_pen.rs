//! What a writer writes with in a document that merges: a client of Yjs.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use tokio::time::Instant;

use super::writer::{Holding, Noticed, Pen, Sight};
use crate::chance::Chance;
use crate::client::{self, Client};
use crate::editor::Editor;
use crate::frames::{self, Presence};
use crate::ledger::{Entry, Token};
use crate::socket::Socket;

/// A client of Yjs.
#[derive(Debug)]
pub(super) struct YjsPen {
    document: String,
    /// Whether it notes which words it sees whenever it types.
    notes: bool,
    editor: Editor,
    /// The same editor on a connection.
    client: Option<Client>,
    typed: u64,
    shown: u64,
    sights: Vec<Sight>,
    /// What was sent on this connection and is not acknowledged.
    sent: HashMap<Bytes, (Token, Instant)>,
}

impl YjsPen {
    pub(super) fn new(number: u64, document: String, notes: bool) -> Self {
        Self {
            document,
            notes,
            editor: Editor::new(number),
            client: None,
            typed: 0,
            shown: 0,
            sights: Vec::new(),
            sent: HashMap::new(),
        }
    }

    fn stored(&mut self, update: Bytes) -> Result<Noticed> {
        let Some((token, sent)) = self.sent.remove(&update) else {
            bail!("something was acknowledged that was not sent");
        };
        Ok(Noticed::Stored(sent, Entry { token, update }))
    }
}

impl Pen for YjsPen {
    const UNSTORED_MAX: usize = 64;

    fn path(&self) -> String {
        format!("/{}", self.document)
    }

    async fn join(&mut self, socket: Socket) -> Result<bool> {
        self.sent.clear();
        let client = Client::on(socket, self.editor.clone());
        Ok(self.client.insert(client).sync().await.is_ok())
    }

    async fn notice(&mut self) -> Result<Option<Noticed>> {
        let client = self.client.as_mut().context("it has joined")?;
        let noticed = client.try_notice().await?;
        let noticed = noticed.map(|noticed| match noticed {
            client::Noticed::Stored(update) => self.stored(update),
            client::Noticed::Ended(_) => Ok(Noticed::Ended),
            _ => Ok(Noticed::Changed),
        });
        noticed.transpose()
    }

    async fn type_on(&mut self, _: &mut Chance) -> Result<()> {
        let number = self.editor.client();
        if self.notes {
            let (word, seen) = ((number, self.typed), seen(&self.editor.text()));
            self.sights.push(Sight { word, seen });
        }
        let token = Token::new(number, self.typed);
        let update = token.write(&self.editor, self.typed);
        self.typed += 1;
        self.sent.insert(update.clone(), (token, Instant::now()));
        if let Some(client) = &mut self.client {
            let _ = client.send(update).await;
        }
        Ok(())
    }

    async fn show(&mut self) {
        self.shown += 1;
        let number = self.editor.client();
        let entry = Presence {
            client: number,
            clock: self.shown,
            state: format!("{{\"writer\":{number},\"at\":{}}}", self.typed),
        };
        if let Some(client) = &mut self.client {
            let _ = client.socket.send(frames::presence(&[entry])).await;
        }
    }

    fn unstored(&self) -> usize {
        self.client.as_ref().map_or(0, Client::unstored)
    }

    fn has(&self) -> Option<Holding> {
        Some(Holding::Merged(self.editor.everything()))
    }

    fn sights(&mut self) -> Vec<Sight> {
        std::mem::take(&mut self.sights)
    }
}

/// The latest word of each writer in a text.
fn seen(text: &str) -> BTreeMap<u64, u64> {
    let words = text.split(['<', '>']).filter_map(|word| {
        let (writer, number) = word.strip_prefix('w')?.split_once('n')?;
        Some((writer.parse().ok()?, number.parse().ok()?))
    });
    let mut seen = BTreeMap::<u64, u64>::new();
    for (writer, number) in words {
        let latest = seen.entry(writer).or_insert(number);
        *latest = number.max(*latest);
    }
    seen
}
