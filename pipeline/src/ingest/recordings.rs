//! Recordings of several cameras, merged into one stream in capture-time order.

use super::{Error, Estimate, Frame, Patience, Recording, RecordingSpec};

/// Frames of all recordings by capture time; at equal times in the order the recordings were given.
///
/// Each recording decodes ahead in its own bounded queue. The order depends on the files alone, never on how fast they
/// decode. A recording that ends in a fault yields that fault in place of its next frame; the others go on.
pub struct Recordings {
    lanes: Vec<Lane>,
}

struct Lane {
    recording: Recording,
    head: Option<Result<Frame, Error>>,
    is_over: bool,
}

impl Recordings {
    /// Opens all recordings, each up to its first picture.
    ///
    /// # Errors
    /// The first recording that does not open, or [`Error::DuplicateCamera`].
    pub fn open(specs: &[RecordingSpec]) -> Result<Self, Error> {
        Self::open_with(specs, Patience::default())
    }

    /// Like [`Recordings::open`], with other deadlines.
    ///
    /// # Errors
    /// As for [`Recordings::open`].
    pub fn open_with(specs: &[RecordingSpec], patience: Patience) -> Result<Self, Error> {
        for (index, spec) in specs.iter().enumerate() {
            if specs[..index].iter().any(|s| s.camera == spec.camera) {
                return Err(Error::DuplicateCamera {
                    camera: spec.camera.to_string(),
                });
            }
        }
        let lanes = specs.iter().enumerate().map(|(index, spec)| {
            Ok(Lane {
                recording: Recording::open(spec.clone(), index, patience)?,
                head: None,
                is_over: false,
            })
        });
        Ok(Self {
            lanes: lanes.collect::<Result<_, Error>>()?,
        })
    }

    /// The recordings, in the order they were given.
    pub fn recordings(&self) -> impl Iterator<Item = &Recording> {
        self.lanes.iter().map(|lane| &lane.recording)
    }

    /// How much there is to play: the longest duration, and the frames of all, where every file tells.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        let each = || self.recordings().map(Recording::estimate);
        Estimate {
            duration_ns: each()
                .map(|e| e.duration_ns)
                .collect::<Option<Vec<_>>>()
                .and_then(|all| all.into_iter().max()),
            frames: each().map(|e| e.frames).sum(),
        }
    }

    /// Pictures decoded so far, kept or not.
    #[must_use]
    pub fn decoded(&self) -> u64 {
        self.recordings().map(Recording::decoded).sum()
    }
}

impl Iterator for Recordings {
    type Item = Result<Frame, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        for lane in &mut self.lanes {
            if lane.head.is_none() && !lane.is_over {
                lane.head = lane.recording.next();
                lane.is_over = lane.head.is_none();
            }
        }
        // A fault has no time and goes first, so that it is told when it happens.
        self.lanes
            .iter_mut()
            .filter(|lane| lane.head.is_some())
            .min_by_key(|lane| match &lane.head {
                Some(Ok(frame)) => frame.capture_ns,
                _ => i64::MIN,
            })
            .and_then(|lane| lane.head.take())
    }
}
