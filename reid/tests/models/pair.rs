//! The image-text pair that the program ships: its tokenizer held against another, its two sides against each other.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use sightline_reid::{
    BytePairs, Card, Error, ImageEncoder, Options, Provider, TextCard, TextEncoder, Tokens,
    WordPiece,
};

use crate::support::{environment, golden};

fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .with_file_name("models")
        .join(name)
}

fn options() -> Options {
    Options {
        providers: vec![Provider::Cpu],
        max_batch: 4,
        ..Options::default()
    }
}

#[derive(Deserialize)]
struct Golden {
    text: String,
    ids: Vec<i64>,
}

fn texts() -> Vec<Golden> {
    let rows: Vec<Golden> =
        serde_json::from_str(&fs_err::read_to_string(golden("tokens.json")).unwrap()).unwrap();
    assert_eq!(rows.len(), 1000);
    rows
}

/// Texts whose tokens are others than expected; at least four of all are cut.
fn assert_same(texts: &[Golden], expected: &[&Vec<i64>], tokens: impl Fn(&str) -> Tokens) {
    let found: Vec<Tokens> = texts.iter().map(|row| tokens(&row.text)).collect();
    let differing: Vec<_> = texts
        .iter()
        .zip(expected)
        .zip(&found)
        .filter(|((_, expected), found)| found.ids != ***expected)
        .map(|((row, expected), found)| (&row.text, &found.ids, expected))
        .collect();
    assert!(
        differing.is_empty(),
        "{} differ: {:?}",
        differing.len(),
        &differing[..differing.len().min(5)]
    );
    assert!(found.iter().filter(|tokens| tokens.dropped > 0).count() >= 4);
}

#[test]
fn a_thousand_texts_become_the_tokens_that_another_implementation_gives() {
    let texts = texts();
    let words = WordPiece::read(&model("joint-text").join("vocab.txt"), 64).unwrap();
    let expected: Vec<_> = texts.iter().map(|row| &row.ids).collect();
    assert_same(&texts, &expected, |text| words.tokens(text));
}

#[test]
fn a_thousand_texts_become_the_tokens_that_clips_own_code_gives() {
    let texts = texts();
    let rows: Vec<Vec<i64>> =
        serde_json::from_str(&fs_err::read_to_string(golden("clip_tokens.json")).unwrap()).unwrap();
    assert_eq!(rows.len(), texts.len());
    let pairs = BytePairs::read(&golden("merges.txt"), 77).unwrap();
    let expected: Vec<_> = rows.iter().collect();
    assert_same(&texts, &expected, |text| pairs.tokens(text));
}

#[test]
fn the_two_sides_of_the_shipped_pair_belong_together() {
    let picture = Card::read(&model("joint-picture")).unwrap();
    let text = TextCard::read(&model("joint-text")).unwrap();
    picture.check_file().unwrap();
    text.check_files().unwrap();
    assert_eq!(
        (picture.vector.as_str(), picture.dimension),
        (text.vector.as_str(), text.dimension)
    );
    let bytes = [&picture.file, &text.file].map(|file| fs_err::metadata(file).unwrap().len());
    assert!(bytes.iter().sum::<u64>() < 32_000_000, "{bytes:?}");
    let encoder = ImageEncoder::load(environment(), &model("joint-picture"), &options()).unwrap();
    assert_eq!(encoder.model_id(), &text.pairs_with);
}

#[test]
fn a_sentence_has_the_same_vector_alone_and_among_others() {
    let mut encoder = TextEncoder::load(environment(), &model("joint-text"), &options()).unwrap();
    let long = "a coat ".repeat(500);
    let texts = [
        "a woman in a red coat with a backpack",
        "man",
        &long,
        "",
        "👩 in einem Mantel",
        "blue jeans",
    ];
    let together = encoder.embed(&texts).unwrap();
    assert_eq!(together.dim(), (6, encoder.dimension()));
    for (text, row) in texts.iter().zip(together.outer_iter()) {
        let alone = encoder.embed(&[text]).unwrap();
        let cosine = alone.row(0).dot(&row);
        assert!(cosine > 0.9999, "{text:.40}: {cosine}");
        assert!((row.dot(&row) - 1.0).abs() < 1e-5);
    }
    let (coat, same, other) = (
        together.row(0),
        encoder
            .embed(&["a lady wearing a crimson coat, carrying a rucksack"])
            .unwrap(),
        together.row(1),
    );
    assert!(
        coat.dot(&same.row(0)) > coat.dot(&other) + 0.1,
        "words never seen in training lie near those that were"
    );
}

#[test]
fn a_text_model_whose_files_are_not_its_cards_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["model.toml", "model.onnx", "vocab.txt"] {
        fs_err::copy(model("joint-text").join(file), folder.path().join(file)).unwrap();
    }
    let card = folder.path().join("model.toml");
    let good = fs_err::read_to_string(&card).unwrap();
    let load = || TextEncoder::load(environment(), folder.path(), &options()).map(drop);
    for (from, to, message) in [
        (
            "dimension = 256",
            "dimension = 255",
            "its card says float32 of N x 255",
        ),
        (
            "name = \"ids\"",
            "name = \"tokens\"",
            "name of the input is `ids`",
        ),
        (
            "names = [\"vector\"]",
            "names = [\"rows\"]",
            "its card says `rows`",
        ),
    ] {
        fs_err::write(&card, good.replace(from, to)).unwrap();
        let error = load().unwrap_err().to_string();
        assert!(error.contains(message) && !error.contains('\n'), "{error}");
    }
    fs_err::write(&card, &good).unwrap();
    fs_err::write(folder.path().join("vocab.txt"), "[PAD]\n").unwrap();
    assert!(matches!(load(), Err(Error::Checksum { .. })));
}
