//! What a search costs and what it misses, by the size of the store and the filter: `sightline bench --search`.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{Filter, Query, QueryKind};
use crate::made_up::{self, Looks, Numbers, Seen};
use crate::store::{ServerOptions, Store, StoreOptions};
use crate::{Error, Event, Result, TrackId};

const CAMERAS: u32 = 100;
/// The time in which all tracks began, and the longest of them.
const SPAN_NS: i64 = 24 * 3600 * S;
const LONGEST_NS: i64 = 600 * S;
const S: i64 = 1_000_000_000;
/// Tracks of one person.
const A_PERSON: u32 = 5;
/// Hits that are asked for.
const HITS: usize = 10;
/// Shares of the tracks that filters let through.
const SHARES: [f64; 4] = [0.5, 0.25, 0.05, 0.01];
/// Points beyond which graphs are built, where they are asked for.
const FEW: u64 = 10_000;

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct SearchLoad {
    /// Tracks in the store, each with one sighting.
    pub tracklets: u32,
    /// Searches for each filter.
    pub searches: u32,
    /// Search by graphs, as in stores that are too large to compare all.
    pub by_graphs: bool,
}

/// Searches with one filter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FilterRates {
    /// The filter, in words.
    pub filter: String,
    /// Tracks that it let through, as a share, on the average.
    pub share: f64,
    /// Whether everything was compared.
    pub is_exact: bool,
    /// Half of the searches were quicker, ms.
    pub p50_ms: f64,
    /// 99 of 100 searches were quicker, ms.
    pub p99_ms: f64,
    /// Of the ten best tracks, as a share, those that were found.
    pub recall: f64,
    /// Time of comparing everything, ms: half of the searches were quicker.
    pub exact_p50_ms: f64,
}

/// A store of made-up tracks, and searches in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SearchRates {
    /// Tracks, each with one sighting and no picture.
    pub tracklets: u64,
    /// Values of a vector.
    pub dimension: usize,
    /// Seconds of writing them.
    pub write_seconds: f64,
    /// Seconds of tidying the index, graphs included.
    pub optimize_seconds: f64,
    /// Seconds of opening the store.
    pub open_seconds: f64,
    /// Bytes on disk of a track with its sighting, the engine's log and rounding included; none on a server, which does not say.
    pub disk_bytes_a_tracklet: Option<f64>,
    /// Bytes of memory of a track with its sighting that the system cannot take back; none where it does not say.
    pub memory_bytes_a_tracklet: Option<f64>,
    /// By filter.
    pub searches: Vec<FilterRates>,
}

/// Fills a store in `dir`, which must not be there, and searches in it; `told` hears how far it is. With a server its vectors
/// lie there, in collections that nobody has and that go afterwards.
///
/// # Errors
///
/// When the disk or the engine refuses.
pub fn measure_search(
    load: SearchLoad,
    dir: &Path,
    server: Option<ServerOptions>,
    mut told: impl FnMut(&str),
) -> Result<SearchRates> {
    let mut options = StoreOptions::new(vec![made_up::spec()]);
    options.server = server;
    if load.by_graphs {
        options.exact_points = FEW;
    }
    let store = Store::open(dir, &options)?;
    if store.status()?.exemplars > 0 {
        return Err(Error::Query {
            what: "there is something in these collections already, expected none".to_owned(),
        });
    }
    let is_on_server = options.server.is_some();
    let rates = fill_and_search(store, load, options.clone(), &mut told);
    if is_on_server {
        Store::open(dir, &options)?.discard()?;
    }
    rates
}

fn fill_and_search(
    store: Store,
    load: SearchLoad,
    mut options: StoreOptions,
    told: &mut impl FnMut(&str),
) -> Result<SearchRates> {
    let dir = store.dir().to_path_buf();
    let looks = Looks::new();
    let begin = Instant::now();
    let mut optimizing = Duration::ZERO;
    fill(&store, load.tracklets, &looks, &mut optimizing, told)?;
    let begun = Instant::now();
    while store.optimize()? {}
    store.flush()?;
    optimizing += begun.elapsed();
    let write_seconds = (begin.elapsed() - optimizing).as_secs_f64();
    drop(store);

    let before = anonymous_bytes();
    let begin = Instant::now();
    let store = Store::open(&dir, &options)?;
    let open_seconds = begin.elapsed().as_secs_f64();
    let tracklets = store.status()?.tracklets;
    told("searching");
    let filters = filters();
    let mut measured = Vec::with_capacity(filters.len());
    for (words, filter) in &filters {
        measured.push((words, filter, run(&store, load, filter, &looks)?));
    }
    let memory = anonymous_bytes().zip(before);
    let memory = memory.map(|(after, before)| after.saturating_sub(before));
    drop(store);

    // The same questions to the same points, everything compared.
    options.exact_points = u64::MAX;
    told("comparing everything");
    let store = Store::open(&dir, &options)?;
    let mut searches = Vec::with_capacity(filters.len());
    for (words, filter, mut answers) in measured {
        let mut exact = run(&store, load, filter, &looks)?;
        searches.push(FilterRates {
            filter: words.clone(),
            share: exact.searched as f64 / f64::from(load.searches) / tracklets.max(1) as f64,
            is_exact: answers.is_exact,
            p50_ms: answers.quantile(0.5),
            p99_ms: answers.quantile(0.99),
            recall: recall(&answers.tracks, &exact.tracks),
            exact_p50_ms: exact.quantile(0.5),
        });
    }
    drop(store);
    let per_tracklet = |bytes: u64| bytes as f64 / tracklets.max(1) as f64;
    let disk_bytes = match &options.server {
        None => Some(bytes_under(&dir.join("index"))?),
        Some(_) => None,
    };
    Ok(SearchRates {
        tracklets,
        dimension: made_up::DIMENSION,
        write_seconds,
        optimize_seconds: optimizing.as_secs_f64(),
        open_seconds,
        disk_bytes_a_tracklet: disk_bytes.map(per_tracklet),
        memory_bytes_a_tracklet: memory.map(per_tracklet),
        searches,
    })
}

fn fill(
    store: &Store,
    tracklets: u32,
    looks: &Looks,
    optimizing: &mut Duration,
    told: &mut impl FnMut(&str),
) -> Result<()> {
    const BATCH: u32 = 500;
    const TIDY_EVERY: u32 = 50_000;
    for from in (0..tracklets).step_by(BATCH as usize) {
        let to = from.saturating_add(BATCH).min(tracklets);
        let events: Vec<_> = (from..to)
            .map(|number| (u64::from(number) + 1, track(number, looks)))
            .collect();
        store.apply(&events)?;
        if to % TIDY_EVERY == 0 {
            store.flush()?;
            told(&format!("{to} tracks written"));
            let begin = Instant::now();
            store.optimize()?;
            *optimizing += begin.elapsed();
        }
    }
    store.flush()
}

/// The `number`th track. Where and when it was seen has nothing to do with who it is.
fn track(number: u32, looks: &Looks) -> Event {
    let mut numbers = Numbers::new(u64::from(number) ^ 0x51_6e_7a);
    let start_ns = (numbers.share() * SPAN_NS as f64) as i64;
    let seen = Seen {
        camera: format!("camera-{}", (numbers.bits() >> 32) % u64::from(CAMERAS)),
        ordinal: number,
        sequence: 0,
        start_ns,
        capture_ns: start_ns + (numbers.share() * LONGEST_NS as f64) as i64,
        values: &looks.of(number / A_PERSON, number % A_PERSON),
        crop: None,
    };
    Event::Sighting(Box::new(made_up::sighting(seen)))
}

/// None, then each share by cameras, and by time and duration together.
fn filters() -> Vec<(String, Filter)> {
    let mut filters = vec![("none".to_owned(), Filter::default())];
    for share in SHARES {
        let count = (f64::from(CAMERAS) * share).round() as u32;
        let filter = Filter {
            cameras: (0..count)
                .map(|camera| format!("camera-{camera}"))
                .collect(),
            ..Filter::default()
        };
        filters.push((format!("{count} of {CAMERAS} cameras"), filter));
    }
    for share in SHARES {
        let part = share.sqrt();
        let filter = Filter {
            to_ns: Some((part * SPAN_NS as f64) as i64),
            min_duration_ns: Some(((1.0 - part) * LONGEST_NS as f64) as i64),
            ..Filter::default()
        };
        filters.push((format!("time and duration, {:.0}%", share * 100.0), filter));
    }
    filters
}

struct Answers {
    tracks: Vec<BTreeSet<TrackId>>,
    took_ms: Vec<f64>,
    searched: u64,
    is_exact: bool,
}

impl Answers {
    fn quantile(&mut self, share: f64) -> f64 {
        self.took_ms.sort_by(f64::total_cmp);
        let at = (self.took_ms.len().saturating_sub(1)) as f64 * share;
        self.took_ms.get(at as usize).copied().unwrap_or_default()
    }
}

/// Asks for other looks of people who are in the store.
fn run(store: &Store, load: SearchLoad, filter: &Filter, looks: &Looks) -> Result<Answers> {
    const WARM_UP: u32 = 5;
    let mut answers = Answers {
        tracks: Vec::new(),
        took_ms: Vec::new(),
        searched: 0,
        is_exact: true,
    };
    let mut numbers = Numbers::new(99);
    let persons = (load.tracklets / A_PERSON).max(1);
    for search in 0..load.searches + WARM_UP {
        let person = (numbers.share() * f64::from(persons)) as u32;
        let query = Query {
            kind: QueryKind::Vector {
                name: made_up::VECTOR.to_owned(),
                model: made_up::MODEL.to_owned(),
                values: looks.of(person, A_PERSON + search),
            },
            filter: filter.clone(),
            limit: HITS,
        };
        let begin = Instant::now();
        let answer = store.search(&query)?;
        let took = begin.elapsed();
        if search < WARM_UP {
            continue;
        }
        answers.took_ms.push(took.as_secs_f64() * 1e3);
        answers.searched += answer.searched;
        answers.is_exact &= answer.is_exact;
        let hits = answer.hits.iter().map(|hit| hit.track);
        answers.tracks.push(hits.collect());
    }
    Ok(answers)
}

fn recall(found: &[BTreeSet<TrackId>], best: &[BTreeSet<TrackId>]) -> f64 {
    let pairs = found.iter().zip(best);
    let common: usize = pairs
        .map(|(found, best)| found.intersection(best).count())
        .sum();
    let all: usize = best.iter().map(BTreeSet::len).sum();
    common as f64 / all.max(1) as f64
}

/// Memory of this process that is not a file's.
fn anonymous_bytes() -> Option<u64> {
    let status = fs_err::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// Blocks in use under a folder; files may be sparse.
fn bytes_under(dir: &Path) -> Result<u64> {
    let failed = || Error::io("look how large the index is");
    let mut bytes = 0;
    for entry in fs_err::read_dir(dir).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let metadata = entry.metadata().map_err(failed())?;
        bytes += if metadata.is_dir() {
            bytes_under(&entry.path())?
        } else {
            metadata.blocks() * 512
        };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::engine::server::stand_in::{Fault, StandIn};

    #[test]
    fn a_small_store_is_measured_whole_and_misses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let load = SearchLoad {
            tracklets: 1_200,
            searches: 5,
            by_graphs: false,
        };
        let rates = measure_search(load, &dir.path().join("store"), None, |_| {}).unwrap();
        assert_eq!((rates.tracklets, rates.searches.len()), (1_200, 9));
        for (of_filter, share) in rates
            .searches
            .iter()
            .zip([1.0, 0.5, 0.25, 0.05, 0.01, 0.5, 0.25, 0.05, 0.01])
        {
            assert!(of_filter.is_exact, "{of_filter:?}");
            assert_eq!(of_filter.recall, 1.0, "{of_filter:?}");
            assert!(
                (of_filter.share - share).abs() < 0.05,
                "{of_filter:?} is no {share}"
            );
        }
        assert!(rates.disk_bytes_a_tracklet > Some(4096.0), "{rates:?}");
    }

    #[test]
    fn a_server_is_measured_and_left_as_it_was() {
        let (server, dir) = (StandIn::start(), tempfile::tempdir().unwrap());
        let load = SearchLoad {
            tracklets: 300,
            searches: 3,
            by_graphs: false,
        };
        let on_server = || ServerOptions {
            prefix: "bench".to_owned(),
            ..ServerOptions::new(server.url())
        };
        let measure =
            |name: &str| measure_search(load, &dir.path().join(name), Some(on_server()), |_| {});
        let rates = measure("one").unwrap();
        assert_eq!((rates.tracklets, rates.searches.len()), (300, 9));
        assert!(
            rates.searches.iter().all(|it| it.recall == 1.0),
            "{rates:?}"
        );
        assert_eq!(rates.disk_bytes_a_tracklet, None);
        assert!(server.made("bench-exemplars-1").is_none(), "it is gone");
        // What fails in between leaves nothing there either, and what is there already is nobody's to delete.
        server.fail(
            "query",
            &[Fault::Refuse(tonic::Code::InvalidArgument, "not today"); 3],
        );
        measure("two").unwrap_err();
        assert!(server.made("bench-tracklets-1").is_none(), "it is gone");
        let mine = StoreOptions {
            server: Some(on_server()),
            ..StoreOptions::new(vec![made_up::spec()])
        };
        let store = Store::open(dir.path().join("mine"), &mine).unwrap();
        store.apply(&[(1, track(1, &Looks::new()))]).unwrap();
        let error = measure("three").unwrap_err().to_string();
        assert!(error.contains("already"), "{error}");
        assert_eq!(store.status().unwrap().exemplars, 1);
    }

    #[test]
    fn looks_of_one_person_are_nearer_than_those_of_others() {
        let looks = Looks::new();
        let cosine = |a: &[f32], b: &[f32]| {
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
        };
        for person in 0..20 {
            let look = looks.of(person, 0);
            let same = cosine(&look, &looks.of(person, 1));
            let other = cosine(&look, &looks.of(person + 1, 0));
            assert!(same > other && same > 0.4, "{person}: {same} {other}");
        }
    }
}
