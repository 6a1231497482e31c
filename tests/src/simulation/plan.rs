//! A plan: all that happens in one simulated run, written down before it begins.
//!
//! A plan is a [`Setup`] and a list of [`Step`]s. Steps carry all chance in themselves and are meaningless rather than
//! wrong when what they speak of is not there, so any of them can be left out and the rest still plays. A plan is saved as
//! lines of JSON, the setup first and then one line for each step: a failure is a file that anyone can read, change and
//! play again.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use engine::Kind;
use serde::{Deserialize, Serialize};

/// What the world is like before anything happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// The seed that the plan was made from.
    pub seed: u64,
    /// The version of the code that wrote the plan.
    pub version: String,
    /// The kind of all documents.
    #[serde(default = "kind::yjs", with = "kind")]
    pub kind: Kind,
    /// How many nodes there are.
    pub nodes: usize,
    /// How many documents.
    pub documents: usize,
    /// How many clients; each edits one document.
    pub clients: usize,
    /// How far each node's wall clock is off at first, in milliseconds.
    pub skews_ms: Vec<i64>,
    /// Bound of what waits for the store, in bytes.
    pub unsaved_bytes_max: usize,
    /// Raw edits in one change.
    pub updates_per_change_max: usize,
    /// Changes in one append.
    pub changes_per_append_max: usize,
    /// Changes that call for a snapshot.
    pub snapshot_changes: u64,
    /// How long a document without clients stays in memory, in milliseconds.
    pub idle_ms: u64,
    /// Frames that may wait for one reader.
    pub outbox_frames: usize,
    /// Mails that may wait for one session.
    pub mailbox: usize,
    /// Changes of other nodes that may be held until what they build on is there.
    #[serde(default = "many")]
    pub held_changes_max: usize,
    /// Changes in one pull.
    #[serde(default = "many_at_once")]
    pub changes_per_pull_max: u64,
    /// How long news of presence waits for what comes soon after, at most, in milliseconds.
    #[serde(default)]
    pub presence_wait_max_ms: u64,
    /// Bytes of changes that are kept in case the store loses them.
    #[serde(default = "much")]
    pub kept_bytes_max: usize,
    /// How heavy a document may become, in bytes of estimated memory; one that is heavier than a quarter of it is held as its
    /// snapshot.
    #[serde(default = "heavy")]
    pub document_weight_max: usize,
    /// The deliberate bug that all documents have, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bug: Option<Sabotage>,
}

/// Kinds of documents by their words.
mod kind {
    use engine::Kind;
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(super) fn yjs() -> Kind {
        Kind::Yjs
    }

    pub(super) fn serialize<S: Serializer>(kind: &Kind, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(kind.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Kind, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

fn many() -> usize {
    1_024
}

fn heavy() -> usize {
    1 << 30
}

fn much() -> usize {
    1 << 20
}

fn many_at_once() -> u64 {
    256
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// A client connects to a node.
    Join { client: usize, node: usize },
    /// A client leaves the node that it is at, in good order, and connects to another.
    Roam { client: usize, node: usize },
    /// A client's connection breaks: the node still gets the first `arrive` frames that are under way to it, and notices
    /// only later that nobody is there.
    Cut { client: usize, arrive: usize },
    /// A node notices which of its connections are dead.
    Notice { node: usize },
    /// A client's page is loaded anew: it comes back as another, without its document.
    Reload { client: usize, node: usize },
    /// A client edits.
    Edit { client: usize, edit: Edit },
    /// A client gets all that another has, past the server, and passes it on: the tabs of one browser do so.
    Share { client: usize, from: usize },
    /// A client is allowed to write, or no longer. Only those that count their edits can be told.
    Grant { client: usize, may_write: bool },
    /// Frames of a client reach its node.
    Upload { client: usize, frames: usize },
    /// A client reads frames that its node has written.
    Download { client: usize, frames: usize },
    /// The sessions of a node each take one answer of the store and some mails, as one batch.
    Run { node: usize, mails: usize },
    /// The store deals with one request.
    Store { pick: usize, fate: Fate },
    /// The store is replaced by a standby that lacks the last changes of a document.
    FailOver { document: usize, changes: usize },
    /// The bus deals with one message.
    Bus { pick: usize, fate: Delivery },
    /// A node asks the store how far each lane is.
    Poll { node: usize },
    /// A node dies. An append that it has at the store lands, or not.
    Crash { node: usize, lands: bool },
    /// A node dies in the midst of its work: after so many more effects.
    CrashAfter {
        node: usize,
        effects: usize,
        lands: bool,
    },
    /// A dead node starts again, as another replica.
    Start { node: usize },
    /// A node is told to stop.
    Drain { node: usize },
    /// A node stands still until it is resumed.
    Pause { node: usize },
    /// It goes on.
    Resume { node: usize },
    /// Time passes.
    Pass { ms: u64 },
    /// A node's wall clock jumps.
    SetClock { node: usize, skew_ms: i64 },
    /// Someone sends what no client would.
    Poison {
        document: usize,
        node: usize,
        poison: Poison,
    },
    /// A document is deleted through a node.
    Delete { document: usize, node: usize },
    /// Everything flows for a while, without faults.
    Calm { rounds: usize },
    /// Everyone comes back, everything works, all becomes quiet, and then all checks are made.
    Quiesce,
}

/// How a client edits. Places and lengths are taken as far as they exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "edit", rename_all = "snake_case")]
pub enum Edit {
    /// Types into the text.
    Type { at: u32, text: String },
    /// Erases some of it.
    Erase { at: u32, length: u32 },
    /// Marks some of it bold, or no longer.
    Format { at: u32, length: u32, bold: bool },
    /// Sets a key of the map.
    Set { key: String, value: u32 },
    /// Removes a key of the map.
    Unset { key: String },
    /// Sets a key of the map to a map of its own.
    Nest { key: String },
    /// Sets a key of the map to a document of its own.
    Embed { key: String },
    /// Puts an item into the list.
    Insert { at: u32, value: u32 },
    /// Removes items from the list.
    Remove { at: u32, length: u32 },
    /// Puts an element into the tree.
    Grow { at: u32 },
    /// Types twice and sends only the second edit: the first is kept back until the server asks for it.
    Withhold { text: String },
    /// Sends all that there is once more.
    Repeat,
}

/// What becomes of a request to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is done and answered.
    Done,
    /// It is not done, and the answer says that it failed.
    FailedBefore,
    /// It is done, but the answer says that it failed.
    FailedAfter,
}

/// What becomes of a message on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// It arrives.
    Once,
    /// It arrives and stays on the bus.
    Again,
    /// It is lost.
    Lost,
}

/// What no client would send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Poison {
    /// A frame that is cut off.
    BrokenFrame,
    /// An update that does not decode.
    BrokenUpdate,
    /// An update that decodes and contradicts the document.
    Contradiction,
    /// An update that makes the content library panic.
    Panic,
    /// A state vector that declares more than it holds.
    BrokenVector,
}

/// A deliberate bug, as plans name it; `engine::Bug` says what each does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the engine documents them")]
pub enum Sabotage {
    AckBeforeCommit,
    HoleInLane,
    DotReuse,
    LostMerge,
    GhostPresence,
    StalePresence,
    StaleStep1,
    ForgetOnUnload,
    EmptyAnswer,
    BoastfulSnapshot,
    NoBound,
    FalseAlarm,
    LostHeard,
    DeafToRolls,
    EarlyPublish,
    DeafToHeads,
    BlindJoin,
    Amnesia,
    NoRetry,
    BlindEye,
    Panics,
    ShownEarly,
    ForgottenOrphan,
    LooseContext,
}

/// All that happens in one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What there is before.
    pub setup: Setup,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

impl Plan {
    /// The plan as lines of JSON.
    ///
    /// # Errors
    /// It can not be written as JSON, which no plan does.
    pub fn to_lines(&self) -> Result<String> {
        let mut lines = serde_json::to_string(&self.setup)?;
        for step in &self.steps {
            lines.push('\n');
            lines.push_str(&serde_json::to_string(step)?);
        }
        lines.push('\n');
        Ok(lines)
    }

    /// Reads lines of JSON; empty ones are passed over.
    ///
    /// # Errors
    /// A line is not what it should be.
    pub fn from_lines(lines: &str) -> Result<Self> {
        let mut numbered = lines
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty());
        let (_, setup) = numbered.next().context("the plan is empty")?;
        let setup = serde_json::from_str(setup).context("the first line is no setup")?;
        let steps = numbered
            .map(|(at, line)| {
                serde_json::from_str(line).with_context(|| format!("line {} is no step", at + 1))
            })
            .collect::<Result<_>>()?;
        Ok(Self { setup, steps })
    }

    /// Reads a saved plan.
    ///
    /// # Errors
    /// There is no such file, or it is no plan.
    pub fn load(path: &Path) -> Result<Self> {
        let lines = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        Self::from_lines(&lines).with_context(|| path.display().to_string())
    }

    /// Saves the plan.
    ///
    /// # Errors
    /// The file can not be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, self.to_lines()?).with_context(|| path.display().to_string())
    }
}
