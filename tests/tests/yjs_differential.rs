//! `engine::YjsContent`, over yrs, against real yjs documents in Node.
//!
//! `js/yjs_oracle.mjs` prints runs: updates that yjs documents wrote, in an order in which a server may get them, and
//! now and then what a yjs document makes of those so far. Each update goes into a [`YjsContent`]; at each check its
//! clock, content, state and answer to a returning peer go to a second Node process, where yjs judges them. The fixed
//! scenarios are the defects listed in `docs/decisions/0002-yrs-and-yjs.md`, each in all orders; the rest is random.
//!
//! `QUIRE_DIFFERENTIAL_SEEDS=N` runs N seeds, `QUIRE_DIFFERENTIAL_FIRST=S` begins at seed S. A failure names its seed.

use std::env;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use engine::{Content, Kind, YjsContent};
use quire_tests::node;
use serde_json::{Value, json};

#[test]
fn known_defects_in_every_order() -> Result<()> {
    compare(&["--scenarios"])
}

#[test]
fn random_histories() -> Result<()> {
    let first = env::var("QUIRE_DIFFERENTIAL_FIRST").unwrap_or_else(|_| "1".to_owned());
    let count = env::var("QUIRE_DIFFERENTIAL_SEEDS").unwrap_or_else(|_| DEFAULT_SEEDS.to_owned());
    compare(&["--seed", &first, "--count", &count])
}

/// Plays the runs that the oracle prints and fails with all disagreements, or returns early where Node is not installed
/// and not required.
fn compare(oracle_arguments: &[&str]) -> Result<()> {
    if !node::is_ready("yjs")? {
        return Ok(());
    }
    let mut oracle = Node::spawn(oracle_arguments)?;
    let mut player = Player::new(Node::spawn(&["--verify"])?);
    while let Some(line) = oracle.read()? {
        player.play(&line)?;
    }
    oracle.finish()?;
    player.finish()
}

/// Feeds one run at a time to a fresh document, and gathers what differs.
struct Player {
    judge: Node,
    run: String,
    updates: usize,
    content: YjsContent,
    /// The updates since the last check, and all before them, merged from check to check.
    came: Vec<Bytes>,
    merged: Vec<String>,
    checks: usize,
    disagreements: Vec<String>,
}

impl Player {
    fn new(judge: Node) -> Self {
        Self {
            judge,
            run: String::new(),
            updates: 0,
            content: YjsContent::new(),
            came: Vec::new(),
            merged: Vec::new(),
            checks: 0,
            disagreements: Vec::new(),
        }
    }

    fn play(&mut self, line: &Value) -> Result<()> {
        match line["type"].as_str() {
            Some("run") => self.begin(line),
            Some("update") => self.update(line),
            Some("check") => self.check(line),
            other => anyhow::bail!("the oracle printed {other:?}"),
        }
    }

    fn begin(&mut self, line: &Value) -> Result<()> {
        self.run = line["name"]
            .as_str()
            .context("a run has a name")?
            .to_owned();
        self.content = YjsContent::new();
        self.updates = 0;
        self.came.clear();
        self.merged.clear();
        Ok(())
    }

    fn update(&mut self, line: &Value) -> Result<()> {
        self.updates += 1;
        let update = Bytes::from(unhex(&line["hex"])?);
        self.came.push(update.clone());
        let integrated = self
            .content
            .integrate(&update)
            .with_context(|| format!("{}: update {}", self.run, self.updates))?;
        if integrated.missing && self.content.waiting().is_empty() {
            self.disagree("missing: true, but nothing waits");
        }
        if line["news"]
            .as_bool()
            .is_some_and(|news| news != integrated.news)
        {
            self.disagree(&format!(
                "news: {} instead of {}",
                integrated.news, line["news"]
            ));
        }
        Ok(())
    }

    fn check(&mut self, line: &Value) -> Result<()> {
        self.checks += 1;
        let waits = !self.content.waiting().is_empty();
        if line["pending"].as_bool() != Some(waits) {
            self.disagree(&format!("waits: {waits} instead of {}", line["pending"]));
        }
        let merged = Content::new(Kind::Yjs)?.merge(&std::mem::take(&mut self.came));
        self.merged.extend(merged.iter().map(|update| hex(update)));
        let answer = self.answer(line)?;
        self.judge.write(&answer)?;
        let verdict = self.judge.read()?.context("yjs stopped judging")?;
        for difference in verdict["differences"]
            .as_array()
            .context("a verdict lists differences")?
        {
            self.disagree(difference.as_str().unwrap_or("no text"));
        }
        Ok(())
    }

    /// What the document says of itself, and what it would send to the peer of a check.
    fn answer(&self, check: &Value) -> Result<Value> {
        let peer_lacks = self.content.missing_from(&unhex(&check["peer"]["have"])?)?;
        Ok(json!({
            "check": check,
            "have": hex(&self.content.have()),
            "state": self.with_waiting(&self.content.update()),
            "diff": self.with_waiting(&peer_lacks),
            "merged": self.merged,
            "content": {
                "text": self.content.text(Some("text")),
                "map": or_empty(self.content.json(Some("map")), json!({})),
                "array": or_empty(self.content.json(Some("array")), json!([])),
                "xml": or_empty(self.content.json(Some("xml")), json!("")),
            },
        }))
    }

    fn with_waiting(&self, update: &[u8]) -> Vec<String> {
        std::iter::once(hex(update))
            .chain(self.content.waiting().iter().map(|waiting| hex(waiting)))
            .collect()
    }

    fn disagree(&mut self, what: &str) {
        self.disagreements.push(format!(
            "{}, after update {}: {what}",
            self.run, self.updates
        ));
    }

    fn finish(self) -> Result<()> {
        self.judge.finish()?;
        println!("{} checks", self.checks);
        ensure!(self.checks > 0, "the oracle checked nothing");
        let shown: Vec<&str> = self
            .disagreements
            .iter()
            .map(String::as_str)
            .take(DISAGREEMENTS_SHOWN)
            .collect();
        ensure!(
            shown.is_empty(),
            "{} disagreements with yjs:\n{}",
            self.disagreements.len(),
            shown.join("\n")
        );
        Ok(())
    }
}

/// The oracle script in a process of its own, a line of JSON at a time.
struct Node {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Node {
    fn spawn(arguments: &[&str]) -> Result<Self> {
        let mut process = Command::new("node")
            .arg(node::script("yjs_oracle.mjs"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = process.stdin.take();
        let output = process.stdout.take().context("stdout is piped")?;
        Ok(Self {
            process,
            input,
            output: BufReader::new(output),
        })
    }

    fn read(&mut self) -> Result<Option<Value>> {
        let mut line = String::new();
        match self.output.read_line(&mut line)? {
            0 => Ok(None),
            _ => Ok(Some(serde_json::from_str(&line)?)),
        }
    }

    fn write(&mut self, value: &Value) -> Result<()> {
        let input = self.input.as_mut().context("stdin is piped")?;
        writeln!(input, "{value}")?;
        Ok(())
    }

    /// Ends its input and waits for it to end well.
    fn finish(mut self) -> Result<()> {
        drop(self.input.take());
        let status = self.process.wait()?;
        ensure!(status.success(), "yjs_oracle.mjs ended with {status}");
        Ok(())
    }
}

/// A root type that nobody has put anything into has no kind yet, so it reads as null.
fn or_empty(value: Value, empty: Value) -> Value {
    if value.is_null() { empty } else { value }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &Value) -> Result<Vec<u8>> {
    let text = text.as_str().context("bytes are a hexadecimal string")?;
    let pairs = (0..text.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).context("two hexadecimal digits"))
        .collect()
}

/// Some 1,200 checks, a few seconds in a debug build.
const DEFAULT_SEEDS: &str = "25";

/// A disagreement is seldom alone; the first ones tell most.
const DISAGREEMENTS_SHOWN: usize = 8;
