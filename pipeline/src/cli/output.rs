//! Results on stdout, words on stderr, and the exit status.

use std::io::{self, BufWriter, StdoutLock, Write};

use crate::config::ConfigError;

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// Done, also with an empty answer, also when the reader of stdout went away.
    Done,
    /// Something failed; stderr says what.
    Failed,
    /// The configuration is bad; a restart would not help, so systemd does not try.
    BadConfiguration,
}

impl ExitStatus {
    /// The number that the shell sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 2,
            Self::BadConfiguration => 78,
        }
    }
}

/// The reader of our stdout has gone (`sightline search | head`): no fault of ours or theirs.
#[derive(Debug, thiserror::Error)]
#[error("the reader of stdout has gone")]
pub struct StdoutClosed;

/// Buffered stdout that tells a reader who left from other broken pipes.
pub struct Stdout(BufWriter<StdoutLock<'static>>);

/// Stdout for the results of a command; call [`Stdout::finish`] at the end.
#[must_use]
pub fn stdout() -> Stdout {
    Stdout(BufWriter::new(io::stdout().lock()))
}

impl Stdout {
    /// Hands everything to the reader.
    ///
    /// # Errors
    /// The reader's end is closed, or the disk behind it is full.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush()
    }

    /// Prints one JSON value on lines of its own, and hands it over.
    ///
    /// # Errors
    /// As [`Stdout::finish`].
    pub fn json(mut self, value: &impl serde::Serialize) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut self, value)?;
        self.write_all(b"\n")?;
        self.finish()
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(mark)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(mark)
    }
}

fn mark(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        io::Error::new(io::ErrorKind::BrokenPipe, StdoutClosed)
    } else {
        error
    }
}

/// What the outcome of a command means for the shell.
#[must_use]
pub fn exit_status(outcome: &anyhow::Result<()>) -> ExitStatus {
    let Err(error) = outcome else {
        return ExitStatus::Done;
    };
    let is_closed = error.chain().any(|cause| {
        let inner = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        cause.is::<StdoutClosed>()
            || inner.is_some_and(|inner| inner.downcast_ref::<StdoutClosed>().is_some())
    });
    if is_closed {
        ExitStatus::Done
    } else if error.chain().any(is_bad_configuration) {
        ExitStatus::BadConfiguration
    } else {
        ExitStatus::Failed
    }
}

fn is_bad_configuration(cause: &(dyn std::error::Error + 'static)) -> bool {
    // Topics that would lose what they are given do not get better by trying again.
    cause.is::<ConfigError>()
        || cause.is::<crate::config::Faults>()
        || matches!(
            cause.downcast_ref(),
            Some(sightline_sink::Error::LogPromise { .. })
        )
}

/// Writes an error to `words` (stderr): one line, `sightline: what: why`; a bad configuration one line a fault.
///
/// # Errors
/// Those of `words`.
pub fn report(error: &anyhow::Error, words: &mut impl Write) -> io::Result<()> {
    let mut said = String::new();
    for cause in error.chain().map(ToString::to_string) {
        // Errors of libraries tell their own cause again.
        if said.is_empty() {
            said = cause;
        } else if !said.contains(&cause) {
            said = format!("{said}: {cause}");
        }
    }
    for line in said.lines() {
        writeln!(words, "sightline: {line}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    fn faulty() -> ConfigError {
        crate::config::Config::parse(
            "nonsense = 1",
            "x.toml".as_ref(),
            crate::config::Purpose::Offline,
            &|_| None,
        )
        .unwrap_err()
        .into()
    }

    #[test]
    fn the_exit_status_follows_the_cause_through_its_contexts() {
        let bad = Err(anyhow::Error::from(faulty()).context("while reloading"));
        assert_eq!(exit_status(&bad), ExitStatus::BadConfiguration);
        assert_eq!(
            exit_status(&Err(anyhow::anyhow!("no such store"))),
            ExitStatus::Failed
        );
        assert_eq!(exit_status(&Ok(())), ExitStatus::Done);
    }

    #[test]
    fn a_reader_who_left_is_no_failure_but_a_lost_socket_is() {
        let left: anyhow::Result<()> =
            Err(mark(io::ErrorKind::BrokenPipe.into())).context("printing hits");
        assert_eq!(exit_status(&left), ExitStatus::Done);
        let socket: anyhow::Result<()> =
            Err(io::Error::from(io::ErrorKind::BrokenPipe)).context("asking the store");
        assert_eq!(exit_status(&socket), ExitStatus::Failed);
    }

    #[test]
    fn an_error_is_one_line_with_all_its_causes() {
        let mut words = Vec::new();
        report(
            &anyhow::anyhow!("no such file").context("cannot open `a.mp4`"),
            &mut words,
        )
        .unwrap();
        assert_eq!(
            String::from_utf8(words).unwrap(),
            "sightline: cannot open `a.mp4`: no such file\n"
        );
    }
}
