//! Somebody else who decides who is let in: an application that is asked. It is asked where this server has nothing to go
//! by: of tokens that none of its keys is for, and of those who show nothing.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::{Pass, Refusal, Visitor};

/// A decision under way.
pub type Deciding<'a> = Pin<Box<dyn Future<Output = Result<Arc<Pass>, Refusal>> + Send + 'a>>;

/// Decides who is let in. It bounds how long that takes, and how many it decides on at a time.
pub trait Decider: fmt::Debug + Send + Sync {
    /// Decides on somebody. Whether what it gives was revoked is looked at by the caller.
    fn decide<'a>(&'a self, visitor: Visitor<'a>) -> Deciding<'a>;
}
