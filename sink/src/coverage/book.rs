//! All cameras' timelines, kept on disk: a snapshot, and a log of the heartbeats since.
//!
//! Reading a heartbeat twice changes nothing, so a crash between snapshot and log does no harm.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fs_err::File;

use super::answer::CameraCoverage;
use super::timeline::Timeline;
use crate::event::{self, Event};
use crate::spool::record;
use crate::{Coverage, Error, Result};

/// Bytes of log after which a new snapshot is written.
const LOG_BYTES: u64 = 1 << 20;

/// Most cameras. Names come from configuration; more than this is a fault upstream.
const MAX_CAMERAS: usize = 20_000;

#[derive(Debug)]
pub(crate) struct CoverageBook {
    dir: PathBuf,
    pages: Mutex<Pages>,
}

#[derive(Debug)]
struct Pages {
    /// By camera, then site.
    timelines: BTreeMap<(String, String), Timeline>,
    log: File,
    log_bytes: u64,
    unwritten: Vec<u8>,
    refused: u64,
}

impl CoverageBook {
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        let what = "open the record of coverage";
        fs_err::create_dir_all(dir).map_err(Error::io(what))?;
        let mut timelines = read_snapshot(&dir.join("snapshot.json"))?;
        let log_path = dir.join("log");
        let mut log = File::options()
            .read(true)
            .append(true)
            .create(true)
            .open(&log_path)
            .map_err(Error::io(what))?;
        let bytes = fs_err::read(&log_path).map_err(Error::io(what))?;
        let mut at = 0;
        while at < bytes.len() {
            match record::parse(&bytes, at) {
                record::Parsed::Good(found) => {
                    let payload = bytes.get(found.payload_at..found.end).unwrap_or_default();
                    if let Ok(Event::Coverage(coverage)) = event::decode(payload) {
                        add(&mut timelines, &coverage);
                    }
                    at = found.end;
                }
                record::Parsed::Short(_) | record::Parsed::Broken => {
                    // A torn tail was not acknowledged; anything else is damage.
                    match record::resync(&bytes, at + 1) {
                        Some(next) => {
                            tracing::warn!(
                                path = %log_path.display(), at,
                                "the record of coverage is damaged: what it said of some times is lost"
                            );
                            at = next;
                        }
                        None => break,
                    }
                }
            }
        }
        if at < bytes.len() {
            log.set_len(at as u64).map_err(Error::io(what))?;
        }
        log.flush().map_err(Error::io(what))?;
        let pages = Pages {
            timelines,
            log,
            log_bytes: at as u64,
            unwritten: Vec::new(),
            refused: 0,
        };
        Ok(Self {
            dir: dir.to_path_buf(),
            pages: Mutex::new(pages),
        })
    }

    /// Takes in a heartbeat, which came with spool sequence `sequence`.
    pub(crate) fn add(&self, sequence: u64, coverage: &Coverage) -> Result<()> {
        let payload = event::encode(&Event::Coverage(coverage.clone()))?;
        let mut pages = self.lock();
        let pages = &mut *pages;
        if !add(&mut pages.timelines, coverage) {
            pages.refused += 1;
            return Ok(());
        }
        record::write(
            &mut pages.unwritten,
            sequence.max(1),
            coverage.to_ns,
            &payload,
        );
        Ok(())
    }

    /// Makes everything taken in so far durable.
    pub(crate) fn flush(&self) -> Result<()> {
        let what = "write the record of coverage";
        let mut pages = self.lock();
        let pages = &mut *pages;
        if !pages.unwritten.is_empty() {
            pages
                .log
                .write_all(&pages.unwritten)
                .map_err(Error::io(what))?;
            pages.log.sync_data().map_err(Error::io(what))?;
            pages.log_bytes += pages.unwritten.len() as u64;
            pages.unwritten.clear();
        }
        if pages.log_bytes > LOG_BYTES {
            write_snapshot(&self.dir, &pages.timelines)?;
            pages.log.set_len(0).map_err(Error::io(what))?;
            pages.log_bytes = 0;
        }
        Ok(())
    }

    /// What the cameras watched; without `cameras`, all of the site, or of all sites. Without
    /// `from_ns` each camera's time begins with its first heartbeat; without `to_ns` it ends with the
    /// newest heartbeat of any camera.
    pub(crate) fn answer(
        &self,
        cameras: &[String],
        site: Option<&str>,
        from_ns: Option<i64>,
        to_ns: Option<i64>,
    ) -> Vec<CameraCoverage> {
        let pages = self.lock();
        let newest_ns = pages
            .timelines
            .values()
            .filter_map(|timeline| timeline.indexed_to_ns)
            .max();
        pages
            .timelines
            .iter()
            .filter(|((camera, _), _)| cameras.is_empty() || cameras.contains(camera))
            .filter(|((_, of), _)| site.is_none_or(|site| site == of))
            .map(|((camera, of), timeline)| {
                let from_ns = from_ns.or(timeline.first_ns()).unwrap_or(0);
                let to_ns = to_ns.or(newest_ns).unwrap_or(from_ns).max(from_ns);
                timeline.answer(of, camera, from_ns, to_ns)
            })
            .collect()
    }

    /// Up to when everything of each camera is searchable, Unix time in ns; the least of its sites'.
    pub(crate) fn watermarks(&self) -> BTreeMap<String, i64> {
        let mut watermarks = BTreeMap::new();
        for ((camera, _), timeline) in &self.lock().timelines {
            let Some(indexed_to_ns) = timeline.indexed_to_ns else {
                continue;
            };
            watermarks
                .entry(camera.clone())
                .and_modify(|least: &mut i64| *least = indexed_to_ns.min(*least))
                .or_insert(indexed_to_ns);
        }
        watermarks
    }

    /// Names of all cameras that ever sent a heartbeat.
    pub(crate) fn cameras(&self) -> Vec<String> {
        let mut names: Vec<_> = self
            .lock()
            .timelines
            .keys()
            .map(|(camera, _)| camera.clone())
            .collect();
        names.dedup();
        names
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(timelines: &mut BTreeMap<(String, String), Timeline>, coverage: &Coverage) -> bool {
    let key = (coverage.camera.clone(), coverage.site.clone());
    if timelines.len() >= MAX_CAMERAS && !timelines.contains_key(&key) {
        return false;
    }
    timelines.entry(key).or_default().add(coverage);
    true
}

type Snapshot = Vec<(String, String, Timeline)>;

fn read_snapshot(path: &Path) -> Result<BTreeMap<(String, String), Timeline>> {
    let text = match fs_err::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(Error::io("read the record of coverage")(error)),
    };
    let snapshot: Snapshot = serde_json::from_str(&text).map_err(|error| Error::Corrupt {
        path: path.to_path_buf(),
        what: error.to_string(),
    })?;
    Ok(snapshot
        .into_iter()
        .map(|(camera, site, line)| ((camera, site), line))
        .collect())
}

fn write_snapshot(dir: &Path, timelines: &BTreeMap<(String, String), Timeline>) -> Result<()> {
    let what = "write the record of coverage";
    let snapshot: Snapshot = timelines
        .iter()
        .map(|((camera, site), line)| (camera.clone(), site.clone(), line.clone()))
        .collect();
    let part = dir.join("snapshot.part");
    let file = File::create(&part).map_err(Error::io(what))?;
    let mut writer = std::io::BufWriter::new(&file);
    serde_json::to_writer(&mut writer, &snapshot).map_err(|error| Error::io(what)(error.into()))?;
    writer.flush().map_err(Error::io(what))?;
    drop(writer);
    file.sync_all().map_err(Error::io(what))?;
    fs_err::rename(&part, dir.join("snapshot.json")).map_err(Error::io(what))?;
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(Error::io(what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::testing::coverage;

    const S: i64 = 1_000_000_000;

    #[test]
    fn what_was_flushed_is_there_after_a_restart_and_a_torn_log() {
        let dir = tempfile::tempdir().unwrap();
        let book = CoverageBook::open(dir.path()).unwrap();
        for index in 0..20_000 {
            book.add(
                1,
                &coverage("gate-2", index * 5 * S, (index + 1) * 5 * S, true),
            )
            .unwrap();
            book.flush().unwrap();
        }
        assert!(
            dir.path().join("snapshot.json").exists(),
            "the log was folded in"
        );
        let before = book.answer(&[], None, None, None);
        drop(book);
        let log = dir.path().join("log");
        let mut bytes = fs_err::read(&log).unwrap();
        bytes.extend_from_slice(&[0xf5, b'S', 3]);
        fs_err::write(&log, &bytes).unwrap();
        let book = CoverageBook::open(dir.path()).unwrap();
        assert_eq!(book.answer(&[], None, None, None), before);
        assert_eq!(before[0].frames_seen, 2_000_000);
        book.add(1, &coverage("gate-2", 0, 5 * S, true)).unwrap();
        assert_eq!(book.answer(&[], None, None, None), before, "a repeat");
    }

    #[test]
    fn a_camera_that_fell_silent_is_blind_up_to_the_newest_of_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let book = CoverageBook::open(dir.path()).unwrap();
        book.add(1, &coverage("a", 0, 100 * S, true)).unwrap();
        book.add(2, &coverage("b", 0, 10 * S, true)).unwrap();
        let answer = book.answer(&["b".to_owned()], None, None, None);
        assert_eq!(answer.len(), 1);
        assert_eq!(
            (answer[0].blind[0].from_ns, answer[0].blind[0].to_ns),
            (10 * S, 100 * S)
        );
        assert_eq!(book.answer(&[], Some("elsewhere"), None, None), []);
        assert_eq!(book.cameras(), ["a", "b"]);
    }
}
