//! The command line: every command, flag and help text; what goes to stdout; exit statuses.
//!
//! # Layout
//!
//! - `mod`: [`Cli`] and [`Command`], the choice of a command
//! - `flow`: arguments of `replay`, `run`, `track`, `embed`, `bench`
//! - `ask`: arguments of `search`, `explain`, `person`, `forget`, `store`
//! - `log`: arguments of `index`, `associate`, `topics`, `dead`, `spool`
//! - `measure`: arguments of `eval`
//! - `care`: arguments of `models`, `check`, `cameras`, `completions`
//! - `plan`: arguments of `plan`
//! - `teach`: arguments of `site`, `feedback`
//! - `time`: points in time as people write them
//! - `output`: stdout, and what an error becomes

mod ask;
mod care;
mod flow;
mod log;
mod measure;
mod output;
mod plan;
mod teach;
mod time;

use clap::{Parser, Subcommand};

pub use ask::{
    ExplainArgs, ForgetArgs, PersonArgs, PersonCommand, PersonConfirmArgs, PersonJoinArgs,
    PersonRejectArgs, PersonShowArgs, SearchArgs, StoreAccess, StoreArgs, StoreBackupArgs,
    StoreCommand, StoreMigrateArgs, StoreRestoreArgs, StoreVerifyArgs, StoreWork,
};
pub use care::{
    CamerasArgs, CamerasCommand, CheckArgs, CompletionsArgs, ModelNames, ModelsArgs,
    ModelsBenchArgs, ModelsCommand, ModelsListArgs, ProbeArgs, Shell,
};
pub use flow::{BenchArgs, EmbedArgs, EmbedInput, ReplayArgs, RunArgs, TrackArgs, VectorName};
pub use log::{
    AssociateArgs, DeadArgs, DeadCommand, DeadListArgs, DeadRetryArgs, IndexArgs, SpoolArgs,
    SpoolCatArgs, SpoolCommand, SpoolPlace, SpoolPlaceArgs, TopicsActionArgs, TopicsArgs,
    TopicsCommand,
};
pub use measure::{CompareArgs, EvalArgs, EvalCommand, RetrievalEvalArgs, TracksEvalArgs};
pub use output::{ExitStatus, Stdout, StdoutClosed, exit_status, report, stdout};
pub use plan::{PlanArgs, PlanAssumed, PlanMeasured};
pub use teach::{
    FeedbackArgs, FeedbackCommand, FeedbackExportArgs, SiteArgs, SiteCommand, SiteLearnArgs,
};
pub use time::{TimeFault, parse_time};

use crate::config::LogLevel;

/// The program's arguments.
#[derive(Debug, Parser)]
#[command(
    name = "sightline",
    version,
    about = "Find people across cameras: footage and live cameras in, searchable tracks out",
    long_about = "Find people across cameras: footage and live cameras in, searchable tracks out.\n\n\
        Every pedestrian in front of a camera is found, followed, and remembered by a few good pictures and what \
        they look like to a network. Recordings go through the same stages as live cameras.",
    after_help = "Begin with:\n  \
        sightline replay footage.mp4 --store /tmp/store --video marked.mp4\n  \
        sightline search --image person.jpg --store /tmp/store\n\n\
        Results go to stdout, words to stderr. Exit status: 0, also for an empty answer; 2 for a failure; \
        78 for a bad configuration.",
    propagate_version = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// Least important level that is logged (error, warn, info, debug, trace); overrides the configuration
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "LEVEL",
        hide_possible_values = true
    )]
    pub log_level: Option<LogLevel>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// One command with its arguments.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Send recordings through the whole flow and store what is seen
    ///
    /// Every frame is looked at, in time order across recordings. The same input gives the same store, bit for bit on
    /// the same machine, and a replay that was killed may be repeated.
    Replay(ReplayArgs),
    /// Watch the cameras of a configuration until told to stop
    ///
    /// SIGTERM or Ctrl-C stops: what is under way is finished and stored; a second one stops at once. SIGHUP reads the
    /// configuration again and keeps the old one when the new one is bad.
    Run(RunArgs),
    /// Read the log (Kafka) into the store and answer questions, until told to stop
    ///
    /// Every message is indexed before it is committed, and what cannot be indexed goes to the dead letters with its
    /// reason. Killed at any moment, it goes on where it was, and nothing is there twice.
    Index(IndexArgs),
    /// Join the tracks of all cameras of a site into persons, beside several indexers, until told to stop
    ///
    /// For sites with more than one indexer: [kafka] association = "service" on every machine. A site is joined by one process
    /// at a time; when that one is gone another goes on where it stopped, with the same persons.
    Associate(AssociateArgs),
    /// Make and check the topics of the log
    Topics(TopicsArgs),
    /// Look at messages of the log that could not be indexed, and try them again
    Dead(DeadArgs),
    /// Look into the queue on this box's disk, and mend it
    Spool(SpoolArgs),
    /// Ask who was seen: by picture, by track, by place and time
    ///
    /// Without a picture, track or text: all tracks that the filters let through, newest first. Every answer says when
    /// cameras were blind and up to when the index is complete, so that an empty answer can be told from an empty street.
    Search(SearchArgs),
    /// Show why a picture was found: which places of it speak for what was asked, and which against
    ///
    /// Patches of the picture are covered one after another, and what the similarity loses is drawn over the picture: for the whole
    /// sentence, and for each of its clauses. It says what the network looked at, and not whether it was right.
    Explain(ExplainArgs),
    /// Look at one person: every visit on every camera
    Person(PersonArgs),
    /// Learn the ways between cameras from what was seen
    Site(SiteArgs),
    /// Take out what people said of tracks, for training
    Feedback(FeedbackArgs),
    /// Forget a track, a person, or what a camera saw in a time: for good, everywhere
    ///
    /// Vectors, pictures, persons and what waits in the spool go, and whatever brings them again is refused, replays and
    /// restored backups included. It is looked for afterwards, and a signed list of what went is written beside the store.
    Forget(ForgetArgs),
    /// Copy a store, restore it, look whether it is whole
    Store(StoreArgs),
    /// Run the tracker alone on detections in MOTChallenge form
    Track(TrackArgs),
    /// Turn pictures or sentences into vectors
    Embed(EmbedArgs),
    /// List, fetch, verify, time and prepare networks
    Models(ModelsArgs),
    /// Check a configuration and print it with every default, secrets hidden
    ///
    /// All faults are reported together, one a line: file, line, what is wrong, what would be right. Exit status 78 then.
    Check(CheckArgs),
    /// Measure every stage, and the whole against the floor of this machine
    ///
    /// The floor decodes the same frames and makes the same calls of the same networks on fixed tensors, and does nothing else.
    Bench(BenchArgs),
    /// Reckon what so many cameras need: partitions, brokers, indexers, disks
    Plan(PlanArgs),
    /// Measure results against what is known to be true
    Eval(EvalArgs),
    /// Look at cameras without storing anything
    Cameras(CamerasArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Print the manual page in roff
    Man,
}

impl Command {
    /// Whether it runs on, and starts a log of its own.
    #[must_use]
    pub fn is_service(&self) -> bool {
        match self {
            Self::Run(_) | Self::Index(_) | Self::Associate(_) => true,
            Self::Store(args) => matches!(args.command, StoreCommand::Migrate(_)),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_line_of_the_documents_is_understood() {
        for line in [
            "sightline replay a.mp4 b --config c.toml --store s --mot m --jsonl t.jsonl --video v.mp4 --json",
            "sightline run --config c.toml --log-level debug",
            "sightline index --config c.toml",
            "sightline index --config c.toml --catch-up --json",
            "sightline associate --config c.toml",
            "sightline associate --config c.toml --catch-up --json",
            "sightline topics create --config c.toml",
            "sightline topics check --config c.toml --json",
            "sightline dead list --config c.toml --all --json",
            "sightline dead retry --config c.toml",
            "sightline spool status --store s --json",
            "sightline spool check --config c.toml",
            "sightline spool repair --store s",
            "sightline spool cat --store s --from 17",
            "sightline search coat --store s",
            "sightline search coat --not backpack --not hat --image p.jpg --store s",
            "sightline search --image p.jpg --camera gate-1 --camera gate-2 --from -2h --to 2026-03-01T14:00:00Z --limit 5 --json",
            "sightline search --track 67e55044-10b1-426f-9247-bb680e5fe0c8 --api /run/sightline/api.sock",
            "sightline search --from 00:00 --config c.toml",
            "sightline search --image p.jpg --persons --limit 5 --store s",
            "sightline person show 67e55044-10b1-426f-9247-bb680e5fe0c8 --png p.png --store s",
            "sightline site learn --store s --png ways.png --joins 3",
            "sightline feedback export --out said --config c.toml",
            "sightline person confirm 67e55044-10b1-426f-9247-bb680e5fe0c8 --store s",
            "sightline person reject 67e55044-10b1-426f-9247-bb680e5fe0c8 --track 67e55044-10b1-426f-9247-bb680e5fe0c9",
            "sightline person join 67e55044-10b1-426f-9247-bb680e5fe0c8 67e55044-10b1-426f-9247-bb680e5fe0c9 --store s",
            "sightline forget --track 67e55044-10b1-426f-9247-bb680e5fe0c8 --store s --dry-run",
            "sightline forget --person 67e55044-10b1-426f-9247-bb680e5fe0c8 --config c.toml",
            "sightline forget --camera gate-1 --from -2h --to -1h --json",
            "sightline store backup b --store s --dry-run",
            "sightline store restore b --config c.toml --json",
            "sightline store verify --store s",
            "sightline store verify b",
            "sightline store migrate --appearance new --config c.toml --most-per-second 20 --dry-run",
            "sightline store migrate --joint new --text new-text --store s --without-pictures --json",
            "sightline store migrate --abandon --store s",
            "sightline store migrate --config c.toml",
            "sightline replay scene.toml --mtmc persons.txt",
            "sightline replay --eval scene.toml",
            "sightline replay scene.toml --eval=report --gate gate.toml",
            "sightline track --detections det.txt --fps 14 --mot out.txt",
            "sightline embed --images list.txt --vector appearance --out a.npy",
            "sightline embed --texts list.txt --vector joint --out a.npy",
            "sightline explain coat --image a.jpg --out why.png",
            "sightline explain coat --not hat --track 67e55044-10b1-426f-9247-bb680e5fe0c8 --store s --json",
            "sightline explain --like-image b.jpg --image a.jpg --out why.png",
            "sightline models list --json",
            "sightline models fetch",
            "sightline models verify fastestdet",
            "sightline models bench --json",
            "sightline models warm --config c.toml",
            "sightline check c.toml --json",
            "sightline check --schema",
            "sightline bench --json",
            "sightline bench --log --config c.toml --events 5000 --json",
            "sightline bench --search --tracklets 5000 --searches 20 --graphs --json",
            "sightline bench --large --scratch d",
            "sightline plan --cameras 10000 --log-days 3",
            "sightline eval mot --gt MOT17/train --tracks out --json",
            "sightline eval mtmc --gt ground_truth.txt --tracks persons.txt",
            "sightline eval text --dataset crops --model joint-picture --json",
            "sightline eval reid --dataset Market-1501 --model person-reid-0267 --rerank",
            "sightline cameras probe rtsp://host/a --transport tcp --json",
            "sightline completions bash",
            "sightline man",
        ] {
            if let Err(error) = parse(line) {
                panic!("{line}: {error}");
            }
        }
    }

    #[test]
    fn contradictions_are_usage_errors() {
        for line in [
            "sightline replay",
            "sightline run",
            "sightline check",
            "sightline embed --vector joint --out a.npy",
            "sightline embed --images a --texts b --vector joint --out a.npy",
            "sightline embed --texts b --vector joint --out a.npy --nonsense",
            "sightline index --config c.toml --json",
            "sightline associate --config c.toml --json",
            "sightline topics --config c.toml",
            "sightline spool status",
            "sightline spool check --store s --config c.toml",
            "sightline search --store s --config c.toml",
            "sightline search --image a.jpg --track 67e55044-10b1-426f-9247-bb680e5fe0c8",
            "sightline search coat --track 67e55044-10b1-426f-9247-bb680e5fe0c8",
            "sightline search --not hat --image a.jpg",
            "sightline explain coat --out why.png",
            "sightline explain coat --image a.jpg",
            "sightline explain --image a.jpg --out why.png",
            "sightline explain coat --like-image b.jpg --image a.jpg --out why.png",
            "sightline explain --not hat --like-image b.jpg --image a.jpg --out why.png",
            "sightline plan",
            "sightline plan --cameras 5 --log-days 0",
            "sightline bench --log",
            "sightline bench --search --large",
            "sightline bench --tracklets 5000",
            "sightline eval",
            "sightline eval mot --gt a.txt",
            "sightline eval text --model joint-picture",
            "sightline search --limit 0",
            "sightline store verify b --store s",
            "sightline store backup",
            "sightline store migrate --joint new --store s",
            "sightline store migrate --appearance new --abandon --store s",
            "sightline store migrate --appearance ../new --store s",
            "sightline store migrate --appearance new --most-per-second 0",
            "sightline forget",
            "sightline forget --camera gate-1",
            "sightline forget --camera gate-1 --from -2h",
            "sightline forget --track 67e55044-10b1-426f-9247-bb680e5fe0c8 --from -2h",
            "sightline forget --track 67e55044-10b1-426f-9247-bb680e5fe0c8 --camera gate-1 --from -2h --to -1h",
            "sightline replay a.mp4 --gate g.toml",
            "sightline search --from yesterday-ish",
            "sightline track --detections d --fps 0 --mot m",
            "sightline track --detections d --fps nan --mot m",
        ] {
            let Err(error) = parse(line) else {
                panic!("{line} was taken")
            };
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn a_time_before_now_may_begin_with_a_dash() {
        let Command::Search(args) = parse("sightline search --from -30m --to -5m")
            .unwrap()
            .command
        else {
            panic!("not a search");
        };
        assert!(args.to.unwrap() > args.from.unwrap());
    }
}
