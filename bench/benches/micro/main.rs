//! What each step on the way of one edit costs: time, and how often and how much it allocates.
//!
//! One file for each stretch of that way: [`wire`] (frames to intents and events to frames, with pre-flight between),
//! [`content`] (taking edits in, merging, differences), [`batch`] (a document handling and settling what waits),
//! [`fan_out`] (an event into many outboxes), [`append`] (the store) and [`clock`]. [`automerge`] goes the same way with documents
//! of Automerge. [`material`] makes what they work on.
//!
//!     cargo bench -p quire-bench --bench micro -- [NAME…]
//!
//! Allocations are counted on the thread that is measured, per iteration, with the allocator of the server beneath.

mod append;
mod automerge;
mod batch;
mod clock;
mod content;
mod fan_out;
mod material;
mod wire;

use divan::AllocProfiler;
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: AllocProfiler<Jemalloc> = AllocProfiler::new(Jemalloc);

fn main() {
    divan::main();
}
