//! The levers inside a running media.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer_rtsp_server as gst_rtsp_server;
use gstreamer_rtsp_server::prelude::*;

use super::SenderClock;

/// What the running media look at.
#[derive(Debug, Default)]
pub(super) struct Mischief {
    pub(super) is_stalled: AtomicBool,
    pub(super) is_garbled: AtomicBool,
    /// The media now playing, to change its picture size on the fly.
    pub(super) playing: Mutex<Vec<glib::WeakRef<gst::Element>>>,
}

/// Puts the levers into a media that is about to play.
pub(super) fn configure(
    media: &gst_rtsp_server::RTSPMedia,
    mischief: &Arc<Mischief>,
    sender_clock: SenderClock,
) {
    let element = media.element();
    let Some(bin) = element.downcast_ref::<gst::Bin>() else {
        return;
    };
    if let Some(filter) = bin.by_name("size") {
        let mut playing = mischief
            .playing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        playing.retain(|weak| weak.upgrade().is_some());
        playing.push(filter.downgrade());
    }
    if let Some(pad) = bin.by_name("pay0").and_then(|pay| pay.static_pad("src")) {
        let mischief = Arc::clone(mischief);
        let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
        pad.add_probe(kinds, move |_, info| {
            if mischief.is_stalled.load(Ordering::SeqCst) {
                return gst::PadProbeReturn::Drop;
            }
            if mischief.is_garbled.load(Ordering::SeqCst) {
                match &mut info.data {
                    Some(gst::PadProbeData::Buffer(buffer)) => *buffer = garbled(buffer),
                    Some(gst::PadProbeData::BufferList(list)) => {
                        *list = list.iter_owned().map(|buffer| garbled(&buffer)).collect();
                    }
                    _ => {}
                }
            }
            gst::PadProbeReturn::Ok
        });
    }
    if sender_clock == SenderClock::SinceBoot {
        media.connect_prepared(|media| {
            let pipeline = media.element().parent().and_downcast::<gst::Bin>();
            let rtpbin = pipeline.and_then(|p| {
                p.iterate_all_by_element_factory_name("rtpbin")
                    .next()
                    .ok()
                    .flatten()
            });
            if let Some(rtpbin) = rtpbin {
                rtpbin.set_property_from_str("ntp-time-source", "running-time");
            }
        });
    }
}

/// The packet with its RTP header kept, so that it still belongs to the stream, and noise behind it.
fn garbled(buffer: &gst::BufferRef) -> gst::Buffer {
    let mut copy = gst::Buffer::with_size(0).unwrap_or_else(|_| gst::Buffer::new());
    if let Ok(deep) = buffer.copy_deep() {
        copy = deep;
    }
    let mut noise = copy.size() as u32 | 1;
    if let Some(copy) = copy.get_mut()
        && let Ok(mut data) = copy.map_writable()
    {
        for byte in data.iter_mut().skip(12) {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (noise >> 24) as u8;
        }
    }
    copy
}
