//! Clients' signals on their way to the application: those of one document in their order, and no more than some at once.
//!
//! A signal is a word in passing, in no log and acknowledged by nobody. If the application is slower than those who talk,
//! what is too much is dropped and counted.

use std::sync::Arc;

use bytes::Bytes;
use engine::{Author, ConnectionId, DocumentKey};
use tokio::sync::mpsc;
use tracing::warn;

use super::{Hook, words};
use crate::mail::{Gone, Mail, Mailbox};
use crate::telemetry::metrics;

/// What somebody said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) connection: ConnectionId,
    pub(crate) author: Option<Author>,
    pub(crate) text: String,
}

/// The way of a document's signals. The task behind it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Signals(mpsc::Sender<Said>);

impl Signals {
    /// Begins to pass signals of a document on, and what is answered back to its session.
    pub(crate) fn start(hook: Arc<Hook>, document: DocumentKey, session: Mailbox) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        tokio::spawn(pass_on(hook, document, session, receiver));
        Self(sender)
    }

    /// Takes a signal, if there is room.
    pub(crate) fn take(&self, said: Said) {
        if self.0.try_send(said).is_err() {
            metrics::signal_dropped();
        }
    }
}

async fn pass_on(
    hook: Arc<Hook>,
    document: DocumentKey,
    session: Mailbox,
    mut waiting: mpsc::Receiver<Said>,
) {
    while let Some(said) = waiting.recv().await {
        match hook.signal(&document, &said).await {
            Ok(reply) => {
                if answer(&session, said.connection, reply).await.is_err() {
                    return;
                }
            }
            Err(fault) => {
                metrics::signal_dropped();
                warn!(%document, connection = %said.connection, "a signal is lost: {fault}");
            }
        }
    }
}

async fn answer(
    session: &Mailbox,
    connection: ConnectionId,
    words: words::Reply,
) -> Result<(), Gone> {
    if let Some(text) = words.reply {
        let text = Bytes::from(text);
        session.send(Mail::Reply { connection, text }).await?;
    }
    match words.broadcast {
        Some(text) => session.send(Mail::Signal(text.into())).await,
        None => Ok(()),
    }
}

/// Signals of one document that wait for the application.
const WAITING_MAX: usize = 64;
