//! The clients of a plan as listeners: what each hears goes to the books of its document, and of a few it is kept, so that
//! their content can be compared in the end.

use std::collections::HashMap;

use super::cursors::Cursors;
use super::ledger::Ledger;
use super::plan::Plan;
use super::swarm::Listener;
use super::tally::Tally;
use crate::spec::Ack;

/// Everyone who was sent something.
#[derive(Debug)]
pub(crate) struct Crowd {
    each: usize,
    ack: Ack,
    pub(crate) ledgers: Vec<Ledger>,
    pub(crate) cursors: Option<Cursors>,
    pub(crate) tally: Tally,
    /// The clients of whom an edit is through, once for each edit.
    pub(crate) done: Vec<usize>,
    /// What sampled clients have: what they were sent, and what they wrote if it need not come back.
    kept: HashMap<usize, Vec<Vec<u8>>>,
    is_kept: Vec<bool>,
    authors: Vec<u32>,
}

impl Crowd {
    pub(crate) fn new(plan: &Plan) -> Self {
        let ledgers = (0..plan.documents).map(|document| Ledger::new(plan.cast(document)));
        Self {
            each: plan.each as usize,
            ack: plan.ack,
            ledgers: ledgers.collect(),
            cursors: (plan.movers > 0).then(|| Cursors::new(plan.each, plan.movers)),
            tally: Tally::new(),
            done: Vec::new(),
            kept: HashMap::new(),
            is_kept: vec![false; plan.clients() as usize],
            authors: Vec::new(),
        }
    }

    /// Keeps what a client gets to have from now on.
    pub(crate) fn keep(&mut self, client: usize) {
        self.is_kept[client] = true;
        self.kept.insert(client, Vec::new());
    }

    /// A client wrote something. Where all comes back, it is to have it from there only.
    pub(crate) fn wrote(&mut self, client: usize, update: &[u8]) {
        if self.ack == Ack::Status {
            self.has(client, update);
        }
    }

    /// What a client has got since it was to be kept.
    pub(crate) fn kept(&self, client: usize) -> &[Vec<u8>] {
        self.kept.get(&client).map_or(&[], Vec::as_slice)
    }

    /// Whether a client has what its document started with.
    pub(crate) fn has_start(&self, client: usize) -> bool {
        let (document, receiver) = self.place(client);
        self.ledgers[document].has_start(receiver)
    }

    /// How much is still to arrive at those who read.
    pub(crate) fn outstanding(&self) -> u64 {
        self.ledgers.iter().map(Ledger::outstanding).sum()
    }

    /// How much those who do not read have not seen.
    pub(crate) fn unread(&self) -> u64 {
        self.ledgers.iter().map(Ledger::unread).sum()
    }

    /// How many see a cursor where it is no more.
    pub(crate) fn unseen(&self) -> u64 {
        self.cursors.as_ref().map_or(0, Cursors::missing)
    }

    fn has(&mut self, client: usize, update: &[u8]) {
        if self.is_kept[client]
            && let Some(kept) = self.kept.get_mut(&client)
        {
            kept.push(update.to_vec());
        }
    }

    /// The document of a client, and which of its clients it is.
    fn place(&self, client: usize) -> (usize, u32) {
        (client / self.each, (client % self.each) as u32)
    }

    /// Notes of which authors of a document an edit is through.
    fn go_on(&mut self, document: usize) {
        let first = document * self.each;
        self.done
            .extend(self.authors.drain(..).map(|author| first + author as usize));
    }
}

impl Listener for Crowd {
    fn update(&mut self, client: usize, update: &[u8], now_us: u32) {
        self.has(client, update);
        let (document, receiver) = self.place(client);
        let (tally, authors) = (&mut self.tally, &mut self.authors);
        self.ledgers[document].arrived(receiver, update, now_us, tally, authors);
        self.go_on(document);
    }

    fn acknowledged(&mut self, client: usize, now_us: u32) {
        let (document, receiver) = self.place(client);
        let (tally, authors) = (&mut self.tally, &mut self.authors);
        self.ledgers[document].acknowledged(receiver, now_us, tally, authors);
        self.go_on(document);
    }

    fn presence(&mut self, client: usize, entries: &[u8], now_us: u32) {
        if let Some(cursors) = &mut self.cursors {
            cursors.arrived(client as u32, entries, now_us, &mut self.tally.faults);
        }
    }
}
