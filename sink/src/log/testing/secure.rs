//! Certificates and a password for a broker that asks for them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Password of the user `edge`.
pub(in super::super) const PASSWORD: &str = "hunter2-Zq";

/// Files for both sides of a connection, in a folder of their own.
pub(in super::super) struct Secure {
    dir: PathBuf,
}

impl Secure {
    /// Makes an authority, and a certificate by it for `127.0.0.1`.
    pub(in super::super) fn make(dir: &Path) -> Self {
        fs_err::create_dir_all(dir).unwrap();
        let secure = Self {
            dir: dir.to_path_buf(),
        };
        secure.openssl(&format!(
            "req -x509 {NEW_KEY} -days 2 -subj /CN=authority -keyout authority.key -out authority.pem"
        ));
        secure.openssl(&format!(
            "req {NEW_KEY} -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -keyout own.key -out own.csr"
        ));
        secure.openssl(
            "x509 -req -in own.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 -copy_extensions copy -out own.pem",
        );
        let read = |name: &str| fs_err::read_to_string(dir.join(name)).unwrap();
        let both = read("own.key") + &read("own.pem");
        fs_err::write(dir.join("broker.pem"), both).unwrap();
        fs_err::write(dir.join("password"), PASSWORD).unwrap();
        secure
    }

    pub(in super::super) fn authority(&self) -> PathBuf {
        self.dir.join("authority.pem")
    }

    /// Certificate and key.
    pub(in super::super) fn own(&self) -> (PathBuf, PathBuf) {
        (self.dir.join("own.pem"), self.dir.join("own.key"))
    }

    fn openssl(&self, line: &str) {
        let output = Command::new("openssl")
            .args(line.split(' '))
            .current_dir(&self.dir)
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {line}: {words}");
    }
}

const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
