//! The embed stage: one thread owns the encoder, everybody else sends it crops.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ndarray::{Array2, s};
use sightline_detector::BBox;
use sightline_reid::{Crop, ImageEncoder};
use sightline_sink::{NamedVector, f16};

use crate::ingest::Frame;
use crate::observe::Depth;

use super::picture::crop;
use super::queue::{Receiver, Sender, queue};
use super::timing::{StageTime, StageTimes};

/// Requests that wait for the encoder before senders wait in turn.
const QUEUE: usize = 32;

/// How crops of several requests become batches of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batching {
    /// Each request is a batch of its own: the same input gives the same batches, whatever the machine is doing.
    Fixed,
    /// Requests are gathered until a batch is full or the first of them has waited long enough.
    Gathered {
        /// Longest wait of the first request.
        longest_wait: Duration,
        /// Vectors that are remembered, so that the same pixels are embedded once; 0 for none.
        remembered: usize,
    },
}

/// What an encoder answers: one L2-normalised row per box, or what went wrong in one line.
type Rows = Result<Array2<f32>, String>;

struct Request {
    frame: Arc<Frame>,
    boxes: Vec<BBox>,
    reply: SyncSender<Rows>,
}

/// A way to the encoder's thread; cheap to clone.
#[derive(Clone)]
pub struct Embedder {
    requests: Sender<Request>,
    /// Name of the vectors, `appearance` or `joint`.
    pub vector: Arc<str>,
    /// Model id on the wire.
    pub model: Arc<str>,
    /// Values in a vector.
    pub dimension: usize,
}

/// The encoder's thread; ends when the last [`Embedder`] is dropped.
pub struct EmbedStage {
    thread: JoinHandle<()>,
}

impl EmbedStage {
    /// Starts the thread that owns `encoder`; its time is counted as `stage` of `times`, and what waits for it in `depth`.
    ///
    /// # Errors
    /// When the machine refuses another thread.
    pub fn start(
        mut encoder: ImageEncoder,
        batching: Batching,
        times: Arc<StageTimes>,
        stage: fn(&StageTimes) -> &StageTime,
        depth: &Depth,
    ) -> std::io::Result<(Self, Embedder)> {
        if let Batching::Gathered { remembered, .. } = batching {
            encoder.remember(remembered);
        }
        let (requests, inbox) = queue(QUEUE, depth);
        let embedder = Embedder {
            requests,
            vector: encoder.vector_name().into(),
            model: encoder.model_id().as_str().into(),
            dimension: encoder.dimension(),
        };
        let thread = std::thread::Builder::new()
            .name(format!("embed-{}", embedder.vector))
            .spawn(move || serve(encoder, &inbox, batching, stage(&times), &times.recalled))?;
        Ok((Self { thread }, embedder))
    }

    /// Waits until the thread has answered everything; drop all [`Embedder`]s first.
    ///
    /// # Errors
    /// When the thread panicked.
    pub fn join(self) -> anyhow::Result<()> {
        self.thread
            .join()
            .map_err(|_| anyhow::anyhow!("the embed stage panicked; this is a bug"))
    }
}

impl Embedder {
    /// A vector as it travels with its sighting.
    pub fn named(&self, values: &[f32]) -> NamedVector {
        NamedVector {
            name: self.vector.to_string(),
            model: self.model.to_string(),
            values: values.iter().map(|&value| f16::from_f32(value)).collect(),
        }
    }

    /// Vectors of the boxes of a frame: N x D, rows L2-normalised. Waits for the encoder.
    ///
    /// # Errors
    /// When the encoder fails, or its thread is gone.
    pub fn embed(&self, frame: &Arc<Frame>, boxes: &[BBox]) -> anyhow::Result<Array2<f32>> {
        if boxes.is_empty() {
            return Ok(Array2::zeros((0, self.dimension)));
        }
        let (reply, answer) = sync_channel(1);
        let request = Request {
            frame: frame.clone(),
            boxes: boxes.to_vec(),
            reply,
        };
        let gone = || anyhow::anyhow!("the embed stage has stopped");
        self.requests.send(request).map_err(|_| gone())?;
        answer
            .recv()
            .map_err(|_| gone())?
            .map_err(anyhow::Error::msg)
    }
}

fn serve(
    mut encoder: ImageEncoder,
    inbox: &Receiver<Request>,
    batching: Batching,
    time: &StageTime,
    recalled: &StageTime,
) {
    let mut waiting: Vec<Request> = Vec::with_capacity(QUEUE);
    while let Ok(first) = inbox.recv() {
        let mut crops = first.boxes.len();
        waiting.push(first);
        if let Batching::Gathered { longest_wait, .. } = batching {
            let deadline = Instant::now() + longest_wait;
            while crops < encoder.max_batch() && waiting.len() < QUEUE {
                let left = deadline.saturating_duration_since(Instant::now());
                match inbox.recv_timeout(left) {
                    Ok(request) => {
                        crops += request.boxes.len();
                        waiting.push(request);
                    }
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
                }
            }
        }
        let before = encoder.recalled();
        let rows = time.measure(crops as u64, || embed_all(&mut encoder, &waiting));
        match encoder.recalled() - before {
            0 => {}
            crops => recalled.add(crops, 0, 0),
        }
        answer(&mut waiting, &rows);
    }
}

fn embed_all(encoder: &mut ImageEncoder, requests: &[Request]) -> Rows {
    let crops: Vec<Crop<'_>> = requests
        .iter()
        .flat_map(|request| request.boxes.iter().map(|bbox| crop(&request.frame, *bbox)))
        .collect();
    encoder.embed(&crops).map_err(|error| error.to_string())
}

fn answer(requests: &mut Vec<Request>, rows: &Rows) {
    let mut from = 0;
    for request in requests.drain(..) {
        let upto = from + request.boxes.len();
        let part = match rows {
            Ok(rows) => Ok(rows.slice(s![from..upto, ..]).to_owned()),
            Err(fault) => Err(fault.clone()),
        };
        from = upto;
        // Whoever asked may have been told to stop; then nobody misses the answer.
        request.reply.send(part).ok();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sightline_reid::Options;

    use super::*;
    use crate::ingest::{RecordingSpec, Recordings};
    use crate::models::runtime;

    #[test]
    fn live_the_same_pixels_are_embedded_once_and_in_a_replay_each_time() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let film = RecordingSpec::new("lane", root.join("tests/world/demo/lane.mp4"), 0);
        let frame = Recordings::open(&[film]).unwrap().next().unwrap().unwrap();
        let frame = Arc::new(frame);
        let boxes = [20.0, 60.0, 100.0].map(|x0| BBox {
            x0,
            y0: 40.0,
            x1: x0 + 60.0,
            y1: 200.0,
        });
        let environment = runtime::environment(None).unwrap();
        let folder = root.join("models/appearance");
        let embedded = |batching| {
            let encoder = ImageEncoder::load(environment, &folder, &Options::default()).unwrap();
            let times = Arc::new(StageTimes::default());
            let started = EmbedStage::start(
                encoder,
                batching,
                times.clone(),
                |times| &times.embed,
                &Depth::default(),
            );
            let (stage, embedder) = started.unwrap();
            let rows = [(); 2].map(|()| embedder.embed(&frame, &boxes).unwrap());
            drop(embedder);
            stage.join().unwrap();
            (rows, times.recalled.report("recalled").items)
        };
        let ([first, again], recalled) = embedded(Batching::Fixed);
        assert_eq!((&first, recalled), (&again, 0));
        let (rows, recalled) = embedded(Batching::Gathered {
            longest_wait: Duration::ZERO,
            remembered: 3,
        });
        assert_eq!((rows, recalled), ([first, again], 3));
    }
}
