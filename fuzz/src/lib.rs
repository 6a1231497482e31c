//! Hostile bytes and hostile plans against the pure crates: what cargo-fuzz runs, and what `cargo test` replays.
//!
//! Each *target* is a function of bytes that comes back, or panics because a promise was broken. The ones that libFuzzer
//! drives (`fuzz_targets/`, one line each) need its runtime; the functions themselves do not, so everything that was
//! ever found is replayed by a plain test (`tests/replay.rs`).
//!
//! Some targets read the bytes as they would come from a socket or the store ([`websocket`], [`frame`], [`hocuspocus`], [`update`], [`state_vector`],
//! [`presence`], [`route`], [`clock`], [`stored`]). The others read them as decisions ([`script`]): what an update is made
//! of ([`crafted`]), or what happens to a document ([`document`]). That reading is our own and never changes by the
//! release of a library, so a crasher stays the crasher that it was. Of documents of operational transform there are the types
//! ([`operation`]), the dialect ([`sharedb`]), what is stored ([`record`]), and what happens to one ([`ordered`]). Of Automerge there is what comes over
//! the wire ([`automerge`]), and what happens to a document ([`automerge_document`]).
//!
//! What counts as a finding, besides a panic and a broken promise: a library panic, even where the engine catches it
//! ([`findings`]); an input that takes too long ([`budget`]) or, by libFuzzer's limits, too much memory.

pub mod automerge;
pub mod automerge_document;
pub mod budget;
pub mod clock;
pub mod crafted;
pub mod document;
pub mod findings;
pub mod frame;
pub mod hocuspocus;
pub mod operation;
pub mod ordered;
pub mod presence;
pub mod recipes;
pub mod record;
pub mod route;
pub mod script;
pub mod seeds;
pub mod sharedb;
pub mod state_vector;
pub mod stored;
pub mod update;
pub mod websocket;
pub mod writer;

/// A target: its name, which is also that of its folders, and what is done with an input.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// As cargo-fuzz knows it.
    pub name: &'static str,
    run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: [Target; 21] = [
    Target::new("websocket", websocket::check),
    Target::new("ywebsocket_frame", frame::check),
    Target::new("hocuspocus", hocuspocus::check),
    Target::new("update", update::one),
    Target::new("updates", update::several),
    Target::new("delete_set", update::deletions),
    Target::new("crafted", crafted::check),
    Target::new("state_vector", state_vector::check),
    Target::new("presence", presence::check),
    Target::new("route", route::check),
    Target::new("vector_clock", clock::check),
    Target::new("stored", stored::check),
    Target::new("document", document::check),
    Target::new("operation", operation::check),
    Target::new("sharedb", sharedb::check),
    Target::new("record", record::check),
    Target::new("ordered", ordered::check),
    Target::new("automerge_frame", automerge::frame),
    Target::new("automerge_sync", automerge::sync),
    Target::new("automerge_chunk", automerge::chunk),
    Target::new("automerge_document", automerge_document::check),
];

impl Target {
    const fn new(name: &'static str, run: fn(&[u8])) -> Self {
        Self { name, run }
    }

    /// The target of this name.
    pub fn named(name: &str) -> Option<Self> {
        TARGETS.into_iter().find(|target| target.name == name)
    }

    /// Gives the target one input, and holds it to the time that it may take.
    pub fn run(self, input: &[u8]) {
        budget::hold(input.len(), || (self.run)(input));
    }
}

/// What stands in each file of `fuzz_targets/`.
#[cfg(feature = "targets")]
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        libfuzzer_sys::fuzz_target!(init: quire_fuzz::findings::watch(), |input: &[u8]| {
            quire_fuzz::Target::named($name)
                .expect("the target is in the table")
                .run(input);
        });
    };
}
