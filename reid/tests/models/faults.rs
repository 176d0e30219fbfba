//! Wrong files, wrong shapes, missing providers: one clear line each.

use sightline_reid::mend::{self, Mend};
use sightline_reid::{Crop, Error, ImageEncoder, Options, Provider};

use crate::support::{
    CardText, OSNET, PERSON, TINY, coloured_bytes, environment, find, golden, load, model_folder,
    options, rgb,
};

fn tiny_mended() -> Vec<u8> {
    let published = fs_err::read(golden("tiny.onnx")).unwrap();
    mend::apply(&published, &[Mend::InstanceNorm, Mend::DynamicBatch]).unwrap()
}

/// The error of a load that must fail, checked to be one line.
fn fault(card: &CardText, model: &[u8]) -> Error {
    let error = load(card, model).err().expect("the load must fail");
    assert_eq!(error.to_string().lines().count(), 1, "{error}");
    error
}

#[test]
fn a_bad_checksum_is_refused_before_the_file_is_loaded() {
    let folder = model_folder(&TINY, &tiny_mended());
    fs_err::write(folder.path().join("model.onnx"), b"another file").unwrap();
    let error = ImageEncoder::load(environment(), folder.path(), &options())
        .err()
        .unwrap();
    assert!(matches!(error, Error::Checksum { .. }), "{error}");
    assert!(error.to_string().contains("model.onnx") && error.to_string().contains("models fetch"));
}

#[test]
fn a_missing_card_or_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let load = || {
        ImageEncoder::load(environment(), folder.path(), &options())
            .err()
            .unwrap()
    };
    assert!(load().to_string().contains("model.toml"), "{}", load());
    let whole = model_folder(&TINY, &tiny_mended());
    fs_err::copy(
        whole.path().join("model.toml"),
        folder.path().join("model.toml"),
    )
    .unwrap();
    assert!(load().to_string().contains("model.onnx"), "{}", load());
}

#[test]
fn a_file_that_is_no_model_is_refused() {
    for bytes in [
        &b"this is text, not a model"[..],
        &[],
        &tiny_mended()[..900],
    ] {
        let error = fault(&TINY, bytes);
        assert!(matches!(error, Error::Load { .. }), "{error}");
    }
}

#[test]
fn a_model_with_other_inputs_or_outputs_is_refused() {
    let model = tiny_mended();
    for (card, words) in [
        (
            CardText { width: 24, ..TINY },
            "shape of the input is [-1, 3, 32, 16]",
        ),
        (
            CardText {
                dimension: 7,
                ..TINY
            },
            "shape of the output is [-1, 6]",
        ),
        (
            CardText {
                input: "image",
                ..TINY
            },
            "name of the input is `data`",
        ),
        (
            CardText {
                output: "vector",
                ..TINY
            },
            "outputs is `embedding`",
        ),
        (
            CardText {
                precision: "fp16",
                ..TINY
            },
            "number format of the input is float32",
        ),
        (PERSON, "outputs is `embedding`"),
    ] {
        let error = fault(&card, &model);
        assert!(matches!(error, Error::Mismatch { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn a_model_that_gives_no_vector_is_refused_at_load() {
    let card = CardText {
        dimension: 3,
        ..TINY
    };
    for (file, words) in [("nan.onnx", "not numbers"), ("zero.onnx", "is zero")] {
        let error = fault(&card, &fs_err::read(golden(file)).unwrap());
        assert!(matches!(error, Error::BadOutput { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.to_string().contains("`under-test@"), "{error}");
    }
}

#[test]
fn a_provider_that_is_named_and_missing_is_an_error_and_auto_takes_the_cpu() {
    let folder = model_folder(&TINY, &tiny_mended());
    let load = |providers: &[Provider]| {
        let options = Options {
            providers: providers.to_vec(),
            ..options()
        };
        ImageEncoder::load(environment(), folder.path(), &options)
    };
    for provider in [Provider::TensorRt, Provider::Cuda, Provider::OpenVino] {
        // A library with this provider would make the first half of this test say nothing.
        let error = load(&[provider, Provider::Cpu])
            .err()
            .expect("the plain library has the cpu alone");
        assert!(matches!(error, Error::MissingProvider { .. }), "{error}");
        assert!(error.to_string().contains(provider.name()), "{error}");
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
    }
    assert_eq!(
        load(&[Provider::Auto]).unwrap().providers(),
        [Provider::Cpu]
    );
    assert_eq!(load(&[Provider::Cpu]).unwrap().providers(), [Provider::Cpu]);
    assert!(matches!(load(&[]), Err(Error::Option { .. })));
}

#[test]
fn options_out_of_range_are_refused() {
    let folder = model_folder(&TINY, &tiny_mended());
    for options in [
        Options {
            max_batch: 0,
            ..options()
        },
        Options {
            max_batch: 1 << 20,
            ..options()
        },
        Options {
            intra_threads: 0,
            ..options()
        },
    ] {
        let loaded = ImageEncoder::load(environment(), folder.path(), &options);
        assert!(matches!(loaded, Err(Error::Option { .. })));
    }
}

#[test]
fn a_fixed_batch_is_filled_up_and_gives_the_rows_of_a_dynamic_one() {
    let published = fs_err::read(golden("tiny.onnx")).unwrap();
    let fixed = mend::apply(&published, &[Mend::InstanceNorm]).unwrap();
    let mut fixed = load(&CardText { batch: "1", ..TINY }, &fixed).unwrap();
    let mut three = load(&CardText { batch: "3", ..TINY }, &tiny_mended()).unwrap();
    let mut dynamic = load(&TINY, &tiny_mended()).unwrap();
    assert_eq!(
        (fixed.max_batch(), three.max_batch(), dynamic.max_batch()),
        (1, 3, 4)
    );
    let bytes = coloured_bytes(50, 40);
    let crops: Vec<_> = (0..5_u8)
        .map(|index| {
            let edge = f32::from(index) * 3.0;
            Crop {
                planes: rgb(&bytes, 50, 40),
                x0: edge,
                y0: edge,
                x1: edge + 20.0,
                y1: edge + 36.0,
            }
        })
        .collect();
    let expected = dynamic.embed(&crops).unwrap();
    for encoder in [&mut fixed, &mut three] {
        let rows = encoder.embed(&crops).unwrap();
        assert!(crate::support::largest_difference(&rows, &expected) < 1e-5);
    }
}

#[test]
fn half_precision_weights_and_inputs_run() {
    let model = fs_err::read(golden("tiny_fp16.onnx")).unwrap();
    let mut half = load(
        &CardText {
            precision: "fp16",
            ..TINY
        },
        &model,
    )
    .unwrap();
    let mut full = load(&TINY, &tiny_mended()).unwrap();
    let bytes = coloured_bytes(50, 40);
    let crops = [Crop::whole(rgb(&bytes, 50, 40)); 3];
    let (half, full) = (half.embed(&crops).unwrap(), full.embed(&crops).unwrap());
    for (half, full) in half.outer_iter().zip(full.outer_iter()) {
        assert!(half.dot(&full) > 0.999, "{}", half.dot(&full));
        assert!((half.dot(&half) - 1.0).abs() < 1e-5);
    }
}

#[test]
fn embeddings_carry_the_id_of_their_model() {
    let mut encoder = load(&TINY, &tiny_mended()).unwrap();
    let bytes = coloured_bytes(50, 40);
    let embeddings = encoder
        .embeddings(&[Crop::whole(rgb(&bytes, 50, 40))])
        .unwrap();
    assert_eq!(embeddings[0].model(), encoder.model_id());
    assert!(encoder.model_id().as_str().starts_with("under-test@"));
    assert_eq!(
        (encoder.vector_name(), encoder.dimension()),
        ("appearance", 6)
    );
    assert_eq!(encoder.input_shape(), [4, 3, 32, 16]);
}

#[test]
fn a_published_file_with_a_dynamic_batch_runs_as_it_is() {
    let test = "a_published_file_with_a_dynamic_batch_runs_as_it_is";
    let Some(path) = find(test, "SIGHTLINE_MODEL_MIRROR", OSNET) else {
        return;
    };
    let card = CardText {
        width: 128,
        height: 256,
        input: "images",
        output: "output",
        dimension: 512,
        normalisation: "scale = 0.00392157\nmean = [0.485, 0.456, 0.406]\nstd = [0.229, 0.224, 0.225]",
        ..TINY
    };
    let mut encoder = load(&card, &fs_err::read(path).unwrap()).unwrap();
    let bytes = coloured_bytes(200, 100);
    let rows = encoder
        .embed(&[Crop::whole(rgb(&bytes, 200, 100)); 2])
        .unwrap();
    assert!((rows.row(0).dot(&rows.row(1)) - 1.0).abs() < 1e-4);
}
