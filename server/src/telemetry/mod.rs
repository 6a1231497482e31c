//! What operators see: logs and metrics. Neither ever holds content, and metrics never hold a document's name.

pub mod counted;
pub mod logs;
pub mod metrics;
pub mod panics;
