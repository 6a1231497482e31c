//! Documents: what may happen to one, in any order, with anything that its clients may send.
//!
//! The bytes are read as a plan ([`plan`]): who joins, pushes, pulls, lags and leaves, what the store and
//! another replica do, when the process dies. The plan is played in a small world ([`world`]), which checks every effect; and when it is over, all is
//! stored, and the document must be what its log replayed from zero gives.

mod other;
pub mod plan;
mod store;
mod world;

use crate::script::Script;

/// Plays the plan that the bytes are.
///
/// # Panics
/// A promise was broken.
pub fn check(input: &[u8]) {
    let mut script = Script::new(input);
    let mut world = world::World::new(plan::limits(&mut script));
    for _ in 0..STEPS_MAX {
        if script.is_done() {
            break;
        }
        plan::step(&mut world, &mut script);
    }
    world.end();
}

const STEPS_MAX: usize = 400;
