//! Ordered documents: clients of ShareDB that each have one operation under way, as its own client has.
//!
//! Each operation puts a letter in at the beginning of a text, so it fits whatever others did meanwhile and nothing need be
//! transformed here: in the end each document has as many letters as operations were acknowledged.

mod client;

mod message;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::account::Account;
use super::tally::Tally;
use super::{Watch, server};
use crate::spec::{LoadResult, LoadSpec};
use client::{CHARACTERS, Client, Clients, Said};
use message::Message;

/// Runs so many clients on each of so many documents.
///
/// # Errors
/// They could not all join. What goes wrong later is in the result.
pub(crate) fn run(
    spec: &LoadSpec,
    documents: u32,
    clients_each: u32,
    watch: &mut impl Watch,
) -> Result<LoadResult> {
    let began = Instant::now();
    let mut load = Load::connect(spec, documents, clients_each)?;
    let connected = began.elapsed();
    watch.ready()?;
    watch.begin()?;
    let account = Account::open(load.clients.now_us(), load.clients.traffic);
    load.type_for(Duration::from_secs_f64(spec.seconds))?;
    let mut result = account.close(
        load.clients.now_us(),
        load.clients.traffic,
        &load.tally,
        spec.seed,
    );
    watch.end()?;
    result.connect_seconds = connected.as_secs_f64();
    load.conclude(result)
}

struct Load<'a> {
    spec: &'a LoadSpec,
    clients: Clients,
    tally: Tally,
    /// Which client is called what.
    sources: HashMap<String, usize>,
    /// Of each document, how many operations were acknowledged.
    acked: Vec<u64>,
    /// Operations that are under way.
    under_way: usize,
    is_typing: bool,
}

impl<'a> Load<'a> {
    fn connect(spec: &'a LoadSpec, documents: u32, clients_each: u32) -> Result<Self> {
        let names = (0..documents).map(|at| format!("{}{at}", spec.options.prefix));
        let mut load = Self {
            spec,
            clients: Clients::new(server(spec)?, names.collect())?,
            tally: Tally::new(),
            sources: HashMap::new(),
            acked: vec![0; documents as usize],
            under_way: 0,
            is_typing: false,
        };
        for document in 0..documents {
            load.clients.connect(document)?;
        }
        load.wait_until("created", Load::all_created)?;
        for document in 0..documents {
            for _ in 1..clients_each {
                load.clients.connect(document)?;
            }
        }
        load.clients.each(Client::subscribe)?;
        load.wait_until("joined", |load| load.clients.all(Client::is_joined))?;
        Ok(load)
    }

    fn all_created(&self) -> bool {
        self.clients.all(Client::is_created)
    }

    fn wait_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) -> Result<()> {
        let late = Instant::now() + self.spec.patience();
        while !is_so(self) {
            self.turn()?;
            ensure!(
                Instant::now() < late && self.tally.faults.in_words().is_empty(),
                "not all have {what}: {:?}",
                self.tally.faults.in_words()
            );
        }
        Ok(())
    }

    /// Types as fast as it is acknowledged, then waits for what is under way and for what others are to hear.
    fn type_for(&mut self, time: Duration) -> Result<()> {
        self.is_typing = true;
        for number in 0..self.clients.len() {
            self.submit(number)?;
        }
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.turn()?;
        }
        self.is_typing = false;
        let late = Instant::now() + self.spec.patience();
        while (self.under_way > 0 || !self.clients.are_even()) && Instant::now() < late {
            self.turn()?;
        }
        Ok(())
    }

    fn submit(&mut self, number: usize) -> Result<()> {
        self.clients.submit(number)?;
        self.under_way += 1;
        self.tally.edits += 1;
        Ok(())
    }

    fn turn(&mut self) -> Result<()> {
        let mut heard = std::mem::take(&mut self.clients.heard);
        self.clients.turn(TURN, &mut heard)?;
        for said in heard.drain(..) {
            self.take(said)?;
        }
        self.clients.heard = heard;
        Ok(())
    }

    fn take(&mut self, said: Said) -> Result<()> {
        let Said {
            client,
            message,
            now_us,
        } = said;
        match message {
            Message::Greeted(source) => {
                self.sources.insert(source.clone(), client);
                self.clients.greeted(client, source)?;
            }
            Message::Document { version, length } => {
                self.clients.joined(client, version, length);
            }
            Message::Acknowledged { version, number } => {
                self.acknowledged(client, version, number, now_us)?;
            }
            Message::Operation {
                version,
                source,
                number,
                is_letter,
            } => {
                if !is_letter {
                    let fault = || format!("client {client}, version {version}");
                    self.tally.faults.note("not what was sent", fault);
                }
                self.operation(client, version, &source, number, now_us);
            }
            Message::Refused(why) => self.tally.faults.note("refused", || why),
            Message::Closed => {
                let fault = || format!("client {client}");
                self.tally.faults.note("closed", fault);
            }
            Message::Other => {}
        }
        Ok(())
    }

    fn acknowledged(
        &mut self,
        client: usize,
        version: u64,
        number: u64,
        now_us: u32,
    ) -> Result<()> {
        let Some(sent_us) = self.clients.acknowledged(client, version, number) else {
            let fault = || format!("client {client}, operation {number}");
            self.tally.faults.note("acknowledged out of turn", fault);
            return Ok(());
        };
        if !self.clients.is_joined(client) {
            return self.clients.created(client);
        }
        self.under_way -= 1;
        self.acked[self.clients.document(client)] += 1;
        self.tally.acknowledged(sent_us, now_us);
        match self.is_typing {
            true => self.submit(client),
            false => Ok(()),
        }
    }

    fn operation(&mut self, client: usize, version: u64, source: &str, number: u64, now_us: u32) {
        match self.clients.follow(client, version) {
            Ok(false) => return,
            Ok(true) => {}
            Err(has) => {
                let fault = || format!("client {client} has {has} and was sent {version}");
                return self.tally.faults.note("left out", fault);
            }
        }
        let author = self.sources.get(source);
        if let Some(sent_us) = author.and_then(|author| self.clients.sent_us(*author, number)) {
            self.tally.deliveries += 1;
            let latency_us = now_us.saturating_sub(sent_us);
            self.tally.latency.record(latency_us);
            self.tally.last_arrival_us = self.tally.last_arrival_us.max(now_us);
        }
    }

    /// Has a fresh client look at each document.
    fn conclude(mut self, result: LoadResult) -> Result<LoadResult> {
        let missing = self.under_way as u64;
        if missing > 0 || !self.clients.are_even() {
            let fault = || format!("{missing} operations, and not all have the same version");
            self.tally.faults.note("not all arrived", fault);
        }
        let first = self.clients.len();
        for document in 0..self.acked.len() {
            self.clients.connect(document as u32)?;
        }
        let is_there =
            |load: &Self| (first..load.clients.len()).all(|at| load.clients.is_joined(at));
        self.wait_until("looked", is_there)?;
        for (document, acked) in self.acked.iter().enumerate() {
            let version = self.clients.version(first + document);
            let length = self.clients.length(first + document);
            // The first made the document.
            if version != acked + 1 || length as u64 != CHARACTERS as u64 + acked {
                let fault = || {
                    format!(
                        "document {document} is at {version}, {length} long, {acked} were acked"
                    )
                };
                self.tally.faults.note("unequal", fault);
            }
        }
        let faults = self.tally.faults.in_words();
        Ok(LoadResult {
            missing,
            equal: faults.is_empty(),
            faults,
            ..result
        })
    }
}

const TURN: Duration = Duration::from_millis(10);
