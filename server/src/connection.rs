//! The connection: one socket, from its first frame to its close code.
//!
//! Reading and writing run side by side and never wait for each other. What is read becomes intents, which go to the
//! document's bounded mailbox, so a flood slows its own socket alone. What is written comes from the outbox. The first
//! of the two to end says why the connection closes; either way the document hears of it at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use engine::{CloseReason, ConnectionId, DocumentKey, Intent};
use protocol::close::Close;
use protocol::preflight::Bounds;
use protocol::websocket::Frame;
use protocol::{Dialect, FrameError};
use storage::Failpoint;
use tokio::time::{Instant, timeout};
use tracing::{debug, info};

use crate::clock::Clock;
use crate::hub::{Hub, JoinError};
use crate::mail::{Joining, Mail, Mailbox};
use crate::outbox::{Outbox, OutboxLimits, Taken};
use crate::receiving::Held;
use crate::socket::{self, Broken, Incoming, Socket, SocketReader, SocketWriter};
use crate::telemetry::metrics;

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
}

/// Serves one socket until it closes.
pub async fn serve(
    hub: Hub,
    socket: Socket,
    dialect: Dialect,
    document: DocumentKey,
    limits: ConnectionLimits,
) {
    let id = hub.next_connection();
    let outbox = Outbox::new(limits.outbox);
    let (mut reader, mut writer) = socket::split(socket);
    let _counted = metrics::connection_opened();
    let joining = Joining {
        connection: id,
        author: None,
        dialect,
        outbox: outbox.clone(),
    };
    let end = match hub.join(&document, joining).await {
        Ok(mailbox) => {
            let heard = LastHeard::new();
            let receiving = Receiving {
                id,
                dialect,
                bounds: limits.bounds,
                mailbox: mailbox.clone(),
                outbox: outbox.clone(),
                heard: &heard,
            };
            let sending = Sending {
                id,
                dialect,
                mailbox: mailbox.clone(),
                outbox,
                heard: &heard,
                limits,
            };
            let end = tokio::select! {
                end = receiving.run(&mut reader) => end,
                end = sending.run(&mut writer) => end,
            };
            // A session that is gone needs no goodbye.
            let _ = mailbox.send(Mail::Leave(id)).await;
            end
        }
        Err(JoinError::Stopping) => End::Close(CloseReason::Stopping),
        Err(JoinError::Full) => End::Close(CloseReason::Overloaded),
    };
    close(&document, id, dialect, (reader, writer), end).await;
}

/// Refuses a socket without opening anything: says why, in the dialect and in the close code.
pub async fn refuse(socket: Socket, dialect: Dialect, reason: CloseReason) {
    metrics::closed(reason);
    say_goodbye(dialect, socket::split(socket), reason).await;
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

impl From<Broken> for End {
    fn from(_: Broken) -> Self {
        Self::ByPeer
    }
}

struct Receiving<'a> {
    id: ConnectionId,
    dialect: Dialect,
    bounds: Bounds,
    mailbox: Mailbox,
    outbox: Outbox,
    heard: &'a LastHeard,
}

impl Receiving<'_> {
    async fn run(self, reader: &mut SocketReader) -> End {
        loop {
            let incoming = reader.next().await;
            self.heard.now();
            let (frame, held) = match incoming {
                Incoming::Binary(frame, held) => (frame, held),
                Incoming::Alive => continue,
                Incoming::Text | Incoming::Malformed => return End::Close(CloseReason::BadFrame),
                Incoming::Overloaded => return End::Close(CloseReason::Overloaded),
                Incoming::TooLarge => return End::Close(CloseReason::TooLarge),
                Incoming::Closed => return End::ByPeer,
            };
            if let Err(end) = self.forward(&frame, held).await {
                return end;
            }
        }
    }

    async fn forward(&self, frame: &Bytes, held: Held) -> Result<(), End> {
        metrics::frame_received(frame.len());
        Failpoint::FrameReceived.reach();
        let intents = self
            .read(frame)
            .map_err(|(reason, fault)| End::Refuse(reason, fault))?;
        Failpoint::FrameChecked.reach();
        let mail = Mail::Intents {
            connection: self.id,
            intents,
            seen: self.outbox.seen(),
            held,
        };
        if self.mailbox.send(mail).await.is_err() {
            self.session_is_gone().await;
        }
        Ok(())
    }

    /// Reads a frame and checks what it carries, before any library takes that apart.
    fn read(&self, frame: &Bytes) -> Result<Vec<Intent>, (CloseReason, FrameError)> {
        let intents = self
            .dialect
            .decode(frame)
            .map_err(|fault| (CloseReason::BadFrame, fault))?;
        for intent in &intents {
            self.dialect.check(intent, &self.bounds)?;
        }
        Ok(intents)
    }

    /// Leaves the last word to the writer: a session that ends says why through the outbox, and that comes first there.
    async fn session_is_gone(&self) {
        self.outbox.close(CloseReason::NotReady);
        std::future::pending::<()>().await;
    }
}

struct Sending<'a> {
    id: ConnectionId,
    dialect: Dialect,
    mailbox: Mailbox,
    outbox: Outbox,
    heard: &'a LastHeard,
    limits: ConnectionLimits,
}

impl Sending<'_> {
    async fn run(self, writer: &mut SocketWriter) -> End {
        let mut keepalive_at = Instant::now() + self.dialect.keepalive_after();
        let mut ping_at = Instant::now() + self.limits.ping_interval;
        loop {
            let end = tokio::select! {
                taken = self.outbox.take() => {
                    keepalive_at = Instant::now() + self.dialect.keepalive_after();
                    self.write(writer, taken).await
                }
                () = tokio::time::sleep_until(keepalive_at.min(ping_at)) => {
                    self.keep_alive(writer, &mut keepalive_at, &mut ping_at).await
                }
            };
            if let Err(end) = end {
                return end;
            }
        }
    }

    async fn write(&self, writer: &mut SocketWriter, taken: Taken) -> Result<(), End> {
        match taken {
            Taken::Frames(frames, shows) => {
                metrics::frames_sent(&frames);
                writer.write(frames).await?;
                self.outbox.written(shows);
                Ok(())
            }
            Taken::Dropped => {
                let mail = Mail::Drained {
                    connection: self.id,
                    seen: self.outbox.seen(),
                };
                if self.mailbox.send(mail).await.is_err() {
                    self.outbox.close(CloseReason::NotReady);
                }
                Ok(())
            }
            Taken::Close(reason) => Err(End::Close(reason)),
        }
    }

    /// Says something, because clients close a server that is silent, and closes a client that is.
    async fn keep_alive(
        &self,
        writer: &mut SocketWriter,
        keepalive_at: &mut Instant,
        ping_at: &mut Instant,
    ) -> Result<(), End> {
        let now = Instant::now();
        if self.heard.since() >= self.limits.silence_max {
            return Err(End::Close(CloseReason::Silent));
        }
        if now >= *keepalive_at {
            *keepalive_at = now + self.dialect.keepalive_after();
            writer
                .write(vec![Frame::binary(self.dialect.keepalive())])
                .await?;
        }
        if now >= *ping_at {
            *ping_at = now + self.limits.ping_interval;
            writer.ping().await?;
        }
        Ok(())
    }
}

/// When the peer was last heard of.
struct LastHeard {
    clock: Clock,
    at_ms: AtomicU64,
}

impl LastHeard {
    fn new() -> Self {
        Self {
            clock: Clock::start(),
            at_ms: AtomicU64::new(0),
        }
    }

    fn now(&self) {
        self.at_ms
            .store(self.clock.now().monotonic_ms, Ordering::Relaxed);
    }

    fn since(&self) -> Duration {
        let now_ms = self.clock.now().monotonic_ms;
        Duration::from_millis(now_ms.saturating_sub(self.at_ms.load(Ordering::Relaxed)))
    }
}

async fn close(
    document: &DocumentKey,
    id: ConnectionId,
    dialect: Dialect,
    ends: (SocketReader, SocketWriter),
    end: End,
) {
    match end {
        End::ByPeer => debug!(%document, connection = %id, "connection closed by its client"),
        End::Close(reason) => {
            info!(%document, connection = %id, ?reason, "connection closed");
            metrics::closed(reason);
            say_goodbye(dialect, ends, reason).await;
        }
        End::Refuse(reason, fault) => {
            info!(%document, connection = %id, ?reason, "connection closed: {fault}");
            metrics::closed(reason);
            say_goodbye(dialect, ends, reason).await;
        }
    }
}

/// Tells the client why, and listens until it closes too: a socket that is closed while its client still speaks is reset,
/// which takes the close code away from its reader.
async fn say_goodbye(
    dialect: Dialect,
    (mut reader, mut writer): (SocketReader, SocketWriter),
    reason: CloseReason,
) {
    let close = Close::new(dialect, reason);
    let goodbye = async {
        if let Some(denied) = dialect.denied(close.text).filter(|_| close.is_permanent()) {
            writer.write(vec![Frame::binary(denied)]).await?;
        }
        writer.close(close).await?;
        reader.pass_over().await;
        Ok::<_, Broken>(())
    };
    // Whoever does not answer is not waited for any longer.
    let _ = timeout(GOODBYE_MAX, goodbye).await;
}

/// How long a close may take.
const GOODBYE_MAX: Duration = Duration::from_secs(1);
