//! One file from its address, bounded in size and time.

use std::io::Read;
use std::time::Duration;

use super::error::one_line;

/// A server that does not answer by then is taken for absent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// The whole of one file, redirects included.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(600);

/// How often progress is told.
const PIECE_BYTES: usize = 1 << 16;

/// Fetches exactly `bytes` bytes; the message says why that failed.
///
/// Proxies are those of the environment (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`).
pub(super) fn get(url: &str, bytes: u64, progress: &mut dyn FnMut(u64)) -> Result<Vec<u8>, String> {
    let agent = ureq::Agent::config_builder()
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_global(Some(TOTAL_TIMEOUT))
        .max_redirects(4)
        .user_agent(concat!("sightline/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent();
    let response = agent.get(url).call().map_err(|error| one_line(&error))?;
    let length = usize::try_from(bytes).map_err(|_| "it is too large for this machine")?;
    let mut reader = response.into_body().into_reader();
    // The length comes from our own manifest, which bounds it.
    let mut file = Vec::with_capacity(length);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let count = reader.read(&mut piece).map_err(|error| one_line(&error))?;
        if count == 0 {
            break;
        }
        if file.len() + count > length {
            return Err(format!(
                "the answer is longer than the {bytes} bytes of the manifest"
            ));
        }
        file.extend_from_slice(&piece[..count]);
        progress(file.len() as u64);
    }
    if file.len() < length {
        return Err(format!(
            "the answer ended after {} of {bytes} bytes",
            file.len()
        ));
    }
    Ok(file)
}
