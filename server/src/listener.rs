//! The listener: from a TCP connection to requests, with a bound on what a stranger may send and on how long that may take.
//!
//! A request's head that is longer than the bound is answered with 431, and one that does not arrive in time is not
//! waited for. The HTTP library answers what is no HTTP by itself, with a status and nothing more: there is no request
//! yet that a problem could be about.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::address::{AddressRules, Peer};
use crate::socket::Stream;
use crate::telemetry::metrics;
use crate::tls::Tls;

/// The bounds of a request's head.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// Its length, in bytes; at least 8 KiB.
    pub bytes_max: usize,
    /// How long it may take to arrive; also how long a connection may be kept without a request, and how long its TLS
    /// handshake may take.
    pub time_max: Duration,
}

/// Listens on an address.
///
/// # Errors
/// The address is taken, or is not ours.
pub fn listen(address: std::net::SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        std::net::SocketAddr::V4(_) => TcpSocket::new_v4()?,
        std::net::SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    bound_unsent(&socket)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Bounds what the kernel takes of each connection before it can send it; connections have this from their listener. What
/// it does not take waits in the outbox, where it is bounded and gives way to one difference. Without this a peer that does
/// not read makes the kernel hold 4 MiB. What is on its way to the peer does not count, so that none is slowed down.
#[cfg(target_os = "linux")]
fn bound_unsent(socket: &TcpSocket) -> io::Result<()> {
    socket2::SockRef::from(socket).set_tcp_notsent_lowat(UNSENT_BYTES_MAX)
}

/// Elsewhere the kernel keeps to its own bounds.
#[cfg(not(target_os = "linux"))]
fn bound_unsent(_socket: &TcpSocket) -> io::Result<()> {
    Ok(())
}

/// Lets this process have as many connections open as the machine allows it to allow itself.
pub fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        ..limit
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => debug!(files = ?limit.maximum, "open files"),
        Err(error) => warn!("open files stay limited to {:?}: {error}", limit.current),
    }
}

/// What becomes of a connection that was accepted.
#[derive(Clone, Debug)]
pub struct Entrance {
    /// Answers its requests.
    pub router: Router,
    /// Bounds of their heads.
    pub limits: HeadLimits,
    /// Who may connect.
    pub addresses: Arc<AddressRules>,
    /// What they are encrypted with; none if they are not.
    pub tls: Option<Arc<Tls>>,
}

/// Serves connections until it is cancelled; then no more are accepted, and those that are open end with their request.
pub async fn serve(listener: TcpListener, entrance: Entrance, stopping: CancellationToken) {
    let entrance = Arc::new(entrance);
    loop {
        let socket = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping.cancelled() => return,
        };
        match socket {
            Ok((socket, peer)) => entrance.let_in(socket, Peer(peer.ip()), &stopping),
            Err(error) => after_failure(&error).await,
        }
    }
}

/// One that broke before it was accepted is no concern. Where files or memory have run out, others have to end first.
async fn after_failure(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    ) {
        warn!("connections wait, none can be accepted: {error}");
        tokio::time::sleep(ACCEPT_AGAIN).await;
    }
}

impl Entrance {
    /// Serves a connection in a task of its own, or closes it at once.
    fn let_in(self: &Arc<Self>, socket: TcpStream, peer: Peer, stopping: &CancellationToken) {
        match self.addresses.check_peer(peer) {
            Ok(()) => {
                tokio::spawn(serve_one(socket, peer, self.clone(), stopping.clone()));
            }
            Err(kept_out) => {
                metrics::limit_hit(kept_out.as_str());
                debug!(
                    "connection closed: the setting {:?} keeps its peer out",
                    kept_out.as_str()
                );
            }
        }
    }
}

impl Entrance {
    /// Agrees upon encryption, if there is to be any. None if that failed, or took too long.
    async fn encrypt(&self, socket: TcpStream) -> Option<Stream> {
        let Some(tls) = &self.tls else {
            return Some(Stream::Plain(socket));
        };
        match timeout(self.limits.time_max, tls.acceptor().accept(socket)).await {
            Ok(Ok(stream)) => Some(Stream::encrypted(stream)),
            Ok(Err(error)) => {
                debug!("connection closed in its TLS handshake: {error}");
                None
            }
            Err(_) => {
                metrics::limit_hit("request_time");
                debug!("connection closed: its TLS handshake took too long");
                None
            }
        }
    }
}

async fn serve_one(
    socket: TcpStream,
    peer: Peer,
    entrance: Arc<Entrance>,
    stopping: CancellationToken,
) {
    // Without this, small frames wait for each other in the kernel (Nagle's algorithm).
    if let Err(error) = socket.set_nodelay(true) {
        info!("TCP_NODELAY was refused: {error}");
    }
    let Some(stream) = entrance.encrypt(socket).await else {
        return;
    };
    let limits = entrance.limits;
    let router = TowerToHyperService::new(entrance.router.clone());
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.time_max)
        .max_buf_size(limits.bytes_max)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        if error.is_parse_too_large() {
            metrics::limit_hit("request_head_bytes");
        } else if error.is_timeout() {
            metrics::limit_hit("request_time");
        }
        debug!("connection ended without a request: {error}");
    }
}

/// Headers of a request. Browsers send some thirty.
const HEADERS_MAX: usize = 100;
/// Connections that the kernel holds until they are accepted: a storm of them must not be thrown away, for it comes back
/// only after a second. The kernel lowers this to what it allows (`net.core.somaxconn`).
const BACKLOG: u32 = 8_192;
/// Enough that a fast reader of a large document never waits, and little for one who does not read: the kernel holds up to
/// 160 KiB then.
#[cfg(target_os = "linux")]
const UNSENT_BYTES_MAX: u32 = 128 * 1024;
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use socket2::SockRef;

    use super::*;

    #[tokio::test]
    async fn a_connection_has_the_bound_of_its_listener() {
        let listener = listen(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let (ours, theirs) = tokio::join!(listener.accept(), TcpStream::connect(address));
        let (ours, theirs) = (ours.unwrap().0, theirs.unwrap());
        let bound = |socket: &TcpStream| SockRef::from(socket).tcp_notsent_lowat().unwrap();
        assert_eq!(bound(&ours), UNSENT_BYTES_MAX);
        assert_ne!(bound(&theirs), UNSENT_BYTES_MAX);
    }
}
