//! A live camera has no planned end, whatever it says.
//!
//! A server that plays a recording tells when it will be over (`npt-stop`). GStreamer 1.22's jitter buffer then keeps a timer for
//! that moment. When the end of the stream comes, it lets its timers run out before it passes the end on; but its last pictures
//! set that timer once more, and when the thread of the timers has finished by then, the two threads wait for each other
//! for ever: no end of the stream, and a pipeline that cannot be stopped. Without the plan there is no such timer.

use gstreamer as gst;
use gstreamer::prelude::*;

/// What a plan is called in the caps of a stream.
const PLANNED_END: &str = "npt-stop";

/// Takes the planned end out of everything that the jitter buffers of an `rtspsrc` are told.
pub(super) fn forget_planned_end(source: &gst::Element) {
    source.connect("new-manager", false, |values| {
        let manager = values.get(1)?.get::<gst::Element>().ok()?;
        manager.connect("new-jitterbuffer", false, |values| {
            let buffer = values.get(1)?.get::<gst::Element>().ok()?;
            let sink = buffer.static_pad("sink")?;
            sink.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
                if let Some(changed) = info.event().and_then(without_plan) {
                    info.data = Some(gst::PadProbeData::Event(changed));
                }
                gst::PadProbeReturn::Ok
            });
            None
        });
        None
    });
}

/// The same event without a planned end; none where it plans none.
fn without_plan(event: &gst::Event) -> Option<gst::Event> {
    let gst::EventView::Caps(caps) = event.view() else {
        return None;
    };
    let mut caps = caps.caps_owned();
    let structure = caps.make_mut().structure_mut(0)?;
    structure.has_field(PLANNED_END).then(|| {
        structure.remove_field(PLANNED_END);
    })?;
    Some(
        gst::event::Caps::builder(&caps)
            .seqnum(event.seqnum())
            .build(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planned_end_is_taken_out_and_nothing_else_is() {
        gst::init().unwrap();
        let planned = gst::Caps::builder("application/x-rtp")
            .field("clock-rate", 90_000)
            .field(PLANNED_END, 8_600_000_000_u64)
            .build();
        let event = gst::event::Caps::new(&planned);
        let changed = without_plan(&event).unwrap();
        assert_eq!(changed.seqnum(), event.seqnum());
        let gst::EventView::Caps(caps) = changed.view() else {
            panic!("no caps: {changed:?}");
        };
        let expected = gst::Caps::builder("application/x-rtp")
            .field("clock-rate", 90_000)
            .build();
        assert_eq!(caps.caps(), expected.as_ref());
        assert!(without_plan(&changed).is_none());
        assert!(without_plan(&gst::event::Eos::new()).is_none());
    }
}
