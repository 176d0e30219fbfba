//! `sightline explain` and `sightline eval --hardest`: pictures that say why, over the committed crops.

use fs_err as fs;
use serde_json::Value;
use sightline_tests::program::{checkout, models_are_here, run_badly, run_well};
use tempfile::TempDir;

fn crops() -> String {
    let path = checkout().join("tests/world/crops");
    path.to_str().unwrap().to_owned()
}

/// Width and height of a PNG.
fn size(png: &[u8]) -> [u32; 2] {
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
    [16, 20].map(|at| u32::from_be_bytes(png[at..at + 4].try_into().unwrap()))
}

/// The sum of what the places of some rows add.
fn sum(explained: &Value, rows: std::ops::Range<usize>) -> f64 {
    let falls = explained["falls"].as_array().unwrap();
    let places = falls[rows].iter().flat_map(|row| row.as_array().unwrap());
    places.map(|fall| fall.as_f64().unwrap()).sum()
}

#[test]
fn a_sentence_and_its_clauses_are_explained_by_places_of_the_picture() {
    if !models_are_here("a_sentence_and_its_clauses_are_explained_by_places_of_the_picture") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("why.png");
    let out = out.to_str().unwrap();
    let image = format!("{}/images/0001_c3_000002_00.jpg", crops());
    let sentence = "a woman in a brown skirt with an orange hat";
    let said = run_well(&[
        "explain", sentence, "--image", &image, "--out", out, "--json",
    ])
    .json();
    let clauses = said["clauses"].as_array().unwrap();
    let asked: Vec<&str> = clauses
        .iter()
        .map(|it| it["asked"].as_str().unwrap())
        .collect();
    assert_eq!(asked, ["woman", "brown skirt", "orange hat"]);
    for explained in clauses.iter().chain([&said]) {
        let falls = explained["falls"].as_array().unwrap();
        assert_eq!(falls.len(), 16);
        assert!(falls.iter().all(|row| row.as_array().unwrap().len() == 8));
    }
    // The skirt is below the middle.
    let skirt = &clauses[1];
    assert!(sum(skirt, 8..16) > sum(skirt, 0..8), "{skirt}");
    let [width, height] = size(&fs::read(out).unwrap());
    assert!(width > 4 * 160 && height > 320, "{width} x {height}");
    let words = run_well(&["explain", sentence, "--image", &image, "--out", out]).stdout;
    assert!(words.contains("orange hat: similarity"), "{words}");
}

#[test]
fn another_picture_is_explained_as_well_and_what_cannot_be_is_refused() {
    if !models_are_here("another_picture_is_explained_as_well_and_what_cannot_be_is_refused") {
        return;
    }
    let image = format!("{}/images/0001_c3_000002_00.jpg", crops());
    let same = run_well(&[
        "explain",
        "--like-image",
        &image,
        "--image",
        &image,
        "--json",
    ])
    .json();
    assert!((same["similarity"].as_f64().unwrap() - 1.0).abs() < 1e-3);
    // Whatever is covered, the picture is less like itself.
    let rows = same["falls"].as_array().unwrap().iter();
    let mut falls = rows.flat_map(|row| row.as_array().unwrap());
    assert!(falls.all(|fall| fall.as_f64().unwrap() > -1e-4), "{same}");
    let no_picture = format!("{}/captions.json", crops());
    run_badly(
        &["explain", "coat", "--image", &no_picture, "--json"],
        2,
        &["captions.json", "neither JPEG nor PNG"],
    );
    let store = TempDir::new().unwrap();
    let [store, track] = [
        store.path().to_str().unwrap(),
        "67e55044-10b1-426f-9247-bb680e5fe0c8",
    ];
    run_badly(
        &[
            "explain", "coat", "--track", track, "--store", store, "--json",
        ],
        2,
        &["there is no store in"],
    );
}

#[test]
fn the_hardest_queries_are_drawn() {
    if !models_are_here("the_hardest_queries_are_drawn") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("hardest.png");
    let out = out.to_str().unwrap();
    for (what, model) in [("reid", "appearance"), ("text", "joint-picture")] {
        let crops = crops();
        let line = ["eval", what, "--dataset", &crops, "--model", model];
        let without = run_well(&[&line[..], &["--json"]].concat()).json();
        let with = run_well(&[&line[..], &["--json", "--hardest", out]].concat()).json();
        assert_eq!(without, with);
        let [width, height] = size(&fs::read(out).unwrap());
        assert!(width > 1000 && height > 16 * 130, "{width} x {height}");
        fs::remove_file(out).unwrap();
    }
}

#[test]
fn datasets_with_missing_or_misnamed_files_are_refused_in_one_line() {
    if !models_are_here("datasets_with_missing_or_misnamed_files_are_refused_in_one_line") {
        return;
    }
    for (what, file, words) in [
        ("reid", "query/face.jpg", "is misnamed"),
        ("reid", "list_query.txt", "has no folder `test`"),
        ("reid", "occluded_body_images/001/001_01.tif", "is a TIFF"),
        ("reid", "images/notes.txt", "has no pictures"),
        ("text", "reid_raw.json", "imgs` is missing"),
        ("text", "notes.txt", "has no sentences, expected one of"),
    ] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        let root = folder.path().to_str().unwrap();
        run_badly(&["eval", what, "--dataset", root], 2, &[words]);
    }
}
