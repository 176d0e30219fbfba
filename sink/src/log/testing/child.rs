//! A copy of this test program that does one thing until it is killed.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};

use super::super::LogOptions;
use super::{LONG, log_options};

const VARIABLE: &str = "SIGHTLINE_LOG_TEST_CHILD";

/// What a child says stands behind this, on lines of its own.
const MARK: &str = "said ";

/// The running copy; killed with this value.
pub(in super::super) struct Child {
    process: std::process::Child,
    said: Receiver<String>,
}

impl Child {
    /// Starts `test`, a test that does nothing unless it is a child, in `log::tests`.
    pub(in super::super) fn start(test: &str, dir: &Path, address: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("log::tests::{test}"), "--nocapture"])
            .env(VARIABLE, format!("{address} {}", dir.display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (tell, said) = sync_channel(64);
        // Beside the test, which gives up on a child that says nothing any more. Ends with the child.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(words) = line.strip_prefix(MARK)
                    && tell.send(words.to_owned()).is_err()
                {
                    break;
                }
            }
        });
        Self { process, said }
    }

    /// What it says next; none when it has ended.
    pub(in super::super) fn hear(&mut self) -> Option<String> {
        match self.said.recv_timeout(LONG) {
            Ok(words) => Some(words),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the child has said nothing for {LONG:?}"),
        }
    }

    /// Listens until enough was said.
    pub(in super::super) fn hear_until(&mut self, mut is_enough: impl FnMut(&str) -> bool) {
        while let Some(words) = self.hear() {
            if is_enough(&words) {
                return;
            }
        }
        panic!("the child ended by itself: {:?}", self.process.wait());
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone after this.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// In a child: its folder and the options of the log. None where this is no child.
pub(in super::super) fn given() -> Option<(PathBuf, LogOptions)> {
    let given = std::env::var(VARIABLE).ok()?;
    let (address, dir) = given.split_once(' ').unwrap();
    Some((dir.into(), log_options(address)))
}

/// In a child: says something to whoever started it.
pub(in super::super) fn say(words: &str) {
    println!("\n{MARK}{words}");
}
