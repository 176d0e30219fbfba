//! Pictures from strangers: the size is read and bounded before a pixel is decoded.

use std::io::Cursor;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::Error;
use crate::error::one_line;

/// The longest side of a picture that is decoded, in pixels.
pub const MAX_SIDE_PX: usize = 4096;
/// The shortest side of a picture that is worth encoding, in pixels.
pub const MIN_SIDE_PX: usize = 8;
/// Scans of a progressive JPEG; each costs a pass over all pixels, and real ones have about ten.
const MAX_SCANS: usize = 64;
/// Memory a PNG decoder may take besides the picture itself.
const MAX_PNG_BYTES: usize = 64 << 20;

/// A decoded picture: rows of R, G, B bytes without padding, H x W x 3.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height * width * 3` bytes.
    pub rgb: Vec<u8>,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({} x {})", self.width, self.height)
    }
}

fn bad(reason: impl std::fmt::Display) -> Error {
    Error::BadRequest(one_line(&format!("image: {reason}")))
}

impl Picture {
    /// Decodes a JPEG or PNG of at most [`MAX_SIDE_PX`] a side.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for another format, a broken or too large picture.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
            decode_jpeg(bytes)
        } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            decode_png(bytes)
        } else {
            Err(bad("neither JPEG nor PNG"))
        }
    }
}

fn check_size(width: usize, height: usize) -> Result<(), Error> {
    let is_side = |side| (MIN_SIDE_PX..=MAX_SIDE_PX).contains(&side);
    if is_side(width) && is_side(height) {
        Ok(())
    } else {
        Err(bad(format_args!(
            "{width} x {height} pixels, expected {MIN_SIDE_PX} to {MAX_SIDE_PX} a side"
        )))
    }
}

fn decode_jpeg(bytes: &[u8]) -> Result<Picture, Error> {
    let options = DecoderOptions::default()
        .jpeg_set_max_scans(MAX_SCANS)
        .jpeg_set_out_colorspace(ColorSpace::RGB)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder
        .decode_headers()
        .map_err(|error| bad(format_args!("broken JPEG: {error}")))?;
    let info = decoder.info().ok_or_else(|| bad("broken JPEG: no size"))?;
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    check_size(width, height)?;
    let rgb = decoder
        .decode()
        .map_err(|error| bad(format_args!("broken JPEG: {error}")))?;
    if rgb.len() != width * height * 3 {
        return Err(bad("broken JPEG: it does not decode to RGB"));
    }
    Ok(Picture { width, height, rgb })
}

fn decode_png(bytes: &[u8]) -> Result<Picture, Error> {
    let broken = |error: png::DecodingError| bad(format_args!("broken PNG: {error}"));
    let mut decoder = png::Decoder::new_with_limits(
        Cursor::new(bytes),
        png::Limits {
            bytes: MAX_PNG_BYTES,
        },
    );
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let header = decoder.read_header_info().map_err(broken)?;
    let (width, height) = (header.width as usize, header.height as usize);
    check_size(width, height)?;
    let mut reader = decoder.read_info().map_err(broken)?;
    let size_bytes = reader
        .output_buffer_size()
        .ok_or_else(|| bad("broken PNG: no size"))?;
    let mut pixels = vec![0; size_bytes];
    reader.next_frame(&mut pixels).map_err(broken)?;
    let (color, _) = reader.output_color_type();
    let samples = color.samples();
    if pixels.len() != width * height * samples {
        return Err(bad("broken PNG: pixels are missing"));
    }
    let is_grey = matches!(
        color,
        png::ColorType::Grayscale | png::ColorType::GrayscaleAlpha
    );
    let rgb = pixels
        .chunks_exact(samples)
        .flat_map(|pixel| {
            if is_grey {
                [pixel[0]; 3]
            } else {
                [pixel[0], pixel[1], pixel[2]]
            }
        })
        .collect();
    Ok(Picture { width, height, rgb })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn png_of(width: u32, height: u32, color: png::ColorType, pixels: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(color);
        encoder
            .write_header()
            .unwrap()
            .write_image_data(pixels)
            .unwrap();
        bytes
    }

    fn jpeg_of(width: u16, height: u16) -> Vec<u8> {
        let pixels: Vec<u8> = (0..usize::from(width) * usize::from(height))
            .flat_map(|_| [200, 30, 60])
            .collect();
        let mut bytes = Vec::new();
        jpeg_encoder::Encoder::new(&mut bytes, 95)
            .encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb)
            .unwrap();
        bytes
    }

    #[test]
    fn png_of_every_colour_type_becomes_rgb() {
        let rgb: Vec<u8> = (0..8 * 9 * 3).map(|i| (i % 251) as u8).collect();
        assert_eq!(
            Picture::decode(&png_of(8, 9, png::ColorType::Rgb, &rgb)).unwrap(),
            Picture {
                width: 8,
                height: 9,
                rgb: rgb.clone()
            }
        );
        let rgba: Vec<u8> = rgb
            .chunks(3)
            .flat_map(|p| [p[0], p[1], p[2], 128])
            .collect();
        assert_eq!(
            Picture::decode(&png_of(8, 9, png::ColorType::Rgba, &rgba))
                .unwrap()
                .rgb,
            rgb
        );
        let grey = Picture::decode(&png_of(8, 9, png::ColorType::Grayscale, &rgb[..72])).unwrap();
        assert_eq!(grey.rgb[3..6], [1, 1, 1]);
    }

    #[test]
    fn a_jpeg_becomes_rgb_in_the_right_order() {
        let picture = Picture::decode(&jpeg_of(64, 128)).unwrap();
        assert_eq!((picture.width, picture.height), (64, 128));
        for (value, expected) in picture.rgb[..3].iter().zip([200_u8, 30, 60]) {
            assert!(value.abs_diff(expected) < 8, "{:?}", &picture.rgb[..3]);
        }
    }

    #[test]
    fn a_picture_bomb_is_refused_by_its_header() {
        // Only the header of a picture of 16 gigapixels: reading on would fail on the missing rest.
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        let mut header = b"IHDR".to_vec();
        header.extend_from_slice(&131_072_u32.to_be_bytes());
        header.extend_from_slice(&131_072_u32.to_be_bytes());
        header.extend_from_slice(&[8, 2, 0, 0, 0]);
        png.extend_from_slice(&13_u32.to_be_bytes());
        let crc = crc32(&header);
        png.extend_from_slice(&header);
        png.extend_from_slice(&crc.to_be_bytes());
        let error = Picture::decode(&png).unwrap_err().to_string();
        assert!(
            error.contains("131072 x 131072 pixels, expected 8 to 4096"),
            "{error}"
        );

        let mut jpeg = jpeg_of(16, 16);
        let frame = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
        jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
        let error = Picture::decode(&jpeg).unwrap_err().to_string();
        assert!(
            error.contains("65500 x 65500 pixels, expected 8 to 4096"),
            "{error}"
        );
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0_u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |c, _| {
                if c & 1 == 1 {
                    (c >> 1) ^ 0xedb8_8320
                } else {
                    c >> 1
                }
            })
        })
    }

    #[test]
    fn a_tiny_truncated_or_foreign_picture_is_refused_in_one_line() {
        let whole = png_of(8, 8, png::ColorType::Rgb, &[9; 192]);
        let cases = [
            (png_of(4, 8, png::ColorType::Rgb, &[9; 96]), "4 x 8 pixels"),
            (whole[..whole.len() - 20].to_vec(), "broken PNG"),
            (b"GIF89a".to_vec(), "neither JPEG nor PNG"),
            (vec![0xff, 0xd8, 0xff, 0xe0], "broken JPEG"),
        ];
        for (bytes, expected) in cases {
            let error = Picture::decode(&bytes).unwrap_err();
            assert_eq!(error.status(), 400);
            assert!(error.to_string().contains(expected), "{error}");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_damaged_picture_never_panics(at in 0_usize..2000, value in any::<u8>(), is_jpeg in any::<bool>()) {
            let mut bytes = if is_jpeg { jpeg_of(24, 32) } else { png_of(8, 8, png::ColorType::Rgb, &[9; 192]) };
            let at = at % bytes.len();
            bytes[at] = value;
            if let Ok(picture) = Picture::decode(&bytes) {
                prop_assert_eq!(picture.rgb.len(), picture.width * picture.height * 3);
            }
        }
    }
}
