//! Mended files run, and give what somebody else's mended files give.

use ort::session::Session;
use ort::value::TensorRef;
use proptest::prelude::*;
use sightline_reid::mend::{self, Mend};
use sightline_reid::{Error, card};

use crate::support::{
    CardText, FASTESTDET, PERSON, PERSON_BY_SCRIPT, PERSON_PUBLISHED, TINY, environment, find,
    golden, golden_rows, largest_difference, load, pictures,
};

const BOTH: [Mend; 2] = [Mend::InstanceNorm, Mend::DynamicBatch];

fn tiny() -> Vec<u8> {
    fs_err::read(golden("tiny.onnx")).unwrap()
}

#[test]
fn a_mended_network_gives_what_another_implementation_gives_at_every_batch() {
    let mended = mend::apply(&tiny(), &BOTH).unwrap();
    let mut encoder = load(&TINY, &mended).unwrap();
    let expected = golden_rows("tiny_rows.npy", 6);
    let all = encoder.run_tensor(&pictures(4, 32, 16).view()).unwrap();
    assert!(
        largest_difference(&all, &expected) < 1e-5,
        "{all} {expected}"
    );
    for (index, picture) in pictures(4, 32, 16).outer_iter().enumerate() {
        let one = picture.insert_axis(ndarray::Axis(0));
        let row = encoder.run_tensor(&one).unwrap();
        let same = all.slice(ndarray::s![index..=index, ..]).to_owned();
        assert!(largest_difference(&row, &same) < 1e-5);
    }
}

#[test]
fn instance_norm_alone_leaves_the_batch_at_one() {
    let mended = mend::apply(&tiny(), &[Mend::InstanceNorm]).unwrap();
    let error = load(&TINY, &mended).err().unwrap();
    assert!(matches!(error, Error::Mismatch { .. }), "{error}");
    let mut encoder = load(&CardText { batch: "1", ..TINY }, &mended).unwrap();
    let one = pictures(1, 32, 16);
    let row = encoder.run_tensor(&one.view()).unwrap();
    let expected = golden_rows("tiny_rows.npy", 6)
        .slice(ndarray::s![..1, ..])
        .to_owned();
    assert!(largest_difference(&row, &expected) < 1e-5);
}

#[test]
fn a_mend_with_nothing_to_do_is_refused() {
    let mended = mend::apply(&tiny(), &BOTH).unwrap();
    for mend in BOTH {
        let error = mend::apply(&mended, &[mend]).unwrap_err();
        assert!(matches!(error, mend::Error::Nothing { .. }), "{error}");
    }
}

#[test]
fn mending_twice_gives_the_same_bytes() {
    assert_eq!(mend::apply(&tiny(), &BOTH), mend::apply(&tiny(), &BOTH));
}

#[test]
fn the_published_person_model_is_no_vector_until_it_is_mended() {
    let test = "the_published_person_model_is_no_vector_until_it_is_mended";
    let Some(path) = find(test, "SIGHTLINE_MODEL_MIRROR", PERSON_PUBLISHED) else {
        return;
    };
    let published = fs_err::read(path).unwrap();
    let error = load(
        &CardText {
            batch: "1",
            ..PERSON
        },
        &published,
    )
    .err()
    .unwrap();
    assert!(matches!(error, Error::BadOutput { .. }), "{error}");
    assert!(
        error.to_string().contains("`under-test@ca531dc7b2f0`"),
        "{error}"
    );

    let mended = mend::apply(&published, &BOTH).unwrap();
    assert_eq!(
        card::sha256_of_bytes(&mended),
        "d6c01505814c1edc91e345ad2184718cb4f472447b4cf7d6e2b8b995e9f89a2e",
        "the manifest pins this digest"
    );
    let mut encoder = load(&PERSON, &mended).unwrap();
    let rows = encoder.run_tensor(&pictures(4, 256, 128).view()).unwrap();
    let expected = golden_rows("person_tensor_rows.npy", 256);
    assert!(
        largest_difference(&rows, &expected) < 1e-4,
        "{}",
        largest_difference(&rows, &expected)
    );
    for (index, picture) in pictures(4, 256, 128).outer_iter().enumerate() {
        let row = encoder
            .run_tensor(&picture.insert_axis(ndarray::Axis(0)))
            .unwrap();
        let same = rows.slice(ndarray::s![index..=index, ..]).to_owned();
        assert!(largest_difference(&row, &same) < 1e-5);
    }
}

#[test]
fn our_mended_person_model_equals_the_one_mended_by_a_script() {
    let test = "our_mended_person_model_equals_the_one_mended_by_a_script";
    let variable = "SIGHTLINE_MODEL_MIRROR";
    let (Some(published), Some(by_script)) = (
        find(test, variable, PERSON_PUBLISHED),
        find(test, variable, PERSON_BY_SCRIPT),
    ) else {
        return;
    };
    let fixed = CardText {
        batch: "1",
        ..PERSON
    };
    let mended = mend::apply(&fs_err::read(published).unwrap(), &[Mend::InstanceNorm]).unwrap();
    let mut ours = load(&fixed, &mended).unwrap();
    let mut theirs = load(&fixed, &fs_err::read(by_script).unwrap()).unwrap();
    for picture in pictures(4, 256, 128).outer_iter() {
        let one = picture.insert_axis(ndarray::Axis(0));
        let (ours, theirs) = (
            ours.run_tensor(&one).unwrap(),
            theirs.run_tensor(&one).unwrap(),
        );
        assert!(largest_difference(&ours, &theirs) < 1e-4);
    }
}

#[test]
fn fastestdet_gives_the_same_at_batch_four_as_four_times_at_one() {
    let test = "fastestdet_gives_the_same_at_batch_four_as_four_times_at_one";
    let Some(path) = find(test, "SIGHTLINE_MODEL_MIRROR", FASTESTDET) else {
        return;
    };
    let published = fs_err::read(path).unwrap();
    let mended = mend::apply(&published, &[Mend::DynamicBatch]).unwrap();
    assert_eq!(
        card::sha256_of_bytes(&mended),
        "ec7c89928d2f3435f3f368143f0858539646f150c16edabaf070a11e7631f9fc",
        "the mend gives the same bytes everywhere"
    );
    let session = |bytes: &[u8]| {
        Session::builder(environment())
            .unwrap()
            .commit_from_memory(bytes)
            .unwrap()
    };
    let (mut before, mut after) = (session(&published), session(&mended));
    let pictures = pictures(4, 352, 352) / 255.0;
    let run = |session: &mut Session, from: usize, to: usize| {
        let part = pictures.slice(ndarray::s![from..to, .., .., ..]);
        let input = TensorRef::from_array_view(part.view()).unwrap();
        let outputs = session.run(ort::inputs!["input.1" => input]).unwrap();
        let (_, values) = outputs["758"].try_extract_tensor::<f32>().unwrap();
        values.to_vec()
    };
    let together = run(&mut after, 0, 4);
    let apart: Vec<f32> = (0..4)
        .flat_map(|index| run(&mut before, index, index + 1))
        .collect();
    assert_eq!(together.len(), apart.len());
    for (together, apart) in together.iter().zip(&apart) {
        assert!((together - apart).abs() < 1e-4, "{together} {apart}");
    }
}

/// What a mend writes can be read again, whatever it was made from.
fn is_well_formed(mended: &[u8], mend: Mend) -> bool {
    !matches!(mend::apply(mended, &[mend]), Err(mend::Error::Wire { .. }))
}

proptest! {
    #[test]
    fn random_bytes_are_refused_or_mended_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for mend in BOTH {
            if let Ok(mended) = mend::apply(&bytes, &[mend]) {
                prop_assert!(is_well_formed(&mended, mend));
            }
        }
    }

    #[test]
    fn a_truncated_file_is_never_mended(cut in 1_usize..2200) {
        let whole = tiny();
        let kept = whole.len().saturating_sub(cut);
        // The graph is the longest field and comes before the last few bytes.
        prop_assert!(kept >= whole.len() - 8 || mend::apply(&whole[..kept], &BOTH).is_err());
    }

    #[test]
    fn a_file_with_changed_bytes_never_panics(changes in prop::collection::vec((0_usize..2200, any::<u8>()), 1..8)) {
        let mut bytes = tiny();
        for (at, value) in changes {
            let index = at % bytes.len();
            bytes[index] = value;
        }
        for mend in BOTH {
            if let Ok(mended) = mend::apply(&bytes, &[mend]) {
                prop_assert!(is_well_formed(&mended, mend));
            }
        }
    }
}

#[test]
fn hostile_lengths_and_sizes_take_no_memory() {
    // A graph that claims 2^63 bytes; a graph of a million empty nodes and one more.
    let huge = [
        0x08, 0x08, 0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ];
    assert!(mend::apply(&huge, &BOTH).is_err());
    let nodes = [0x0a_u8, 0x00].repeat((1 << 20) + 1);
    let mut many = vec![0x08, 0x08, 0x3a];
    let mut length = nodes.len();
    while length >= 0x80 {
        many.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    many.push(u8::try_from(length).unwrap());
    many.extend(nodes);
    let error = mend::apply(&many, &BOTH).unwrap_err();
    assert!(
        error.to_string().contains("more than a million parts"),
        "{error}"
    );
}
