//! Live cameras: the newest frame of each, whatever the others do.
//!
//! Each camera has its own pipeline and its own thread that connects, watches, gives up, waits and connects again, for
//! ever. A camera with a detection stream has two of them, and the frames of its main stream wait for crops. Frames meet in one [`Latest`] mailbox, where a newer frame of a camera takes the place of an older one.
//!
//! Capture time is the camera's own clock (RTCP sender reports) while that is within a bound of ours; before the first
//! report, without reports, or with a wrong clock it is the moment the picture reached us.

mod address;
mod backoff;
mod camera;
mod clock;
mod coverage;
mod endless;
mod intake;
mod latest;
mod main_stream;
mod probe;
mod sender;
mod session;
mod spec;
mod state;

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

pub use address::{Address, Credentials, Transport};
pub use backoff::BackoffLimits;
pub use clock::{Clock, SystemClock};
pub use latest::Latest;
pub(in crate::ingest) use main_stream::MainStream;
pub use probe::{ProbeReport, probe};
pub use spec::LiveSpec;
pub use state::{CameraState, CameraStatus, Counts, DropReason, Event, EventKind, MainStatus};

use camera::{Camera, Surroundings};

use super::{Error, Frame};

/// What live ingest is given from outside.
pub struct LiveOptions {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Seed of the jitter between attempts; boxes should differ.
    pub seed: u64,
    /// Where state changes and watched and blind stretches go. When the channel stays full the oldest are lost and
    /// counted; a camera never waits for it.
    pub events: Option<SyncSender<Event>>,
}

/// All live cameras of this box.
pub struct Live {
    cameras: Vec<Camera>,
    surroundings: Surroundings,
    free: Vec<usize>,
}

impl Live {
    /// Starts to watch all cameras. A camera that does not answer is no error: it is tried again for ever.
    ///
    /// # Errors
    /// [`Error::DuplicateCamera`], or GStreamer or a thread that does not start.
    pub fn open(specs: Vec<LiveSpec>, options: LiveOptions) -> Result<Self, Error> {
        super::decode::init()?;
        let mut live = Self {
            cameras: Vec::new(),
            surroundings: Surroundings {
                clock: options.clock,
                seed: options.seed,
                mailbox: Arc::new(Latest::new(0)),
                events: options.events,
            },
            free: Vec::new(),
        };
        live.apply(specs)?;
        Ok(live)
    }

    /// Takes a changed list: cameras that did not change go on undisturbed, the others stop or start.
    ///
    /// A camera that stays keeps its index; indices of cameras that left are given to new ones.
    ///
    /// # Errors
    /// [`Error::DuplicateCamera`], and then nothing has changed; a thread that does not start.
    pub fn apply(&mut self, specs: Vec<LiveSpec>) -> Result<(), Error> {
        for (index, spec) in specs.iter().enumerate() {
            if specs[..index].iter().any(|s| s.camera == spec.camera) {
                return Err(Error::DuplicateCamera {
                    camera: spec.camera.to_string(),
                });
            }
        }
        let all = std::mem::take(&mut self.cameras);
        let (kept, gone): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|camera| specs.contains(camera.spec()));
        self.cameras = kept;
        // All are told before the first is waited for.
        gone.iter().for_each(Camera::cancel);
        for camera in gone {
            let index = camera.index();
            drop(camera);
            self.surroundings.mailbox.clear(index);
            self.free.push(index);
        }
        for spec in specs {
            if self.cameras.iter().any(|c| c.spec().camera == spec.camera) {
                continue;
            }
            let index = self
                .free
                .pop()
                .unwrap_or_else(|| self.surroundings.mailbox.add());
            self.cameras
                .push(Camera::open(spec, index, &self.surroundings)?);
        }
        Ok(())
    }

    /// Takes the newest frames into `batch`: at most one a camera and `max` in all, the camera served longest ago first.
    /// Waits up to `timeout` for the first one, and returns how many it took.
    pub fn next_batch(&self, batch: &mut Vec<Frame>, max: usize, timeout: Duration) -> usize {
        self.surroundings.mailbox.take(batch, max, timeout)
    }

    /// The mailbox itself, for a reader on another thread.
    #[must_use]
    pub fn mailbox(&self) -> Arc<Latest<Frame>> {
        Arc::clone(&self.surroundings.mailbox)
    }

    /// What each camera was asked, and how it stands.
    pub fn cameras(&self) -> impl Iterator<Item = (&LiveSpec, CameraStatus)> {
        self.cameras.iter().map(|c| (c.spec(), c.status()))
    }

    /// How one camera stands.
    #[must_use]
    pub fn status(&self, camera: &str) -> Option<CameraStatus> {
        let found = self.cameras.iter().find(|c| &*c.spec().camera == camera)?;
        Some(found.status())
    }

    /// The index that frames of a camera bear.
    #[must_use]
    pub fn index(&self, camera: &str) -> Option<usize> {
        let found = self.cameras.iter().find(|c| &*c.spec().camera == camera)?;
        Some(found.index())
    }

    /// A camera whose thread ended by a bug of ours; the process should then end and be started again.
    #[must_use]
    pub fn dead_camera(&self) -> Option<&str> {
        let dead = self.cameras.iter().find(|camera| camera.is_dead())?;
        Some(&dead.spec().camera)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.cameras.iter().for_each(Camera::cancel);
        self.cameras.clear();
        self.surroundings.mailbox.close();
    }
}
