//! What a writer writes with in an ordered document: a client of ShareDB.

use std::collections::VecDeque;

use anyhow::{Context, Result, bail};
use engine::ot::OtType;
use serde_json::json;

use super::ordered::Ordered;
use super::typing;
use super::writer::{Holding, Noticed, Pen};
use crate::chance::Chance;
use crate::ledger::Token;
use crate::sharedb::{self, Page};
use crate::socket::{Heard, Socket};

/// A client of ShareDB.
#[derive(Debug)]
pub(super) struct ShareDbPen {
    number: u64,
    ot_type: OtType,
    page: Page,
    socket: Option<Socket>,
    typed: u64,
    /// What was noticed and not asked for yet.
    noticed: VecDeque<Noticed>,
}

impl ShareDbPen {
    pub(super) fn new(number: u64, document: &Ordered) -> Self {
        let Ordered { address, ot_type } = document.clone();
        Self {
            number,
            ot_type,
            page: Page::new(address, ot_type),
            socket: None,
            typed: 0,
            noticed: VecDeque::new(),
        }
    }

    /// Takes what was heard, and answers it; false if the connection ended.
    async fn take(&mut self, heard: Heard) -> Result<bool> {
        match heard {
            Heard::Text(text) => {
                let noticed = self.page.take(&serde_json::from_str(&text)?)?;
                self.noticed.push_back(match noticed {
                    sharedb::Noticed::Committed(committed) => Noticed::Committed(committed),
                    sharedb::Noticed::Nothing => Noticed::Changed,
                });
                self.say().await;
                Ok(true)
            }
            Heard::Frame(_) => bail!("ShareDB speaks in texts"),
            Heard::Pong => Ok(true),
            Heard::Closed(..) | Heard::Gone => Ok(false),
        }
    }

    /// Says what is to be said. If that can not be sent, the end of the connection is noticed soon.
    async fn say(&mut self) {
        for message in self.page.says() {
            if let Some(socket) = &mut self.socket {
                let _ = socket.say(message.to_string()).await;
            }
        }
    }
}

impl Pen for ShareDbPen {
    const UNSTORED_MAX: usize = 8;

    fn path(&self) -> String {
        "/sharedb/default".to_owned()
    }

    async fn join(&mut self, socket: Socket) -> Result<bool> {
        self.socket = Some(socket);
        self.page.connected();
        while !self.page.is_in_sync() {
            let socket = self.socket.as_mut().context("it has one")?;
            let heard = socket.next().await?;
            if !self.take(heard).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn notice(&mut self) -> Result<Option<Noticed>> {
        if let Some(noticed) = self.noticed.pop_front() {
            return Ok(Some(noticed));
        }
        let socket = self.socket.as_mut().context("it has joined")?;
        let Some(heard) = socket.try_next() else {
            return Ok(None);
        };
        match self.take(heard).await? {
            true => Ok(Some(Noticed::Changed)),
            false => Ok(Some(Noticed::Ended)),
        }
    }

    async fn type_on(&mut self, chance: &mut Chance) -> Result<()> {
        if let Some((_, content)) = self.page.has() {
            let word = Token::new(self.number, self.typed);
            let edit = typing::edit(content, &word, chance)?;
            self.typed += edit.words.len() as u64;
            self.page.edit(edit)?;
            self.say().await;
        }
        Ok(())
    }

    async fn show(&mut self) {
        let place = match self.ot_type {
            OtType::Json0 => json!({"p": ["n"]}),
            _ => json!({"index": 0, "length": 0}),
        };
        self.page.show(&self.number.to_string(), &place);
        self.say().await;
    }

    fn unstored(&self) -> usize {
        self.page.waiting()
    }

    fn has(&self) -> Option<Holding> {
        let (version, content) = self.page.has()?;
        Some(Holding::Ordered(version, content.write_canonical()))
    }
}
