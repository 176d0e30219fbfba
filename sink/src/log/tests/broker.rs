//! A broker for one test: Apache Kafka by `tests/kafka/broker`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A running broker; gone with this value.
pub(super) struct Broker {
    pub(super) address: String,
    dir: tempfile::TempDir,
}

impl Broker {
    /// Starts one; none, said loudly, where this machine has no Java.
    pub(super) fn start(test: &str) -> Option<Self> {
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
        let dir = tempfile::tempdir().unwrap();
        let address = script("start", dir.path());
        Some(Self { address, dir })
    }

    /// Ends it as a power cut of the process would.
    pub(super) fn kill(&self) {
        script("kill", self.dir.path());
    }

    /// Starts it again, on the same port and what is left of its data.
    pub(super) fn restart(&self) {
        assert_eq!(script("start", self.dir.path()), self.address);
    }

    /// Takes away what it stored; it must not run.
    pub(super) fn empty_disk(&self) {
        fs_err::remove_dir_all(self.dir.path().join("data")).unwrap();
    }

    pub(super) fn signal(&self, signal: rustix::process::Signal) {
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
