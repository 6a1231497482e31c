//! One socket that writes a whole document, with so many updates under way at once, each acknowledged in its turn.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::account::Account;
use super::author::FIRST_CLIENT;
use super::chance::Chance;
use super::echoes::Echoes;
use super::swarm::Swarm;
use super::trace::Trace;
use super::writer::{Covers, Writer};
use super::{Watch, server, verify};
use crate::spec::{LoadResult, LoadSpec};

/// Updates made before the run, and the text that they come to.
pub(crate) struct Script {
    bytes: Vec<u8>,
    /// Where each ends in `bytes`, and what it covers.
    updates: Vec<(usize, Covers)>,
    pub(crate) text: String,
}

impl Script {
    /// A recorded session, or its first keystrokes, typed so many times, each time behind what is there.
    ///
    /// # Errors
    /// It can not be read, or does not come to the text that it says.
    pub(crate) fn of_trace(path: &Path, times: u32, keystrokes: Option<u32>) -> Result<Self> {
        let trace = Trace::load(path)?;
        let mut script = Drafts::new();
        for _ in 0..times {
            let begin = script.writer.len();
            let most = keystrokes.map_or(usize::MAX, |most| most as usize);
            for keystroke in trace.keystrokes.iter().take(most) {
                for (at, erased, written) in &keystroke.patches {
                    script.writer.erase(begin + at, *erased);
                    script.writer.insert(begin + at, written.as_bytes());
                }
                script.end_update();
            }
        }
        let script = script.done();
        let expected = trace.end_content.repeat(times as usize);
        ensure!(
            keystrokes.is_some() || script.text == expected,
            "the session ends with another text"
        );
        Ok(script)
    }

    /// Pieces of text at random places, until they are about so many bytes as an update.
    pub(crate) fn of_bytes(bytes: u32, seed: u64) -> Self {
        let (mut script, mut chance) = (Drafts::new(), Chance::new(seed));
        for piece in 0..bytes.div_ceil(PIECE_BYTES) {
            let letters = std::iter::repeat_with(|| b'a' + chance.below(26) as u8);
            let text: Vec<_> = letters.take(PIECE_LETTERS).collect();
            // Near what was written before, as people do.
            let end = script.writer.len() as u32;
            let at = end - chance.below(end.min(PLACES_BACK) + 1);
            script.writer.insert(at as usize, &text);
            if (piece + 1) % PIECES_PER_UPDATE == 0 {
                script.end_update();
            }
        }
        script.end_update();
        script.done()
    }

    pub(crate) fn len(&self) -> usize {
        self.updates.len()
    }

    fn update(&self, number: usize) -> (&[u8], &Covers) {
        let begin = number
            .checked_sub(1)
            .map_or(0, |before| self.updates[before].0);
        let (end, covers) = &self.updates[number];
        (&self.bytes[begin..*end], covers)
    }
}

/// A script that is being made.
struct Drafts {
    writer: Writer,
    bytes: Vec<u8>,
    updates: Vec<(usize, Covers)>,
}

impl Drafts {
    fn new() -> Self {
        Self {
            writer: Writer::new(FIRST_CLIENT),
            bytes: Vec::new(),
            updates: Vec::new(),
        }
    }

    fn end_update(&mut self) {
        let begin = self.bytes.len();
        let covers = self.writer.finish(&mut self.bytes);
        // Nobody acknowledges what changes nothing.
        if self.bytes[begin..] == EMPTY {
            self.bytes.truncate(begin);
        } else {
            self.updates.push((self.bytes.len(), covers));
        }
    }

    fn done(self) -> Script {
        Script {
            text: self.writer.text(),
            bytes: self.bytes,
            updates: self.updates,
        }
    }
}

/// Runs a script against a document that is not there yet.
///
/// # Errors
/// It could not be begun. What goes wrong later is in the result.
pub(crate) fn run(
    spec: &LoadSpec,
    script: &Script,
    document: &str,
    window: u32,
    watch: &mut impl Watch,
) -> Result<LoadResult> {
    let began = Instant::now();
    let mut solo = Solo::connect(spec, document)?;
    let connected = began.elapsed();
    watch.ready()?;
    watch.begin()?;
    let account = Account::open(solo.swarm.now_us(), solo.swarm.traffic);
    if let Err(error) = solo.write(script, window as usize) {
        solo.swarm.faults.note("stopped", || format!("{error:#}"));
    }
    let mut result = account.close(
        solo.swarm.now_us(),
        solo.swarm.traffic,
        &solo.echoes.tally,
        spec.seed,
    );
    watch.end()?;
    result.connect_seconds = connected.as_secs_f64();
    solo.conclude(script, result)
}

/// The socket, and what comes back through it.
pub(crate) struct Solo<'a> {
    spec: &'a LoadSpec,
    pub(crate) swarm: Swarm,
    echoes: Echoes,
}

impl<'a> Solo<'a> {
    /// Joins the document.
    ///
    /// # Errors
    /// It could not, in time.
    pub(crate) fn connect(spec: &'a LoadSpec, document: &str) -> Result<Self> {
        super::create(spec, document)?;
        let documents = vec![document.to_owned()];
        let mut solo = Self {
            spec,
            swarm: Swarm::new(server(spec)?, spec.dialect, documents, spec.seed)?,
            echoes: Echoes::new(FIRST_CLIENT, spec.dialect.ack()),
        };
        solo.swarm.connect(0, None)?;
        let late = Instant::now() + spec.patience();
        while !solo.swarm.is_joined(0) {
            ensure!(
                Instant::now() < late && solo.swarm.closed() == 0,
                "not joined; {:?}",
                solo.swarm.faults.in_words()
            );
            solo.swarm.turn(TURN, &mut solo.echoes)?;
        }
        let there = solo.echoes.tally.faults.in_words();
        ensure!(there.is_empty(), "the document is not empty; name another");
        Ok(solo)
    }

    /// Sends all, as the window allows, and waits until all is acknowledged.
    ///
    /// # Errors
    /// It was closed, or nothing was acknowledged for too long.
    pub(crate) fn write(&mut self, script: &Script, window: usize) -> Result<()> {
        let mut sent = 0;
        let mut heard_us = self.swarm.now_us();
        while sent < script.len() || self.echoes.under_way() > 0 {
            while sent < script.len() && self.echoes.under_way() < window {
                self.send(script, sent);
                sent += 1;
            }
            let before = self.echoes.tally.acked;
            self.swarm.turn(TURN, &mut self.echoes)?;
            let now_us = self.swarm.now_us();
            if self.echoes.tally.acked > before {
                heard_us = now_us;
            }
            let silent = Duration::from_micros(u64::from(now_us - heard_us));
            if self.swarm.closed() > 0 || silent > self.spec.patience() {
                bail!("{sent} sent, {} acknowledged", self.echoes.tally.acked);
            }
        }
        Ok(())
    }

    fn send(&mut self, script: &Script, number: usize) {
        let (update, covers) = script.update(number);
        let now_us = self.swarm.now_us();
        self.echoes.sent(covers.clone(), now_us);
        self.swarm.edit(0, update);
    }

    fn conclude(mut self, script: &Script, result: LoadResult) -> Result<LoadResult> {
        let equal = verify::fresh(&mut self.swarm, 0, self.spec.patience())
            .and_then(|text| verify::same(&text, &script.text))
            .context("a fresh client");
        if let Err(error) = equal {
            self.swarm.faults.note("unequal", || format!("{error:#}"));
        }
        let mut faults = self.swarm.faults.in_words();
        faults.extend(self.echoes.tally.faults.in_words());
        Ok(LoadResult {
            missing: self.echoes.under_way() as u64,
            closed: self.swarm.closed() as u64,
            equal: faults.is_empty(),
            faults,
            ..result
        })
    }
}

const TURN: Duration = Duration::from_millis(10);
/// The update that writes and erases nothing.
const EMPTY: [u8; 2] = [0, 0];
/// What a piece takes in an update: its letters, and what is said of its place.
const PIECE_BYTES: u32 = 100;
const PIECE_LETTERS: usize = 80;
const PIECES_PER_UPDATE: u32 = 10;
/// How far from the end is written.
const PLACES_BACK: u32 = 5_000;
