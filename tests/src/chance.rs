//! Chance from a seed: a test prints the seed, and the same seed rolls the same numbers again.
//!
//! `QUIRE_SEED` sets it; without that each run takes a new one from the clock.

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

/// A small generator of random numbers (SplitMix64, <https://prng.di.unimi.it/splitmix64.c>).
#[derive(Clone, Debug)]
pub struct Chance {
    state: u64,
}

impl Chance {
    /// The generator of one test. Prints its seed, so that a failure can be run again.
    pub fn of_test(test: &str) -> Self {
        let seed = env::var("QUIRE_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok());
        let state = seed.unwrap_or_else(from_clock);
        println!("{test}: QUIRE_SEED={state}");
        Self { state }
    }

    /// A generator that always gives the same numbers for the same seed.
    pub fn from_seed(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Whether one of so many equally likely things happens.
    pub fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

fn from_clock() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::from(since.subsec_nanos()) ^ since.as_secs()
}
