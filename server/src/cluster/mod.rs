//! What a server is among others that share its store.
//!
//! [`route`] says which node a document is best opened at.

pub mod route;
