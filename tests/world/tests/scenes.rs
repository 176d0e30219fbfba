//! Tests over scenes: bad files, movement, formats read back, determinism.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail and speak like tests"
)]

use std::collections::BTreeMap;

use sightline_world::assets::Files;
use sightline_world::body::Library;
use sightline_world::film::film;
use sightline_world::spec::Scene;
use sightline_world::stage::Stage;

const SMALL: &str = r#"
name = "small"
duration_s = 3
fps = 10
start = "2026-03-02T09:00:00Z"
weather = "sunny"
sun_azimuth_deg = 40
[plan]
size_m = [12, 10]
ground = "asphalt"
[[walls]]
from = [6, 3]
to = [6, 7]
height_m = 2.5
finish = "brick"
rgb = [130, 80, 60]
[[gates]]
name = "a"
at = [0.8, 5]
[[gates]]
name = "b"
at = [11.2, 5]
[people]
count = 5
grouped = 0.4
pausing = 0.5
[[cameras]]
id = "one"
at = [6, -6]
height_m = 3.5
yaw_deg = 90
pitch_deg = 16
width = 320
height = 180
dropped = 0.1
[[cameras]]
id = "two"
at = [-4, 5]
height_m = 3
yaw_deg = 0
pitch_deg = 14
width = 320
height = 180
clock_skew_ms = 250
"#;

#[test]
fn bad_scene_files_are_refused_in_one_line_with_key_and_range() {
    let cases = [
        (
            "yaw_deg = 90",
            "yaw_deg = 900",
            "s.toml: `cameras[0].yaw_deg` is 900, expected -360 to 360",
        ),
        (
            "rgb = [130, 80, 60]",
            "rgb = [130, 80, 260]",
            "s.toml: `walls[0].rgb[2]` is 260, expected 0 to 255",
        ),
        (
            "at = [6, -6]",
            "at = [6, -606]",
            "s.toml: `cameras[0].at[1]` is -606, expected -60 to 70",
        ),
        (
            "fps = 10",
            "fps = 0",
            "s.toml: `fps` is 0, expected 1 to 60",
        ),
        (
            "height_m = 3.5",
            "height_m = 99",
            "s.toml: `cameras[0].height_m` is 99, expected 1 to 30",
        ),
        (
            "count = 5",
            "count = 0",
            "s.toml: `people.count` is 0, expected 1 to 500",
        ),
        (
            "grouped = 0.4",
            "grouped = 1.4",
            "s.toml: `people.grouped` is 1.4, expected 0 to 1",
        ),
        (
            "at = [11.2, 5]",
            "at = [14, 5]",
            "s.toml: `gates[1].at[0]` is 14, expected 0 to 12",
        ),
        (
            "id = \"two\"",
            "id = \"one\"",
            "s.toml: `cameras[1].id` is `one` again, expected every id once",
        ),
        (
            "id = \"two\"",
            "id = \"../x\"",
            "s.toml: `cameras[1].id` is `../x`, expected letters, digits, - and _",
        ),
        (
            "width = 320",
            "width = 321",
            "s.toml: `cameras[0].width` and `height` are 321 and 180, expected even numbers",
        ),
        (
            "start = \"2026-03-02T09:00:00Z\"",
            "start = \"monday\"",
            "s.toml: `start` is `monday`, expected a time like 2026-03-02T09:00:00Z",
        ),
        (
            "grouped = 0.4",
            "grouped = 0.4\nsitting = 1",
            "s.toml: `people.sitting` is 1, expected at most the 0 benches and the 5 people",
        ),
        (
            "weather = \"sunny\"",
            "weather = \"foggy\"",
            "s.toml:6: unknown variant `foggy`, expected one of `sunny`, `cloudy`, `warm`, `indoor`, `night`",
        ),
    ];
    for (from, to, wanted) in cases {
        let error = Scene::parse("s.toml", &SMALL.replacen(from, to, 1))
            .unwrap_err()
            .to_string();
        assert_eq!(error, wanted);
    }
    let error = Scene::parse("s.toml", &SMALL.replacen("fps = 10", "fsp = 10", 1))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("s.toml:4: unknown field `fsp`") && !error.contains('\n'),
        "{error}"
    );
}

#[test]
fn every_committed_scene_file_is_valid() {
    for folder in ["demo", "scenes", "benchmark"] {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in fs_err::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            // Beside the scenes lie configurations and gates, `NAME.config.toml` and `NAME.gate.toml`.
            let stem = name
                .strip_suffix(".toml")
                .filter(|stem| !stem.contains('.'));
            if stem.is_some_and(|stem| stem != "manifest") {
                Scene::read(&path).unwrap();
            }
        }
    }
}

fn library(test: &str) -> Option<Library> {
    if std::env::var_os("SIGHTLINE_PEOPLE").is_none() {
        std::io::Write::write_all(
            &mut std::io::stderr(),
            format!("SKIPPED {test}: SIGHTLINE_PEOPLE is not set\n").as_bytes(),
        )
        .ok();
        return None;
    }
    Some(Library::load(&Files::from_environment().unwrap()).unwrap())
}

#[test]
fn nobody_walks_through_walls_or_people_and_few_feet_slide() {
    let Some(library) = library("nobody_walks_through_walls_or_people_and_few_feet_slide") else {
        return;
    };
    let scene = Scene::parse(
        "s.toml",
        &SMALL.replacen("duration_s = 3", "duration_s = 20", 1),
    )
    .unwrap();
    let stage = Stage::set(&library, scene, 3).unwrap();
    let counts = sightline_world::check::scene(&library, &stage);
    assert!(counts.stands > 200 && counts.planted > 100, "{counts:?}");
    assert_eq!((counts.in_walls, counts.in_people), (0, 0), "{counts:?}");
    assert!(counts.mean_slide_m < 0.01, "{counts:?}");
}

#[test]
fn a_film_reads_back_and_repeats_byte_for_byte() {
    let Some(library) = library("a_film_reads_back_and_repeats_byte_for_byte") else {
        return;
    };
    let run = |threads: usize| {
        let folder = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let stage = Stage::set(&library, Scene::parse("s.toml", SMALL).unwrap(), 3).unwrap();
            film(&library, &stage, folder.path(), folder.path()).unwrap();
        });
        folder
    };
    let (one, two) = (run(1), run(3));
    let names = [
        "ground_truth/one/gt/gt.txt",
        "ground_truth/two/gt/gt.txt",
        "ground_truth/ai_city_2024.txt",
        "ground_truth/calibration.json",
        "ground_truth/descriptions.json",
        "ground_truth/positions.csv",
        "ground_truth/one/times.csv",
        "manifest.toml",
        "one.mp4",
        "two.mp4",
        "map.png",
    ];
    for name in names {
        assert!(
            fs_err::read(one.path().join(name)).unwrap()
                == fs_err::read(two.path().join(name)).unwrap(),
            "{name} differs"
        );
    }
    let read = read_back(one.path(), [320.0, 180.0]);
    assert_eq!(read.starts[1], "2026-03-02T09:00:00.25Z");
    assert!(
        read.frames[0] < 30 && read.frames[1] == 30,
        "{:?}",
        read.frames
    );
}

#[test]
fn the_committed_demo_reads_back_with_four_cameras_and_its_people() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
    let read = read_back(&folder, [640.0, 360.0]);
    assert_eq!(read.frames, [600; 4]);
    assert!(read.people.len() >= 12, "{} people", read.people.len());
    let across = read.people.values().filter(|cameras| cameras.len() > 1);
    assert!(across.count() >= 12, "{:?}", read.people);
    let described: serde_json::Value = serde_json::from_slice(
        &fs_err::read(folder.join("ground_truth/descriptions.json")).unwrap(),
    )
    .unwrap();
    for id in read.people.keys() {
        let entry = &described[id - 1];
        assert_eq!(entry["id"].as_u64().unwrap(), *id as u64);
        assert!(entry["captions"].as_array().unwrap().len() >= 2);
    }
}

#[test]
fn a_picture_of_the_user_stands_in_for_the_background_and_a_wrong_size_is_refused() {
    let name = "a_picture_of_the_user_stands_in_for_the_background_and_a_wrong_size_is_refused";
    let Some(library) = library(name) else {
        return;
    };
    let with = SMALL.replacen("width = 320", "background = \"wall.png\"\nwidth = 320", 1);
    let stage = Stage::set(&library, Scene::parse("s.toml", &with).unwrap(), 3).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let paint = |width: usize, height: usize| {
        let rgb: Vec<u8> = [180, 40, 90].repeat(width * height);
        let png = sightline_world::photo::png(&rgb, width, height).unwrap();
        fs_err::write(folder.path().join("wall.png"), png).unwrap();
    };
    paint(100, 50);
    let error = stage.backdrop(0, folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("is 100x50, camera `one` is 320x180") && !error.contains('\n'),
        "{error}"
    );
    paint(320, 180);
    let rendered = Stage::set(&library, Scene::parse("s.toml", SMALL).unwrap(), 3)
        .unwrap()
        .backdrop(0, folder.path())
        .unwrap();
    let painted = stage.backdrop(0, folder.path()).unwrap();
    let wanted = sightline_world::material::linear([180.0, 40.0, 90.0]);
    for (x, y) in [(5, 5), (160, 90), (300, 170)] {
        assert_eq!(painted.at(x, y).colour, wanted);
        // What hides people stays where the scene has it.
        assert!((painted.at(x, y).depth - rendered.at(x, y).depth).abs() < 1e-6);
    }
}

/// What an evaluator makes of the files.
struct Read {
    starts: Vec<String>,
    frames: Vec<usize>,
    /// The cameras that see each person.
    people: BTreeMap<usize, std::collections::BTreeSet<usize>>,
}

/// A reader of its own, which shares nothing with the writer.
fn read_back(folder: &std::path::Path, size: [f64; 2]) -> Read {
    let text = |name: &str| fs_err::read_to_string(folder.join(name)).unwrap();
    let manifest: toml::Table = text("manifest.toml").parse().unwrap();
    let cameras = manifest["cameras"].as_array().unwrap();
    let starts = cameras
        .iter()
        .map(|c| c["start"].as_str().unwrap().to_owned());
    let mut people: BTreeMap<usize, std::collections::BTreeSet<usize>> = BTreeMap::new();
    let mut boxes: BTreeMap<(usize, usize, usize), [f64; 4]> = BTreeMap::new();
    let mut frames = Vec::new();
    for (number, camera) in cameras.iter().enumerate() {
        assert!(folder.join(camera["file"].as_str().unwrap()).is_file());
        let info = text(&format!(
            "ground_truth/{}/seqinfo.ini",
            camera["id"].as_str().unwrap()
        ));
        let length: usize = info
            .lines()
            .find_map(|l| l.strip_prefix("seqLength="))
            .unwrap()
            .parse()
            .unwrap();
        frames.push(length);
        let truth = text(camera["ground_truth"].as_str().unwrap());
        assert!(!truth.is_empty(), "nobody before camera {number}");
        for line in truth.lines() {
            let f: Vec<f64> = line.split(',').map(|v| v.parse().unwrap()).collect();
            assert_eq!(f.len(), 9);
            assert!(
                f[0] >= 1.0 && f[0] <= length as f64 && f[1] >= 1.0 && f[4] > 0.0 && f[5] > 0.0,
                "{line}"
            );
            assert!(
                (0.0..=1.0).contains(&f[8]) && f[6] == 1.0 && f[7] == 1.0,
                "{line}"
            );
            let old = boxes.insert(
                (number + 1, f[1] as usize, f[0] as usize),
                [f[2] - 1.0, f[3] - 1.0, f[2] - 1.0 + f[4], f[3] - 1.0 + f[5]],
            );
            assert!(old.is_none(), "twice: {line}");
        }
    }
    let calibration: serde_json::Value =
        serde_json::from_str(&text("ground_truth/calibration.json")).unwrap();
    let mut rows = 0;
    for line in text("ground_truth/ai_city_2024.txt").lines() {
        let f: Vec<f64> = line.split(' ').map(|v| v.parse().unwrap()).collect();
        assert_eq!(f.len(), 9);
        let whole = boxes[&(f[0] as usize, f[1] as usize, f[2] as usize + 1)];
        // What is seen lies inside the whole box, rounding apart.
        assert!(
            f[3] >= whole[0] - 1.1
                && f[4] >= whole[1] - 1.1
                && f[3] + f[5] <= whole[2] + 1.1
                && f[4] + f[6] <= whole[3] + 1.1,
            "{line} {whole:?}"
        );
        assert!(
            f[3] >= 0.0 && f[4] >= 0.0 && f[3] + f[5] <= size[0] && f[4] + f[6] <= size[1],
            "{line}"
        );
        // The world position projects into the box's columns, near its foot.
        let h = &calibration[f[0] as usize - 1]["homography_matrix"];
        let row = |i: usize| {
            h[i][0].as_f64().unwrap() * f[7]
                + h[i][1].as_f64().unwrap() * f[8]
                + h[i][2].as_f64().unwrap()
        };
        let (u, v) = (row(0) / row(2), row(1) / row(2));
        let tall = whole[3] - whole[1];
        assert!(
            u > whole[0] - 0.3 * tall
                && u < whole[2] + 0.3 * tall
                && (v - whole[3]).abs() < 0.3 * tall,
            "{line}: {u} {v} {whole:?}"
        );
        people
            .entry(f[1] as usize)
            .or_default()
            .insert(f[0] as usize);
        rows += 1;
    }
    assert_eq!(rows, boxes.len());
    Read {
        starts: starts.collect(),
        frames,
        people,
    }
}

#[test]
fn another_processors_sines_give_the_same_pictures() {
    if library("another_processors_sines_give_the_same_pictures").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // The C library picks its sines by what the processor has; the setting is without effect where it is another library.
    let made = ["", "glibc.cpu.hwcaps=-AVX512F,-AVX2,-AVX,-FMA,-FMA4"].map(|processor| {
        let out = folder.path().join(format!("out-{}", processor.len()));
        let done = std::process::Command::new(env!("CARGO_BIN_EXE_sightline-world"))
            .args([
                "crops", "--ids", "4", "--views", "3", "--seed", "9", "--out",
            ])
            .arg(&out)
            .env("GLIBC_TUNABLES", processor)
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        let mut files: Vec<_> = fs_err::read_dir(out.join("images"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files.push(out.join("captions.json"));
        files
            .iter()
            .map(|file| fs_err::read(file).unwrap())
            .collect::<Vec<_>>()
    });
    assert_eq!(made[0].len(), 13);
    assert!(made[0] == made[1], "pictures or captions differ");
}
