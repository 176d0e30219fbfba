//! What the model sees of a crop.

use ndarray::{Array2, Array3, ArrayView2, s};
use proptest::prelude::*;
use sightline_reid::{Color, Crop, Error, ImageEncoder, Matrix, Planes};

use crate::support::{CardText, TINY, coloured_bytes, golden, load, options, rgb};

fn encoder(card: &CardText) -> ImageEncoder {
    let mends = [
        sightline_reid::mend::Mend::InstanceNorm,
        sightline_reid::mend::Mend::DynamicBatch,
    ];
    let published = fs_err::read(golden("tiny.onnx")).unwrap();
    load(
        card,
        &sightline_reid::mend::apply(&published, &mends).unwrap(),
    )
    .unwrap()
}

#[test]
fn a_crop_of_the_models_size_arrives_pixel_for_pixel() {
    let mut encoder = encoder(&TINY);
    let bytes = coloured_bytes(60, 50);
    let crop = Crop {
        planes: rgb(&bytes, 60, 50),
        x0: 9.0,
        y0: 13.0,
        x1: 25.0,
        y1: 45.0,
    };
    encoder.preprocess(&[crop]).unwrap();
    let batch = encoder.batch();
    for ((_, c, y, x), &value) in batch.indexed_iter() {
        let expected = f32::from(bytes[((y + 13) * 50 + x + 9) * 3 + c]);
        assert!(
            (value - expected).abs() < 0.01,
            "{c} {y} {x}: {value} {expected}"
        );
    }
}

#[test]
fn mean_and_deviation_are_those_of_the_card_in_its_own_colour_order() {
    let card = CardText {
        normalisation: "scale = 0.5\nmean = [1, 2, 3]\nstd = [2, 4, 8]",
        ..TINY
    };
    let mut encoder = encoder(&card);
    let bytes = [200_u8, 100, 50].repeat(32 * 16);
    encoder
        .preprocess(&[Crop::whole(rgb(&bytes, 32, 16))])
        .unwrap();
    let batch = encoder.batch();
    let seen: Vec<f32> = (0..3).map(|plane| batch[(0, plane, 7, 5)]).collect();
    for (seen, expected) in seen.iter().zip([99.0 / 2.0, 48.0 / 4.0, 22.0 / 8.0]) {
        assert!((seen - expected).abs() < 1e-4, "{seen} {expected}");
    }
}

#[test]
fn luma_and_chroma_become_the_same_colours_as_rgb() {
    // Pure red in the four ways a decoder may say it; values worked out by hand from the recommendations.
    for (matrix, is_full_range, [y, u, v]) in [
        (Matrix::Bt601, false, [81_u8, 90, 240]),
        (Matrix::Bt709, false, [63, 102, 240]),
        (Matrix::Bt601, true, [76, 85, 255]),
        (Matrix::Bt709, true, [54, 99, 255]),
    ] {
        let mut encoder = encoder(&TINY);
        // An odd size: chroma rounds up.
        let luma = Array2::from_elem((33, 17), y);
        let (blue, red) = (Array2::from_elem((17, 9), u), Array2::from_elem((17, 9), v));
        let mut chroma = Array3::from_elem((17, 9, 2), u);
        chroma.slice_mut(s![.., .., 1]).fill(v);
        let color = Color {
            matrix,
            is_full_range,
        };
        let planes = [
            Planes::I420 {
                y: luma.view(),
                u: blue.view(),
                v: red.view(),
                color,
            },
            Planes::Nv12 {
                y: luma.view(),
                uv: chroma.view(),
                color,
            },
        ];
        encoder.preprocess(&planes.map(Crop::whole)).unwrap();
        for ((_, plane, ..), &value) in encoder.batch().indexed_iter() {
            let expected = [255.0, 0.0, 0.0][plane];
            assert!(
                (value - expected).abs() < 3.0,
                "{color:?} plane {plane}: {value}"
            );
        }
    }
}

#[test]
fn a_crop_that_reaches_out_of_the_picture_is_cut() {
    let mut encoder = encoder(&TINY);
    let bytes = coloured_bytes(40, 30);
    let planes = rgb(&bytes, 40, 30);
    let outside = Crop {
        planes,
        x0: -20.0,
        y0: -5.0,
        x1: 90.0,
        y1: 400.0,
    };
    encoder.preprocess(&[outside, Crop::whole(planes)]).unwrap();
    let batch = encoder.batch();
    assert_eq!(
        batch.slice(s![0, .., .., ..]),
        batch.slice(s![1, .., .., ..])
    );
}

#[test]
fn a_crop_without_pixels_is_named_by_its_place_in_the_batch() {
    let mut encoder = encoder(&TINY);
    let bytes = coloured_bytes(40, 30);
    let planes = rgb(&bytes, 40, 30);
    let good = Crop::whole(planes);
    for [x0, y0, x1, y1] in [
        [5.0, 5.0, 5.0, 20.0],
        [20.0, 5.0, 5.0, 20.0],
        [31.0, 0.0, 60.0, 20.0],
        [f32::NAN, 0.0, 20.0, 20.0],
        [0.0, 0.0, f32::INFINITY, 20.0],
    ] {
        let bad = Crop {
            planes,
            x0,
            y0,
            x1,
            y1,
        };
        // Six crops are two batches of four: the place counts from the first of all.
        let error = encoder
            .embed(&[good, good, good, good, good, bad])
            .unwrap_err();
        assert!(matches!(error, Error::Crop { index: 5, .. }), "{error}");
    }
}

#[test]
fn planes_that_do_not_belong_together_are_refused() {
    let mut encoder = encoder(&TINY);
    let luma = Array2::<u8>::zeros((40, 30));
    let chroma = Array2::<u8>::zeros((20, 15));
    let color = Color::default();
    let transposed: ArrayView2<'_, u8> = luma.t();
    for planes in [
        Planes::I420 {
            y: luma.view(),
            u: chroma.view(),
            v: luma.view(),
            color,
        },
        Planes::I420 {
            y: luma.view(),
            u: chroma.slice(s![1.., ..]),
            v: chroma.view(),
            color,
        },
        Planes::I420 {
            y: transposed,
            u: chroma.t(),
            v: chroma.t(),
            color,
        },
    ] {
        let error = encoder.preprocess(&[Crop::whole(planes)]).unwrap_err();
        assert!(matches!(error, Error::Crop { index: 0, .. }), "{error}");
    }
}

#[test]
fn more_crops_than_room_are_refused_in_one_batch_and_embedded_in_several() {
    let mut encoder = encoder(&TINY);
    let bytes = coloured_bytes(40, 30);
    let crops = [Crop::whole(rgb(&bytes, 40, 30)); 5];
    let room = options().max_batch;
    let error = encoder.preprocess(&crops).unwrap_err();
    assert!(
        matches!(error, Error::BatchTooLarge { count: 5, max } if max == room),
        "{error}"
    );
    let rows = encoder.embed(&crops).unwrap();
    assert_eq!(rows.dim(), (5, 6));
    for row in rows.outer_iter() {
        assert!((row.dot(&row) - 1.0).abs() < 1e-5);
        assert!((row.dot(&rows.row(0)) - 1.0).abs() < 1e-5);
    }
    assert_eq!(encoder.embed(&[]).unwrap().dim(), (0, 6));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_box_on_every_size_is_embedded_or_refused(
        width in 1_usize..70,
        height in 1_usize..70,
        edges in prop::array::uniform4(-30.0_f32..100.0),
    ) {
        let mut encoder = encoder(&TINY);
        let luma = Array2::<u8>::from_elem((height, width), 90);
        let chroma = Array2::<u8>::from_elem((height.div_ceil(2), width.div_ceil(2)), 120);
        let color = Color::default();
        let planes = Planes::I420 { y: luma.view(), u: chroma.view(), v: chroma.view(), color };
        let [x0, y0, x1, y1] = edges;
        match encoder.preprocess(&[Crop { planes, x0, y0, x1, y1 }]) {
            Ok(()) => {
                let batch = encoder.batch();
                let first = batch[(0, 0, 0, 0)];
                // A flat picture stays flat, whatever part of it is taken.
                prop_assert!(batch.slice(s![0, 0, .., ..]).iter().all(|value| (value - first).abs() < 1.5));
            }
            Err(error) => prop_assert!(matches!(error, Error::Crop { .. }), "{error}"),
        }
    }
}
