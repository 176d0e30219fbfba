//! One decoded picture with its camera and time, lent out as strided views of the decoder's own memory.

use std::sync::{Arc, OnceLock};

use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;
use ndarray::{ArrayView2, ArrayView3, ShapeBuilder};
use sightline_detector::{Color, Matrix, Planes};

use super::{Error, MainStream};

/// What a capture time rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeSource {
    /// The recording's start time plus the position in it.
    Recording,
    /// The camera's own wall clock, from its RTCP sender reports.
    Sender,
    /// Our wall clock when the picture arrived, less the receiver's buffering.
    Arrival,
}

/// A decoded picture of one camera. Owns the decoder's buffer, mapped for reading; nothing is copied.
///
/// Dropping it gives the buffer back to the decoder's pool.
pub struct Frame {
    /// The camera's name.
    pub camera: Arc<str>,
    /// The camera's place in the list it was opened with.
    pub camera_index: usize,
    /// When the picture was taken, unix nanoseconds.
    pub capture_ns: i64,
    /// What `capture_ns` rests on.
    pub time_source: TimeSource,
    /// Live: when the picture left the decoder, by our wall clock, unix nanoseconds.
    pub decoded_ns: Option<i64>,
    /// Recordings: the number of the picture in the file from 0, counting those that a rate cap left out. Live: the
    /// number of the picture since the camera was opened, counting dropped ones.
    pub sequence: u64,
    picture: gst_video::VideoFrame<gst_video::video_frame::Readable>,
    color: Color,
    /// Pictures of the camera's main stream, when this is one of its detection stream.
    pub(super) main_stream: Option<Arc<MainStream<Frame>>>,
    /// The one of this moment, once somebody has asked: all crops of a frame are cut from the same picture.
    of_main: OnceLock<Option<Arc<Frame>>>,
}

impl Frame {
    /// Maps `buffer` for reading and checks that every plane holds what `info` describes.
    pub(super) fn try_new(
        head: Head,
        buffer: gst::Buffer,
        info: &gst_video::VideoInfo,
    ) -> Result<Self, Error> {
        let fault = |camera: &Arc<str>, detail: &str| Error::Picture {
            origin: format!("camera `{camera}`"),
            detail: detail.to_owned(),
        };
        let picture = gst_video::VideoFrame::from_buffer_readable(buffer, info)
            .map_err(|_| fault(&head.camera, "the buffer is not mappable"))?;
        let color = color_of(info);
        if try_planes(&picture, color).is_none() {
            return Err(fault(
                &head.camera,
                &format!("{} planes do not fit the buffer", info.name()),
            ));
        }
        let Head {
            camera,
            camera_index,
            capture_ns,
            time_source,
            decoded_ns,
            sequence,
        } = head;
        Ok(Self {
            camera,
            camera_index,
            capture_ns,
            time_source,
            decoded_ns,
            sequence,
            picture,
            color,
            main_stream: None,
            of_main: OnceLock::new(),
        })
    }

    /// Columns of the picture.
    #[must_use]
    pub fn width(&self) -> usize {
        self.picture.width() as usize
    }

    /// Rows of the picture.
    #[must_use]
    pub fn height(&self) -> usize {
        self.picture.height() as usize
    }

    /// Bytes that the picture takes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.picture.info().size()
    }

    /// The picture to cut crops from, which may be larger than this one: that of the camera's main stream taken at the
    /// same moment, else this one. The first call decides.
    #[must_use]
    pub fn for_crops(&self) -> &Self {
        self.of_main
            .get_or_init(|| self.main_stream.as_ref()?.nearest(self.capture_ns))
            .as_deref()
            .unwrap_or(self)
    }

    /// How samples relate to colours.
    #[must_use]
    pub fn color(&self) -> Color {
        self.color
    }

    /// Luma, H x W.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "try_new refused every picture that is neither I420 nor NV12"
    )]
    pub fn luma(&self) -> ArrayView2<'_, u8> {
        self.planes()
            .luma()
            .expect("the format was checked when the frame was made")
    }

    /// All planes, as the detector takes them.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "try_new refused every picture whose planes do not fit"
    )]
    pub fn planes(&self) -> Planes<'_> {
        try_planes(&self.picture, self.color).expect("planes were checked when the frame was made")
    }

    /// All planes, as the encoder of crops takes them.
    #[must_use]
    pub fn reid_planes(&self) -> sightline_reid::Planes<'_> {
        let color = sightline_reid::Color {
            matrix: match self.color.matrix {
                Matrix::Bt601 => sightline_reid::Matrix::Bt601,
                Matrix::Bt709 => sightline_reid::Matrix::Bt709,
            },
            is_full_range: self.color.is_full_range,
        };
        match self.planes() {
            Planes::I420 { y, u, v, .. } => sightline_reid::Planes::I420 { y, u, v, color },
            Planes::Nv12 { y, uv, .. } => sightline_reid::Planes::Nv12 { y, uv, color },
            Planes::Rgb(rgb) => sightline_reid::Planes::Rgb(rgb),
        }
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame")
            .field("camera", &self.camera)
            .field("capture_ns", &self.capture_ns)
            .field("sequence", &self.sequence)
            .field("width", &self.width())
            .field("height", &self.height())
            .finish_non_exhaustive()
    }
}

/// Everything about a frame but its picture.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) camera: Arc<str>,
    pub(super) camera_index: usize,
    pub(super) capture_ns: i64,
    pub(super) time_source: TimeSource,
    pub(super) decoded_ns: Option<i64>,
    pub(super) sequence: u64,
}

fn color_of(info: &gst_video::VideoInfo) -> Color {
    let colorimetry = info.colorimetry();
    let matrix = match colorimetry.matrix() {
        gst_video::VideoColorMatrix::Bt709 => Matrix::Bt709,
        _ => Matrix::Bt601,
    };
    Color {
        matrix,
        is_full_range: colorimetry.range() == gst_video::VideoColorRange::Range0_255,
    }
}

fn try_planes<T>(picture: &gst_video::VideoFrame<T>, color: Color) -> Option<Planes<'_>> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (chroma_width, chroma_height) = (width.div_ceil(2), height.div_ceil(2));
    let plane = |index: u32, rows: usize, columns: usize| {
        let stride = usize::try_from(*picture.plane_stride().get(index as usize)?).ok()?;
        let data = picture.plane_data(index).ok()?;
        ArrayView2::from_shape((rows, columns).strides((stride, 1)), data).ok()
    };
    let y = plane(0, height, width)?;
    match picture.format() {
        gst_video::VideoFormat::I420 => Some(Planes::I420 {
            y,
            u: plane(1, chroma_height, chroma_width)?,
            v: plane(2, chroma_height, chroma_width)?,
            color,
        }),
        gst_video::VideoFormat::Nv12 => {
            let stride = usize::try_from(*picture.plane_stride().get(1)?).ok()?;
            let shape = (chroma_height, chroma_width, 2).strides((stride, 2, 1));
            let uv = ArrayView3::from_shape(shape, picture.plane_data(1).ok()?).ok()?;
            Some(Planes::Nv12 { y, uv, color })
        }
        _ => None,
    }
}
