//! Queries to vectors: one thread, one query at a time, a short queue before it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use sightline_reid::{Calibration, ClauseTable};

use crate::Error;
use crate::picture::Picture;
use crate::wire::PictureBytes;
use crate::words::Words;

/// Queries that wait while one is encoded; more are refused.
const QUEUE_QUERIES: usize = 8;
/// How long a question waits for its vector.
const ENCODE_DEADLINE: Duration = Duration::from_secs(20);

/// A query as a vector of the store.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QueryVector {
    /// Name of the vector in the store, for example `appearance`.
    pub name: String,
    /// Id of the model that made it; vectors of another model never meet it.
    pub model: String,
    /// The values, of length one together.
    pub values: Vec<f32>,
    /// What the asker should know about how the query was understood.
    pub notes: Vec<String>,
    /// What similarities to it are worth; without it, they are not probabilities.
    pub calibration: Option<Calibration>,
    /// Why there is no calibration.
    pub why_uncalibrated: &'static str,
    /// The clauses of a sentence, each a vector of the same kind.
    pub clauses: Vec<ClauseVector>,
    /// What similarities of clauses are worth.
    pub clause_table: Option<ClauseTable>,
}

/// A clause of a sentence as a vector.
#[derive(Debug, Clone, PartialEq)]
pub struct ClauseVector {
    /// The clause.
    pub text: String,
    /// The values, of length one together.
    pub values: Vec<f32>,
}

/// Turns one crop of a person, or words about one, into a vector. Owned by the encoding thread.
pub trait EncodeQuery: Send + 'static {
    /// Encodes the whole picture as one crop.
    ///
    /// # Errors
    /// [`Error::Store`] if the model fails.
    fn encode(&mut self, picture: &Picture) -> Result<QueryVector, Error>;

    /// Encodes words, together with a picture where there is one.
    ///
    /// # Errors
    /// [`Error::NotInstalled`] without a model that reads, [`Error::Store`] if the model fails.
    fn encode_words(
        &mut self,
        _words: &Words,
        _picture: Option<&Picture>,
    ) -> Result<QueryVector, Error> {
        Err(Error::text_not_installed())
    }

    /// Whether a model that reads is loaded.
    fn reads_text(&self) -> bool {
        false
    }
}

struct Job {
    words: Option<Words>,
    picture: Option<PictureBytes>,
    reply: SyncSender<Result<QueryVector, Error>>,
}

/// The encoding thread and its queue. Dropping the last handle ends the thread.
#[derive(Debug)]
pub struct EncodeQueue {
    jobs: SyncSender<Job>,
    model: String,
    reads_text: bool,
}

impl EncodeQueue {
    /// Starts the thread and builds the encoder on it, since a session belongs to one thread. `model` is its id.
    ///
    /// # Errors
    /// [`Error::Store`] if no thread can be started or `make` fails.
    pub fn start<E: EncodeQuery>(
        model: String,
        make: impl FnOnce() -> Result<E, Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let (jobs, queue) = sync_channel(QUEUE_QUERIES);
        let (ready, is_ready) = sync_channel(1);
        std::thread::Builder::new()
            .name("query-encode".into())
            .spawn(move || match make() {
                Ok(encoder) => {
                    // The starter waits for this message; without it, it has gone and so have all handles.
                    if ready.send(Ok(encoder.reads_text())).is_ok() {
                        encode_until_closed(encoder, &queue);
                    }
                }
                Err(error) => drop(ready.send(Err(error))),
            })
            .map_err(|error| Error::Store(format!("cannot start the encoding thread: {error}")))?;
        let reads_text = is_ready
            .recv()
            .map_err(|_| Error::Store("the encoders of queries could not be loaded".into()))??;
        Ok(Self {
            jobs,
            model,
            reads_text,
        })
    }

    /// Whether words can be encoded.
    #[must_use]
    pub fn reads_text(&self) -> bool {
        self.reads_text
    }

    /// Id of the model that encodes pictures.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Decodes and encodes a picture; blocks until it is done.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for what is no picture, [`Error::Busy`] if the queue is full, [`Error::TooSlow`],
    /// [`Error::Store`] if the model fails.
    pub fn encode(&self, bytes: &PictureBytes) -> Result<QueryVector, Error> {
        self.ask(None, Some(bytes))
    }

    /// Encodes words, together with a picture where there is one; blocks until it is done.
    ///
    /// # Errors
    /// [`Error::NotInstalled`] without a model that reads, and as [`EncodeQueue::encode`].
    pub fn encode_words(
        &self,
        words: &Words,
        picture: Option<&PictureBytes>,
    ) -> Result<QueryVector, Error> {
        self.ask(Some(words), picture)
    }

    fn ask(
        &self,
        words: Option<&Words>,
        picture: Option<&PictureBytes>,
    ) -> Result<QueryVector, Error> {
        let (reply, answer) = sync_channel(1);
        let job = Job {
            words: words.cloned(),
            picture: picture.cloned(),
            reply,
        };
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Error::Busy(format!(
                "{QUEUE_QUERIES} questions wait to be encoded already; try again in a moment"
            )),
            TrySendError::Disconnected(_) => gone(),
        })?;
        match answer.recv_timeout(ENCODE_DEADLINE) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => Err(Error::TooSlow(format!(
                "the question was not encoded within {} s",
                ENCODE_DEADLINE.as_secs()
            ))),
            Err(RecvTimeoutError::Disconnected) => Err(gone()),
        }
    }
}

fn gone() -> Error {
    Error::Store("the encoding thread has ended; see the log".into())
}

fn encode_until_closed<E: EncodeQuery>(mut encoder: E, queue: &Receiver<Job>) {
    while let Ok(job) = queue.recv() {
        let result = serve(&mut encoder, &job);
        if job.reply.send(result).is_err() {
            tracing::debug!("nobody waits for this vector any more");
        }
    }
}

fn serve<E: EncodeQuery>(encoder: &mut E, job: &Job) -> Result<QueryVector, Error> {
    let picture = job.picture.as_ref();
    let picture = picture.map(|bytes| Picture::decode(&bytes.0)).transpose()?;
    match (&job.words, picture) {
        (Some(words), picture) => encoder.encode_words(words, picture.as_ref()),
        (None, Some(picture)) => encoder.encode(&picture),
        (None, None) => Err(Error::BadRequest("neither words nor a picture".into())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::Barrier;

    use super::*;

    struct Held(Arc<Barrier>);

    impl EncodeQuery for Held {
        fn encode(&mut self, picture: &Picture) -> Result<QueryVector, Error> {
            self.0.wait();
            self.0.wait();
            vector_of(picture)
        }
    }

    fn vector_of(picture: &Picture) -> Result<QueryVector, Error> {
        let values = vec![f32::from(picture.rgb[0]), 1.0];
        Ok(QueryVector {
            name: "appearance".into(),
            model: "test@0123456789ab".into(),
            values,
            ..QueryVector::default()
        })
    }

    fn png() -> PictureBytes {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 8, 8);
        encoder.set_color(png::ColorType::Rgb);
        encoder
            .write_header()
            .unwrap()
            .write_image_data(&[0; 192])
            .unwrap();
        PictureBytes(bytes)
    }

    #[test]
    fn a_full_queue_refuses_the_next_picture_and_serves_the_others() {
        let barrier = Arc::new(Barrier::new(2));
        let encoder = Held(Arc::clone(&barrier));
        let queue = Arc::new(EncodeQueue::start("test".into(), move || Ok(encoder)).unwrap());
        let ask = || {
            let queue = Arc::clone(&queue);
            std::thread::spawn(move || queue.encode(&png()))
        };
        let first = ask();
        barrier.wait();
        // The first is being encoded, so these fill the queue exactly, without racing for it.
        let waiting: Vec<_> = (0..QUEUE_QUERIES)
            .map(|_| {
                let (reply, answer) = sync_channel(1);
                queue
                    .jobs
                    .try_send(Job {
                        words: None,
                        picture: Some(png()),
                        reply,
                    })
                    .unwrap();
                answer
            })
            .collect();
        let refused = queue.encode(&png()).unwrap_err();
        assert_eq!(refused.status(), 503);
        barrier.wait();
        first.join().unwrap().unwrap();
        for answer in waiting {
            barrier.wait();
            barrier.wait();
            answer.recv().unwrap().unwrap();
        }
    }

    #[test]
    fn what_is_no_picture_never_reaches_the_encoder() {
        struct Never;
        impl EncodeQuery for Never {
            fn encode(&mut self, _: &Picture) -> Result<QueryVector, Error> {
                unreachable!("the picture does not decode")
            }
        }
        let queue = EncodeQueue::start("test".into(), || Ok(Never)).unwrap();
        assert_eq!(
            queue
                .encode(&PictureBytes(b"hello".to_vec()))
                .unwrap_err()
                .status(),
            400
        );
    }

    #[test]
    fn words_without_a_model_that_reads_are_refused_and_the_queue_knows_it() {
        struct Blind;
        impl EncodeQuery for Blind {
            fn encode(&mut self, picture: &Picture) -> Result<QueryVector, Error> {
                vector_of(picture)
            }
        }
        let queue = EncodeQueue::start("test".into(), || Ok(Blind)).unwrap();
        let words = Words::new("a red coat", &[]);
        let error = queue.encode_words(&words, Some(&png())).unwrap_err();
        assert_eq!((queue.reads_text(), error.status()), (false, 501));
    }

    #[test]
    fn an_encoder_that_cannot_be_loaded_is_told_at_start() {
        let make = || Err::<Held, _>(Error::Store("no such model".into()));
        let error = EncodeQueue::start("test".into(), make).unwrap_err();
        assert_eq!(error.to_string(), "no such model");
    }
}
