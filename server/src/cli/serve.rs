//! `quire serve`: loads the configuration, sets up the logs and the runtime, and serves.

use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::args::ServeArgs;
use super::failure::Failure;
use super::output;
use crate::config::Config;
use crate::serve::serve;
use crate::telemetry::{logs, panics};
use crate::watchdog::ABANDONED_MAX;

pub(super) fn run(args: &ServeArgs) -> Result<(), Failure> {
    let loaded = Config::load(&args.flags())?;
    loaded.config.check()?;
    for warning in &loaded.warnings {
        output::warn(warning);
    }
    let config = loaded.config;
    logs::init(config.log.format, &config.log.filter).map_err(|error| Failure::of_store(&error))?;
    panics::watch();
    let runtime = runtime()?;
    let served = runtime
        .block_on(serve(config))
        .map_err(|error| Failure::of_store(&error));
    // A thread that is lost to a stuck document is not waited for.
    runtime.shutdown_timeout(SHUTDOWN_MAX);
    served
}

/// A runtime for one command.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    let mut builder = Builder::new_multi_thread();
    let processors = thread::available_parallelism().map_or(1, usize::from);
    builder.worker_threads(processors + ABANDONED_MAX);
    let built = builder.enable_all().thread_stack_size(STACK_BYTES).build();
    built.map_err(|error| Failure::failed(format!("cannot start threads: {error}")))
}

/// Libraries walk nested content by recursion, and a stack that overflows ends the process. This much is reserved for
/// each thread; what is not used costs nothing.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// How long threads may take to end once everything is stored.
const SHUTDOWN_MAX: Duration = Duration::from_secs(1);
