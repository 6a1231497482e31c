//! The connection: one socket, from its first frame to its close code.
//!
//! One task reads and writes, and neither waits for the other. What is read becomes intents, which go to the document's
//! bounded mailbox, so a flood slows its own socket alone. What is written comes from outboxes. The first of the two to
//! end says why the connection closes; either way every document on it hears of it at once.
//!
//! [`alone`] is a socket for one document, [`many`], [`sharedb`] and [`automerge`] one for as many as its client names, which have a
//! [`line`] in common. All keep time by a [`pulse`].

mod alone;
pub use alone::serve;

mod automerge;
pub use automerge::serve_automerge;

mod entering;
pub use entering::{Guest, Own};

mod line;

mod mailing;

mod many;
pub use many::serve_many;

mod pulse;

mod sharedb;
pub use sharedb::serve_sharedb;

use std::time::Duration;

use engine::{CloseReason, Limit};
use protocol::close::Close;
use protocol::preflight::Bounds;
use protocol::websocket::Frame;
use protocol::{Dialect, FrameError, ywebsocket};
use tokio::time::timeout;

use crate::outbox::OutboxLimits;
use crate::socket::{Broken, Socket};
use crate::telemetry::{counted, metrics};

/// The bounds and delays of a connection.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Bounds of its outbox.
    pub outbox: OutboxLimits,
    /// Bounds of what a frame carries.
    pub bounds: Bounds,
    /// How often a sign of life is asked for.
    pub ping_interval: Duration,
    /// How long a connection may be silent before it is closed.
    pub silence_max: Duration,
    /// How many documents may be on one connection.
    pub documents_max: usize,
    /// The same in the ShareDB dialect, whose clients name a document for each question.
    pub sharedb_documents_max: usize,
    /// The same in the dialect of automerge-repo, whose clients name all documents that they have open.
    pub automerge_documents_max: usize,
    /// What may come before it is known who the client is.
    pub pre_auth: PreAuthLimits,
}

/// The bounds of what may come before it is known who the client is.
#[derive(Clone, Copy, Debug)]
pub struct PreAuthLimits {
    /// Bytes that may wait.
    pub bytes_max: usize,
    /// Messages that may wait.
    pub messages_max: usize,
    /// How long it may take.
    pub time_max: Duration,
}

/// Refuses a socket without opening anything: says why, in the dialect and in the close code.
pub async fn refuse(mut socket: Socket, dialect: Dialect, reason: CloseReason) {
    metrics::closed(reason);
    say_goodbye(&mut socket, dialect, reason).await;
}

/// Why a client is closed that sends more than it may, which counts.
fn flooding(limit: Limit) -> CloseReason {
    metrics::limit_hit(limit.as_str());
    CloseReason::Flooding(limit)
}

/// Why a client is closed that was let into no document in time. One that was denied would be the next time too.
fn why_late(was_denied: bool) -> CloseReason {
    match was_denied {
        true => CloseReason::Unauthorized,
        false => flooding(Limit::PreAuthTime),
    }
}

/// Counts a message that was beyond a limit.
fn count(fault: &FrameError) {
    if let Some(limit) = counted::of_fault(fault) {
        metrics::limit_hit(limit);
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The peer closed it, or it broke.
    ByPeer,
    /// It is to be closed.
    Close(CloseReason),
    /// It is to be closed for what its peer sent.
    Refuse(CloseReason, FrameError),
}

impl End {
    /// It is to be closed for what its peer sent, which counts where it was beyond a limit.
    fn refuse(reason: CloseReason, fault: FrameError) -> Self {
        count(&fault);
        Self::Refuse(reason, fault)
    }

    /// Why it is to be closed, if it is not yet.
    fn reason(self) -> Option<CloseReason> {
        match self {
            Self::ByPeer => None,
            Self::Close(reason) | Self::Refuse(reason, _) => Some(reason),
        }
    }
}

impl From<Broken> for End {
    fn from(_: Broken) -> Self {
        Self::ByPeer
    }
}

/// Tells the client why, and listens until it closes too: a socket that is closed while its client still speaks is reset,
/// which takes the close code away from its reader.
async fn say_goodbye(socket: &mut Socket, dialect: Dialect, reason: CloseReason) {
    let close = Close::new(dialect, reason);
    let denied = match dialect {
        Dialect::YWebsocket if close.is_permanent() => {
            Some(Frame::binary(ywebsocket::denied(close.text)))
        }
        Dialect::Automerge => Some(Frame::binary(automerge::last_words(close.text))),
        Dialect::YWebsocket | Dialect::Hocuspocus | Dialect::ShareDb => None,
    };
    let close = Frame::close(Some((close.code, close.text)));
    // Whoever does not answer is not waited for any longer.
    let _ = timeout(GOODBYE_MAX, socket.say_goodbye(denied, close)).await;
}

/// How long a close may take.
const GOODBYE_MAX: Duration = Duration::from_secs(1);
