//! The command line of `quire`: what there is to type ([`args`]), and what each command does.
//!
//! Commands that look at documents open the data folder for reading only and work while a server runs on it. What they
//! print for programs (`-o json`, `-o ndjson`) is what the REST API answers. Every failure is one sentence on standard
//! error and one of the exit codes of [`Failure`].

mod args;
pub use args::Cli;

mod cluster;
mod config;
mod doc;

mod import;

mod failure;
use failure::Failure;

mod key;
mod output;
mod serve;
mod token;
mod try_crumb;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use args::Command;

/// Runs the command that this process was started with.
pub fn run() -> ExitCode {
    run_with(std::env::args_os())
}

/// Runs a command; the first argument is the program's own name.
pub fn run_with(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    // An error in the arguments, and --help, end the process here.
    let done = dispatch(Cli::parse_from(args).command.unwrap_or_default());
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::complain(&failure.to_string());
            failure.exit_code()
        }
    }
}

fn dispatch(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(args) => serve::run(&args),
        Command::Doc(args) => doc::run(args.command),
        Command::Import(args) => import::run(args.command),
        Command::Key(args) => key::run(args.command),
        Command::Token(args) => token::run(args.command),
        Command::Cluster(args) => cluster::run(args.command),
        Command::Config(args) => config::run(args.command),
        Command::TryCrumb(args) => try_crumb::run(&args),
        Command::Version => output::print(concat!("quire ", env!("CARGO_PKG_VERSION"), "\n")),
    }
}
