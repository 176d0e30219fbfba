//! Vectors that are remembered.

use ndarray::s;
use sightline_reid::mend::{self, Mend};
use sightline_reid::{Crop, Error, ImageEncoder};

use crate::support::{TINY, coloured_bytes, golden, largest_difference, load, rgb};

const HEIGHT: usize = 60;
const WIDTH: usize = 50;

fn encoder() -> ImageEncoder {
    let published = fs_err::read(golden("tiny.onnx")).unwrap();
    let mended = mend::apply(&published, &[Mend::InstanceNorm, Mend::DynamicBatch]).unwrap();
    load(&TINY, &mended).unwrap()
}

/// Six crops of a picture; the encoder has room for four.
fn crops(bytes: &[u8]) -> Vec<Crop<'_>> {
    let crop = |at: u8| Crop {
        planes: rgb(bytes, HEIGHT, WIDTH),
        x0: f32::from(at * 4),
        y0: f32::from(at * 3),
        x1: f32::from(at * 4 + 20),
        y1: f32::from(at * 3 + 40),
    };
    (0..6).map(crop).collect()
}

#[test]
fn the_same_pixels_are_embedded_once_and_give_the_same_vector() {
    let bytes = coloured_bytes(HEIGHT, WIDTH);
    let plain = encoder().embed(&crops(&bytes)).unwrap();
    let mut encoder = encoder();
    encoder.remember(8);
    let first = encoder.embed(&crops(&bytes)).unwrap();
    assert_eq!((first, encoder.recalled()), (plain.clone(), 0));
    // The next frame of a camera whose picture is frozen lies elsewhere in memory.
    let frozen = bytes.clone();
    assert_eq!(encoder.embed(&crops(&frozen)).unwrap(), plain);
    assert_eq!(encoder.recalled(), 6);
    // A crop that is new among crops that are known.
    let mut moved = bytes.clone();
    moved[(20 * WIDTH + 10) * 3] ^= 0x40;
    let rows = encoder.embed(&crops(&moved)).unwrap();
    let changed = (0..6).filter(|&row| rows.row(row) != plain.row(row));
    assert_eq!(changed.count() as u64, 12 - encoder.recalled());
    assert!(
        (7..12).contains(&encoder.recalled()),
        "{}",
        encoder.recalled()
    );
    encoder.remember(0);
    let alone = encoder.embed(&crops(&moved)).unwrap();
    assert!(largest_difference(&rows, &alone) < 1e-5);
}

#[test]
fn a_small_memory_keeps_the_last_ones() {
    let bytes = coloured_bytes(HEIGHT, WIDTH);
    let mut encoder = encoder();
    encoder.remember(2);
    let all = crops(&bytes);
    let rows = encoder.embed(&all).unwrap();
    assert_eq!(encoder.embed(&all[4..]).unwrap(), rows.slice(s![4.., ..]));
    assert_eq!(encoder.recalled(), 2);
    encoder.embed(&all[..4]).unwrap();
    assert_eq!(encoder.recalled(), 2);
}

#[test]
fn a_crop_without_pixels_is_named_among_remembered_ones() {
    let bytes = coloured_bytes(HEIGHT, WIDTH);
    let mut encoder = encoder();
    encoder.remember(8);
    let mut all = crops(&bytes);
    encoder.embed(&all[..5]).unwrap();
    all[5].x1 = all[5].x0;
    let error = encoder.embed(&all).unwrap_err();
    assert!(matches!(error, Error::Crop { index: 5, .. }), "{error}");
    // It remembers still.
    encoder.embed(&all[..5]).unwrap();
    assert_eq!(encoder.recalled(), 10);
}
