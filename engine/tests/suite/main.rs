//! The engine from outside: everything here drives the public interface only, as a driver or a client would.
//!
//! [`world`] is a document with a fake store and fake clients around it, which checks at every step that nothing is said
//! before it is true. [`contents`] is what content of every kind promises, tried by [`yjs`] and [`automerge`]; these, [`clock`],
//! [`joins`] and [`presence`] try single parts, some against independent oracles; [`edits`],
//! [`gathering`], [`readers`], [`life`] and [`opening`] are scenes; [`rights`] is about what clients may do; [`writers`] is about those who use another's number; [`replicas`] is
//! one document on several nodes, and [`stored_first`] one whose edits are shown once they are stored. Scenes of everything at once are made up by the simulator in `tests`.

mod automerge;
mod bounds;
mod clock;
mod containment;
mod contents;
mod dice;
mod edits;
mod gathering;
mod joins;
mod life;
mod opening;
mod pen;
mod presence;
mod readers;
mod replicas;
mod rights;
mod stored_first;
mod world;
mod writers;
mod yjs;
