//! Apache Kafka for one test, by `tests/kafka/broker`.

#![expect(
    clippy::expect_used,
    reason = "what goes wrong here ends the test that asked for it"
)]

use std::path::Path;
use std::process::{Command, Stdio};

use crate::program::checkout;

/// A running broker on loopback; gone with this value.
pub struct Broker {
    address: String,
    dir: tempfile::TempDir,
}

impl Broker {
    /// Starts one; none, said loudly, where this machine has no Java.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(test: &str) -> Option<Self> {
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
        let dir = tempfile::tempdir().expect("a folder");
        let address = script("start", dir.path());
        Some(Self { address, dir })
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        script("kill", self.dir.path());
    }
}

fn script(what: &str, dir: &Path) -> String {
    let output = Command::new(checkout().join("tests/kafka/broker"))
        .arg(what)
        .arg(dir)
        .stdin(Stdio::null())
        .output()
        .expect("the script runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
