//! Where a camera is, kept so that its secrets never reach a message.

use std::fmt;

use super::super::Error;

/// User name and password of a camera. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(hidden)")
    }
}

/// How RTP travels. TLS is not asked for here: it follows from `rtsps://`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// Inside the RTSP connection; nothing is lost on the way.
    #[default]
    Tcp,
    /// Datagrams; what is lost on the way is missing in the picture.
    Udp,
}

/// A checked `rtsp://`, `rtsps://` or `file://` address. `Display` and `Debug` show it without user, password, query,
/// or a path that carries `key=value` pairs, since cheap cameras put passwords in all of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    location: String,
    shown: String,
    credentials: Option<Credentials>,
    is_file: bool,
}

impl Address {
    /// Checks `url` for `camera`; a user and password inside it are taken out and kept apart.
    ///
    /// # Errors
    /// [`Error::Address`] for another scheme, a missing host, or broken escapes.
    pub fn parse(camera: &str, url: &str) -> Result<Self, Error> {
        let fault = |shown: &str, detail: &str| Error::Address {
            camera: camera.to_owned(),
            url: shown.to_owned(),
            detail: detail.to_owned(),
        };
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(fault("(hidden)", "it has no scheme"));
        };
        let scheme = scheme.to_ascii_lowercase();
        if scheme == "file" {
            return Ok(Self {
                location: url.to_owned(),
                shown: url.to_owned(),
                credentials: None,
                is_file: true,
            });
        }
        if !matches!(scheme.as_str(), "rtsp" | "rtsps") {
            return Err(fault(&format!("{scheme}://…"), "its scheme is unknown"));
        }
        let (authority, path) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (userinfo, host) = match authority.rsplit_once('@') {
            Some((userinfo, host)) => (Some(userinfo), host),
            None => (None, authority),
        };
        // A port that is no number is the start of a password with a bare slash in it.
        let port = host.rsplit_once(':').filter(|_| !host.ends_with(']'));
        if port.is_some_and(|(_, port)| port.parse::<u16>().is_err()) {
            let detail = "its port is no number, or its password holds a `/` that should be `%2F`";
            return Err(fault(&format!("{scheme}://…"), detail));
        }
        let shown_path = path.split('?').next().unwrap_or("");
        let shown_path = if shown_path.contains(['=', '@']) {
            "/…"
        } else {
            shown_path
        };
        let shown = format!("{scheme}://{host}{shown_path}");
        if host.is_empty() || host.starts_with(':') {
            return Err(fault(&shown, "it names no host"));
        }
        let credentials = userinfo
            .map(|userinfo| {
                let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
                Some(Credentials {
                    user: unescape(user)?,
                    password: unescape(password)?,
                })
            })
            .map(|found| {
                found.ok_or_else(|| fault(&shown, "its user or password has a broken escape"))
            })
            .transpose()?;
        Ok(Self {
            location: format!("{scheme}://{host}{path}"),
            shown,
            credentials,
            is_file: false,
        })
    }

    /// The same address with `credentials` in place of those in the URL, if any are given.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Option<Credentials>) -> Self {
        if credentials.is_some() {
            self.credentials = credentials;
        }
        self
    }

    /// Whether this is a file, played in real time.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.is_file
    }

    /// The full address without user and password; may hold secrets in its query.
    pub(super) fn location(&self) -> &str {
        &self.location
    }

    pub(super) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// Takes the address and its secrets out of somebody else's words.
    pub(super) fn redact(&self, text: &str) -> String {
        let mut clean = text.replace(&self.location, &self.shown);
        if let Some(credentials) = &self.credentials {
            for secret in [&credentials.password, &credentials.user] {
                // Replacing a very short secret would shred the text and so give it away.
                if secret.len() >= 3 {
                    clean = clean.replace(secret.as_str(), "…");
                }
            }
        }
        clean
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.shown)
    }
}

/// Resolves `%41` escapes.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_are_taken_out_of_the_address() {
        let address = Address::parse("gate", "rtsp://adm%69n:p%40ss@10.0.0.7:554/main").unwrap();
        assert_eq!(address.location(), "rtsp://10.0.0.7:554/main");
        let credentials = address.credentials().unwrap();
        assert_eq!(
            (&*credentials.user, &*credentials.password),
            ("admin", "p@ss")
        );
    }

    #[test]
    fn nothing_that_is_shown_holds_a_secret() {
        for url in [
            "rtsp://admin:hunter22@cam/main",
            "rtsp://cam/main?user=admin&password=hunter22",
            "rtsps://cam:322/user=admin_password=hunter22_channel=1.sdp",
            "rtsp://admin:hunter22@[fe80::1]/main",
        ] {
            let address = Address::parse("gate", url).unwrap();
            let shown = format!("{address} {address:?} {:?}", address.credentials());
            assert!(!shown.contains("hunter22"), "{shown}");
        }
    }

    #[test]
    fn the_words_of_others_are_redacted() {
        let address = Address::parse("gate", "rtsp://admin:hunter22@cam/main?key=abc").unwrap();
        let text = address.redact("cannot open rtsp://cam/main?key=abc with hunter22 of admin");
        assert_eq!(text, "cannot open rtsp://cam/main with … of …");
    }

    #[test]
    fn addresses_of_other_kinds_are_refused_without_showing_them() {
        for url in [
            "http://u:hunter22@cam/",
            "hunter22",
            "rtsp://",
            "rtsp://u:hunter22@/x",
            "rtsp://admin:hunter22/with@slash@cam/main",
        ] {
            let error = Address::parse("gate", url).unwrap_err().to_string();
            assert!(!error.contains("hunter22"), "{error}");
            assert!(error.contains("gate"), "{error}");
        }
    }
}
