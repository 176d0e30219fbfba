//! Passwords, and addresses that may carry one: neither can be printed by accident.

use std::fmt;

use serde::{Serialize, Serializer};

/// What stands where a secret would.
pub const HIDDEN: &str = "[hidden]";

/// A text that no log line, error, metric or file of ours ever shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret in.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself, for the one call that hands it to the camera.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(HIDDEN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(HIDDEN)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(HIDDEN)
    }
}

/// The address of a camera's stream, without the user name and password that may have stood in it.
///
/// Everything after `?` may be a token of the camera's vendor, so it is kept for the connection
/// and hidden in print.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamUrl {
    address: String,
    query: Option<Secret>,
}

/// A [`StreamUrl`] and what was taken out of its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedUrl {
    /// The address alone.
    pub url: StreamUrl,
    /// `user` of `rtsp://user:password@host`, percent-decoded.
    pub username: Option<String>,
    /// `password` of the same, percent-decoded.
    pub password: Option<Secret>,
}

impl StreamUrl {
    /// Schemes that a camera can have.
    pub const SCHEMES: [&'static str; 2] = ["rtsp", "rtsps"];

    /// Splits an address into the parts that may be shown and those that may not.
    ///
    /// # Errors
    /// Names the fault without repeating the text, which may hold a password.
    pub fn parse(text: &str) -> Result<ParsedUrl, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or("has no `://`")?;
        if !Self::SCHEMES.contains(&scheme) {
            return Err("is neither `rtsp://` nor `rtsps://`");
        }
        if text
            .chars()
            .any(|letter| letter.is_whitespace() || letter.is_control())
        {
            return Err("contains a space or a control character");
        }
        let authority_ends = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(authority_ends);
        let (userinfo, host) = match authority.rsplit_once('@') {
            Some((userinfo, host)) => (Some(userinfo), host),
            None => (None, authority),
        };
        // A password with a bare `/` or `?` in it moves its own end, and the `@` with it, into the path.
        if userinfo.is_none() && tail.contains('@') {
            return Err(
                "has an `@` after the host; write `/`, `?`, `#` and `@` of a password as %2F, %3F, %23 and %40",
            );
        }
        check_host(host)?;
        let (username, password) =
            match userinfo.map(|both| both.split_once(':').unwrap_or((both, ""))) {
                None => (None, None),
                Some((user, password)) => (
                    Some(percent_decode(user)?),
                    Some(percent_decode(password)?).filter(|text| !text.is_empty()),
                ),
            };
        let (path, query) = match tail.split_once('?') {
            Some((path, query)) => (path, Some(Secret::new(query.to_owned()))),
            None => (tail, None),
        };
        Ok(ParsedUrl {
            url: Self {
                address: format!("{scheme}://{host}{path}"),
                query,
            },
            username: username.filter(|user| !user.is_empty()),
            password: password.map(Secret::new),
        })
    }

    /// The address for the connection, without user name and password. Not for print.
    #[must_use]
    pub fn to_connect(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{}", self.address, query.expose()),
            None => self.address.clone(),
        }
    }

    /// True for `rtsps://`.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.address.starts_with("rtsps://")
    }
}

fn check_host(host: &str) -> Result<(), &'static str> {
    let (name, port) = if let Some(bracketed) = host.strip_prefix('[') {
        let (address, rest) = bracketed.split_once(']').ok_or("has a `[` without `]`")?;
        if address.parse::<std::net::Ipv6Addr>().is_err() {
            return Err("has no valid IPv6 address between `[` and `]`");
        }
        (
            address,
            rest.strip_prefix(':').or((!rest.is_empty()).then_some("x")),
        )
    } else {
        match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        }
    };
    if name.is_empty() {
        return Err("has no host");
    }
    if port.is_some_and(|port| port.parse::<u16>().map_or(true, |port| port == 0)) {
        return Err("has a port that is not between 1 and 65535");
    }
    Ok(())
}

fn percent_decode(text: &str) -> Result<String, &'static str> {
    const FAULT: &str = "has a `%` in its user name or password that is not followed by two hex digits; write `%` as %25";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let hex = tail
                .get(..2)
                .and_then(|two| std::str::from_utf8(two).ok())
                .ok_or(FAULT)?;
            if !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(FAULT);
            }
            bytes.push(u8::from_str_radix(hex, 16).map_err(|_| FAULT)?);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).map_err(|_| "has a user name or password that is not UTF-8")
}

impl fmt::Display for StreamUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Some cameras take user and password as `/user=a&password=b` in the path.
        match self.address.find('=') {
            Some(at) => {
                let host_ends = self.address.find("://").map_or(0, |scheme| scheme + 3);
                let path = self.address[host_ends..at]
                    .find('/')
                    .map_or(at, |path| host_ends + path);
                write!(out, "{}/{HIDDEN}", &self.address[..path])?;
            }
            None => out.write_str(&self.address)?,
        }
        if self.query.is_some() {
            write!(out, "?{HIDDEN}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for StreamUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl Serialize for StreamUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_hidden_everywhere() {
        let secret = Secret::new("hunter2".into());
        assert_eq!(
            format!("{secret} {secret:?} {secret:#?}"),
            "[hidden] [hidden] [hidden]"
        );
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"[hidden]\"");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn user_and_password_leave_the_address() {
        let parsed = StreamUrl::parse("rtsp://op:p%40ss@10.0.0.7:554/main?token=abc").unwrap();
        assert_eq!(parsed.username.as_deref(), Some("op"));
        assert_eq!(parsed.password.unwrap().expose(), "p@ss");
        assert_eq!(parsed.url.to_string(), "rtsp://10.0.0.7:554/main?[hidden]");
        assert_eq!(
            parsed.url.to_connect(),
            "rtsp://10.0.0.7:554/main?token=abc"
        );
    }

    #[test]
    fn a_path_that_carries_a_password_is_hidden_and_kept_for_the_connection() {
        let text = "rtsp://h:554/user=admin&password=hunter2&channel=1";
        let url = StreamUrl::parse(text).unwrap().url;
        assert_eq!(url.to_string(), "rtsp://h:554/[hidden]");
        assert_eq!(url.to_connect(), text);
    }

    #[test]
    fn a_password_that_breaks_the_address_is_refused_without_being_repeated() {
        for text in [
            "rtsp://op:pa/ss@host/main",
            "rtsp://op:pa%zz@host/",
            "rtsp://op:x@:5/",
            "http://op:x@h/",
        ] {
            let fault = StreamUrl::parse(text).unwrap_err();
            assert!(
                !fault.contains("pa/ss") && !fault.contains("pa%zz"),
                "{fault}"
            );
        }
    }

    #[test]
    fn ports_and_bracketed_hosts_are_checked() {
        assert!(StreamUrl::parse("rtsp://[fe80::1]:554/a").is_ok());
        assert!(StreamUrl::parse("rtsp://[fe80::1]/a").is_ok());
        for text in [
            "rtsp://[fe80::1/a",
            "rtsp://[fe80::1]5/a",
            "rtsp://h:70000/",
            "rtsp://h:0/",
            "rtsp:///a",
        ] {
            assert!(StreamUrl::parse(text).is_err(), "{text}");
        }
    }
}
