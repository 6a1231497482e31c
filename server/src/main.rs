//! The binary `quire`.

use std::process::ExitCode;

/// Memory goes back to the system when documents are put away, by a thread that sees to that: most of what a session
/// freed was allocated by another thread, and no thread of an idle server would look after it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    server::cli::run()
}
