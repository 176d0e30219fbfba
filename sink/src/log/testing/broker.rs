//! A broker for one test: Apache Kafka by `tests/kafka/broker`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Secure;

/// A running broker; gone with this value.
pub(in super::super) struct Broker {
    /// Where it talks plainly to everybody.
    pub(in super::super) address: String,
    /// What it said of its addresses.
    said: String,
    dir: tempfile::TempDir,
}

impl Broker {
    /// Starts one; none, said loudly, where this machine has no Java.
    pub(in super::super) fn start(test: &str) -> Option<Self> {
        Some(Self::run(new_dir(test)?))
    }

    /// As [`Broker::start`], with two more addresses: with TLS and a log-in, and with TLS of both sides.
    pub(in super::super) fn start_secure(test: &str) -> Option<(Self, Secure, [String; 2])> {
        let dir = new_dir(test)?;
        let secure = Secure::make(&dir.path().join("secure"));
        let broker = Self::run(dir);
        let mut more = broker.said.split(' ').skip(1).map(str::to_owned);
        let more = [more.next().unwrap(), more.next().unwrap()];
        Some((broker, secure, more))
    }

    fn run(dir: tempfile::TempDir) -> Self {
        let said = script("start", dir.path());
        let address = said.split(' ').next().unwrap().to_owned();
        Self { address, said, dir }
    }

    /// Ends it as a power cut of the process would.
    pub(in super::super) fn kill(&self) {
        script("kill", self.dir.path());
    }

    /// Starts it again, on the same ports and what is left of its data.
    pub(in super::super) fn restart(&self) {
        assert_eq!(script("start", self.dir.path()), self.said);
    }

    /// Takes away what it stored; it must not run.
    pub(in super::super) fn empty_disk(&self) {
        fs_err::remove_dir_all(self.dir.path().join("data")).unwrap();
    }

    pub(in super::super) fn signal(&self, signal: rustix::process::Signal) {
        let pid = fs_err::read_to_string(self.dir.path().join("pid")).unwrap();
        let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        run("kill", self.dir.path()).ok();
    }
}

fn new_dir(test: &str) -> Option<tempfile::TempDir> {
    let has_java = Command::new("java")
        .arg("-version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !has_java {
        let words = format!("SKIPPED {test}: no java, which a broker needs\n");
        std::io::Write::write_all(&mut std::io::stderr(), words.as_bytes()).ok();
        return None;
    }
    Some(tempfile::tempdir().unwrap())
}

fn script(what: &str, dir: &Path) -> String {
    run(what, dir).unwrap()
}

fn run(what: &str, dir: &Path) -> Result<String, String> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/kafka/broker");
    let output = Command::new(script)
        .arg(what)
        .arg(dir)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
