//! A run by plan: everyone connects, edits are sent at their pace, and the end is waited for, but not for ever.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::account::Account;
use super::author::{self, Author, FIRST_CLIENT};
use super::beat::Beat;
use super::crowd::Crowd;
use super::plan::{Pace, Plan};
use super::swarm::Swarm;
use super::tally::Times;
use super::verify::Ended;
use super::{Watch, server, verify};
use crate::spec::{Dialect, LoadResult, LoadSpec, Quantiles};

/// A run, from the first connection to the result.
struct Run<'a> {
    spec: &'a LoadSpec,
    plan: Plan,
    swarm: Swarm,
    crowd: Crowd,
    /// By document, then by author.
    authors: Vec<Vec<Author>>,
    update: Vec<u8>,
    result: LoadResult,
}

/// Runs a plan.
///
/// # Errors
/// It could not be begun. What goes wrong later is in the result.
pub(crate) fn run(spec: &LoadSpec, plan: Plan, watch: &mut impl Watch) -> Result<LoadResult> {
    let mut run = Run::assemble(spec, plan)?;
    watch.ready()?;
    watch.begin()?;
    run.act();
    watch.end()?;
    run.wake();
    run.conclude()
}

impl<'a> Run<'a> {
    /// Connects everyone, and gives each document its start.
    fn assemble(spec: &'a LoadSpec, plan: Plan) -> Result<Self> {
        let began = Instant::now();
        let names = (0..plan.documents).map(|number| format!("{}{number}", spec.options.prefix));
        let names: Vec<_> = names.collect();
        names
            .iter()
            .try_for_each(|name| super::create(spec, name))?;
        let swarm = Swarm::new(server(spec)?, spec.dialect, names, spec.seed)?;
        let author = |document: u32, number: u32| {
            let client = FIRST_CLIENT + u64::from(document * plan.each + number);
            Author::new(client, plan.start, spec.seed)
        };
        let authors = |document| {
            (0..plan.authors)
                .map(|number| author(document, number))
                .collect()
        };
        let mut run = Self {
            spec,
            plan,
            swarm,
            crowd: Crowd::new(&plan),
            authors: (0..plan.documents).map(authors).collect(),
            update: Vec::new(),
            result: LoadResult::default(),
        };
        for client in verify::sample(&plan) {
            run.crowd.keep(client);
        }
        run.connect()?;
        run.start()?;
        run.result.connect_seconds = began.elapsed().as_secs_f64();
        run.result.open = run.joins();
        Ok(run)
    }

    /// Connects clients, a bounded number at once, until all have joined.
    fn connect(&mut self) -> Result<()> {
        let clients = self.plan.clients() as usize;
        let mut begun = 0;
        let mut progress = (0, self.swarm.now_us());
        while self.swarm.joined() < clients {
            while begun < clients && begun < self.swarm.joined() + JOINING_AT_ONCE {
                self.swarm
                    .connect(begun as u32 / self.plan.each, self.buffer(begun))?;
                begun += 1;
            }
            self.swarm.turn(TURN, &mut self.crowd)?;
            let now_us = self.swarm.now_us();
            if self.swarm.joined() > progress.0 {
                progress = (self.swarm.joined(), now_us);
            }
            let waited = Duration::from_micros(u64::from(now_us - progress.1));
            if self.swarm.closed() > 0 || waited > self.spec.patience() {
                let faults = self.swarm.faults.in_words();
                bail!("{} of {clients} joined; {faults:?}", self.swarm.joined());
            }
        }
        Ok(())
    }

    /// Has the first client of each document write what it starts with, and waits until everyone has it.
    fn start(&mut self) -> Result<()> {
        if self.plan.start == 0 || self.spec.dialect == Dialect::Raw {
            return Ok(());
        }
        let update = author::start(self.plan.start);
        for document in 0..self.plan.documents {
            let first = (document * self.plan.each) as usize;
            self.crowd.wrote(first, &update);
            self.swarm.edit(first, &update);
        }
        let clients = self.plan.clients() as usize;
        let mut having = 0;
        let late = Instant::now() + self.spec.patience();
        while having < clients {
            self.swarm.turn(TURN, &mut self.crowd)?;
            while having < clients && self.has_start(having) {
                having += 1;
            }
            if self.swarm.closed() > 0 || Instant::now() > late {
                let faults = self.swarm.faults.in_words();
                bail!(
                    "client {having} of {clients} never got the start of its document; {faults:?}"
                );
            }
        }
        for client in 0..clients {
            if self.is_stalled(client) {
                self.swarm.set_reads(client, false, &mut self.crowd);
            }
        }
        Ok(())
    }

    /// Sends edits at their pace for the time given, and waits until they have arrived.
    fn act(&mut self) {
        let account = Account::open(self.swarm.now_us(), self.swarm.traffic);
        self.crowd.tally.last_arrival_us = account.at_us();
        if let Err(error) = self.send(account.at_us()) {
            self.swarm.faults.note("stopped", || format!("{error:#}"));
        }
        self.result = LoadResult {
            stalls: self.result.stalls,
            open: self.result.open,
            connect_seconds: self.result.connect_seconds,
            ..account.close(
                self.swarm.now_us(),
                self.swarm.traffic,
                &self.crowd.tally,
                self.spec.seed,
            )
        };
    }

    fn send(&mut self, begin_us: u32) -> Result<()> {
        let until_us = begin_us + (self.spec.seconds * 1e6) as u32;
        let late_us = until_us + self.spec.patience().as_micros() as u32;
        let mut edits = Beat::new(begin_us, self.edits_per_second());
        let mut moves = Beat::new(begin_us, self.plan.moves_per_second);
        let mut stalls = Stalls::new(begin_us);
        self.saturate();
        loop {
            let now_us = self.swarm.now_us();
            let over = now_us >= until_us;
            if !over {
                self.keep_up(&mut edits, &mut moves, now_us);
            } else if self.is_settled() || now_us > late_us {
                return Ok(());
            }
            if self.swarm.closed() == self.swarm.joined() {
                bail!("nobody is connected any more");
            }
            let due = [edits.next_us(), moves.next_us()]
                .into_iter()
                .flatten()
                .min();
            let wait_us = due
                .filter(|_| !over)
                .map_or(u32::MAX, |due| due.saturating_sub(now_us));
            let wait = TURN.min(Duration::from_micros(u64::from(wait_us)));
            self.swarm.turn(wait, &mut self.crowd)?;
            self.go_on(over);
            stalls.look(self.swarm.now_us(), &self.crowd);
            self.result.stalls = stalls.count;
        }
    }

    /// Sends what is due.
    fn keep_up(&mut self, edits: &mut Beat, moves: &mut Beat, now_us: u32) {
        while let Some(number) = edits.due(now_us) {
            let documents = u64::from(self.plan.documents);
            let author = number / documents % u64::from(self.plan.authors);
            let client = number % documents * u64::from(self.plan.each) + author;
            self.type_one(client as usize);
        }
        while let Some(number) = moves.due(now_us) {
            self.move_one((number % u64::from(self.plan.movers)) as u32);
        }
    }

    /// Lets everyone begin at once, if nothing else paces them.
    fn saturate(&mut self) {
        let Pace::Saturated(window) = self.plan.pace else {
            return;
        };
        for document in 0..self.plan.documents {
            let first = document * self.plan.each;
            for client in first..first + self.plan.authors {
                (0..window).for_each(|_| self.type_one(client as usize));
            }
        }
    }

    /// Lets those go on of whom an edit is through.
    fn go_on(&mut self, over: bool) {
        let mut done = std::mem::take(&mut self.crowd.done);
        if matches!(self.plan.pace, Pace::Saturated(_)) && !over {
            done.iter().for_each(|client| self.type_one(*client));
        }
        done.clear();
        done.append(&mut self.crowd.done);
        self.crowd.done = done;
    }

    fn type_one(&mut self, client: usize) {
        let each = self.plan.each as usize;
        let (document, number) = (client / each, client % each);
        self.update.clear();
        self.authors[document][number].type_one(&mut self.update);
        let now_us = self.swarm.now_us();
        self.crowd.ledgers[document].sent(number as u32, now_us, &mut self.crowd.tally);
        self.crowd.wrote(client, &self.update);
        self.swarm.edit(client, &self.update);
    }

    fn move_one(&mut self, mover: u32) {
        let now_us = self.swarm.now_us();
        if let Some(cursors) = &mut self.crowd.cursors {
            self.update.clear();
            cursors.moved(mover, now_us, &mut self.update);
            self.swarm.show(mover as usize, &self.update);
        }
    }

    /// Lets those read again who did not, and waits until they have everything.
    fn wake(&mut self) {
        let stalled: Vec<_> = (0..self.plan.clients() as usize)
            .filter(|client| self.is_stalled(*client))
            .collect();
        if stalled.is_empty() {
            return;
        }
        let began = Instant::now();
        for client in stalled {
            self.swarm.set_reads(client, true, &mut self.crowd);
        }
        while self.crowd.unread() > 0 && began.elapsed() < self.spec.patience() {
            if self.swarm.turn(TURN, &mut self.crowd).is_err() {
                break;
            }
        }
        self.result.recovery_seconds = Some(began.elapsed().as_secs_f64());
    }

    /// Verifies, and says what went wrong.
    fn conclude(mut self) -> Result<LoadResult> {
        let ended = Ended {
            spec: self.spec,
            plan: &self.plan,
            crowd: &self.crowd,
        };
        let equal = verify::equal(ended, &mut self.swarm);
        let missing = self.crowd.outstanding() + self.crowd.unread() + self.crowd.unseen();
        let faults = &mut self.swarm.faults;
        match equal {
            Ok(()) => {}
            Err(error) => faults.note("unequal", || format!("{error:#}")),
        }
        if missing > 0 {
            faults.note("missing", || format!("{missing} arrivals never came"));
        }
        let mut words = faults.in_words();
        words.extend(self.crowd.tally.faults.in_words());
        Ok(LoadResult {
            presence: self.crowd.cursors.as_ref().map(|cursors| cursors.result()),
            missing,
            closed: self.swarm.closed() as u64,
            equal: words.is_empty(),
            faults: words,
            ..self.result
        })
    }

    fn joins(&self) -> Quantiles {
        let mut times = Times::new();
        let clients = 0..self.plan.clients() as usize;
        clients.for_each(|client| times.record(self.swarm.took_us(client)));
        times.quantiles()
    }

    fn edits_per_second(&self) -> f64 {
        match self.plan.pace {
            Pace::Steady(rate) if self.plan.authors > 0 => rate,
            _ => 0.0,
        }
    }

    fn is_settled(&self) -> bool {
        self.crowd.outstanding() == 0 && self.crowd.unseen() == 0
    }

    fn is_stalled(&self, client: usize) -> bool {
        client as u32 % self.plan.each >= self.plan.each - self.plan.stalled
    }

    fn has_start(&self, client: usize) -> bool {
        self.crowd.has_start(client)
    }

    fn buffer(&self, client: usize) -> Option<usize> {
        self.is_stalled(client).then_some(STALLED_BUFFER)
    }
}

/// Counts the seconds in which nothing came although something should have.
struct Stalls {
    seen_us: u32,
    count: u64,
}

impl Stalls {
    fn new(now_us: u32) -> Self {
        Self {
            seen_us: now_us,
            count: 0,
        }
    }

    fn look(&mut self, now_us: u32, crowd: &Crowd) {
        self.seen_us = self.seen_us.max(crowd.tally.last_arrival_us);
        if now_us.saturating_sub(self.seen_us) >= 1_000_000 {
            self.count += u64::from(crowd.outstanding() > 0);
            self.seen_us = now_us;
        }
    }
}

/// Fewer than a listener's queue holds.
const JOINING_AT_ONCE: usize = 100;
/// How long is waited at once at most.
const TURN: Duration = Duration::from_millis(10);
/// The least that the kernel gives, so that the server soon finds nobody reading.
const STALLED_BUFFER: usize = 4_096;
