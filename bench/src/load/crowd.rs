//! The clients of a plan as listeners: what each hears goes to the books of its document, and of a few it is kept, so that
//! their content can be compared in the end.

use std::collections::HashMap;

use super::cursors::Cursors;
use super::ledger::Ledger;
use super::plan::Plan;
use super::swarm::Listener;
use super::tally::Tally;

/// Everyone who was sent something.
#[derive(Debug)]
pub(crate) struct Crowd {
    each: usize,
    pub(crate) ledgers: Vec<Ledger>,
    pub(crate) cursors: Option<Cursors>,
    pub(crate) tally: Tally,
    /// The clients of whom an edit is through, once for each edit.
    pub(crate) done: Vec<usize>,
    /// What sampled clients were sent.
    kept: HashMap<usize, Vec<Vec<u8>>>,
    is_kept: Vec<bool>,
    authors: Vec<u32>,
}

impl Crowd {
    pub(crate) fn new(plan: &Plan) -> Self {
        let ledgers = (0..plan.documents).map(|document| Ledger::new(plan.cast(document)));
        Self {
            each: plan.each as usize,
            ledgers: ledgers.collect(),
            cursors: (plan.movers > 0).then(|| Cursors::new(plan.each, plan.movers)),
            tally: Tally::new(),
            done: Vec::new(),
            kept: HashMap::new(),
            is_kept: vec![false; plan.clients() as usize],
            authors: Vec::new(),
        }
    }

    /// Keeps what a client is sent from now on.
    pub(crate) fn keep(&mut self, client: usize) {
        self.is_kept[client] = true;
        self.kept.insert(client, Vec::new());
    }

    /// What a client was sent since it was to be kept.
    pub(crate) fn kept(&self, client: usize) -> &[Vec<u8>] {
        self.kept.get(&client).map_or(&[], Vec::as_slice)
    }

    /// Whether a client has what its document started with.
    pub(crate) fn has_start(&self, client: usize) -> bool {
        self.ledgers[client / self.each].has_start((client % self.each) as u32)
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
}

impl Listener for Crowd {
    fn update(&mut self, client: usize, update: &[u8], now_us: u32) {
        if self.is_kept[client]
            && let Some(kept) = self.kept.get_mut(&client)
        {
            kept.push(update.to_vec());
        }
        let (document, receiver) = (client / self.each, (client % self.each) as u32);
        let (tally, authors) = (&mut self.tally, &mut self.authors);
        self.ledgers[document].arrived(receiver, update, now_us, tally, authors);
        let first = document * self.each;
        self.done
            .extend(authors.drain(..).map(|author| first + author as usize));
    }

    fn presence(&mut self, client: usize, entries: &[u8], now_us: u32) {
        if let Some(cursors) = &mut self.cursors {
            cursors.arrived(client as u32, entries, now_us, &mut self.tally.faults);
        }
    }
}
