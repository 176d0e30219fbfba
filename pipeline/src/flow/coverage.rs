//! What a camera has watched, told every few seconds, so that silence is never taken for an empty street.

use std::sync::Arc;

use sightline_sink::Coverage;

/// An interval is told when it is this long, ns of capture time.
const HEARTBEAT_NS: i64 = 5_000_000_000;

/// Counts the frames of one camera and closes an interval every few seconds of capture time.
#[derive(Debug)]
pub struct Watch {
    site: Arc<str>,
    camera: Arc<str>,
    open: Option<Open>,
    frame_ns: i64,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    from_ns: i64,
    last_ns: i64,
    frames_seen: u64,
    frames_dropped: u64,
    clock_error_ns: Option<i64>,
}

impl Watch {
    /// A watch that has seen nothing yet.
    pub fn new(site: Arc<str>, camera: Arc<str>) -> Self {
        Self {
            site,
            camera,
            open: None,
            frame_ns: 0,
        }
    }

    /// Counts a frame, and `dropped` ones since the last; gives the interval that is full.
    pub fn see(
        &mut self,
        capture_ns: i64,
        dropped: u64,
        clock_error_ns: Option<i64>,
    ) -> Option<Coverage> {
        let Some(mut open) = self.open else {
            self.open = Some(Open {
                from_ns: capture_ns,
                last_ns: capture_ns,
                frames_seen: 1,
                frames_dropped: dropped,
                clock_error_ns,
            });
            return None;
        };
        let step_ns = capture_ns.saturating_sub(open.last_ns);
        if step_ns < 0 {
            // The clock went back: what was watched by the old clock ends here.
            let told = self.close();
            self.see(capture_ns, dropped, clock_error_ns);
            return told;
        }
        self.frame_ns = step_ns;
        open.last_ns = capture_ns;
        open.frames_seen += 1;
        open.frames_dropped += dropped;
        open.clock_error_ns = clock_error_ns.or(open.clock_error_ns);
        if capture_ns - open.from_ns < HEARTBEAT_NS {
            self.open = Some(open);
            return None;
        }
        let told = self.tell(open, capture_ns);
        self.open = Some(Open {
            from_ns: capture_ns,
            frames_seen: 0,
            frames_dropped: 0,
            ..open
        });
        Some(told)
    }

    /// Ends the interval with the last frame, which lasted as long as the one before it.
    pub fn close(&mut self) -> Option<Coverage> {
        let open = self.open.take()?;
        Some(self.tell(open, open.last_ns.saturating_add(self.frame_ns)))
    }

    fn tell(&self, open: Open, to_ns: i64) -> Coverage {
        Coverage {
            site: self.site.to_string(),
            camera: self.camera.to_string(),
            from_ns: open.from_ns,
            to_ns,
            frames_seen: open.frames_seen,
            frames_dropped: open.frames_dropped,
            clock_error_ns: open.clock_error_ns,
            spooled_sequence: None,
            watched: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_join_and_count_every_frame() {
        let mut watch = Watch::new("site".into(), "gate".into());
        let mut told: Vec<Coverage> = (0..120_i64)
            .filter_map(|frame| watch.see(frame * 100_000_000, u64::from(frame % 10 == 9), None))
            .collect();
        told.extend(watch.close());
        assert_eq!(told.len(), 3);
        assert!(told.windows(2).all(|pair| pair[0].to_ns == pair[1].from_ns));
        assert_eq!((told[0].from_ns, told[2].to_ns), (0, 12_000_000_000));
        assert_eq!(told.iter().map(|c| c.frames_seen).sum::<u64>(), 120);
        assert_eq!(told.iter().map(|c| c.frames_dropped).sum::<u64>(), 12);
        assert!(watch.close().is_none());
    }

    #[test]
    fn a_clock_that_goes_back_ends_the_interval() {
        let mut watch = Watch::new("site".into(), "gate".into());
        watch.see(1_000_000_000, 0, None);
        watch.see(1_100_000_000, 0, None);
        let told = watch.see(500_000_000, 0, None).unwrap();
        assert_eq!((told.from_ns, told.to_ns), (1_000_000_000, 1_200_000_000));
    }
}
