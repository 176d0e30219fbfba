//! What is known about a live camera while it runs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Where a camera stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CameraState {
    /// An attempt is under way.
    #[default]
    Connecting,
    /// Pictures come.
    Watching,
    /// Pictures stopped coming: the camera fell silent or hung up; it is tried again.
    Stalled {
        /// How it stopped, in one line.
        reason: String,
    },
    /// The attempt failed before a picture came; it is tried again.
    Refused {
        /// What the camera or the network said, in one line, without secrets.
        reason: String,
    },
    /// Not watched, by configuration.
    Disabled,
}

impl fmt::Display for CameraState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::Watching => f.write_str("watching"),
            Self::Stalled { reason } => write!(f, "stalled: {reason}"),
            Self::Refused { reason } => write!(f, "refused: {reason}"),
            Self::Disabled => f.write_str("disabled"),
        }
    }
}

/// Why a picture went no further than ingest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// A newer picture of the camera came before the flow took this one.
    Overtaken,
    /// The camera gives more frames a second than it is asked for.
    RateCap,
    /// The decoder says that it is damaged.
    Corrupt,
    /// It could not be mapped or masked.
    Unusable,
}

impl DropReason {
    /// All reasons, in the order of [`Counts::dropped`].
    pub const ALL: [Self; 4] = [
        Self::Overtaken,
        Self::RateCap,
        Self::Corrupt,
        Self::Unusable,
    ];

    /// The label on metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Overtaken => "overtaken",
            Self::RateCap => "rate_cap",
            Self::Corrupt => "corrupt",
            Self::Unusable => "unusable",
        }
    }
}

/// What was counted for one camera since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Pictures that came out of the decoder.
    pub frames: u64,
    /// Pictures dropped, by the index of their reason in [`DropReason::ALL`].
    pub dropped: [u64; 4],
    /// Attempts after the first.
    pub reconnects: u64,
    /// Connections given up because no picture came.
    pub stalls: u64,
    /// Events that found the channel full for too long.
    pub events_lost: u64,
    /// Pipelines that did not stop and were left behind, those of the camera's main stream with them.
    pub abandoned: u64,
}

impl Counts {
    /// Pictures dropped for `reason`.
    #[must_use]
    pub fn dropped_for(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize]
    }
}

/// What is known about a camera now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CameraStatus {
    /// Where it stands.
    pub state: CameraState,
    /// What was counted.
    pub counts: Counts,
    /// The camera's clock minus ours, smoothed, nanoseconds; none without sender reports.
    pub clock_error_ns: Option<i64>,
    /// When the newest picture arrived, unix nanoseconds; none before the first.
    pub last_frame_ns: Option<i64>,
    /// The decoder at work.
    pub decoder: Option<String>,
    /// The main stream, where people are found on another one.
    pub main: Option<MainStatus>,
}

/// What is known about the main stream of a camera whose people are found on its detection stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MainStatus {
    /// Where it stands.
    pub state: CameraState,
    /// Frames whose crops were cut from it.
    pub used: u64,
    /// Frames whose crops were cut from the detection stream, since it had no picture of their moment.
    pub missed: u64,
}

/// What happened to a camera; the ground that coverage is recorded from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The camera's name.
    pub camera: Arc<str>,
    /// Its index in frames.
    pub camera_index: usize,
    /// What happened.
    pub kind: EventKind,
}

/// The kinds of [`Event`]. Times are our wall clock, unix nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// The state changed.
    State {
        /// When.
        at_ns: i64,
        /// What it is now.
        state: CameraState,
    },
    /// A stretch in which pictures came. Stretches follow one another without gaps or overlaps, watched or blind.
    Watched {
        /// Its first moment.
        from_ns: i64,
        /// When its last picture arrived.
        to_ns: i64,
        /// Pictures in it.
        frames: u64,
        /// Of these, dropped for any reason.
        dropped: u64,
        /// Our clock minus the camera's.
        clock_error_ns: Option<i64>,
    },
    /// A stretch without a picture.
    Blind {
        /// Its first moment.
        from_ns: i64,
        /// Its last moment so far.
        to_ns: i64,
        /// Why, in one line.
        reason: String,
    },
}

/// Counters and times that the decoder's thread writes and everybody reads.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) frames: AtomicU64,
    pub(super) dropped: [AtomicU64; 4],
    pub(super) reconnects: AtomicU64,
    pub(super) stalls: AtomicU64,
    pub(super) events_lost: AtomicU64,
    pub(super) abandoned: AtomicU64,
    /// Arrival of the newest picture by our wall clock; 0 before the first.
    pub(super) last_frame_ns: AtomicI64,
    /// The same by the monotonic clock, plus 1; 0 before the first of this connection.
    pub(super) last_frame_monotonic_ns: AtomicI64,
}

impl Tally {
    pub(super) fn drop_one(&self, reason: DropReason) {
        self.dropped[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            frames: self.frames.load(Ordering::Relaxed),
            dropped: std::array::from_fn(|i| self.dropped[i].load(Ordering::Relaxed)),
            reconnects: self.reconnects.load(Ordering::Relaxed),
            stalls: self.stalls.load(Ordering::Relaxed),
            events_lost: self.events_lost.load(Ordering::Relaxed),
            abandoned: self.abandoned.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_counted_apart() {
        let tally = Tally::default();
        tally.drop_one(DropReason::RateCap);
        tally.drop_one(DropReason::Corrupt);
        tally.drop_one(DropReason::Corrupt);
        let counts = tally.counts();
        for (reason, expected) in DropReason::ALL.into_iter().zip([0, 1, 2, 0]) {
            assert_eq!(counts.dropped_for(reason), expected, "{}", reason.as_str());
        }
    }
}
