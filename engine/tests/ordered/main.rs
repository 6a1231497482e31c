//! Ordered documents in a world of faults: several nodes over one store, clients that behave as ShareDB's do, and everything
//! that may get lost, be late, come twice or end in the middle. On each node somebody looks on who is told where
//! people are. `QUIRE_SEEDS` says how many worlds, `QUIRE_SEED` plays one again.

#[path = "../suite/dice.rs"]
mod dice;
#[path = "../ot/plan.rs"]
mod plan;

mod broken;
mod client;
mod coming_again;
mod divergence;
mod giving_back;
mod giving_way;
mod in_steps;
mod order;
mod store;
mod undo;
mod watcher;
mod world;

use std::panic::{self, AssertUnwindSafe};

use dice::number;
use engine::Bug;
use engine::ot::OtType;
use world::{Flaw, World};

#[test]
fn every_operation_is_there_once_and_all_end_equal() {
    let seeds = number("QUIRE_SEEDS").unwrap_or(60);
    let only = number("QUIRE_SEED");
    for seed in only.map_or(1..seeds + 1, |seed| seed..seed + 1) {
        for ot_type in OtType::ALL {
            println!("QUIRE_SEED={seed} {ot_type}");
            World::new(seed, ot_type).play();
        }
    }
}

/// A checker that never found anything proves nothing: whatever is broken on purpose is found, and soon.
#[test]
fn deliberate_bugs_are_found() {
    for flaw in FLAWS {
        let found = (1..=FLAW_SEEDS).find_map(|seed| {
            let ot_type = OtType::ALL[seed as usize % OtType::ALL.len()];
            let world = World::broken(seed, ot_type, flaw);
            let played = panic::catch_unwind(AssertUnwindSafe(|| world.play()));
            Some((seed, message(&*played.err()?)))
        });
        let (seed, what) = found.unwrap_or_else(|| panic!("{flaw:?} is not found"));
        println!(
            "{flaw:?}: seed {seed}: {}",
            what.lines().next().unwrap_or_default()
        );
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| Some((*panic.downcast_ref::<&str>()?).to_owned()))
        .unwrap_or_default()
}

const FLAWS: [Flaw; 11] = [
    Flaw::Node(Bug::AckBeforeCommit),
    Flaw::Node(Bug::EarlyPublish),
    Flaw::Node(Bug::PlacedAgain),
    Flaw::Node(Bug::NotTransformed),
    Flaw::Node(Bug::AckBeforeMissed),
    Flaw::Node(Bug::PresenceLeftBehind),
    Flaw::Node(Bug::GhostPresence),
    Flaw::Node(Bug::DeafToGaps),
    Flaw::Node(Bug::NoReset),
    Flaw::Node(Bug::NoRetry),
    Flaw::StoreWithoutNames,
];

/// Worlds in which each of them has to be found.
const FLAW_SEEDS: u64 = 100;
