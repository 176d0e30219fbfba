//! The store of this process as the one who answers: questions in, sink's answers out as JSON.

use std::path::{Path, PathBuf};

use sightline_sink as sink;

use crate::Error;
use crate::ask::{Ask, PictureDigest};
use crate::encode::{EncodeQueue, QueryVector};
use crate::error::one_line;
use crate::forget::{ForgetRequest, ForgetResponse};
use crate::person::{MOST_VISITS, PersonResponse, Visit, WordRequest, WordResponse, person_id};
use crate::question::{By, Question, Window};
use crate::site::{FeedbackRequest, FeedbackResponse, MOST_PAIRS, SiteResponse};
use crate::time::UtcTime;
use crate::wire::{
    CameraCoverage, CoverageResponse, Hit, Interval, NOT_CALIBRATED, SearchResponse, StatusResponse,
};

/// Vector that tracks and pictures are compared by.
const APPEARANCE: &str = "appearance";

/// Counts of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreCounts {
    /// Tracks in the index.
    pub tracks: u64,
    /// Sightings in the index.
    pub sightings: u64,
    /// Records in the spool that are not indexed yet.
    pub spool_records: u64,
}

/// What is needed of a store. Implemented where the store is opened.
pub trait Store: Send + Sync + 'static {
    /// Answers a query.
    ///
    /// # Errors
    /// Those of sink.
    fn query(&self, query: &sink::Query) -> sink::Result<sink::Answer>;

    /// A person as association knows it; none where association is elsewhere or off, or does not know it.
    fn person(&self, id: sink::PersonId) -> Option<sink::PersonRecord>;

    /// Takes somebody's word on two tracks; false where one is not known, or association is elsewhere or off.
    ///
    /// # Errors
    /// Those of sink.
    fn say_word(
        &self,
        tracks: [sink::TrackId; 2],
        verdict: sink::persons::Verdict,
    ) -> sink::Result<bool>;

    /// Forgets, everywhere and for good; see [`sink::Sink::forget`].
    ///
    /// # Errors
    /// Those of sink.
    fn forget(&self, asked: &sink::Forget, is_dry_run: bool) -> sink::Result<sink::ForgetReport>;

    /// What association learned of the ways between cameras.
    fn walking_times(&self) -> Vec<sink::persons::WalkingTime>;

    /// What people said of pairs of tracks; see [`sink::Sink::feedback`].
    ///
    /// # Errors
    /// Those of sink.
    fn feedback(
        &self,
        after: usize,
        most: usize,
    ) -> sink::Result<Vec<(sink::persons::Feedback, [Option<String>; 2])>>;

    /// What the cameras of a filter saw of its time; all cameras if it names none.
    ///
    /// # Errors
    /// Those of sink.
    fn coverage(&self, filter: &sink::Filter) -> sink::Result<Vec<sink::CameraCoverage>>;

    /// How much there is.
    ///
    /// # Errors
    /// Those of sink.
    fn counts(&self) -> sink::Result<StoreCounts>;

    /// The folder of the store, with `crops/` in it.
    fn folder(&self) -> &Path;
}

/// Answers from a store, with an encoder for picture queries if one is loaded.
pub struct StoreAsk<S> {
    store: S,
    encoder: Option<EncodeQueue>,
}

impl<S: Store> StoreAsk<S> {
    /// Puts a store and an encoder behind the API.
    pub fn new(store: S, encoder: Option<EncodeQueue>) -> Self {
        Self { store, encoder }
    }

    /// The query's vector, where one has to be made.
    fn encoded(&self, by: &By) -> Result<Option<QueryVector>, Error> {
        let encoder = |missing: fn() -> Error| self.encoder.as_ref().ok_or_else(missing);
        Ok(Some(match by {
            By::Browse | By::Track(_) => return Ok(None),
            By::Picture(bytes) => encoder(no_picture_model)?.encode(bytes)?,
            By::Text(words) => encoder(Error::text_not_installed)?.encode_words(words, None)?,
            By::TextAndPicture(words, bytes) => {
                encoder(Error::text_not_installed)?.encode_words(words, Some(bytes))?
            }
        }))
    }
}

fn no_picture_model() -> Error {
    Error::NotInstalled(
        "picture search needs an appearance model, and none is loaded; search by --track".into(),
    )
}

fn kind_of(by: &By, vector: Option<&QueryVector>) -> sink::QueryKind {
    match (by, vector) {
        (By::Track(id), _) => sink::QueryKind::Track {
            track: sink::TrackId::from_uuid(*id),
            name: APPEARANCE.into(),
        },
        (_, Some(vector)) => sink::QueryKind::Vector {
            name: vector.name.clone(),
            model: vector.model.clone(),
            values: vector.values.clone(),
        },
        (_, None) => sink::QueryKind::Time,
    }
}

impl<S: Store> Ask for StoreAsk<S> {
    fn search(&self, question: &Question) -> Result<SearchResponse, Error> {
        let mut filter = filter_of(&question.window);
        filter.min_duration_ns = question.min_duration_ns;
        #[expect(clippy::cast_possible_truncation, reason = "a share between 0 and 1")]
        let min_size = question.min_height.map(|height| height as f32);
        filter.min_size = min_size;
        let vector = self.encoded(&question.by)?;
        let query = sink::Query {
            kind: kind_of(&question.by, vector.as_ref()),
            filter,
            limit: question.limit as usize,
        };
        let mut answer = self.store.query(&query).map_err(from_sink)?;
        let (notes, table) = vector.map_or_else(Default::default, |it| (it.notes, it.calibration));
        if let Some(table) = table {
            for hit in &mut answer.hits {
                hit.score = hit
                    .similarity
                    .map(|similarity| table.probability(similarity, answer.searched));
            }
        }
        Ok(SearchResponse {
            notes,
            ..response_from(answer)
        })
    }

    fn person(&self, id: &str) -> Result<PersonResponse, Error> {
        let asked = person_id(id)?;
        let record = self.store.person(asked);
        let person = record.as_ref().map_or(asked, |record| record.person);
        let answer = self.store.query(&sink::Query {
            kind: sink::QueryKind::Time,
            filter: sink::Filter {
                person: Some(person),
                ..sink::Filter::default()
            },
            limit: MOST_VISITS,
        });
        let mut hits = answer.map_err(from_sink)?.hits;
        hits.sort_by_key(|hit| (hit.start_ns, hit.track));
        let (Some(first), Some(last_ns)) = (hits.first(), hits.iter().map(|hit| hit.end_ns).max())
        else {
            return Err(Error::NotFound(format!(
                "person {asked} is not in the store"
            )));
        };
        let between = sink::Filter {
            site: Some(first.site.clone()),
            from_ns: Some(first.start_ns),
            to_ns: Some(last_ns),
            ..sink::Filter::default()
        };
        let coverage = self.store.coverage(&between).map_err(from_sink)?;
        let join = |track| {
            let tracks = record.iter().flat_map(|record| &record.tracks);
            tracks
                .filter(|known| known.track == track)
                .find_map(|known| known.join)
        };
        Ok(PersonResponse {
            person: person.to_string(),
            visits: hits
                .into_iter()
                .zip(1..)
                .map(|(mut hit, place)| {
                    hit.rank = place;
                    Visit {
                        join: join(hit.track),
                        track: Hit::from(hit),
                    }
                })
                .collect(),
            coverage: coverage.into_iter().map(CameraCoverage::from).collect(),
        })
    }

    fn say(&self, word: &WordRequest) -> Result<WordResponse, Error> {
        let mut response = WordResponse::default();
        for pair in word.tracks()? {
            let is_taken = self.store.say_word(pair, word.verdict).map_err(from_sink)?;
            response.taken += u64::from(is_taken);
            response.refused += u64::from(!is_taken);
        }
        Ok(response)
    }

    fn forget(&self, request: &ForgetRequest) -> Result<ForgetResponse, Error> {
        let report = self.store.forget(&request.asked()?, request.dry_run);
        Ok(report.map_err(from_sink)?.into())
    }

    fn site(&self) -> Result<SiteResponse, Error> {
        Ok(SiteResponse {
            ways: self.store.walking_times(),
        })
    }

    fn feedback(&self, request: FeedbackRequest) -> Result<FeedbackResponse, Error> {
        let said = self.store.feedback(request.after, MOST_PAIRS);
        Ok(FeedbackResponse::of(request, said.map_err(from_sink)?))
    }

    fn coverage(&self, window: &Window) -> Result<CoverageResponse, Error> {
        let coverage = self.store.coverage(&filter_of(window)).map_err(from_sink)?;
        Ok(CoverageResponse {
            coverage: coverage.into_iter().map(CameraCoverage::from).collect(),
        })
    }

    fn status(&self) -> Result<StatusResponse, Error> {
        let counts = self.store.counts().map_err(from_sink)?;
        let coverage = self
            .store
            .coverage(&sink::Filter::default())
            .map_err(from_sink)?;
        Ok(StatusResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            store: self.store.folder().display().to_string(),
            tracks: counts.tracks,
            sightings: counts.sightings,
            spool_records: counts.spool_records,
            cameras: coverage.into_iter().map(|camera| camera.camera).collect(),
            image_model: self
                .encoder
                .as_ref()
                .map(|encoder| encoder.model().to_owned()),
            can_search_text: self.encoder.as_ref().is_some_and(EncodeQueue::reads_text),
        })
    }

    fn thumbnail(&self, digest: &PictureDigest) -> Result<Option<Vec<u8>>, Error> {
        match fs_err::read(picture_path(self.store.folder(), digest)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::Store(one_line(&error.to_string()))),
        }
    }
}

/// `STORE/crops/<2 hex>/<sha256>.jpg`.
fn picture_path(folder: &Path, digest: &PictureDigest) -> PathBuf {
    let digits = digest.as_str();
    folder
        .join("crops")
        .join(&digits[..2])
        .join(format!("{digits}.jpg"))
}

fn filter_of(window: &Window) -> sink::Filter {
    sink::Filter {
        cameras: window.cameras.clone(),
        from_ns: window.from_ns,
        to_ns: window.to_ns,
        ..sink::Filter::default()
    }
}

fn from_sink(error: sink::Error) -> Error {
    let message = one_line(&error.to_string());
    match error {
        sink::Error::Query { what } => Error::BadRequest(one_line(&what)),
        // A picture encoded by another model than the store's: nothing the asker can put right.
        sink::Error::SpoolFull { .. } | sink::Error::Closed { .. } => Error::Busy(message),
        sink::Error::Deadline { .. } => Error::TooSlow(message),
        _ => Error::Store(message),
    }
}

fn response_from(answer: sink::Answer) -> SearchResponse {
    // Scores come all or none, from one table.
    let is_calibrated = answer.hits.iter().any(|hit| hit.score.is_some());
    SearchResponse {
        hits: answer.hits.into_iter().map(Hit::from).collect(),
        coverage: answer
            .coverage
            .into_iter()
            .map(CameraCoverage::from)
            .collect(),
        why_empty: answer.why_empty,
        searched: answer.searched,
        is_exact: answer.is_exact,
        calibrated: is_calibrated,
        calibration: (!is_calibrated).then(|| NOT_CALIBRATED.to_owned()),
        notes: Vec::new(),
    }
}

impl From<sink::Hit> for Hit {
    fn from(hit: sink::Hit) -> Self {
        let digest = hit
            .thumbnail
            .as_deref()
            .and_then(Path::file_stem)
            .and_then(|stem| stem.to_str());
        Self {
            track: hit.track.to_string(),
            site: hit.site,
            camera: hit.camera,
            start: UtcTime::from_unix_ns(hit.start_ns),
            end: UtcTime::from_unix_ns(hit.end_ns),
            rank: hit.rank,
            score: hit.score.map(f64::from),
            similarity: hit.similarity.map(f64::from),
            thumbnail_sha256: digest
                .filter(|stem| PictureDigest::new(stem).is_ok())
                .map(str::to_owned),
            thumbnail: hit
                .thumbnail
                .as_ref()
                .map(|path| path.display().to_string()),
            person: hit.person,
            best: UtcTime::from_unix_ns(hit.best_ns),
            bbox: hit.bbox,
            detections: hit.detections,
            has_ended: hit.has_ended,
        }
    }
}

impl From<sink::CameraCoverage> for CameraCoverage {
    fn from(coverage: sink::CameraCoverage) -> Self {
        let intervals = |stretches: Vec<sink::Interval>| {
            stretches
                .into_iter()
                .map(|stretch| Interval {
                    start: UtcTime::from_unix_ns(stretch.from_ns),
                    end: UtcTime::from_unix_ns(stretch.to_ns),
                })
                .collect()
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "seconds with nine digits are enough for a clock error"
        )]
        let clock_error_s = coverage
            .clock_error_ns
            .map(|error_ns| error_ns as f64 / 1e9);
        Self {
            site: coverage.site,
            camera: coverage.camera,
            watched: intervals(coverage.watched),
            blind: intervals(coverage.blind),
            frames_seen: coverage.frames_seen,
            frames_dropped: coverage.frames_dropped,
            indexed_to: coverage.indexed_to_ns.map(UtcTime::from_unix_ns),
            clock_error_s,
        }
    }
}

#[cfg(test)]
mod tests;
