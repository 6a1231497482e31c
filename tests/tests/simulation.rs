//! Simulated clusters: random plans from seeds, and plans that once failed.
//!
//! `QUIRE_SIM_SEEDS=n` plays as many seeds as wanted, from `QUIRE_SIM_FIRST=n` on, `QUIRE_SIM_SEED=n` a single one,
//! `QUIRE_SIM_STEPS=n` sets how long each plan is, and `QUIRE_SIM_PLAN=file` plays a saved plan and tells all that happens. `docs/testing.md` says more.

use std::env;
use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use engine::Kind;
use quire_tests::server::workspace;
use quire_tests::simulation::{Check, Plan, Sabotage, generate, narrate, play, play_seeds, shrink};

const SEEDS: u64 = 1_000;
/// An Automerge document takes longer.
const SEEDS_OF_AUTOMERGE: u64 = 300;
const STEPS: u64 = 300;

#[test]
fn seeds_end_well() {
    play_all(Kind::Yjs, SEEDS);
}

#[test]
fn seeds_of_automerge_documents_end_well() {
    play_all(Kind::Automerge, SEEDS_OF_AUTOMERGE);
}

fn play_all(kind: Kind, seeds: u64) {
    let seeds = match number("QUIRE_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let first = number("QUIRE_SIM_FIRST").unwrap_or(0);
            first..first + number("QUIRE_SIM_SEEDS").unwrap_or(seeds)
        }
    };
    let steps = number("QUIRE_SIM_STEPS").unwrap_or(STEPS) as usize;
    let played = play_seeds(kind, seeds, steps).unwrap_or_else(|report| panic!("{report}"));
    println!(
        "{} seeds of {kind}, {} steps in {:.1} s, {:.0} steps a second",
        played.seeds,
        played.steps,
        played.seconds,
        played.steps as f64 / played.seconds
    );
}

#[test]
fn a_seed_gives_the_same_events_each_time() {
    // Every eighth seed has documents within documents, whose options yrs writes in any order.
    let seeds = (0..40).filter(|seed| seed % 8 != 7);
    let seeds = seeds.map(|seed| (Kind::Yjs, seed));
    for (kind, seed) in seeds.chain((0..20).map(|seed| (Kind::Automerge, seed))) {
        let plan = generate(kind, seed, 400);
        assert_eq!(play(&plan), play(&plan), "seed {seed} of {kind}");
        assert_eq!(plan, generate(kind, seed, 400), "seed {seed} of {kind}");
    }
}

#[test]
fn plans_are_read_as_they_were_written() -> Result<()> {
    for seed in 0..40 {
        let kind = [Kind::Yjs, Kind::Automerge][seed as usize % 2];
        let plan = generate(kind, seed, 200);
        ensure!(Plan::from_lines(&plan.to_lines()?)? == plan, "seed {seed}");
    }
    ensure!(Plan::from_lines("").is_err() && Plan::from_lines("{}").is_err());
    Ok(())
}

#[test]
fn kept_plans_end_well() -> Result<()> {
    let folder = workspace().join("tests/plans");
    let mut kept = 0;
    for entry in fs::read_dir(&folder).context("tests/plans")? {
        let path = entry?.path();
        let outcome = play(&Plan::load(&path)?);
        ensure!(
            outcome.violation.is_none(),
            "{}: {:?}",
            path.display(),
            outcome.violation
        );
        kept += 1;
    }
    ensure!(kept > 0, "there are no plans in {}", folder.display());
    Ok(())
}

#[test]
fn a_saved_plan_ends_well() -> Result<()> {
    let Some(path) = env::var_os("QUIRE_SIM_PLAN") else {
        return Ok(());
    };
    let (outcome, told) = narrate(&Plan::load(Path::new(&path))?);
    println!("{}", told.join("\n"));
    ensure!(outcome.violation.is_none(), "{:?}", outcome.violation);
    Ok(())
}

/// Plans reach what they are for; a world in which nothing goes wrong would find nothing.
#[test]
fn plans_go_everywhere() {
    go_everywhere(Kind::Yjs, &[&PLACES[..], &PLACES_OF_YJS].concat());
}

#[test]
fn plans_of_automerge_documents_go_everywhere() {
    go_everywhere(
        Kind::Automerge,
        &[&PLACES[..], &PLACES_OF_AUTOMERGE].concat(),
    );
}

fn go_everywhere(kind: Kind, places: &[&str]) {
    let told: Vec<_> = (0..SEEDS_THAT_GO_EVERYWHERE)
        .flat_map(|seed| narrate(&generate(kind, seed, STEPS as usize)).1)
        .collect();
    for place in places {
        let times = told.iter().filter(|line| line.contains(place)).count();
        println!("{times:6} x {place} in {kind}");
        assert!(times > 0, "no plan of {kind} has {place}");
    }
}

const SEEDS_THAT_GO_EVERYWHERE: u64 = 100;
/// Steps and effects, as they are told.
const PLACES: [&str; 23] = [
    "AskHeads",
    "FailOver {",
    "GiveBack(",
    "HistoryLost {",
    "Append(",
    "StoreSnapshot(",
    "Publish(",
    "AskPresence",
    "PublishRoll(",
    "Pull {",
    "Retire",
    "NotReady",
    "Stopping",
    "FailedBefore",
    "FailedAfter",
    "fate: Lost",
    "fate: Again",
    "CrashAfter",
    "dies in the midst",
    "Delete {",
    "Reload {",
    "refused: Forbidden",
    "may write: true",
];
const PLACES_OF_YJS: [&str; 5] = [
    "StoreBehind",
    "PublishPresence(",
    "AskWhoIs {",
    "Quarantine(",
    "Resume {",
];
const PLACES_OF_AUTOMERGE: [&str; 5] = [
    "LoadGist",
    "StoreGist(",
    "PullKept",
    "cut off: Overloaded",
    "is told that",
];

/// Every check is shown to bite: a document that is broken on purpose is found out, and the plan that does it is short.
#[test]
fn deliberate_bugs_are_found() {
    for (kind, bug, checks) in BUGS {
        let began = Instant::now();
        let mut steps = 0;
        let broken = (0..BUG_SEEDS).find_map(|seed| {
            let mut plan = generate(kind, seed, STEPS as usize);
            plan.setup.bug = Some(bug);
            let outcome = play(&plan);
            steps += outcome.steps;
            Some((plan, outcome.violation?))
        });
        let (plan, violation) = broken.unwrap_or_else(|| panic!("{bug:?} is not found in {kind}"));
        let found_s = began.elapsed().as_secs_f64();
        let small = shrink(&plan, violation.check, SHRINK_TRIES);
        println!(
            "{bug:?} of {kind} found as {:?} by seed {} after {steps} steps, {found_s:.3} s; shrunk to {} steps in {:.1} s",
            violation.check,
            plan.setup.seed,
            small.steps.len(),
            began.elapsed().as_secs_f64() - found_s
        );
        assert!(checks.contains(&violation.check), "{bug:?}: {violation}");
        assert!(
            small.steps.len() <= SHRUNK_MAX,
            "{bug:?}: {:?}",
            small.steps
        );
    }
}

/// What each bug may be found as: by the check that is meant for it, or by one that sees what follows from it.
const BUGS: [(Kind, Sabotage, &[Check]); 30] = [
    (Kind::Yjs, Sabotage::AckBeforeCommit, &[Check::SaidIsStored]),
    (Kind::Yjs, Sabotage::HoleInLane, &[Check::Lanes]),
    (Kind::Yjs, Sabotage::DotReuse, &[Check::Lanes]),
    (Kind::Yjs, Sabotage::LostMerge, &[Check::Agreement]),
    (
        Kind::Yjs,
        Sabotage::LostHeard,
        &[Check::Agreement, Check::Sessions],
    ),
    (
        Kind::Yjs,
        Sabotage::DeafToHeads,
        &[Check::Agreement, Check::Lanes],
    ),
    (
        Kind::Yjs,
        Sabotage::BoastfulSnapshot,
        &[Check::Agreement, Check::Sessions],
    ),
    (Kind::Yjs, Sabotage::GhostPresence, &[Check::Presence]),
    (Kind::Yjs, Sabotage::StalePresence, &[Check::Presence]),
    (Kind::Yjs, Sabotage::DeafToRolls, &[Check::Presence]),
    (Kind::Yjs, Sabotage::StaleStep1, &[Check::SaidIsStored]),
    (Kind::Yjs, Sabotage::EarlyPublish, &[Check::SaidIsStored]),
    (Kind::Yjs, Sabotage::ForgetOnUnload, &[Check::SaidIsStored]),
    (Kind::Yjs, Sabotage::EmptyAnswer, &[Check::Sessions]),
    (Kind::Yjs, Sabotage::NoBound, &[Check::Bounds]),
    (Kind::Yjs, Sabotage::FalseAlarm, &[Check::Alarms]),
    (Kind::Yjs, Sabotage::BlindJoin, &[Check::Sessions]),
    (
        Kind::Yjs,
        Sabotage::Amnesia,
        &[Check::SaidIsStored, Check::Agreement, Check::Lanes],
    ),
    (Kind::Yjs, Sabotage::NoRetry, &[Check::Quiet]),
    (Kind::Yjs, Sabotage::BlindEye, &[Check::Rights]),
    (Kind::Yjs, Sabotage::Panics, &[Check::Panic]),
    (
        Kind::Automerge,
        Sabotage::AckBeforeCommit,
        &[Check::SaidIsStored],
    ),
    (
        Kind::Automerge,
        Sabotage::ShownEarly,
        &[Check::SaidIsStored],
    ),
    (
        Kind::Automerge,
        Sabotage::StaleStep1,
        &[Check::SaidIsStored],
    ),
    (
        Kind::Automerge,
        Sabotage::ForgottenOrphan,
        &[Check::Agreement, Check::SaidIsStored],
    ),
    (Kind::Automerge, Sabotage::LooseContext, &[Check::Contexts]),
    (Kind::Automerge, Sabotage::HoleInLane, &[Check::Lanes]),
    (
        Kind::Automerge,
        Sabotage::EmptyAnswer,
        &[Check::Sessions, Check::Agreement],
    ),
    (
        Kind::Automerge,
        Sabotage::LostHeard,
        &[Check::Agreement, Check::Sessions],
    ),
    (Kind::Automerge, Sabotage::NoRetry, &[Check::Quiet]),
];
/// Seeds within which a deliberate bug has to be found.
const BUG_SEEDS: u64 = 200;
const SHRINK_TRIES: usize = 4_000;
/// Steps that a shrunk plan may have.
const SHRUNK_MAX: usize = 40;

fn number(name: &str) -> Option<u64> {
    let value = env::var(name).ok()?;
    Some(
        value
            .parse()
            .expect("a number of seeds or steps, or a seed"),
    )
}
