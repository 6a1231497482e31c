//! The types of operational transform against their npm originals, against each other, and against hostile input.
//!
//! `tests/js/ot` has the originals: `oracle.mjs` prints cases with what they make of them, and [`case`] compares. Kept
//! cases are in [`vectors`]; [`differential`] streams as many as it is told to through a Node process, at random and of
//! whole small worlds. [`properties`] needs no original: what must hold of any type. [`hostile`] is about what clients
//! should never send, [`places`] about cursors in JSON, [`sabotage`] shows that the checks bite.

mod case;
mod differential;
mod hostile;
mod places;
mod plan;
mod properties;
mod sabotage;
mod vectors;
