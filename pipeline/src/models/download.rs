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

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use super::*;

    /// The address of a server that gives one answer to each of so many requests.
    fn serve(answers: Vec<String>) -> (String, std::thread::JoinHandle<()>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let own = address.clone();
        let thread = std::thread::spawn(move || {
            for answer in answers {
                let (stream, _) = listener.accept().unwrap();
                let mut lines = BufReader::new(&stream).lines();
                while lines
                    .next()
                    .is_some_and(|line| line.is_ok_and(|it| !it.is_empty()))
                {}
                // Who has heard enough hangs up.
                let _is_heard = (&stream).write_all(answer.replace("OWN", &own).as_bytes());
            }
        });
        (address, thread)
    }

    fn whole(body: &str) -> String {
        format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    }

    #[test]
    fn a_file_comes_whole_also_over_a_redirect_and_tells_how_far_it_is() {
        let redirect = "HTTP/1.1 302 Found\r\nlocation: OWN/there\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let (address, server) = serve(vec![redirect.to_owned(), whole("weights")]);
        let mut done = 0;
        let file = get(&format!("{address}/here"), 7, &mut |bytes| done = bytes).unwrap();
        assert_eq!((file.as_slice(), done), (&b"weights"[..], 7));
        server.join().unwrap();
    }

    #[test]
    fn a_wrong_answer_is_refused_in_one_line() {
        let short = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\nconnection: close\r\n\r\nweig";
        let cases = [
            (whole("weights and more"), "longer than the 7 bytes"),
            (whole("weig"), "ended after 4 of 7 bytes"),
            (short.to_owned(), ""),
            (
                "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".into(),
                "404",
            ),
            ("nonsense\r\n\r\n".to_owned(), ""),
        ];
        for (answer, words) in cases {
            let (address, server) = serve(vec![answer]);
            let refused = get(&address, 7, &mut |_| {}).unwrap_err();
            assert!(refused.contains(words), "{refused}");
            assert_eq!(refused.lines().count(), 1, "{refused}");
            server.join().unwrap();
        }
    }
}
