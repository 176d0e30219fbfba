//! The store of this process as the one who answers: questions in, sink's answers out as JSON.

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use sightline_sink as sink;
use uuid::Uuid;

use crate::Error;
use crate::ask::{Ask, PictureDigest};
use crate::encode::{EncodeQueue, QueryVector};
use crate::encoders::NO_PICTURE_TABLE;
use crate::error::one_line;
use crate::forget::{ForgetRequest, ForgetResponse};
use crate::person::{MOST_VISITS, PersonResponse, Visit, WordRequest, WordResponse, person_id};
use crate::question::{By, Question, Window};
use crate::site::{FeedbackRequest, FeedbackResponse, MOST_PAIRS, SiteResponse};
use crate::wire::{
    CameraCoverage, ClauseScore, CoverageResponse, Hit, SearchResponse, StatusResponse,
};

mod answer;

use answer::response_from;

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

    /// Answers a query with persons; see [`sink::Store::search_persons`].
    ///
    /// # Errors
    /// Those of sink.
    fn query_persons(&self, query: &sink::Query) -> sink::Result<sink::Answer>;

    /// How near tracks are to a vector, by the measure that hits are ranked by; none for a track without such a vector.
    ///
    /// # Errors
    /// Those of sink.
    fn similarities(
        &self,
        name: &str,
        model: &str,
        values: &[f32],
        tracks: &[sink::TrackId],
    ) -> sink::Result<Vec<Option<f32>>>;

    /// A person as association knows it; none where association is elsewhere or off, or does not know it.
    fn person(&self, id: sink::PersonId) -> Option<sink::PersonRecord>;

    /// The id that holds for a person whose id may have been renamed.
    fn current_person(&self, id: sink::PersonId) -> sink::PersonId;

    /// Takes somebody's word on pairs of tracks. Says of how many: not where a track is not known, or association is elsewhere
    /// or off.
    ///
    /// # Errors
    /// Those of sink.
    fn say_words(
        &self,
        pairs: &[[sink::TrackId; 2]],
        verdict: sink::persons::Verdict,
    ) -> sink::Result<u64>;

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
    /// Held while a question is answered, so that it is encoded and compared by the same models.
    encoder: RwLock<Option<EncodeQueue>>,
}

/// Why a search with examples has no probabilities.
const NO_EXAMPLES_TABLE: &str = "the table was measured on sentences without examples beside them";

impl<S: Store> StoreAsk<S> {
    /// Puts a store and an encoder behind the API.
    pub fn new(store: S, encoder: Option<EncodeQueue>) -> Self {
        Self {
            store,
            encoder: RwLock::new(encoder),
        }
    }

    /// Lets the store move to other models by `step`, and encodes questions by `encoder` from then on, which is taken. Questions
    /// wait meanwhile, and none is encoded by models that the store does not have. When the step fails all stays as it was.
    ///
    /// # Errors
    /// That of `step`.
    pub fn exchange<E>(
        &self,
        encoder: &mut Option<EncodeQueue>,
        step: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        let mut held = self.encoder.write().unwrap_or_else(PoisonError::into_inner);
        step()?;
        *held = encoder.take();
        Ok(())
    }

    fn encoder(&self) -> RwLockReadGuard<'_, Option<EncodeQueue>> {
        self.encoder.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What each clause of a sentence is worth for each of the hits.
    fn clause_scores(
        &self,
        vector: &QueryVector,
        hits: &[sink::Hit],
    ) -> Result<Vec<Vec<ClauseScore>>, Error> {
        let tracks: Vec<_> = hits.iter().map(|hit| hit.track).collect();
        let mut scores = vec![Vec::new(); hits.len()];
        for clause in &vector.clauses {
            let near =
                self.store
                    .similarities(&vector.name, &vector.model, &clause.values, &tracks);
            for (scores, near) in scores.iter_mut().zip(near.map_err(from_sink)?) {
                let table = vector.clause_table.as_ref();
                scores.extend(near.map(|similarity| ClauseScore {
                    text: clause.text.clone(),
                    score: table.map(|table| f64::from(table.probability(similarity))),
                    similarity: f64::from(similarity),
                }));
            }
        }
        Ok(scores)
    }

    /// The query's vector, where one has to be made.
    fn encoded(by: &By, encoder: Option<&EncodeQueue>) -> Result<Option<QueryVector>, Error> {
        let encoder = |missing: fn() -> Error| encoder.ok_or_else(missing);
        Ok(Some(match by {
            By::Browse | By::Track(_) | By::Examples => return Ok(None),
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

fn kind_of(question: &Question, vector: Option<&QueryVector>) -> sink::QueryKind {
    let examples = &question.examples;
    let tracks = |ids: &[Uuid]| ids.iter().copied().map(sink::TrackId::from_uuid).collect();
    match (&question.by, vector) {
        (_, vector) if !examples.is_empty() => sink::QueryKind::Examples {
            name: vector.map_or_else(|| APPEARANCE.into(), |vector| vector.name.clone()),
            also: vector.map(|vector| sink::Direction {
                model: vector.model.clone(),
                values: vector.values.clone(),
            }),
            like: tracks(&examples.like),
            unlike: tracks(&examples.unlike),
        },
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
        let encoder = self.encoder();
        let vector = Self::encoded(&question.by, encoder.as_ref())?;
        let query = sink::Query {
            kind: kind_of(question, vector.as_ref()),
            filter,
            limit: question.limit as usize,
        };
        let answer = if question.persons {
            self.store.query_persons(&query)
        } else {
            self.store.query(&query)
        };
        let mut answer = answer.map_err(from_sink)?;
        let vector = vector.unwrap_or_else(|| QueryVector {
            why_uncalibrated: NO_PICTURE_TABLE,
            ..QueryVector::default()
        });
        let (table, why) = if question.examples.is_empty() {
            (vector.calibration.as_ref(), vector.why_uncalibrated)
        } else {
            (None, NO_EXAMPLES_TABLE)
        };
        if let Some(table) = table {
            for hit in &mut answer.hits {
                hit.score = hit.similarity.map(|similarity| match answer.persons {
                    Some(persons) => table.probability_of_person(similarity, persons),
                    None => table.probability(similarity, answer.searched),
                });
            }
        }
        let mut clauses = self.clause_scores(&vector, &answer.hits)?;
        let mut response = response_from(answer);
        for (hit, clauses) in response.hits.iter_mut().zip(&mut clauses) {
            hit.clauses = std::mem::take(clauses);
        }
        let is_compared = response.hits.iter().any(|hit| hit.similarity.is_some());
        response.why_uncalibrated = (!response.calibrated && is_compared).then(|| why.to_owned());
        response.notes = vector.notes;
        Ok(response)
    }

    fn person(&self, id: &str) -> Result<PersonResponse, Error> {
        let asked = person_id(id)?;
        let person = self.store.current_person(asked);
        let record = self.store.person(person);
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
        let pairs = word.tracks()?;
        let taken = self.store.say_words(&pairs, word.verdict);
        let taken = taken.map_err(from_sink)?;
        Ok(WordResponse {
            taken,
            refused: (pairs.len() as u64).saturating_sub(taken),
        })
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
        let encoder = self.encoder();
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
            image_model: encoder.as_ref().map(|it| it.model().to_owned()),
            can_search_text: encoder.as_ref().is_some_and(EncodeQueue::reads_text),
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

#[cfg(test)]
mod tests;
