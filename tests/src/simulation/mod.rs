//! The simulator: whole clusters of the pure core in a faulty world, all from one seed, with no thread, task or clock.
//!
//! A [`Plan`] says all that happens; [`play`] plays it and reports the first [`Violation`], if any. Plans come from
//! [`generate`], from a file, or from [`shrink`], which makes a failing plan as short as it can. The nodes are real
//! documents and the real codec; the store, the bus, the lines and the clients are fakes that lose, repeat, delay and
//! reorder what a real one may. What is checked, and when, stands in [`Check`].
//!
//! Read in this order: [`plan`](Plan), `world` (one step at a time), `sessions` (the driver, and what is checked at every
//! effect), `quiet` (what is checked when all is quiet), `canonical` (when two contents are the same).

mod automerge_page;
mod awareness;
mod bus;
mod canonical;
mod checks;
mod client;
mod contexts;
mod edits;
mod failover;
mod form;
mod generate;
mod intents;
mod keeping;
mod line;
mod node;
mod pieces;
mod plan;
mod poison;
mod quiet;
mod report;
mod sessions;
mod shrink;
mod store;
mod traffic;
mod voice;
mod world;
mod yjs_page;

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

pub use canonical::Canonical;
pub use checks::{Check, Violation};
pub use generate::generate;
pub use plan::{Delivery, Edit, Fate, Plan, Poison, Sabotage, Setup, Step};
pub use report::{Played, play_seeds, report};
pub use shrink::shrink;

use world::World;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Steps played, the last of them perhaps not to its end.
    pub steps: usize,
    /// A hash of all that left the nodes, in order.
    pub events: u64,
    /// The check that failed, if one did.
    pub violation: Option<Violation>,
}

/// Plays a plan to its end, or until a check fails.
pub fn play(plan: &Plan) -> Outcome {
    play_in(&mut World::new(plan), plan)
}

/// Plays a plan and tells what happened, step by step, for people.
pub fn narrate(plan: &Plan) -> (Outcome, Vec<String>) {
    let mut world = World::new(plan);
    world.told = Some(Vec::new());
    let outcome = play_in(&mut world, plan);
    (outcome, world.told.unwrap_or_default())
}

fn play_in(world: &mut World, plan: &Plan) -> Outcome {
    let mut violation = None;
    let mut steps = 0;
    for step in &plan.steps {
        world.events.note(b's', steps as u64, &[]);
        world.tell(|| format!("{steps} {step:?}"));
        steps += 1;
        violation = play_step(world, step).err();
        if violation.is_some() {
            break;
        }
    }
    Outcome {
        steps,
        events: world.events.0,
        violation,
    }
}

/// Plays one step. A panic is a violation like any other, and says nothing by itself.
fn play_step(world: &mut World, step: &Step) -> Result<(), Violation> {
    hush_panics();
    PLAYING.set(true);
    let played = catch_unwind(AssertUnwindSafe(|| world.play(step)));
    PLAYING.set(false);
    played.unwrap_or_else(|panic| Err(Check::Panic.failed(said(&*panic))))
}

thread_local! {
    /// Whether this thread plays a step; a panic is then reported as a violation.
    static PLAYING: Cell<bool> = const { Cell::new(false) };
}

/// Keeps panics of played steps from being printed, thousands of them while a plan shrinks.
fn hush_panics() {
    static HUSHED: Once = Once::new();
    HUSHED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !PLAYING.get() {
                before(info);
            }
        }));
    });
}

/// What a panic said.
fn said(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| {
        payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
    })
    .unwrap_or_else(|| "something that is no text".to_owned())
}
