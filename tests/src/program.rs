//! The `sightline` program as a user runs it.

#![expect(
    clippy::expect_used,
    reason = "what goes wrong here ends the test that asked for it"
)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The program under test: beside the test's own binary, where `cargo build --release` puts it.
///
/// # Panics
/// When it is not there.
pub fn sightline_path() -> PathBuf {
    let test = std::env::current_exe().expect("the test has a path");
    let folder = test
        .parent()
        .and_then(Path::parent)
        .expect("target/<profile>/deps/<test>");
    let path = folder.join("sightline");
    assert!(
        path.exists(),
        "{} is missing: build it with `make build`",
        path.display()
    );
    path
}

/// The root of the checkout.
pub fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the checkout")
        .into()
}

/// Whether the default models are here, which the repository brings along; says loudly that `test` is skipped when they are not.
pub fn models_are_here(test: &str) -> bool {
    let is_here = ["detector", "appearance"].iter().all(|name| {
        checkout()
            .join("models")
            .join(name)
            .join("model.onnx")
            .exists()
    });
    if !is_here {
        std::io::Write::write_all(
            &mut std::io::stderr(),
            format!("SKIPPED {test}: no default models in models/\n").as_bytes(),
        )
        .ok();
    }
    is_here
}

/// A command line of the program, run in the root of the checkout.
pub fn sightline(arguments: &[&str]) -> Command {
    let mut command = Command::new(sightline_path());
    command
        .args(arguments)
        .current_dir(checkout())
        .stdin(Stdio::null());
    command
}

/// What a run of the program said.
#[derive(Debug)]
pub struct Said {
    /// Exit status; `None` when a signal ended it.
    pub status: Option<i32>,
    /// Results.
    pub stdout: String,
    /// Words.
    pub stderr: String,
}

impl Said {
    /// Standard output as one JSON value.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON value ({error}): {self:?}"))
    }

    /// The last line on standard error: the one that says what went wrong.
    pub fn complaint(&self) -> &str {
        self.stderr.lines().last().unwrap_or_default()
    }
}

/// Runs a command line to its end.
///
/// # Panics
/// When it cannot be run.
pub fn run(arguments: &[&str]) -> Said {
    said(&sightline(arguments).output().expect("the program runs"))
}

/// As [`run`], which must succeed.
///
/// # Panics
/// When the exit status is not 0.
pub fn run_well(arguments: &[&str]) -> Said {
    let said = run(arguments);
    assert_eq!(said.status, Some(0), "{arguments:?}: {}", said.stderr);
    said
}

/// Runs a command line that must fail with this status and one line that contains every one of `words`.
///
/// # Panics
/// When it does not.
pub fn run_badly(arguments: &[&str], status: i32, words: &[&str]) -> Said {
    let said = run(arguments);
    assert_eq!(said.status, Some(status), "{arguments:?}: {said:?}");
    let complaint = said.complaint();
    assert!(complaint.starts_with("sightline: "), "{said:?}");
    for word in words {
        assert!(complaint.contains(word), "`{word}` is not in: {complaint}");
    }
    assert!(
        !said.stderr.contains("backtrace") && !said.stderr.contains("panicked"),
        "{said:?}"
    );
    said
}

fn said(output: &Output) -> Said {
    Said {
        status: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A running program, ended with its owner.
pub struct Running {
    child: Child,
}

impl Running {
    /// Starts a command line in the background, its words in `log`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(arguments: &[&str], log: &Path) -> Self {
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .expect("a log file");
        let child = sightline(arguments)
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("the program starts");
        Self { child }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to it.
    ///
    /// # Panics
    /// When it is gone.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.expect("a pid"), signal).expect("it runs");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end within `deadline`.
    pub fn wait(&mut self, deadline: Duration) -> Option<i32> {
        let status = until("the program ends", deadline, || {
            self.child.try_wait().expect("a child")
        });
        status.code()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Asks again and again until there is an answer; polling, because a process gives no other sign.
///
/// # Panics
/// When there is none within `deadline`.
pub fn until<T>(what: &str, deadline: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(
            begin.elapsed() < deadline,
            "not within {deadline:?}: {what}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Status and text of what a program on this machine answers to `GET path`; nothing when it does not answer.
pub fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split_whitespace().nth(1)?.parse().ok()?;
    Some((status, answer))
}

/// A port that was free a moment ago.
///
/// # Panics
/// When the machine has none.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("a bound address").port()
}
