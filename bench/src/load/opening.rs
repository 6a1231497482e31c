//! Many clients that join one document at the same moment: how long each takes until it has all.
//!
//! What they are sent is not read while others wait, only digested; everything that differs is kept and compared after.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::account::Account;
use super::solo::{Script, Solo};
use super::swarm::{Listener, Swarm};
use super::tally::{Tally, Times};
use super::{Watch, server, verify};
use crate::spec::{LoadResult, LoadSpec};

/// Makes the document if it has to be of a size, and joins it.
///
/// # Errors
/// It could not be made, or not connected to. What goes wrong later is in the result.
pub(crate) fn run(
    spec: &LoadSpec,
    clients: u32,
    document: &str,
    bytes: Option<u32>,
    watch: &mut impl Watch,
) -> Result<LoadResult> {
    let script = bytes.map(|bytes| Script::of_bytes(bytes, spec.seed));
    // Whoever made it stays, so that the document is open.
    let made = script.as_ref().map(|script| make(spec, document, script));
    let maker = made.transpose().context("make the document")?;
    let documents = vec![document.to_owned()];
    let mut swarm = Swarm::new(server(spec)?, spec.dialect, documents, spec.seed)?;
    watch.ready()?;
    watch.begin()?;
    let account = Account::open(swarm.now_us(), swarm.traffic);
    let mut answers = Answers::default();
    if let Err(error) = join(spec, &mut swarm, clients, &mut answers) {
        swarm.faults.note("stopped", || format!("{error:#}"));
    }
    let mut result = account.close(swarm.now_us(), swarm.traffic, &Tally::new(), spec.seed);
    watch.end()?;
    result.open = times(&swarm, &answers).quantiles();
    drop(maker);
    let expected = script.map(|script| script.text);
    if let Err(error) = answers.compare(clients as usize, expected) {
        swarm.faults.note("unequal", || format!("{error:#}"));
    }
    let faults = swarm.faults.in_words();
    Ok(LoadResult {
        closed: swarm.closed() as u64,
        missing: u64::from(clients) - swarm.joined() as u64,
        equal: faults.is_empty(),
        faults,
        ..result
    })
}

fn make<'a>(spec: &'a LoadSpec, document: &str, script: &Script) -> Result<Solo<'a>> {
    let mut solo = Solo::connect(spec, document)?;
    solo.write(script, WINDOW)?;
    Ok(solo)
}

fn join(spec: &LoadSpec, swarm: &mut Swarm, clients: u32, answers: &mut Answers) -> Result<()> {
    for _ in 0..clients {
        swarm.connect(0, None)?;
    }
    let late = Instant::now() + spec.patience();
    while swarm.joined() < clients as usize {
        ensure!(
            Instant::now() < late && swarm.closed() == 0,
            "{} of {clients} joined",
            swarm.joined()
        );
        swarm.turn(TURN, answers)?;
    }
    // What follows the first message of an answer.
    while swarm.now_us() < answers.last_us + QUIET_US {
        swarm.turn(TURN, answers)?;
    }
    Ok(())
}

/// Each client's time from its connection to the last that it was sent.
fn times(swarm: &Swarm, answers: &Answers) -> Times {
    let mut times = Times::new();
    for (client, answer) in &answers.answers {
        times.record(answer.last_us.saturating_sub(swarm.began_us(*client)));
    }
    times
}

/// What each client was sent. It may come in several messages, and to each in others.
#[derive(Default)]
struct Answers {
    answers: HashMap<usize, Answer>,
    /// By digest.
    messages: HashMap<u64, Vec<u8>>,
    last_us: u32,
}

/// The digests of what one client was sent.
#[derive(Default)]
struct Answer {
    messages: Vec<u64>,
    last_us: u32,
}

impl Answers {
    /// Whether all hold the same text, and the one that is expected if one is.
    fn compare(&self, clients: usize, mut expected: Option<String>) -> Result<()> {
        let count = self.answers.len();
        ensure!(count == clients, "{count} of {clients} were answered");
        let different: HashSet<_> = self
            .answers
            .values()
            .map(|answer| &answer.messages)
            .collect();
        for messages in different {
            let updates = messages.iter().map(|digest| self.messages[digest].clone());
            let text = verify::text_of(&updates.collect::<Vec<_>>())?;
            verify::same(&text, expected.get_or_insert_with(|| text.clone()))?;
        }
        Ok(())
    }
}

impl Listener for Answers {
    fn update(&mut self, client: usize, update: &[u8], now_us: u32) {
        let digest = digest(update);
        self.messages
            .entry(digest)
            .or_insert_with(|| update.to_vec());
        let answer = self.answers.entry(client).or_default();
        answer.messages.push(digest);
        answer.last_us = now_us;
        self.last_us = now_us;
    }

    fn acknowledged(&mut self, _client: usize, _now_us: u32) {}

    fn presence(&mut self, _client: usize, _entries: &[u8], _now_us: u32) {}
}

/// A number that other bytes hardly have, at the speed of memory: four chains that do not wait for each other.
fn digest(bytes: &[u8]) -> u64 {
    let mix = |digest: u64, word: u64| {
        (digest ^ word)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
    };
    let (blocks, rest) = bytes.as_chunks::<32>();
    let mut chains = [bytes.len() as u64; 4];
    for block in blocks {
        for (chain, word) in chains.iter_mut().zip(block.as_chunks::<8>().0) {
            *chain = mix(*chain, u64::from_le_bytes(*word));
        }
    }
    let rest = rest.iter().map(|byte| u64::from(*byte));
    chains.into_iter().chain(rest).fold(0, mix)
}

const TURN: Duration = Duration::from_millis(10);
/// After so long without anything new a client has everything.
const QUIET_US: u32 = 50_000;
/// How many updates are under way when a document is made.
const WINDOW: usize = 64;
