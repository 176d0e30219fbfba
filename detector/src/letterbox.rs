//! How a part of the frame lies in the network's input, and the way back for boxes.

use crate::bbox::BBox;
use serde::Deserialize;

/// A rectangle of the frame, in whole pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// Left edge, px.
    pub x: u32,
    /// Upper edge, px.
    pub y: u32,
    /// Width, px.
    pub width: u32,
    /// Height, px.
    pub height: u32,
}

impl Region {
    /// The whole of a frame of `width` x `height` px.
    #[must_use]
    pub const fn whole(width: u32, height: u32) -> Self {
        Self {
            x: 0,
            y: 0,
            width,
            height,
        }
    }
}

/// How a picture is fitted into the network's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resize {
    /// Both sides are stretched to the input, the aspect ratio changes.
    Stretch,
    /// The aspect ratio is kept, the picture lies at the top left, the rest is padding.
    LetterboxTopLeft,
    /// The aspect ratio is kept, the picture lies in the middle, padding on both sides.
    LetterboxCenter,
}

/// Where one region of one frame lies in the network's input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Letterbox {
    region: Region,
    frame_width: u32,
    frame_height: u32,
    /// The part of the input that is picture, in pixels of the network.
    pub(crate) content: Region,
}

impl Letterbox {
    pub(crate) fn new(
        (frame_width, frame_height): (u32, u32),
        region: Region,
        (input_width, input_height): (u32, u32),
        resize: Resize,
    ) -> Self {
        let (width, height) = match resize {
            Resize::Stretch => (input_width, input_height),
            Resize::LetterboxTopLeft | Resize::LetterboxCenter => {
                let ratio = (f64::from(input_width) / f64::from(region.width))
                    .min(f64::from(input_height) / f64::from(region.height));
                // The tolerance keeps the side that fills the input from losing a pixel to rounding.
                let fit = |side: u32, limit: u32| {
                    ((f64::from(side) * ratio + 1e-6) as u32).clamp(1, limit)
                };
                (
                    fit(region.width, input_width),
                    fit(region.height, input_height),
                )
            }
        };
        let (x, y) = match resize {
            Resize::Stretch | Resize::LetterboxTopLeft => (0, 0),
            Resize::LetterboxCenter => ((input_width - width) / 2, (input_height - height) / 2),
        };
        Self {
            region,
            frame_width,
            frame_height,
            content: Region {
                x,
                y,
                width,
                height,
            },
        }
    }

    /// From pixels of the network to pixels of the frame, clipped to the frame.
    ///
    /// The scale is that of the pixels really written, so the rounding of the content's size does
    /// not shift boxes.
    pub(crate) fn to_frame(self, bbox: BBox) -> BBox {
        let scale_x = self.region.width as f32 / self.content.width as f32;
        let scale_y = self.region.height as f32 / self.content.height as f32;
        let x = |value: f32| (value - self.content.x as f32) * scale_x + self.region.x as f32;
        let y = |value: f32| (value - self.content.y as f32) * scale_y + self.region.y as f32;
        BBox::new(x(bbox.x0), y(bbox.y0), x(bbox.x1), y(bbox.y1))
            .clip(self.frame_width as f32, self.frame_height as f32)
    }

    /// From pixels of the frame to pixels of the network.
    #[cfg(test)]
    fn to_input(self, bbox: BBox) -> BBox {
        let scale_x = self.content.width as f32 / self.region.width as f32;
        let scale_y = self.content.height as f32 / self.region.height as f32;
        let x = |value: f32| (value - self.region.x as f32) * scale_x + self.content.x as f32;
        let y = |value: f32| (value - self.region.y as f32) * scale_y + self.content.y as f32;
        BBox::new(x(bbox.x0), y(bbox.y0), x(bbox.x1), y(bbox.y1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_wide_frame_fills_the_width_and_is_padded_below() {
        let fit = Letterbox::new(
            (768, 576),
            Region::whole(768, 576),
            (416, 416),
            Resize::LetterboxTopLeft,
        );
        assert_eq!(fit.content, Region::whole(416, 312));
    }

    #[test]
    fn a_portrait_frame_in_the_middle_has_padding_on_both_sides() {
        let fit = Letterbox::new(
            (1080, 1920),
            Region::whole(1080, 1920),
            (640, 640),
            Resize::LetterboxCenter,
        );
        assert_eq!(
            fit.content,
            Region {
                x: 140,
                y: 0,
                width: 360,
                height: 640
            }
        );
    }

    #[test]
    fn a_sliver_keeps_at_least_one_pixel() {
        let fit = Letterbox::new(
            (4096, 1),
            Region::whole(4096, 1),
            (352, 352),
            Resize::LetterboxCenter,
        );
        assert_eq!((fit.content.width, fit.content.height), (352, 1));
    }

    fn any_resize() -> impl Strategy<Value = Resize> {
        prop_oneof![
            Just(Resize::Stretch),
            Just(Resize::LetterboxTopLeft),
            Just(Resize::LetterboxCenter)
        ]
    }

    proptest! {
        #[test]
        fn a_box_survives_the_way_into_the_input_and_back(
            width in 2u32..4096, height in 2u32..4096, input in 32u32..700, resize in any_resize(),
            fractions in (0.0f32..1.0, 0.0f32..1.0, 0.0f32..1.0, 0.0f32..1.0),
        ) {
            let region = Region { x: width / 4, y: height / 4, width: width - width / 4, height: height - height / 4 };
            let fit = Letterbox::new((width, height), region, (input, input), resize);
            prop_assert!(fit.content.x + fit.content.width <= input);
            prop_assert!(fit.content.y + fit.content.height <= input);
            let (a, b, c, d) = fractions;
            let at_x = |f: f32| region.x as f32 + f * region.width as f32;
            let at_y = |f: f32| region.y as f32 + f * region.height as f32;
            let bbox = BBox::new(at_x(a.min(c)), at_y(b.min(d)), at_x(a.max(c)), at_y(b.max(d)));
            let back = fit.to_frame(fit.to_input(bbox));
            let tolerance = 1e-3 * width.max(height) as f32;
            prop_assert!((back.x0 - bbox.x0).abs() < tolerance && (back.y1 - bbox.y1).abs() < tolerance);
            prop_assert!((back.x1 - bbox.x1).abs() < tolerance && (back.y0 - bbox.y0).abs() < tolerance);
        }
    }
}
