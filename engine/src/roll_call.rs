//! When a node calls its roll: says to the others who is with it, so that every lost word about somebody is made up for.
//!
//! Soon after there was news, and again, less and less often while nothing is new: within a second, twice more within five,
//! then every quarter of a minute for as long as anybody is here.

use crate::time::Now;

/// When the roll is called next, and how.
#[derive(Debug, Default)]
pub(crate) struct RollCall {
    due_ms: Option<u64>,
    /// Calls since there was news.
    calls: usize,
    /// How many of the next calls are to be answered by the others.
    asking: usize,
    /// Somebody wants an answer.
    is_asked: bool,
}

impl RollCall {
    /// There is news of who is here.
    pub(crate) fn news(&mut self, now: Now) {
        self.calls = 0;
        self.due_by(now.monotonic_ms + PAUSES_MS[0]);
    }

    /// The others are to say who is with them, from now on or after the first pause.
    pub(crate) fn ask(&mut self, at_once: bool, now: Now) {
        self.asking = ASKING;
        self.news(now);
        if at_once {
            self.due_by(now.monotonic_ms);
        }
    }

    /// Somebody wants an answer, soon.
    pub(crate) fn answer(&mut self) {
        self.is_asked = true;
    }

    /// When it is called next, if it is.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.due_ms
    }

    fn due_by(&mut self, by_ms: u64) {
        self.due_ms = Some(self.due_ms.map_or(by_ms, |due_ms| due_ms.min(by_ms)));
    }

    /// Whether the roll is to be called now, and then whether it asks.
    pub(crate) fn take(&mut self, now: Now) -> Option<bool> {
        let is_asked = std::mem::take(&mut self.is_asked);
        if self
            .due_ms
            .take_if(|due_ms| *due_ms <= now.monotonic_ms)
            .is_none()
        {
            // An answer asks nothing: else nodes would answer each other for ever.
            return is_asked.then_some(false);
        }
        self.calls += 1;
        let pause_ms = PAUSES_MS[self.calls.min(PAUSES_MS.len() - 1)];
        self.due_ms = Some(now.monotonic_ms + pause_ms);
        let asks = self.asking > 0;
        self.asking -= usize::from(asks);
        Some(asks)
    }

    /// Nobody is here: those who have not heard of it yet will have.
    pub(crate) fn rest_if_told(&mut self) {
        if self.calls >= CALLS_MIN {
            self.due_ms = None;
        }
    }
}

/// How long after news the roll is called, and how long after each call again; the last from then on.
const PAUSES_MS: [u64; 6] = [1_000, 1_000, 2_000, 4_000, 8_000, 15_000];

/// How many calls ask the others: as many as come within the first four seconds.
const ASKING: usize = 3;

/// How often it is called at least that nobody is here.
const CALLS_MIN: usize = 4;
