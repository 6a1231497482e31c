//! A mail on its way to a session: sent at once if there is room, else waited for while the rest of the connection goes on.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use engine::ConnectionId;

use crate::mail::{Gone, Mail, Mailbox};
use crate::telemetry::metrics;

/// A mail that waits for room.
type Sending = Pin<Box<dyn Future<Output = Result<(), Gone>> + Send>>;

/// A direction that may have a mail under way.
pub(super) enum Mailing {
    Idle,
    Sending(Sending),
    /// The session is gone. It says why through the outbox, which has the last word.
    Nobody,
}

impl Mailing {
    /// Sends a mail, now if there is room.
    pub(super) fn send(mailbox: &Mailbox, mail: Mail) -> Self {
        match send(mailbox, mail) {
            Ok(None) => Self::Idle,
            Ok(Some(sending)) => {
                metrics::limit_hit("mailbox");
                Self::Sending(sending)
            }
            Err(Gone) => Self::Nobody,
        }
    }

    /// Waits until another mail may be sent.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        match self {
            Self::Idle => Poll::Ready(Ok(())),
            Self::Nobody => Poll::Ready(Err(Gone)),
            Self::Sending(sending) => {
                let sent = ready!(sending.as_mut().poll(context));
                *self = sent.map_or(Self::Nobody, |()| Self::Idle);
                Poll::Ready(sent)
            }
        }
    }
}

/// Tells a session that a connection is gone. A session that is gone needs no goodbye.
pub(super) async fn leave(mailbox: &Mailbox, connection: ConnectionId) {
    if let Ok(Some(sending)) = send(mailbox, Mail::Leave(connection)) {
        let _ = sending.await;
    }
}

fn send(mailbox: &Mailbox, mail: Mail) -> Result<Option<Sending>, Gone> {
    if mailbox.is_gone() {
        return Err(Gone);
    }
    match mailbox.try_send(mail) {
        Ok(()) => Ok(None),
        Err(mail) => {
            let mailbox = mailbox.clone();
            Ok(Some(Box::pin(async move { mailbox.send(mail).await })))
        }
    }
}
