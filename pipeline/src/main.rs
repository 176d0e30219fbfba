//! The program `sightline`.

use std::process::ExitCode;

use clap::Parser;
use sightline::observe::logs;
use sightline::{cli, commands};

fn main() -> ExitCode {
    let arguments = match cli::Cli::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let status = if error.use_stderr() {
                cli::ExitStatus::Failed
            } else {
                cli::ExitStatus::Done
            };
            // Nobody is left to tell when this cannot be printed either.
            drop(error.print());
            return ExitCode::from(status.code());
        }
    };
    if let Some(level) = arguments.log_level {
        logs::ask_for(level);
    }
    let outcome = commands::dispatch(&arguments.command);
    let status = cli::exit_status(&outcome);
    if let Err(error) = &outcome
        && status != cli::ExitStatus::Done
    {
        drop(cli::report(error, &mut std::io::stderr().lock()));
    }
    ExitCode::from(status.code())
}
