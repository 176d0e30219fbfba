//! The log: the journal's own protocol under systemd, text or JSON on stderr elsewhere; its level can change while it runs.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::sync::OnceLock;

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::reload;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::{LogFormat, LogLevel};

/// Variable that overrides the configured level, with directives such as `info,sightline::ingest=debug`.
pub const LEVEL_VARIABLE: &str = "SIGHTLINE_LOG";

/// The level of the command line.
static ASKED: OnceLock<LogLevel> = OnceLock::new();

/// Takes the level of the command line, which stands above any configuration; before [`start`], once.
pub fn ask_for(level: LogLevel) {
    ASKED.get_or_init(|| level);
}

/// Whether somebody asked for a log on the command line or by [`LEVEL_VARIABLE`].
#[must_use]
pub fn is_asked_for() -> bool {
    ASKED.get().is_some() || std::env::var_os(LEVEL_VARIABLE).is_some()
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The journal was asked for and is not there.
    #[error(
        "observe.format: `journald` was asked for, and the journal cannot be reached: {0}; use `text` or `json`"
    )]
    Journal(io::Error),
    /// The variable is not understood.
    #[error(
        "SIGHTLINE_LOG: `{value}` is no filter: {reason}; expected for example `info` or `info,sightline::ingest=debug`"
    )]
    Filter {
        /// Its value.
        value: String,
        /// Why not.
        reason: String,
    },
    /// Somebody started a log already.
    #[error("the log was started twice: {0}")]
    Twice(TryInitError),
    /// The level cannot be changed any more.
    #[error("the level of the log cannot be changed: {0}")]
    Reload(reload::Error),
}

/// Changes the level of the running log.
#[derive(Debug, Clone)]
pub struct LogHandle {
    filter: reload::Handle<EnvFilter, Registry>,
    /// The command line or the variable wins for as long as the process lives.
    is_overridden: bool,
}

impl LogHandle {
    /// Takes the level of a reloaded configuration, unless one was asked for otherwise.
    ///
    /// # Errors
    /// [`LogError::Reload`] if the log is gone.
    pub fn set_level(&self, level: LogLevel) -> Result<(), LogError> {
        if self.is_overridden {
            return Ok(());
        }
        self.filter
            .reload(EnvFilter::new(directives(level)))
            .map_err(LogError::Reload)
    }
}

/// Starts the log of the process, at `level` where no other is asked for by the command line, or above all by [`LEVEL_VARIABLE`].
///
/// # Errors
/// [`LogError`].
pub fn start(format: LogFormat, level: LogLevel) -> Result<LogHandle, LogError> {
    let variable = std::env::var(LEVEL_VARIABLE).ok();
    let level = ASKED.get().copied().unwrap_or(level);
    let (filter, filter_handle) = reload::Layer::new(filter_of(variable.as_deref(), level)?);
    let subscriber = tracing_subscriber::registry().with(filter);
    subscriber
        .with(output(format)?)
        .try_init()
        .map_err(LogError::Twice)?;
    Ok(LogHandle {
        filter: filter_handle,
        is_overridden: is_asked_for(),
    })
}

/// What a level means for each part: ONNX Runtime tells of every step of loading a model, which is for whoever asks for it.
fn directives(level: LogLevel) -> String {
    match level {
        LogLevel::Info => "info,ort=warn".to_owned(),
        other => other.as_str().to_owned(),
    }
}

fn filter_of(variable: Option<&str>, level: LogLevel) -> Result<EnvFilter, LogError> {
    match variable {
        None => Ok(EnvFilter::new(directives(level))),
        Some(value) => EnvFilter::try_new(value).map_err(|error| LogError::Filter {
            value: value.to_owned(),
            reason: error.to_string(),
        }),
    }
}

fn output<S>(format: LogFormat) -> Result<Box<dyn Layer<S> + Send + Sync>, LogError>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let is_journal = match format {
        LogFormat::Auto => is_stderr_the_journal(),
        LogFormat::Journald => true,
        LogFormat::Text | LogFormat::Json => false,
    };
    if is_journal {
        let journal = tracing_journald::layer().map_err(LogError::Journal)?;
        return Ok(journal
            .with_syslog_identifier("sightline".to_owned())
            .boxed());
    }
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    if format == LogFormat::Json {
        Ok(lines.json().flatten_event(true).boxed())
    } else {
        Ok(lines.with_ansi(io::stderr().is_terminal()).boxed())
    }
}

/// Whether stderr is the stream that systemd connected to the journal; a child that redirected it is not.
fn is_stderr_the_journal() -> bool {
    let Ok(variable) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    match rustix::fs::fstat(io::stderr().as_fd()) {
        Ok(stat) => is_same_file(&variable, stat.st_dev, stat.st_ino),
        Err(_) => false,
    }
}

/// Compares `device:inode`, both decimal.
fn is_same_file(variable: &str, device: u64, inode: u64) -> bool {
    variable
        .split_once(':')
        .is_some_and(|(left, right)| left.parse() == Ok(device) && right.parse() == Ok(inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_known_by_device_and_inode() {
        assert!(is_same_file("8:131072", 8, 131_072));
        for other in ["8:131073", "9:131072", "8", "", "a:b", ":"] {
            assert!(!is_same_file(other, 8, 131_072), "{other}");
        }
    }

    #[test]
    fn a_filter_that_makes_no_sense_is_refused_with_its_value() {
        let error = filter_of(Some("info,=x="), LogLevel::Info).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("SIGHTLINE_LOG: `info,=x=` is no filter"),
            "{error}"
        );
        assert_eq!(
            filter_of(Some("debug"), LogLevel::Info)
                .unwrap()
                .to_string(),
            "debug"
        );
        assert_eq!(filter_of(None, LogLevel::Warn).unwrap().to_string(), "warn");
    }
}
