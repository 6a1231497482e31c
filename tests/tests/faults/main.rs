//! Real faults against the real binary: ends at every step of an edit, damaged files, a process that is stopped, storms of
//! connections, a crowd that joins a large document, and clients that read or write as slowly as can be.

mod crowds;
mod damage;
mod failpoints;
mod slowness;
