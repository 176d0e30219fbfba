//! How to reach one camera: address, password, transport, and what does not go together.

use std::path::Path;

use super::Purpose;
use super::camera::{RawCamera, RawDefaults, Source, Transport, fallback};
use super::document::{Blame, Document};
use super::fault::{KeyPath, one_of};
use super::secret::{Secret, StreamUrl};
use super::values::Name;

/// One camera on its way from the file to a [`Source`].
pub(super) struct OneCamera<'a, 'b> {
    pub(super) id: &'a str,
    pub(super) camera: &'a RawCamera,
    pub(super) defaults: &'a RawDefaults,
    pub(super) folder: &'a Path,
    pub(super) purpose: Purpose,
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
    pub(super) document: &'b mut Document,
    pub(super) unchecked: &'b mut Vec<String>,
}

impl OneCamera<'_, '_> {
    /// Where the value in force stands: with the camera, or with the defaults.
    fn path(&self, key: &str) -> KeyPath {
        let own = KeyPath::of(&["cameras", self.id, key]);
        let shared = KeyPath::of(&["defaults", key]);
        if !self.document.has(&own) && self.document.has(&shared) {
            shared
        } else {
            own
        }
    }

    fn blame(&mut self, key: &str, problem: String, expected: Option<&str>, hint: Option<&str>) {
        let path = self.path(key);
        self.document.blame(
            &path,
            Blame {
                value: None,
                problem,
                expected: expected.map(str::to_owned),
                hint: hint.map(str::to_owned),
            },
        );
    }

    pub(super) fn source(&mut self) -> Option<Source> {
        let (camera, defaults) = (self.camera, self.defaults);
        let main = match &camera.url {
            Some(url) => self.address("url", url),
            None => {
                self.blame(
                    "url",
                    "no address".into(),
                    Some("`url = \"rtsp://HOST/PATH\"`"),
                    None,
                );
                None
            }
        };
        let detect = camera
            .detect_url
            .as_ref()
            .map(|url| self.address("detect_url", url));
        let from_file = self.password();
        let main = main?;
        let has_both = main.password.is_some() && from_file.is_some();
        if has_both {
            self.blame(
                "url",
                "the address holds a password, and there is another one".into(),
                Some("one of the two"),
                None,
            );
        }
        let username = main
            .username
            .or_else(|| camera.username.clone())
            .or_else(|| defaults.username.clone());
        let password = from_file.or(main.password);
        if password.is_some() && username.is_none() {
            self.blame(
                "username",
                "a password without a user name".into(),
                Some("`username = \"...\"`"),
                None,
            );
        }
        let natural = if main.url.is_tls() {
            Transport::Tls
        } else {
            Transport::Tcp
        };
        let transport = camera
            .transport
            .or(defaults.transport.filter(|_| !main.url.is_tls()))
            .unwrap_or(natural);
        if main.url.is_tls() != (transport == Transport::Tls) {
            let wanted = one_of(if main.url.is_tls() {
                &["tls"]
            } else {
                &["tcp", "udp"]
            });
            self.blame(
                "transport",
                "rtsp transport and the scheme of the address do not go together".into(),
                Some(&wanted),
                Some("`rtsps://` goes with `tls`, `rtsp://` with the others"),
            );
        }
        let detect_url = match detect {
            None => None,
            Some(parsed) => {
                let parsed = parsed?;
                if parsed.url.is_tls() != main.url.is_tls() {
                    self.blame(
                        "detect_url",
                        "detect_url and url have different schemes".into(),
                        Some("the same scheme"),
                        None,
                    );
                }
                if parsed.username.is_some() || parsed.password.is_some() {
                    self.blame(
                        "detect_url",
                        "detect_url holds a user name or password".into(),
                        Some("an address alone"),
                        Some("both streams use the user name and password of the camera"),
                    );
                }
                Some(parsed.url)
            }
        };
        let ca_file = camera
            .ca_file
            .as_ref()
            .or(defaults.ca_file.as_ref())
            .map(|path| self.folder.join(path));
        if let Some(path) = &ca_file
            && !path.is_file()
        {
            let problem = format!(
                "ca_file `{}` is not there",
                super::fault::shown_value(&KeyPath::of(&["ca_file"]), &path.to_string_lossy())
            );
            self.blame("ca_file", problem, Some("a PEM file"), None);
        }
        Some(Source {
            url: main.url,
            detect_url,
            username,
            password,
            transport,
            ca_file,
            latency_ms: camera
                .latency_ms
                .or(defaults.latency_ms)
                .unwrap_or(fallback::LATENCY_MS),
            start_timeout_ms: camera
                .start_timeout_ms
                .or(defaults.start_timeout_ms)
                .unwrap_or(fallback::START_TIMEOUT_MS),
            stall_after_ms: camera
                .stall_after_ms
                .or(defaults.stall_after_ms)
                .unwrap_or(fallback::STALL_AFTER_MS),
            reconnect_max_ms: camera
                .reconnect_max_ms
                .or(defaults.reconnect_max_ms)
                .unwrap_or(fallback::RECONNECT_MAX_MS),
        })
    }

    fn address(&mut self, key: &str, text: &str) -> Option<super::ParsedUrl> {
        match StreamUrl::parse(text) {
            Ok(parsed) => Some(parsed),
            Err(problem) => {
                self.blame(
                    key,
                    format!("{key} {problem}"),
                    Some("`rtsp://HOST[:PORT]/PATH`"),
                    None,
                );
                None
            }
        }
    }

    fn password(&mut self) -> Option<Secret> {
        let own = [
            &self.camera.password_credential,
            &self.camera.password_file,
            &self.camera.password_env,
        ];
        let shared = [
            &self.defaults.password_credential,
            &self.defaults.password_file,
            &self.defaults.password_env,
        ];
        let chosen = if own.iter().any(|it| it.is_some()) {
            own
        } else {
            shared
        };
        match find_password(chosen, self.folder, self.purpose, self.variable) {
            Ok(password) => password,
            Err(PasswordFault::Unchecked) => {
                self.unchecked.push(format!(
                    "camera `{}`: the password's credential was not read, since systemd gave this process none",
                    self.id
                ));
                None
            }
            Err(PasswordFault::Wrong {
                key,
                problem,
                expected,
            }) => {
                self.blame(key, problem, expected.as_deref(), None);
                None
            }
        }
    }
}

/// Keys that lead to a password.
pub(super) const PASSWORD_KEYS: [&str; 3] =
    ["password_credential", "password_file", "password_env"];

/// Why there is no password.
pub(super) enum PasswordFault {
    /// Nobody gave this process its credentials, and it only checks.
    Unchecked,
    /// The configuration is wrong.
    Wrong {
        key: &'static str,
        problem: String,
        expected: Option<String>,
    },
}

/// The password that one of the three keys leads to; none where none is given.
pub(super) fn find_password(
    given: [&Option<String>; 3],
    folder: &Path,
    purpose: Purpose,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Secret>, PasswordFault> {
    let given: Vec<(&'static str, &String)> = PASSWORD_KEYS
        .into_iter()
        .zip(given)
        .filter_map(|(key, value)| Some((key, value.as_ref()?)))
        .collect();
    let (key, value) = match given.as_slice() {
        [] => return Ok(None),
        [(key, value)] => (*key, *value),
        [_, (key, _), ..] => {
            return Err(PasswordFault::Wrong {
                key,
                problem: "more than one source of the password".into(),
                expected: Some(one_of(&PASSWORD_KEYS)),
            });
        }
    };
    let secret = match key {
        "password_env" => variable(value).ok_or("the environment variable is not set".to_owned()),
        "password_file" => read_secret(&folder.join(value)),
        _ => match variable("CREDENTIALS_DIRECTORY") {
            Some(folder) if Name::parse(value).is_ok() => {
                read_secret(&Path::new(&folder).join(value))
            }
            Some(_) => {
                Err("the name of a credential is made of letters, digits, `.`, `_` and `-`".into())
            }
            None if purpose == Purpose::Check => return Err(PasswordFault::Unchecked),
            None => Err(
                "$CREDENTIALS_DIRECTORY is not set; systemd sets it for units with LoadCredential="
                    .into(),
            ),
        },
    };
    match secret {
        Ok(text) if text.is_empty() => Err(PasswordFault::Wrong {
            key,
            problem: format!("{key} leads to an empty password"),
            expected: None,
        }),
        Ok(text) => Ok(Some(Secret::new(text))),
        Err(problem) => Err(PasswordFault::Wrong {
            key,
            problem: format!("{key} leads to no password: {problem}"),
            expected: None,
        }),
    }
}

/// Reads a password file. The message leaves the path out: people put the password itself there.
fn read_secret(path: &Path) -> Result<String, String> {
    use std::io::Read;
    const MOST_BYTES: u64 = 4096;
    let mut text = String::new();
    fs_err::File::open(path)
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::InvalidData => "the file is not UTF-8 text".to_owned(),
            std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
            kind => format!("the file cannot be read: {kind}"),
        })?;
    if text.len() as u64 > MOST_BYTES {
        return Err(format!("the file is longer than {MOST_BYTES} bytes"));
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}
