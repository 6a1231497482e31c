//! An ordered document of a cluster, and what has to be true of it once a fault is over and people have stopped typing.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use engine::ot::{Operation, OtType, Snapshot, Work};
use serde_json::{Value, json};

use super::settled::check_timeline;
use super::typing::words;
use super::{Cluster, Crowd, Holding, Node};
use crate::sharedb::{Address, Committed, snapshot};
use crate::socket::{Heard, Socket};
use crate::wait::{until, within};

/// An ordered document of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered {
    /// Where it is.
    pub address: Address,
    /// What it is.
    pub ot_type: OtType,
}

impl Ordered {
    /// One that nobody else has.
    pub fn new(ot_type: OtType, number: u64) -> Self {
        let address = Address::new("cluster", &format!("{ot_type}-{number}"));
        Self { address, ot_type }
    }

    /// What a node has in memory.
    async fn in_memory(&self, node: SocketAddr) -> Result<Holding> {
        let mut socket = open(node).await?;
        socket
            .say(self.address.about("f", None).to_string())
            .await?;
        let answer = answer(&mut socket, "f").await?;
        let data = &answer["data"];
        let version = data["v"].as_u64().context("a document has a version")?;
        let content = snapshot(self.ot_type, &data["data"])?;
        Ok(Holding::Ordered(version, content.write_canonical()))
    }

    /// What the store has at a version, as a node reads it; the last one if none is said.
    async fn stored(&self, node: &Node, version: u64) -> Result<String> {
        let rest = format!("/content?format=json&index={version}");
        let answer = node.server.document(&self.address.escaped(), &rest).await?;
        let content = snapshot(self.ot_type, &answer.json()?)?;
        Ok(content.write_canonical())
    }
}

impl fmt::Display for Ordered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address.collection, self.address.id)
    }
}

impl Cluster {
    /// Waits until everything is as it has to be with an ordered document whose writers rest.
    pub(super) async fn settles_in_order(&self, crowd: &Crowd, document: &Ordered) -> Result<()> {
        self.holds_one(crowd, document).await?;
        let log = self.tells_one_log(document).await?;
        log.has_once(&crowd.commits(&document.to_string()))?;
        let stride = log.operations.len() / LOOKS_BACK + 1;
        self.looks_back(document, &log, stride).await?;
        let people = crowd.writers_of(&document.to_string());
        self.shows_in_order(document, &people).await
    }

    /// At every so many versions, each node gives what the operations before come to.
    ///
    /// # Errors
    /// It gives something else, or the log does not fit itself.
    pub async fn looks_back(&self, document: &Ordered, log: &Log, stride: usize) -> Result<()> {
        let mut content = None;
        for (index, operation) in log.operations.iter().enumerate() {
            content = Some(after(content, operation)?);
            let is_last = index + 1 == log.operations.len();
            if let Some(content) = &content
                && (is_last || index % stride == 0)
            {
                let (version, folded) = (index as u64 + 1, content.write_canonical());
                for (number, node) in self.running() {
                    let stored = document.stored(node, version).await?;
                    ensure!(
                        stored == folded,
                        "at {version} node {number} gives {stored}, and the operations come to {folded}"
                    );
                }
            }
        }
        Ok(())
    }

    /// Waits until all nodes tell the same operations: one on each version, each once.
    ///
    /// # Errors
    /// They do not, or the timeline is none.
    pub async fn tells_one_log(&self, document: &Ordered) -> Result<Log> {
        let told = RefCell::new(Vec::new());
        until("all nodes tell the same operations", async || {
            let mut timelines = Vec::new();
            for (number, node) in self.running() {
                let changes = node.server.operations(&document.address.escaped()).await?;
                check_timeline(&changes).with_context(|| format!("as node {number} tells it"))?;
                timelines.push(changes);
            }
            let is_one = timelines.windows(2).all(|two| two[0] == two[1]);
            told.replace(timelines.pop().unwrap_or_default());
            Ok(is_one)
        })
        .await?;
        Log::read(&told.take())
    }

    /// Waits until every node shows exactly these people in an ordered document.
    ///
    /// # Errors
    /// Somebody is missing, or is shown who is not there.
    pub async fn shows_in_order(&self, document: &Ordered, people: &BTreeSet<u64>) -> Result<()> {
        for (number, node) in self.running() {
            let shown = RefCell::new(BTreeSet::new());
            let watching = watch(node.address(), document, people, &shown);
            let watched = within("exactly those are shown who are there", watching).await;
            let said = || {
                format!(
                    "node {number} shows {:?}, and there are {people:?}",
                    shown.take()
                )
            };
            watched.and_then(|ended| ended).with_context(said)?;
        }
        Ok(())
    }

    /// Waits until the memory of all nodes and all clients hold the same version and the same content.
    async fn holds_one(&self, crowd: &Crowd, document: &Ordered) -> Result<()> {
        let difference = RefCell::new(String::new());
        let agreeing = until("everybody holds the same", async || {
            let mut holders = Vec::new();
            for (number, node) in self.running() {
                let held = document.in_memory(node.address()).await?;
                holders.push((format!("node {number}"), Some(held)));
            }
            let writers = crowd.have(&document.to_string()).into_iter();
            holders.extend(writers.map(|(writer, held)| (format!("writer {writer}"), held)));
            let other = holders.iter().find(|(_, held)| *held != holders[0].1);
            let is_one = other.is_none();
            difference.replace(format!("{:?} and {other:?}", holders[0]));
            Ok(is_one)
        });
        agreeing.await.with_context(|| difference.take())
    }
}

/// The operations of a document, by their versions.
#[derive(Debug)]
pub struct Log {
    operations: Vec<Value>,
}

impl Log {
    /// Reads the items of a timeline.
    fn read(changes: &[Value]) -> Result<Self> {
        let operations = changes.iter().map(|change| change["operation"].clone());
        let operations: Vec<_> = operations.collect();
        let mut names = HashSet::new();
        for (version, operation) in operations.iter().enumerate() {
            ensure!(
                operation["version"] == version,
                "on version {version} stands {operation}"
            );
            ensure!(names.insert(name(operation)?), "twice: {operation}");
        }
        Ok(Self { operations })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Each of these operations is there, with the version that its author was told, and each of their words once.
    fn has_once(&self, commits: &[Committed]) -> Result<()> {
        let mut versions = HashMap::new();
        for (version, operation) in (0..).zip(&self.operations) {
            versions.insert(name(operation)?, version);
        }
        for commit in commits {
            let found = versions.get(&(commit.source.clone(), commit.number));
            ensure!(found == Some(&commit.version), "{commit:?} is at {found:?}");
        }
        let content = self
            .operations
            .iter()
            .try_fold(None, |content, operation| {
                after(content, operation).map(Some)
            })?;
        let content = content.map_or_else(String::new, |content| content.write());
        let mut found = HashSet::new();
        for word in words(&content) {
            ensure!(found.insert(word.clone()), "{word} is there twice");
        }
        let acknowledged = commits.iter().flat_map(|commit| &commit.words);
        let lost: Vec<_> = acknowledged
            .filter(|word| !found.contains(&word.to_string()))
            .collect();
        ensure!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        Ok(())
    }
}

/// What its author's client calls an operation.
fn name(operation: &Value) -> Result<(String, u64)> {
    let (source, number) = (operation["source"].as_str(), operation["number"].as_u64());
    let name = source.map(str::to_owned).zip(number);
    name.with_context(|| format!("an operation has a name: {operation}"))
}

/// What there is after an operation.
fn after(content: Option<Snapshot>, operation: &Value) -> Result<Snapshot> {
    let does = [&operation["committed"], &operation["received"]];
    let does = does.into_iter().find(|it| !it.is_null());
    let does = does.with_context(|| format!("an operation does something: {operation}"))?;
    match (operation["action"].as_str(), content) {
        (Some("create"), None) => {
            let ot_type = operation["type"].as_str().unwrap_or_default();
            snapshot(ot_type.parse()?, does)
        }
        (Some("op"), Some(mut content)) => {
            let edit = Operation::read(content.ot_type(), &does.to_string())?;
            content.apply(&edit, &mut Work::default())?;
            Ok(content)
        }
        (_, content) => bail!("{operation} does not fit {content:?}"),
    }
}

/// Opens a socket for ordered documents, and shakes hands.
async fn open(node: SocketAddr) -> Result<Socket> {
    let mut socket = Socket::connect(node, "/sharedb/default").await?;
    let hs = json!({"a": "hs", "id": null, "protocol": 1, "protocolMinor": 2});
    socket.say(hs.to_string()).await?;
    answer(&mut socket, "hs").await?;
    Ok(socket)
}

/// Waits for a message.
async fn answer(socket: &mut Socket, action: &str) -> Result<Value> {
    loop {
        let message = hear(socket).await?;
        if message["a"] == action {
            return Ok(message);
        }
    }
}

async fn hear(socket: &mut Socket) -> Result<Value> {
    loop {
        match socket.next().await? {
            Heard::Text(text) => return Ok(serde_json::from_str(&text)?),
            Heard::Pong => {}
            end => bail!("who looks is closed: {end:?}"),
        }
    }
}

/// Watches the presence of a document until exactly these people are shown.
async fn watch(
    node: SocketAddr,
    document: &Ordered,
    people: &BTreeSet<u64>,
    shown: &RefCell<BTreeSet<u64>>,
) -> Result<()> {
    let mut socket = open(node).await?;
    let subscribe = json!({"a": "ps", "ch": document.address.channel(), "seq": 1});
    socket.say(subscribe.to_string()).await?;
    let mut is_answered = false;
    while !is_answered || *shown.borrow() != *people {
        let message = hear(&mut socket).await?;
        is_answered |= message["a"] == "ps";
        if message["a"] == "p" {
            let id = message["id"].as_str().unwrap_or_default().parse()?;
            match message["p"].is_null() {
                true => shown.borrow_mut().remove(&id),
                false => shown.borrow_mut().insert(id),
            };
        }
    }
    socket.close().await.map(|_| ())
}

/// At so many versions at most each node is asked what was there.
const LOOKS_BACK: usize = 12;

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::ledger::Token;

    fn operation(version: u64, number: u64, does: &Value) -> Value {
        let action = if version == 0 { "create" } else { "op" };
        json!({"operation": {"version": version, "source": "ada", "number": number, "action": action,
            "type": "text", "received": does}})
    }

    fn commit(number: u64, version: u64) -> Committed {
        Committed {
            source: "ada".to_owned(),
            number,
            version,
            words: vec![Token::new(7, number)],
            sent: Instant::now(),
        }
    }

    #[test]
    fn the_checks_bite() -> Result<()> {
        let create = operation(0, 1, &json!(""));
        let written = operation(1, 2, &json!(["<w7n2>.."]));
        let log = Log::read(&[create.clone(), written.clone()])?;
        log.has_once(&[commit(2, 1)])?;
        assert!(log.has_once(&[commit(2, 0)]).is_err(), "another version");
        assert!(log.has_once(&[commit(3, 1)]).is_err(), "lost");
        assert!(Log::read(std::slice::from_ref(&written)).is_err(), "a hole");
        let again = operation(2, 2, &json!(["<w7n2>.."]));
        let twice = [create.clone(), written.clone(), again];
        assert!(Log::read(&twice).is_err(), "a name twice");
        let doubled = operation(2, 3, &json!(["<w7n2>.."]));
        let twice = Log::read(&[create.clone(), written, doubled])?;
        assert!(twice.has_once(&[]).is_err(), "a word twice");
        let without = Log::read(&[create, operation(1, 2, &json!(["."]))])?;
        assert!(without.has_once(&[commit(2, 1)]).is_err(), "a word lost");
        Ok(())
    }
}
