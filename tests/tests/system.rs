//! Whole-system tests, in one binary, because each binary links the whole stack again.

#[path = "system/live.rs"]
mod live;
#[path = "system/live_faults.rs"]
mod live_faults;
#[path = "system/recordings.rs"]
mod recordings;
#[path = "system/watch.rs"]
mod watch;
