//! People who type in one text, more and more of them, until more than one change in a hundred takes longer than a second to
//! somebody else, or the server closes somebody, who comes back.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use automerge::sync::State;
use protocol::automerge::{ChangeHash, DocumentId, Said};

use super::documents::said;
use super::history::{self, History, actor};
use super::ledger::Ledger;
use super::lines::{Heard, Lines, News, TURN};
use super::replica::{self, Replica, has_said};
use super::typist::{Typist, letter, read};
use super::{Account, Tally, compare_rest, conclude, document};
use crate::load::tally::Times;
use crate::load::{Watch, server, verify};
use crate::spec::{AutomergeResult, LoadResult, LoadSpec, Rung};

/// Has people type, so many to begin with and at most so many, so many letters a second each.
///
/// # Errors
/// They could not all come. What goes wrong later is in the result.
pub(super) fn run(
    spec: &LoadSpec,
    people: RangeInclusive<u32>,
    per_second_each: f64,
    characters: u32,
    watch: &mut impl Watch,
) -> Result<LoadResult> {
    let mut history = History::new(LETTERS_EACH, spec.seed)?;
    history.write(characters.div_ceil(LETTERS_EACH))?;
    let mut room = Room::new(spec, &mut history)?;
    room.gather(*people.start(), *people.end())?;
    watch.ready()?;
    watch.begin()?;
    let account = Account::open(room.lines.now_us(), room.lines.traffic);
    let mut told = AutomergeResult::default();
    for people in LADDER.into_iter().filter(|rung| people.contains(rung)) {
        room.gather(people, *LADDER.last().unwrap_or(&people))?;
        let rung = room.rung(people, per_second_each)?;
        let is_good = rung.closed == 0 && rung.late * 100 <= rung.expected;
        told.is_generators_limit = rung.generator_share > GENERATOR_SHARE_MAX;
        told.rungs.push(rung);
        if !is_good || told.is_generators_limit {
            break;
        }
        told.people = people;
    }
    room.wait_until_even()?;
    let mut result = account.close(
        room.lines.now_us(),
        room.lines.traffic,
        &room.tally,
        spec.seed,
    );
    watch.end()?;
    result.automerge = Some(told);
    result.missing = room.missing();
    let compared = room.compare(&history);
    Ok(conclude(result, room.tally, compared))
}

/// A document and those who type in it.
struct Room<'a> {
    spec: &'a LoadSpec,
    document: DocumentId,
    lines: Lines,
    ledger: Ledger,
    /// How long the text was at first.
    characters: u32,
    typists: Vec<Typist>,
    /// On which connection each of them is.
    lines_of: Vec<usize>,
    /// Those who were closed and have begun to come back.
    coming_back: Vec<usize>,
    tally: Tally,
    rung: Counting,
}

/// What is counted of one number of people.
struct Counting {
    /// The first change that counts.
    first: u32,
    latency: Times,
    arrived: u64,
    late: u64,
    closed: u64,
}

impl<'a> Room<'a> {
    /// Somebody brings the document and goes.
    fn new(spec: &'a LoadSpec, history: &mut History) -> Result<Self> {
        let document = document(spec, 0)?;
        let mut lines = Lines::new(server(spec)?)?;
        let line = lines.join(None, spec.patience())?;
        let (mut state, heads) = (State::new(), history.heads());
        replica::say(&mut lines, line, &document, &history.doc, &mut state)?;
        let late = Instant::now() + spec.patience();
        let mut heard = Vec::new();
        while !has_said(&state, &heads) {
            ensure!(Instant::now() < late, "the text was not taken");
            lines.turn(TURN, &mut heard)?;
            for Heard { news, .. } in heard.drain(..) {
                replica::hear(&mut history.doc, &mut state, &said(news)?.1)?;
                replica::say(&mut lines, line, &document, &history.doc, &mut state)?;
            }
        }
        lines.leave(line);
        let characters = history.text().len() as u32;
        let head = ChangeHash(heads.first().context("it has a head")?.0);
        Ok(Self {
            spec,
            document,
            lines,
            ledger: Ledger::new(head, u64::from(characters) + 1, actor(0)),
            characters,
            typists: Vec::new(),
            lines_of: Vec::new(),
            coming_back: Vec::new(),
            tally: Tally::new(),
            rung: Counting::from(0),
        })
    }

    /// Until there are so many people, of whom there may come to be at most so many.
    fn gather(&mut self, people: u32, most: u32) -> Result<()> {
        while (self.typists.len() as u32) < people {
            let number = self.typists.len();
            let line = self.lines.join(None, self.spec.patience())?;
            let place =
                (u64::from(self.characters) * number as u64 / u64::from(most.max(1))) as u32;
            let own = actor(u16::try_from(number + 1)?);
            let after = letter(place, actor(0));
            self.typists.push(Typist::new(number, own, after));
            self.lines_of.push(line);
            self.say(number)?;
        }
        let is_here = |room: &Self| room.typists.iter().all(Typist::is_here);
        self.wait_until("come", is_here)?;
        self.wait_until_even()
    }

    /// Has everybody type for a while.
    fn rung(&mut self, people: u32, per_second_each: f64) -> Result<Rung> {
        self.rung = Counting::from(self.ledger.len());
        let cpu_us = Account::open(self.lines.now_us(), self.lines.traffic);
        let (began, per_second) = (Instant::now(), per_second_each * f64::from(people));
        let edits = (self.spec.seconds * per_second) as u64;
        for edit in 0..edits {
            let due = Duration::from_secs_f64(edit as f64 / per_second);
            while began.elapsed() < due {
                self.turn(due.saturating_sub(began.elapsed()).min(TURN))?;
            }
            self.type_one((edit % u64::from(people)) as usize)?;
            self.turn(Duration::ZERO)?;
        }
        let expected = edits * u64::from(people - 1);
        let late = Instant::now() + LATE;
        while self.rung.arrived < expected && Instant::now() < late {
            self.turn(TURN)?;
        }
        let spent = cpu_us.close(
            self.lines.now_us(),
            self.lines.traffic,
            &Tally::new(),
            self.spec.seed,
        );
        let latency = self.rung.latency.quantiles();
        Ok(Rung {
            people,
            expected,
            late: self.rung.late + expected.saturating_sub(self.rung.arrived),
            closed: self.rung.closed,
            p50: latency.p50,
            p99: latency.p99,
            generator_share: spent.generator_cpu_seconds / spent.seconds,
        })
    }

    fn type_one(&mut self, number: usize) -> Result<()> {
        let now_us = self.lines.now_us();
        self.typists[number].type_one(&mut self.ledger, now_us);
        self.tally.edits += 1;
        self.say(number)
    }

    fn say(&mut self, number: usize) -> Result<()> {
        if self.coming_back.contains(&number) {
            return Ok(());
        }
        let typist = &mut self.typists[number];
        let Some(message) = typist.say(&self.ledger) else {
            return Ok(());
        };
        let said = match typist.is_here() {
            true => Said::Sync(message.write()),
            false => Said::Request(message.write()),
        };
        self.lines.say(self.lines_of[number], &self.document, said)
    }

    fn turn(&mut self, most: Duration) -> Result<()> {
        let mut heard = Vec::new();
        self.lines.turn(most, &mut heard)?;
        for Heard { line, news, now_us } in heard {
            // What else a connection says that was closed is of no use.
            let Some(number) = self.lines_of.iter().position(|of| *of == line) else {
                continue;
            };
            match news {
                News::Said(_, Said::Sync(data)) => self.hear(number, &data, now_us)?,
                News::Said(..) => {}
                News::Closed(_) => self.come_back(number)?,
            }
        }
        self.greet_those_back()
    }

    /// Somebody was closed, and connects anew as a client does.
    fn come_back(&mut self, number: usize) -> Result<()> {
        self.rung.closed += 1;
        self.lines.leave(self.lines_of[number]);
        self.lines_of[number] = self.lines.connect(None)?;
        self.typists[number].come_back(&self.ledger);
        if !self.coming_back.contains(&number) {
            self.coming_back.push(number);
        }
        Ok(())
    }

    /// Who is back on a connection says what he has.
    fn greet_those_back(&mut self) -> Result<()> {
        for number in std::mem::take(&mut self.coming_back) {
            match self.lines.is_joined(self.lines_of[number]) {
                true => self.say(number)?,
                false => self.coming_back.push(number),
            }
        }
        Ok(())
    }

    fn hear(&mut self, number: usize, data: &bytes::Bytes, now_us: u32) -> Result<()> {
        let news = self.typists[number].hear(read(data)?, &self.ledger)?;
        for change in news.acknowledged {
            self.tally
                .acknowledged(self.ledger.entry(change).sent_us, now_us);
        }
        for change in news.arrived {
            let latency_us = now_us.saturating_sub(self.ledger.entry(change).sent_us);
            self.tally.deliveries += 1;
            self.tally.latency.record(latency_us);
            self.tally.last_arrival_us = now_us;
            if change >= self.rung.first {
                self.rung.arrived(latency_us);
            }
        }
        self.say(number)
    }

    /// Until all have the same.
    fn wait_until_even(&mut self) -> Result<()> {
        self.wait_until("the same", |room| room.missing() == 0)
    }

    fn wait_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) -> Result<()> {
        let late = Instant::now() + self.spec.patience();
        while !is_so(self) {
            ensure!(Instant::now() < late, "not all have {what}");
            self.turn(TURN)?;
        }
        Ok(())
    }

    /// How many have not heard of all.
    fn missing(&self) -> u64 {
        let heads = self.typists.first().map(Typist::heads);
        let last = self.ledger.len() - 1;
        let lacks = |typist: &&Typist| !typist.has(last) || Some(typist.heads()) != heads;
        self.typists.iter().filter(lacks).count() as u64
    }

    /// Whether somebody who comes now, and who puts all changes together, has the same.
    fn compare(&mut self, history: &History) -> Result<()> {
        let mut whole = history.doc.clone();
        whole.apply_changes(self.ledger.changes()?)?;
        let expected = history::text(&whole)?;
        let typed = self.ledger.len() as usize - 1;
        ensure!(
            expected.len() == self.characters as usize + typed,
            "not all changes put a letter in"
        );
        let fresh = self.fresh()?;
        ensure!(
            history::heads(&fresh.doc) == history::heads(&whole),
            "somebody who comes now has other changes"
        );
        verify::same(&history::text(&fresh.doc)?, &expected).context("who comes now")?;
        compare_rest(self.spec, &self.document, &expected).context("the REST API")
    }

    fn fresh(&mut self) -> Result<Replica> {
        let line = self.lines.join(None, self.spec.patience())?;
        let mut replica = Replica::new();
        let Self {
            lines, document, ..
        } = self;
        replica::say(lines, line, document, &replica.doc, &mut replica.state)?;
        let late = Instant::now() + self.spec.patience();
        let mut heard = Vec::new();
        loop {
            ensure!(Instant::now() < late, "nobody is answered who comes now");
            lines.turn(TURN, &mut heard)?;
            for Heard { news, .. } in heard.drain(..).filter(|heard| heard.line == line) {
                if replica.hear(&said(news)?.1)? {
                    return Ok(replica);
                }
                replica::say(lines, line, document, &replica.doc, &mut replica.state)?;
            }
        }
    }
}

impl Counting {
    fn from(first: u32) -> Self {
        Self {
            first,
            latency: Times::new(),
            arrived: 0,
            late: 0,
            closed: 0,
        }
    }

    fn arrived(&mut self, latency_us: u32) {
        self.arrived += 1;
        self.late += u64::from(Duration::from_micros(latency_us.into()) > LATE);
        self.latency.record(latency_us);
    }
}

/// How many people there are, one after the other.
const LADDER: [u32; 15] = [2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256];
/// What takes longer is late.
const LATE: Duration = Duration::from_secs(1);
/// How many letters each change has that the text begins with: it was written, and not pasted.
const LETTERS_EACH: u32 = 100;
/// Beyond it, it is no longer the server that is measured.
const GENERATOR_SHARE_MAX: f64 = 0.9;
