//! A line between a node and something that it needs, which the test can spoil: a TCP proxy of our own.
//!
//! It passes bytes on, late or slowly if told so; it can go silent, as a network does that loses everything (what was said
//! meanwhile arrives when it speaks again, as TCP has it); it can be cut, with a reset for those who use it and for whoever
//! tries; and it can be cut at a chosen place of what goes through, such as just before the answer to a commit. It can also be
//! made to lead elsewhere, as an address does after a failover.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

/// How a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Everything passes.
    Passing,
    /// Everything passes, so much later, in each direction.
    Late(Duration),
    /// So many bytes a second pass, in each direction.
    Narrow(u64),
    /// Nothing passes and nobody is told.
    Silent,
    /// Whoever is connected is reset, and so is whoever tries to be.
    Cut,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the node to what it needs.
    There,
    /// And back.
    Back,
}

/// A place at which a connection is cut, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trap {
    /// Before whatever is said next to a connection on which these bytes went there.
    AnswerTo(&'static [u8]),
    /// After so many bytes more, of all connections together.
    After(Way, u64),
}

/// A line to one address. Ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    line: Arc<Line>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Line {
    /// Where it leads.
    upstream: watch::Sender<SocketAddr>,
    mood: watch::Sender<Mood>,
    /// Counts how often all connections were cut.
    cuts: watch::Sender<u64>,
    trap: Mutex<Option<Trap>>,
}

impl Proxy {
    /// A line to an address, on a free port.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(upstream: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let line = Arc::new(Line {
            upstream: watch::Sender::new(upstream),
            mood: watch::Sender::new(Mood::Passing),
            cuts: watch::Sender::new(0),
            trap: Mutex::new(None),
        });
        Ok(Self {
            address: listener.local_addr()?,
            line: line.clone(),
            accepting: tokio::spawn(accept(listener, line)),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it is so.
    pub fn set(&self, mood: Mood) {
        self.line.mood.send_replace(mood);
        if mood == Mood::Cut {
            self.reset();
        }
    }

    /// From now on it leads elsewhere; all that are connected are reset.
    pub fn lead_to(&self, upstream: SocketAddr) {
        self.line.upstream.send_replace(upstream);
        self.reset();
    }

    /// Resets all that are connected; whoever tries again is let through.
    pub fn reset(&self) {
        self.line.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Lays a trap, in place of the one that was there.
    pub fn lay(&self, trap: Trap) {
        *self.line.trap() = Some(trap);
    }

    /// Whether a trap lies there that has caught nobody yet.
    pub fn is_laid(&self) -> bool {
        self.line.trap().is_some()
    }

    /// Takes the trap away, if nobody was caught.
    pub fn lift(&self) {
        *self.line.trap() = None;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.reset();
    }
}

async fn accept(listener: TcpListener, line: Arc<Line>) {
    while let Ok((node, _)) = listener.accept().await {
        let cuts = line.cuts.subscribe();
        tokio::spawn(carry(node, line.clone(), cuts));
    }
}

/// Carries one connection to its end.
async fn carry(mut node: TcpStream, line: Arc<Line>, mut cuts: watch::Receiver<u64>) {
    let carrying = async {
        line.open().await?;
        let upstream = *line.upstream.borrow();
        let mut service = TcpStream::connect(upstream).await?;
        service.set_nodelay(true)?;
        node.set_nodelay(true)?;
        let carried = exchange(&mut node, &mut service, &line, &mut cuts).await;
        if carried.is_err() {
            service.set_zero_linger()?;
        }
        carried
    };
    if carrying.await.is_err() {
        // A node that has gone already can not be reset.
        let _ = node.set_zero_linger();
    }
}

/// Carries bytes both ways until both ends have said all.
async fn exchange(
    node: &mut TcpStream,
    service: &mut TcpStream,
    line: &Line,
    cuts: &mut watch::Receiver<u64>,
) -> Result<()> {
    let (from_node, to_node) = node.split();
    let (from_service, to_service) = service.split();
    let talk = Talk {
        line,
        has_asked: AtomicBool::new(false),
    };
    let both = async {
        let there = pump(from_node, to_service, &talk, Way::There);
        let back = pump(from_service, to_node, &talk, Way::Back);
        tokio::try_join!(there, back).map(|_| ())
    };
    select! {
        carried = both => carried,
        _ = cuts.changed() => bail!("the line is cut"),
    }
}

/// What goes over one connection.
struct Talk<'a> {
    line: &'a Line,
    /// Whether the node has said what the trap waits for.
    has_asked: AtomicBool,
}

/// Carries bytes one way. What is late waits here, and what comes after it is read meanwhile.
async fn pump(from: ReadHalf<'_>, to: WriteHalf<'_>, talk: &Talk<'_>, way: Way) -> Result<()> {
    let (late, waiting) = mpsc::channel(CHUNKS_WAITING_MAX);
    let both = (take(from, late, talk, way), give(to, waiting, talk.line));
    tokio::try_join!(both.0, both.1).map(|_| ())
}

/// Bytes on their way.
struct Chunk {
    due: Instant,
    bytes: Vec<u8>,
    /// Whether the connection is cut after these.
    is_last: bool,
}

async fn take(
    mut from: ReadHalf<'_>,
    late: mpsc::Sender<Chunk>,
    talk: &Talk<'_>,
    way: Way,
) -> Result<()> {
    let mut bytes = vec![0; CHUNK_BYTES];
    loop {
        let read = from.read(&mut bytes).await?;
        if read == 0 {
            return Ok(());
        }
        let cut_at = talk.spring(way, &bytes[..read]);
        let chunk = Chunk {
            due: Instant::now() + talk.line.lateness(),
            bytes: bytes[..cut_at.unwrap_or(read)].to_vec(),
            is_last: cut_at.is_some(),
        };
        late.send(chunk).await?;
        if cut_at.is_some() {
            return Ok(());
        }
    }
}

async fn give(
    mut to: WriteHalf<'_>,
    mut waiting: mpsc::Receiver<Chunk>,
    line: &Line,
) -> Result<()> {
    while let Some(chunk) = waiting.recv().await {
        sleep_until(chunk.due).await;
        line.open().await?;
        line.take_time_for(chunk.bytes.len()).await;
        to.write_all(&chunk.bytes).await?;
        ensure!(!chunk.is_last, "the trap has sprung");
    }
    Ok(to.shutdown().await?)
}

impl Line {
    /// Waits while the line is silent.
    async fn open(&self) -> Result<()> {
        let mut mood = self.mood.subscribe();
        let mood = *mood.wait_for(|mood| *mood != Mood::Silent).await?;
        ensure!(mood != Mood::Cut, "the line is cut");
        Ok(())
    }

    fn lateness(&self) -> Duration {
        match *self.mood.borrow() {
            Mood::Late(by) => by,
            _ => Duration::ZERO,
        }
    }

    /// The time that so many bytes take on a narrow line.
    async fn take_time_for(&self, bytes: usize) {
        let mood = *self.mood.borrow();
        if let Mood::Narrow(per_second) = mood {
            sleep(Duration::from_secs_f64(bytes as f64 / per_second as f64)).await;
        }
    }

    /// No operation leaves it half changed.
    fn trap(&self) -> MutexGuard<'_, Option<Trap>> {
        self.trap.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Talk<'_> {
    /// How many of these bytes still pass, if the trap is sprung by them.
    fn spring(&self, way: Way, bytes: &[u8]) -> Option<usize> {
        let mut trap = self.line.trap();
        let at = match trap.as_mut()? {
            Trap::AnswerTo(word) => self.spring_at_answer(way, bytes, word),
            Trap::After(laid, left) if *laid == way => {
                let at = usize::try_from(*left).unwrap_or(usize::MAX);
                *left = left.saturating_sub(bytes.len() as u64);
                (at < bytes.len()).then_some(at)
            }
            Trap::After(..) => None,
        }?;
        *trap = None;
        Some(at)
    }

    fn spring_at_answer(&self, way: Way, bytes: &[u8], word: &[u8]) -> Option<usize> {
        if way == Way::Back {
            return self.has_asked.load(Ordering::Relaxed).then_some(0);
        }
        if bytes.windows(word.len()).any(|window| window == word) {
            self.has_asked.store(true, Ordering::Relaxed);
        }
        None
    }
}

const CHUNK_BYTES: usize = 16 * 1024;
/// So much that a line of half a second is not narrow as well.
const CHUNKS_WAITING_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::within;

    /// A service that gives back what it is told, and a line to it.
    async fn echo() -> Result<Proxy> {
        let service = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let proxy = Proxy::start(service.local_addr()?).await?;
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = service.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        Ok(proxy)
    }

    async fn say(stream: &mut TcpStream, word: &[u8]) -> Result<Vec<u8>> {
        stream.write_all(word).await?;
        let mut answer = vec![0; word.len()];
        within("the echo comes", stream.read_exact(&mut answer)).await??;
        Ok(answer)
    }

    #[tokio::test]
    async fn what_is_said_arrives_and_is_answered() -> Result<()> {
        let proxy = echo().await?;
        let mut stream = TcpStream::connect(proxy.address()).await?;
        assert_eq!(say(&mut stream, b"hello").await?, b"hello");
        for mood in [Mood::Late(Duration::from_millis(30)), Mood::Narrow(1_000)] {
            proxy.set(mood);
            let began = Instant::now();
            assert_eq!(say(&mut stream, &[7; 20]).await?, [7; 20]);
            assert!(began.elapsed() >= Duration::from_millis(20), "{mood:?}");
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_cut_line_resets_everybody_until_it_passes_again() -> Result<()> {
        let proxy = echo().await?;
        let mut stream = TcpStream::connect(proxy.address()).await?;
        say(&mut stream, b"hello").await?;
        proxy.set(Mood::Cut);
        let end = within("the line is cut", stream.read(&mut [0])).await?;
        assert!(end.is_err(), "it is reset rather than ended");
        let mut again = TcpStream::connect(proxy.address()).await?;
        assert!(say(&mut again, b"hello").await.is_err());
        proxy.set(Mood::Passing);
        let mut again = TcpStream::connect(proxy.address()).await?;
        assert_eq!(say(&mut again, b"hello").await?, b"hello");
        Ok(())
    }

    #[tokio::test]
    async fn what_is_said_to_a_silent_line_arrives_later() -> Result<()> {
        let proxy = echo().await?;
        proxy.set(Mood::Silent);
        let mut stream = TcpStream::connect(proxy.address()).await?;
        stream.write_all(b"hello").await?;
        let mut answer = [0; 5];
        let soon = Duration::from_millis(50);
        let heard = tokio::time::timeout(soon, stream.read_exact(&mut answer)).await;
        assert!(heard.is_err(), "a silent line says nothing");
        proxy.set(Mood::Passing);
        within("it arrives", stream.read_exact(&mut answer)).await??;
        assert_eq!(&answer, b"hello");
        Ok(())
    }

    #[tokio::test]
    async fn a_line_can_be_made_to_lead_elsewhere() -> Result<()> {
        let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, services::free_port()?));
        let (there, elsewhere) = (echo().await?, Proxy::start(nobody).await?);
        let mut stream = TcpStream::connect(elsewhere.address()).await?;
        assert!(say(&mut stream, b"hello").await.is_err());
        elsewhere.lead_to(there.address());
        let mut stream = TcpStream::connect(elsewhere.address()).await?;
        assert_eq!(say(&mut stream, b"hello").await?, b"hello");
        elsewhere.lead_to(nobody);
        assert!(say(&mut stream, b"hello").await.is_err(), "it is reset");
        Ok(())
    }

    #[tokio::test]
    async fn a_trap_catches_once_and_at_its_place() -> Result<()> {
        let proxy = echo().await?;
        for trap in [Trap::AnswerTo(b"ell"), Trap::After(Way::There, 3)] {
            proxy.lay(trap);
            let mut stream = TcpStream::connect(proxy.address()).await?;
            assert!(say(&mut stream, b"hello").await.is_err());
            assert!(!proxy.is_laid());
            let mut stream = TcpStream::connect(proxy.address()).await?;
            assert_eq!(say(&mut stream, b"hello").await?, b"hello");
        }
        Ok(())
    }
}
