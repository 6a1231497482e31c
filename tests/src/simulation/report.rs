//! What is done with a plan on which a check fails: it is shrunk, saved, and a person is told how to play it again.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use engine::Kind;

use super::checks::Violation;
use super::plan::Plan;
use super::{generate, play, shrink};

/// How often a failing plan is made smaller before it is reported.
const TRIES: usize = 4_000;

/// What became of many seeds.
#[derive(Debug, Default)]
pub struct Played {
    /// Seeds played to their end.
    pub seeds: u64,
    /// Steps of all of them.
    pub steps: usize,
    /// How long that took, in seconds.
    pub seconds: f64,
}

/// Plays the plans of some seeds for documents of a kind.
///
/// # Errors
/// The report of the first that fails.
pub fn play_seeds(
    kind: Kind,
    seeds: impl Iterator<Item = u64>,
    steps: usize,
) -> Result<Played, String> {
    let began = Instant::now();
    let mut played = Played::default();
    for seed in seeds {
        let plan = generate(kind, seed, steps);
        let outcome = play(&plan);
        if let Some(violation) = outcome.violation {
            return Err(report(&plan, &violation));
        }
        played.seeds += 1;
        played.steps += outcome.steps;
    }
    played.seconds = began.elapsed().as_secs_f64();
    Ok(played)
}

/// Shrinks a failing plan, saves it, and says how to play it again.
pub fn report(plan: &Plan, violation: &Violation) -> String {
    let small = shrink(plan, violation.check, TRIES);
    let mut text = format!(
        "seed {} of {} fails: {violation}\n",
        plan.setup.seed, plan.setup.kind
    );
    if let Some(violation) = play(&small).violation {
        let _ = writeln!(text, "shrunk to {} steps: {violation}", small.steps.len());
    }
    match save(&small) {
        Ok(path) => {
            let _ = writeln!(
                text,
                "saved as {0}\nplay it again, with all that happens:\n    \
                 QUIRE_SIM_PLAN={0} cargo test --profile bench -p quire-tests --test simulation saved -- --nocapture",
                path.display()
            );
        }
        Err(error) => {
            let _ = writeln!(text, "it could not be saved: {error:#}");
        }
    }
    text
}

fn save(plan: &Plan) -> anyhow::Result<PathBuf> {
    let folder = crate::server::workspace().join("target/simulation");
    let path = folder.join(format!(
        "{}-seed-{}.jsonl",
        plan.setup.kind, plan.setup.seed
    ));
    plan.save(&path)?;
    Ok(path)
}
