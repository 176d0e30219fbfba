//! `sightline cameras probe`: what does this camera send?

use std::io::{Read, Write};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::cli::{CamerasArgs, CamerasCommand, ProbeArgs, stdout};
use crate::config::{StreamUrl, Transport};
use crate::ingest::{self, Address, Credentials, LiveSpec, ProbeReport};

/// The probed camera's name in messages.
const CAMERA: &str = "probe";

/// Does what `sightline cameras` says.
///
/// # Errors
/// One line that names the camera's address without its password.
pub fn run(args: &CamerasArgs) -> anyhow::Result<()> {
    match &args.command {
        CamerasCommand::Probe(args) => probe(args),
    }
}

fn probe(args: &ProbeArgs) -> anyhow::Result<()> {
    let spec = spec(args)?;
    ingest::init()?;
    let report = ingest::probe(&spec, Duration::from_secs(u64::from(args.timeout_seconds)))?;
    if args.json {
        return Ok(stdout().json(&report)?);
    }
    let mut out = stdout();
    for (name, value) in lines(&report) {
        writeln!(out, "{name:<12} {value}")?;
    }
    Ok(out.finish()?)
}

/// What is asked of the camera, checked before anything is opened.
fn spec(args: &ProbeArgs) -> anyhow::Result<LiveSpec> {
    let parsed = match StreamUrl::parse(&args.url) {
        Ok(parsed) => parsed,
        Err(problem) => bail!("the address {problem}, expected `rtsp://HOST[:PORT]/PATH`"),
    };
    let natural = if parsed.url.is_tls() {
        Transport::Tls
    } else {
        Transport::Tcp
    };
    let transport = args.transport.unwrap_or(natural);
    if parsed.url.is_tls() != (transport == Transport::Tls) {
        bail!("`rtsps://` goes with the transport `tls`, `rtsp://` with `tcp` or `udp`");
    }
    let password = match (&args.password_file, &args.password_env) {
        (Some(path), _) => {
            let mut text = String::new();
            fs_err::File::open(path)?
                .take(4096)
                .read_to_string(&mut text)?;
            Some(text.trim_end_matches(['\r', '\n']).to_owned())
        }
        (None, Some(name)) => Some(
            std::env::var(name)
                .ok()
                .with_context(|| format!("environment variable `{name}` is not set"))?,
        ),
        (None, None) => parsed.password.map(|secret| secret.expose().to_owned()),
    };
    let user = args.username.clone().or(parsed.username);
    let mut address = Address::parse(CAMERA, &parsed.url.to_connect())?;
    if let Some(user) = user {
        let password = password.unwrap_or_default();
        address = address.with_credentials(Some(Credentials { user, password }));
    }
    let mut spec = LiveSpec::new(CAMERA, address);
    spec.transport = match transport {
        Transport::Udp => ingest::Transport::Udp,
        Transport::Tcp | Transport::Tls => ingest::Transport::Tcp,
    };
    spec.ca_file = args.ca_file.clone();
    Ok(spec)
}

fn lines(report: &ProbeReport) -> Vec<(&'static str, String)> {
    let unknown = || "not told".to_owned();
    let clock = match report.clock_error_ms {
        Some(error) => format!("its time less ours: {error:.1} ms"),
        None => "not told (no RTCP sender reports): capture times rest on our clock".to_owned(),
    };
    vec![
        ("address", report.address.clone()),
        ("codec", report.codec.clone().unwrap_or_else(unknown)),
        ("decoder", report.decoder.clone().unwrap_or_else(unknown)),
        ("picture", format!("{} x {}", report.width, report.height)),
        (
            "rate",
            format!("{:.1} frames/s ({} frames seen)", report.fps, report.frames),
        ),
        (
            "first frame",
            format!("after {:.0} ms", report.first_frame_ms),
        ),
        ("clock", clock),
    ]
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn fault(line: &str) -> String {
        let Command::Cameras(args) = Cli::parse_from(line.split(' ')).command else {
            panic!("not a probe");
        };
        run(&args).unwrap_err().to_string()
    }

    #[test]
    fn a_bad_address_is_refused_without_repeating_its_password() {
        for url in [
            "http://op:hunter2@h/",
            "rtsp://op:hun/ter2@h/",
            "op:hunter2@h",
        ] {
            let fault = fault(&format!("sightline cameras probe {url}"));
            assert!(
                !fault.contains("hunter2") && !fault.contains("ter2"),
                "{fault}"
            );
        }
    }

    #[test]
    fn transport_and_scheme_have_to_go_together() {
        let fault = fault("sightline cameras probe rtsps://h/a --transport udp");
        assert!(fault.contains("`tls`"), "{fault}");
    }
}
