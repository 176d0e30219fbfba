//! What each command does: one file a command, with one `run`.

pub mod answering;
pub mod associate;
pub mod bench;
mod bench_log;
mod bench_search;
pub mod cameras;
pub mod check;
mod compare;
pub mod completions;
pub mod dead;
pub mod embed;
pub mod eval;
mod eval_retrieval;
pub mod evaluated;
pub mod explain;
pub mod feedback;
pub mod forget;
pub mod index;
pub mod man;
mod migrate;
pub mod models;
mod mover;
pub mod person;
pub mod plan;
pub mod replay;
pub mod run;
pub mod search;
pub mod serving;
pub mod site;
pub mod spool;
pub mod store;
mod tending;
pub mod topics;
pub mod track;

use crate::cli::Command;
use crate::config::{LogFormat, LogLevel};
use crate::observe::logs;

/// Does what the command line says.
///
/// # Errors
/// What went wrong, where, and what to do; [`crate::cli::exit_status`] tells what it means for the shell.
pub fn dispatch(command: &Command) -> anyhow::Result<()> {
    // Services start theirs by their configuration; other commands say what matters in their errors, and log for who asks.
    if logs::is_asked_for() && !command.is_service() {
        logs::start(LogFormat::Text, LogLevel::Warn)?;
    }
    match command {
        Command::Replay(args) => replay::run(args),
        Command::Run(args) => run::run(args),
        Command::Index(args) => index::run(args),
        Command::Associate(args) => associate::run(args),
        Command::Topics(args) => topics::run(args),
        Command::Dead(args) => dead::run(args),
        Command::Spool(args) => spool::run(args),
        Command::Search(args) => search::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Person(args) => person::run(args),
        Command::Site(args) => site::run(args),
        Command::Feedback(args) => feedback::run(args),
        Command::Forget(args) => forget::run(args),
        Command::Store(args) => store::run(args),
        Command::Track(args) => track::run(args),
        Command::Embed(args) => embed::run(args),
        Command::Models(args) => models::run(args),
        Command::Check(args) => check::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Plan(args) => plan::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Cameras(args) => cameras::run(args),
        Command::Completions(args) => completions::run(args),
        Command::Man => man::run(),
    }
}
