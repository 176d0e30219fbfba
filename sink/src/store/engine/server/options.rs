//! Which server it is, and how long it may take.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use tonic::transport::Uri;

use crate::{Error, Result};

/// How long calls may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// One attempt.
    pub attempt: Duration,
    /// A call with all its attempts; whoever calls may call again.
    pub call: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(10),
            call: Duration::from_secs(30),
        }
    }
}

/// A Qdrant server, or a cluster behind one address.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerOptions {
    /// Its gRPC address: `http://127.0.0.1:6334`, `https://…`.
    pub url: String,
    /// What it lets us in with.
    pub api_key: Option<String>,
    /// Certificates (PEM) of who may vouch for it; none: of those that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// What the names of our collections begin with.
    pub prefix: String,
    /// Only points of this site are seen, where several share the collections.
    pub site: Option<String>,
    /// Shards of collections that are made.
    pub shards: u32,
    /// Copies of each shard of collections that are made.
    pub replicas: u32,
    /// How long calls may take.
    pub limits: ServerLimits,
}

impl ServerOptions {
    /// Options for a server, with one shard and one copy.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            api_key: None,
            ca_file: None,
            prefix: "sightline".to_owned(),
            site: None,
            shards: 1,
            replicas: 1,
            limits: ServerLimits::default(),
        }
    }

    /// Refuses an address that is none, that says more than where the server is, or over which the key could be read on its way.
    pub(super) fn check(&self) -> Result<()> {
        let refused = |what: &str| {
            Err(Error::Options {
                name: "qdrant",
                what: what.to_owned(),
            })
        };
        // Before the address is shown to anybody: a password would be part of it.
        if self.url.contains(['@', '?', '#']) {
            return refused(
                "its url holds more than scheme, host and port; a key goes into `api_key_file`",
            );
        }
        let shown = |what: &str| refused(&format!("`{}`: {what}", self.url));
        let Ok(uri) = self.url.parse::<Uri>() else {
            return shown("it is no address, expected `http://HOST:6334` or `https://…`");
        };
        let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else {
            return shown("it has no scheme, expected `http://HOST:6334` or `https://…`");
        };
        if !matches!(uri.path(), "" | "/") {
            return shown("it has a path, expected scheme, host and port alone");
        }
        match scheme {
            "https" => Ok(()),
            "http" if self.api_key.is_none() || is_here(host) => Ok(()),
            "http" => shown("its key would cross the network in clear text, expected https"),
            _ => shown("its scheme is unknown, expected `http` or `https`"),
        }
    }

    /// The alias of a collection.
    pub(in crate::store) fn collection(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }
}

impl fmt::Debug for ServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerOptions")
            .field("url", &self.url)
            .field("api_key", &self.api_key.as_ref().map(|_| "hidden"))
            .field("prefix", &self.prefix)
            .field("site", &self.site)
            .finish_non_exhaustive()
    }
}

/// Whether what is sent to a host stays on this machine. A name that merely begins like one of these does not.
fn is_here(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = address.parse().is_ok_and(|it: IpAddr| it.is_loopback());
    is_loopback || host.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_key(url: &str) -> Result<()> {
        let options = ServerOptions {
            api_key: Some("a-secret".to_owned()),
            ..ServerOptions::new(url)
        };
        options.check()
    }

    #[test]
    fn a_key_stays_on_this_machine_unless_it_is_encrypted() {
        for url in [
            "https://qdrant.example:6334",
            "https://qdrant.example",
            "http://127.0.0.1:6334",
            "http://127.9.8.7",
            "http://localhost:6334/",
            "http://LOCALHOST:6334",
            "http://[::1]:6334",
        ] {
            with_key(url).unwrap();
        }
        for url in [
            "http://qdrant.example:6334",
            "http://127.evil.example:6334",
            "http://127.0.0.1.evil.example",
            "http://localhost.evil.example:6334",
            "http://localhostess:6334",
            "http://[2001:db8::1]:6334",
            "http://0.0.0.0:6334",
        ] {
            let error = with_key(url).unwrap_err().to_string();
            assert!(
                error.contains("clear text") && error.contains(url),
                "{error}"
            );
            ServerOptions::new(url).check().unwrap();
        }
    }

    #[test]
    fn an_address_that_says_more_than_where_the_server_is_is_refused_and_not_shown() {
        for url in [
            "https://user:pa55@qdrant.example:6334",
            "https://pa55@qdrant.example",
            "http://localhost:pa55@qdrant.example",
            "https://qdrant.example/?api_key=pa55",
            "https://qdrant.example:6334#pa55",
        ] {
            let error = with_key(url).unwrap_err().to_string();
            assert!(error.contains("api_key_file"), "{error}");
            assert!(!error.contains("pa55"), "{error}");
        }
        for url in [
            "qdrant.example:6334",
            "ftp://qdrant.example",
            "https://qdrant.example/collections",
            "https://",
            "not an address",
            "",
        ] {
            let error = with_key(url).unwrap_err().to_string();
            assert!(error.contains(&format!("`{url}`")), "{error}");
        }
    }
}
