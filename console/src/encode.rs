//! Picture queries to vectors: one thread, one picture at a time, a short queue before it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use crate::Error;
use crate::picture::Picture;
use crate::wire::PictureBytes;

/// Pictures that wait while one is encoded; more are refused.
const QUEUE_PICTURES: usize = 8;
/// How long a question waits for its vector.
const ENCODE_DEADLINE: Duration = Duration::from_secs(20);

/// A picture query as a vector of the store.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryVector {
    /// Name of the vector in the store, for example `appearance`.
    pub name: String,
    /// Id of the model that made it; vectors of another model never meet it.
    pub model: String,
    /// The values, of length one together.
    pub values: Vec<f32>,
}

/// Turns one crop of a person into a vector. Owned by the encoding thread.
pub trait EncodePicture: Send + 'static {
    /// Encodes the whole picture as one crop.
    ///
    /// # Errors
    /// [`Error::Store`] if the model fails.
    fn encode(&mut self, picture: &Picture) -> Result<QueryVector, Error>;
}

struct Job {
    bytes: PictureBytes,
    reply: SyncSender<Result<QueryVector, Error>>,
}

/// The encoding thread and its queue. Dropping the last handle ends the thread.
#[derive(Debug)]
pub struct EncodeQueue {
    jobs: SyncSender<Job>,
    model: String,
}

impl EncodeQueue {
    /// Starts the thread and builds the encoder on it, since a session belongs to one thread. `model` is its id.
    ///
    /// # Errors
    /// [`Error::Store`] if no thread can be started or `make` fails.
    pub fn start<E: EncodePicture>(
        model: String,
        make: impl FnOnce() -> Result<E, Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let (jobs, queue) = sync_channel(QUEUE_PICTURES);
        let (ready, is_ready) = sync_channel(1);
        std::thread::Builder::new()
            .name("query-encode".into())
            .spawn(move || match make() {
                Ok(encoder) => {
                    // The starter waits for this message; without it, it has gone and so have all handles.
                    if ready.send(Ok(())).is_ok() {
                        encode_until_closed(encoder, &queue);
                    }
                }
                Err(error) => drop(ready.send(Err(error))),
            })
            .map_err(|error| Error::Store(format!("cannot start the encoding thread: {error}")))?;
        is_ready
            .recv()
            .map_err(|_| Error::Store("the picture encoder could not be loaded".into()))??;
        Ok(Self { jobs, model })
    }

    /// Id of the model that encodes.
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
        let (reply, answer) = sync_channel(1);
        let job = Job {
            bytes: bytes.clone(),
            reply,
        };
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Error::Busy(format!(
                "{QUEUE_PICTURES} pictures wait to be encoded already; try again in a moment"
            )),
            TrySendError::Disconnected(_) => gone(),
        })?;
        match answer.recv_timeout(ENCODE_DEADLINE) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => Err(Error::TooSlow(format!(
                "the picture was not encoded within {} s",
                ENCODE_DEADLINE.as_secs()
            ))),
            Err(RecvTimeoutError::Disconnected) => Err(gone()),
        }
    }
}

fn gone() -> Error {
    Error::Store("the encoding thread has ended; see the log".into())
}

fn encode_until_closed<E: EncodePicture>(mut encoder: E, queue: &Receiver<Job>) {
    while let Ok(job) = queue.recv() {
        let result = Picture::decode(&job.bytes.0).and_then(|picture| encoder.encode(&picture));
        if job.reply.send(result).is_err() {
            tracing::debug!("nobody waits for this vector any more");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::Barrier;

    use super::*;

    struct Held(Arc<Barrier>);

    impl EncodePicture for Held {
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
        let waiting: Vec<_> = (0..QUEUE_PICTURES)
            .map(|_| {
                let (reply, answer) = sync_channel(1);
                queue
                    .jobs
                    .try_send(Job {
                        bytes: png(),
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
        impl EncodePicture for Never {
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
    fn an_encoder_that_cannot_be_loaded_is_told_at_start() {
        let make = || Err::<Held, _>(Error::Store("no such model".into()));
        let error = EncodeQueue::start("test".into(), make).unwrap_err();
        assert_eq!(error.to_string(), "no such model");
    }
}
