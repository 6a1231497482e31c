//! Somebody on the bus who says again what others have said: later, twice, and in another order.
//!
//! It asks Redis which channels there are, listens to all of them, gathers what comes for a moment, and publishes it again
//! in random order. What it has said itself it knows when it hears it.

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use crate::chance::Chance;

/// A meddler at work, until it is dropped.
#[derive(Debug)]
pub struct Meddler {
    said: Arc<AtomicU64>,
    work: JoinSet<Result<()>>,
}

/// A word, and the channel that it came on.
type Heard = (Vec<u8>, Vec<u8>);

impl Meddler {
    /// Begins on a Redis.
    ///
    /// # Errors
    /// It can not be reached.
    pub async fn begin(port: u16, chance: Chance) -> Result<Self> {
        let redis = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (ears, mouth) = (open(redis).await?, open(redis).await?);
        let said = Arc::<AtomicU64>::default();
        let (heard, words) = mpsc::channel(WORDS_MAX);
        let mut work = JoinSet::new();
        work.spawn(ask_for_channels(ears.1, redis));
        work.spawn(listen(ears.0, heard));
        work.spawn(repeat(words, mouth, chance, said.clone()));
        Ok(Self { said, work })
    }

    /// How many words it has said again, if it is still at work.
    ///
    /// # Errors
    /// It is not.
    pub fn said(&mut self) -> Result<u64> {
        if let Some(ended) = self.work.try_join_next() {
            ended??;
            bail!("the meddler has left");
        }
        Ok(self.said.load(Ordering::Relaxed))
    }
}

/// What Redis says.
#[derive(Debug)]
enum Reply {
    Bytes(Vec<u8>),
    Many(Vec<Self>),
    Other,
}

async fn open(redis: SocketAddr) -> Result<(BufReader<OwnedReadHalf>, OwnedWriteHalf)> {
    let stream = TcpStream::connect(redis).await?;
    stream.set_nodelay(true)?;
    let (from, to) = stream.into_split();
    Ok((BufReader::new(from), to))
}

/// Looks again and again which channels there are, and subscribes to those that are new.
async fn ask_for_channels(mut ears: OwnedWriteHalf, redis: SocketAddr) -> Result<()> {
    let (mut answers, mut asking) = open(redis).await?;
    let mut known = HashSet::new();
    loop {
        for (ask, subscribe) in [("SHARDCHANNELS", "SSUBSCRIBE"), ("CHANNELS", "SUBSCRIBE")] {
            asking
                .write_all(&command(&[b"PUBSUB", ask.as_bytes()]))
                .await?;
            let Reply::Many(channels) = read(&mut answers).await? else {
                bail!("Redis names no channels");
            };
            for channel in channels {
                let Reply::Bytes(channel) = channel else {
                    continue;
                };
                if known.insert(channel.clone()) {
                    ears.write_all(&command(&[subscribe.as_bytes(), &channel]))
                        .await?;
                }
            }
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn listen(
    mut ears: BufReader<OwnedReadHalf>,
    heard: mpsc::Sender<(bool, Heard)>,
) -> Result<()> {
    loop {
        let Reply::Many(parts) = read(&mut ears).await? else {
            continue;
        };
        let mut parts = parts.into_iter().filter_map(|part| match part {
            Reply::Bytes(bytes) => Some(bytes),
            _ => None,
        });
        let (Some(kind), Some(channel), Some(word)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let is_sharded = kind == b"smessage";
        if is_sharded || kind == b"message" {
            // Beyond so many it meddles with no more.
            let _ = heard.try_send((is_sharded, (channel, word)));
        }
    }
}

/// Gathers for a moment, and says it all again in another order, some of it twice.
async fn repeat(
    mut words: mpsc::Receiver<(bool, Heard)>,
    (mut answers, mut mouth): (BufReader<OwnedReadHalf>, OwnedWriteHalf),
    mut chance: Chance,
    said: Arc<AtomicU64>,
) -> Result<()> {
    let mut own: HashMap<Heard, u64> = HashMap::new();
    let mut pauses = interval(GATHERED);
    let mut gathered = Vec::new();
    loop {
        pauses.tick().await;
        while let Ok((is_sharded, heard)) = words.try_recv() {
            match own.get_mut(&heard) {
                Some(0) | None => gathered.push((is_sharded, heard)),
                Some(again) => *again -= 1,
            }
        }
        while !gathered.is_empty() {
            let at = chance.below(gathered.len() as u64) as usize;
            let (is_sharded, heard) = gathered.swap_remove(at);
            let times = 1 + chance.below(2);
            for _ in 0..times {
                let publish: &[u8] = if is_sharded { b"SPUBLISH" } else { b"PUBLISH" };
                mouth
                    .write_all(&command(&[publish, &heard.0, &heard.1]))
                    .await?;
                read(&mut answers).await?;
            }
            said.fetch_add(times, Ordering::Relaxed);
            *own.entry(heard).or_default() += times;
        }
    }
}

fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Reads one reply; those within it, one after the other.
async fn read(from: &mut BufReader<OwnedReadHalf>) -> Result<Reply> {
    let (kind, length) = read_head(from).await?;
    match kind {
        b'$' if length >= 0 => Ok(Reply::Bytes(read_bytes(from, length).await?)),
        b'*' => {
            let mut parts = Vec::new();
            for _ in 0..length {
                // What is said on channels is no deeper than this.
                parts.push(match read_head(from).await? {
                    (b'$', length) if length >= 0 => Reply::Bytes(read_bytes(from, length).await?),
                    _ => Reply::Other,
                });
            }
            Ok(Reply::Many(parts))
        }
        b'-' => bail!("Redis refuses"),
        _ => Ok(Reply::Other),
    }
}

async fn read_head(from: &mut BufReader<OwnedReadHalf>) -> Result<(u8, i64)> {
    let mut line = String::new();
    from.read_line(&mut line).await?;
    let kind = *line.as_bytes().first().context("Redis is gone")?;
    Ok((kind, line[1..].trim().parse().unwrap_or(-1)))
}

async fn read_bytes(from: &mut BufReader<OwnedReadHalf>, length: i64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length)? + 2];
    from.read_exact(&mut bytes).await?;
    bytes.truncate(bytes.len() - 2);
    Ok(bytes)
}

const LOOK_EVERY: Duration = Duration::from_millis(50);
const GATHERED: Duration = Duration::from_millis(30);
const WORDS_MAX: usize = 4_096;
