//! Many clients that join one document at the same moment: how long each takes until it has all.
//!
//! What they are sent is not read while others wait, only digested; everything that differs is kept and compared after.

use std::collections::HashMap;
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
    let account = Account::open(&swarm);
    let mut answers = Answers::default();
    if let Err(error) = join(spec, &mut swarm, clients, &mut answers) {
        swarm.faults.note("stopped", || format!("{error:#}"));
    }
    let mut result = account.close(&swarm, &Tally::new(), spec.seed);
    watch.end()?;
    result.open = times(&swarm, clients).quantiles();
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
    Ok(())
}

fn times(swarm: &Swarm, clients: u32) -> Times {
    let mut times = Times::new();
    let joined = (0..clients as usize).filter(|client| swarm.is_joined(*client));
    joined.for_each(|client| times.record(swarm.took_us(client)));
    times
}

/// What clients were sent: each answer that differs from the others, and how many had it.
#[derive(Default)]
struct Answers {
    answers: HashMap<u64, (usize, Vec<u8>)>,
}

impl Answers {
    /// Whether all hold the same text, and the one that is expected if one is.
    fn compare(&self, clients: usize, mut expected: Option<String>) -> Result<()> {
        let count: usize = self.answers.values().map(|(count, _)| count).sum();
        ensure!(count >= clients, "{count} answers for {clients} clients");
        for (_, answer) in self.answers.values() {
            let text = verify::text_of(std::slice::from_ref(answer))?;
            verify::same(&text, expected.get_or_insert_with(|| text.clone()))?;
        }
        Ok(())
    }
}

impl Listener for Answers {
    fn update(&mut self, _client: usize, update: &[u8], _now_us: u32) {
        let digest = digest(update);
        let fresh = || (0, update.to_vec());
        self.answers.entry(digest).or_insert_with(fresh).0 += 1;
    }

    fn presence(&mut self, _client: usize, _entries: &[u8], _now_us: u32) {}
}

/// A number that other bytes hardly have, at the speed of memory.
fn digest(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mix = |digest: u64, word: u64| {
        (digest ^ word)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
    };
    let digest = words.iter().fold(bytes.len() as u64, |digest, word| {
        mix(digest, u64::from_le_bytes(*word))
    });
    rest.iter()
        .fold(digest, |digest, byte| mix(digest, u64::from(*byte)))
}

const TURN: Duration = Duration::from_millis(10);
/// How many updates are under way when a document is made.
const WINDOW: usize = 64;
