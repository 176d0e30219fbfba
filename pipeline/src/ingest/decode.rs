//! What recordings and cameras share: choosing a decoder, and the end of the pipeline where pictures come out.

use std::sync::{Arc, Mutex, Once, PoisonError};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use super::Error;

/// Starts GStreamer, once a process, and says which hardware decoders this machine offers.
///
/// # Errors
/// [`Error::Gstreamer`] when the library does not start.
pub fn init() -> Result<(), Error> {
    gst::init().map_err(|e| Error::Gstreamer {
        detail: one_line(e.message()),
    })?;
    static NAMED: Once = Once::new();
    NAMED.call_once(|| {
        let hardware = hardware_decoders();
        if hardware.is_empty() {
            tracing::info!("no hardware video decoder on this machine, decoding on the cpu");
        } else {
            tracing::info!(decoders = ?hardware, "hardware video decoders found, highest rank is taken");
        }
    });
    Ok(())
}

/// Hardware video decoders that GStreamer would choose, best first, as `name (rank)`.
#[must_use]
pub fn hardware_decoders() -> Vec<String> {
    let mut found: Vec<_> = gst::ElementFactory::factories_with_type(
        gst::ElementFactoryType::DECODER | gst::ElementFactoryType::MEDIA_VIDEO,
        gst::Rank::MARGINAL,
    )
    .into_iter()
    .filter(|factory| factory.klass().contains("Hardware"))
    .collect();
    found.sort_by_key(|factory| std::cmp::Reverse(factory.rank()));
    found
        .iter()
        .map(|factory| format!("{} ({})", factory.name(), i32::from(factory.rank())))
        .collect()
}

/// Makes an element, or says which package is missing.
pub(super) fn make(element: &'static str, package: &'static str) -> Result<gst::Element, Error> {
    gst::ElementFactory::make(element)
        .build()
        .map_err(|_| Error::MissingElement { element, package })
}

/// The decoder that the pipeline chose last: its factory name and the codec it is fed.
#[derive(Debug, Clone, Default)]
pub(super) struct ChosenDecoder(Arc<Mutex<Option<gst::glib::WeakRef<gst::Element>>>>);

impl ChosenDecoder {
    /// Watches `bin` for video decoders, and has them conceal damage instead of giving up on it.
    pub(super) fn watch(bin: &gst::Bin, origin: String) -> Self {
        let chosen = Self::default();
        let slot = Arc::clone(&chosen.0);
        bin.connect_deep_element_added(move |_, _, element| {
            let Some(factory) = element.factory() else {
                return;
            };
            let klass = factory.klass();
            // JPEG decoders file themselves under images.
            let is_picture = klass.contains("Video") || klass.contains("Image");
            if !(klass.contains("Decoder") && is_picture) {
                return;
            }
            // A damaged stretch is not the end of a recording: watchdogs decide that, not a count of errors.
            if element.has_property_with_type("max-errors", i32::static_type()) {
                element.set_property("max-errors", -1i32);
            }
            let is_hardware = klass.contains("Hardware");
            tracing::info!(%origin, decoder = %factory.name(), is_hardware, "decoder chosen");
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(element.downgrade());
        });
        chosen
    }

    /// Its factory name, once there is one.
    pub(super) fn name(&self) -> Option<String> {
        Some(self.element()?.factory()?.name().to_string())
    }

    /// What it is fed, as GStreamer's media type without the leading `video/x-`.
    pub(super) fn codec(&self) -> Option<String> {
        let caps = self.element()?.static_pad("sink")?.current_caps()?;
        let name = caps.structure(0)?.name().to_string();
        Some(name.trim_start_matches("video/x-").to_owned())
    }

    fn element(&self) -> Option<gst::Element> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()?
            .upgrade()
    }
}

/// How the end of a pipeline hands its pictures out.
#[derive(Debug, Clone, Copy)]
pub(super) struct TailOptions {
    /// Whether pictures come at the pace of their times rather than as fast as they decode.
    pub(super) is_paced: bool,
    /// Pictures held for the reader before decoding waits.
    pub(super) max_buffers: u32,
}

/// The end of every pipeline: upright, I420 or NV12 in system memory, then out.
pub(super) struct Tail {
    /// Where a decoder's pad is linked to.
    pub(super) head: gst::Pad,
    /// Where pictures come out.
    pub(super) sink: gst_app::AppSink,
}

impl Tail {
    /// Adds the tail to `pipeline`.
    ///
    /// `videoflip` applies the rotation tag that telephones write, and `videoconvert` turns what is neither I420 nor
    /// NV12 into one of them; for all other pictures both pass the decoder's own buffer on untouched.
    pub(super) fn add_to(pipeline: &gst::Pipeline, options: TailOptions) -> Result<Self, Error> {
        let flip = make("videoflip", "gstreamer1.0-plugins-good")?;
        flip.set_property_from_str("video-direction", "auto");
        let convert = make("videoconvert", "gstreamer1.0-plugins-base")?;
        let caps = gst_video::VideoCapsBuilder::new()
            .format_list([gst_video::VideoFormat::I420, gst_video::VideoFormat::Nv12])
            .build();
        let sink = gst_app::AppSink::builder()
            .caps(&caps)
            .max_buffers(options.max_buffers)
            .drop(false)
            .sync(options.is_paced)
            .wait_on_eos(false)
            .enable_last_sample(false)
            .build();
        let broken = |e: gst::glib::BoolError| Error::Gstreamer {
            detail: e.to_string(),
        };
        let elements = [&flip, &convert, sink.upcast_ref::<gst::Element>()];
        pipeline.add_many(elements).map_err(broken)?;
        gst::Element::link_many(elements).map_err(broken)?;
        let pad_of = |element: &gst::Element| {
            element.static_pad("sink").ok_or_else(|| Error::Gstreamer {
                detail: format!("element `{}` has no sink pad", element.name()),
            })
        };
        accept_strides(&pad_of(sink.upcast_ref())?);
        Ok(Self {
            head: pad_of(&flip)?,
            sink,
        })
    }
}

/// Says that rows may be padded, so that decoders hand out their own memory instead of a packed copy.
fn accept_strides(pad: &gst::Pad) {
    pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, |_, info| {
        if let Some(query) = info.query_mut()
            && let gst::QueryViewMut::Allocation(allocation) = query.view_mut()
        {
            allocation.add_allocation_meta::<gst_video::VideoMeta>(None);
            return gst::PadProbeReturn::Handled;
        }
        gst::PadProbeReturn::Ok
    });
}

/// What an error message on the bus says, in one line and without debug text.
pub(super) fn bus_error(message: &gst::message::Error) -> String {
    let text = one_line(&message.error().to_string());
    match text.chars().next() {
        Some(first) => first.to_lowercase().collect::<String>() + &text[first.len_utf8()..],
        None => "unknown fault".to_owned(),
    }
}

/// Joins lines and drops the full stop, as our messages have none.
pub(super) fn one_line(text: &str) -> String {
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    joined.trim_end_matches('.').to_owned()
}

/// A bin that decodes video and nothing else: `uridecodebin` or `decodebin`, whose first video goes to `head`.
///
/// Not their successors: `uridecodebin3` of GStreamer 1.22.0 never showed a picture in 48 of 1200 openings of one file
/// by four threads on two cores.
pub(super) fn decode_bin(element: &'static str, head: &gst::Pad) -> Result<gst::Element, Error> {
    let bin = make(element, "gstreamer1.0-plugins-base")?;
    // Sound and subtitles are neither decoded nor waited for.
    let caps = gst::Caps::builder("video/x-raw").any_features().build();
    bin.set_property("caps", &caps);
    bin.set_property("expose-all-streams", false);
    let head = head.clone();
    bin.connect_pad_added(move |_, pad| {
        if !head.is_linked()
            && let Err(error) = pad.link(&head)
        {
            tracing::warn!(%error, "decoded pictures do not link");
        }
    });
    Ok(bin)
}

/// The codec that a missing plug-in message asks for.
pub(super) fn missing_codec(message: &gst::message::Element) -> Option<String> {
    let structure = message.structure()?;
    (structure.name() == "missing-plugin").then(|| {
        structure
            .get::<String>("name")
            .unwrap_or_else(|_| "its codec".to_owned())
    })
}
