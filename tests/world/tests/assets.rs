//! Tests over the real meshes: geometry, captions, skin, determinism. They need `SIGHTLINE_PEOPLE`.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail and speak like tests"
)]

use sightline_world::assets::Files;
use sightline_world::backdrop::Backdrop;
use sightline_world::body::Library;
use sightline_world::canvas::{Actor, Canvas};
use sightline_world::captions::{Sight, describe, needed};
use sightline_world::crops::{Order, make};
use sightline_world::dice::Dice;
use sightline_world::identity::{Crowd, Difficulty, Identity};
use sightline_world::lens::View;
use sightline_world::light::{Tone, Weather};
use sightline_world::material::Part;
use sightline_world::pose::{Action, Pose};
use sightline_world::raster::Figure;
use sightline_world::scenery;
use sightline_world::shot::{Cast, Studio, passers};
use std::sync::OnceLock;

fn library(test: &str) -> Option<&'static Library> {
    static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| {
        std::env::var_os("SIGHTLINE_PEOPLE")?;
        Some(Library::load(&Files::from_environment().unwrap()).unwrap())
    });
    if library.is_none() {
        std::io::Write::write_all(
            &mut std::io::stderr(),
            format!("SKIPPED {test}: SIGHTLINE_PEOPLE is not set\n").as_bytes(),
        )
        .ok();
    }
    library.as_ref()
}

const CROWD: Crowd = Crowd {
    difficulty: Difficulty(0.2),
    children: 0.1,
    is_wet: false,
};

#[test]
fn the_box_encloses_the_projected_person_within_a_pixel() {
    let Some(library) = library("the_box_encloses_the_projected_person_within_a_pixel") else {
        return;
    };
    let mut dice = Dice::new(&[42]);
    let place = scenery::draw(&mut dice, Weather::Cloudy, 3.0);
    let mut canvas = Canvas::default();
    let tone = Tone::default();
    for number in 1..=12 {
        let cast = Cast::build(library, Identity::draw(77, number, CROWD)).unwrap();
        let mut view = View::new([-7.0, 1.0, 3.0], -0.1, 0.25, 1.0, 320, 240);
        view.distortion = [-0.08, 0.01];
        let backdrop = Backdrop::cast(&place, &view, 4);
        let phase = number as f32 * 0.083;
        let pose = Pose::new(
            Action::Walk { phase, blend: 1.0 },
            cast.identity.outline.manner,
        );
        let bones = cast.stand(library, &pose, [0.0, 0.0], phase * 6.0);
        let mut figure = Figure::default();
        figure.pose(&cast.person, &bones, place.light.towards, 64);
        let (mut low, mut high) = ([f32::MAX; 2], [f32::MIN; 2]);
        // Corners of triangles that are drawn whole: what a box must enclose.
        for t in &cast.person.triangles {
            if t.iter().all(|v| cast.person.clip[*v as usize] >= 0.0) {
                for v in t {
                    let (x, y, _) = view.project(figure.vertices[*v as usize]).unwrap();
                    low = [low[0].min(x), low[1].min(y)];
                    high = [high[0].max(x), high[1].max(y)];
                }
            }
        }
        let actors = [Actor {
            person: &cast.person,
            bones,
            stands: [0.0; 3],
        }];
        let seen = canvas.draw(&place, &view, &backdrop, &actors, &tone, 64);
        let [x0, y0, x1, y1] = seen[0].full;
        let off = [x0 - low[0], y0 - low[1], high[0] - x1, high[1] - y1];
        assert!(
            off.iter().all(|d| *d < 1.0),
            "person {number}: box {:?} against {low:?} {high:?}",
            seen[0].full
        );
        assert!(
            off.iter().all(|d| *d > -2.0),
            "person {number}: box {:?} is loose round {low:?} {high:?}",
            seen[0].full
        );
        assert!(seen[0].visibility() > 0.99);
    }
}

#[test]
fn every_told_thing_is_in_the_part_map_and_nothing_hidden_is_told() {
    let Some(library) = library("every_told_thing_is_in_the_part_map_and_nothing_hidden_is_told")
    else {
        return;
    };
    let others = passers(library, 5, CROWD, 2).unwrap();
    let mut studio = Studio::default();
    let mut told_things = 0;
    for number in 1..=30 {
        let cast = Cast::build(library, Identity::draw(5, number, CROWD)).unwrap();
        for view in 0..3 {
            let crop = studio
                .shoot(library, 5, &cast, view, CROWD.difficulty, &others)
                .unwrap();
            let told = describe(
                &cast.identity,
                &crop.evidence,
                &mut Dice::new(&[number as u64, view as u64]),
            );
            let pixels = |part: Part| crop.parts.iter().filter(|p| **p == part as u8 + 1).count();
            let whole: usize = crop.parts.iter().filter(|p| **p > 0).count();
            for clause in &told.clauses {
                let share = pixels(clause.item.part) as f32 / whole.max(1) as f32;
                match clause.sight {
                    Sight::Hidden => {}
                    Sight::Partly | Sight::Clear => {
                        // The part map samples pixels' middles; the share counts all samples.
                        assert!(
                            share > needed(clause.item.part).1 * 0.4,
                            "person {number} view {view}: {clause:?} has {share}"
                        );
                    }
                }
                if clause.sight == Sight::Hidden
                    && matches!(
                        clause.item.part,
                        Part::Backpack | Part::Suitcase | Part::Umbrella
                    )
                {
                    let words = ["backpack", "rucksack", "suitcase", "trolley", "umbrella"];
                    let own: Vec<&str> = words
                        .iter()
                        .copied()
                        .filter(|w| {
                            clause
                                .item
                                .kind
                                .words(true)
                                .iter()
                                .chain(clause.item.kind.words(false))
                                .any(|k| k.contains(w))
                        })
                        .collect();
                    for caption in &told.captions {
                        let text = caption
                            .replace("no backpack", "")
                            .replace("no rucksack", "")
                            .replace("no suitcase", "")
                            .replace("no umbrella", "");
                        assert!(
                            !own.iter().any(|w| text.contains(w)),
                            "person {number} view {view}: `{caption}` tells a hidden {:?}",
                            clause.item.kind
                        );
                    }
                }
                told_things += usize::from(clause.sight == Sight::Clear);
            }
        }
    }
    assert!(told_things > 150, "only {told_things} things were clear");
}

#[test]
fn skin_rarely_shows_through_clothes() {
    let Some(library) = library("skin_rarely_shows_through_clothes") else {
        return;
    };
    let through = sightline_world::check::skin(library, 31, 12, CROWD).unwrap();
    assert!(through.cloth > 100_000);
    assert!(
        (through.skin as f32) < through.cloth as f32 * 0.003,
        "{through:?}"
    );
}

#[test]
fn adults_and_children_have_their_heights() {
    let Some(library) = library("adults_and_children_have_their_heights") else {
        return;
    };
    let crowd = Crowd {
        children: 0.4,
        ..CROWD
    };
    for number in 1..=20 {
        let cast = Cast::build(library, Identity::draw(8, number, crowd)).unwrap();
        let tall = sightline_world::shot::height_m(&cast, library);
        let range = if cast.identity.child_height_m.is_some() {
            1.0..1.55
        } else {
            1.4..2.05
        };
        assert!(
            range.contains(&tall),
            "{:?} {number} is {tall} m",
            cast.identity.group
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let Some(library) = library("the_same_seed_gives_the_same_bytes_on_any_number_of_threads")
    else {
        return;
    };
    let order = Order {
        seed: 9,
        identities: 4,
        views: 2,
        crowd: CROWD,
        with_parts: true,
    };
    let run = |threads: usize| {
        let folder = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| make(library, order, folder.path()))
            .unwrap();
        let mut files: Vec<(String, Vec<u8>)> = fs_err::read_dir(folder.path().join("images"))
            .unwrap()
            .map(|e| {
                let path = e.unwrap().path();
                (
                    path.file_name().unwrap().to_string_lossy().into_owned(),
                    fs_err::read(path).unwrap(),
                )
            })
            .collect();
        files.push((
            "captions".to_owned(),
            fs_err::read(folder.path().join("captions.json")).unwrap(),
        ));
        files.sort();
        files
    };
    let one = run(1);
    assert_eq!(one.len(), 17);
    assert!(one == run(1) && one == run(3), "bytes differ between runs");
}

#[test]
fn the_committed_crops_are_named_and_listed_as_readers_expect() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("crops");
    let list: serde_json::Value =
        serde_json::from_slice(&fs_err::read(folder.join("captions.json")).unwrap()).unwrap();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 96);
    for entry in list {
        let path = entry["file_path"].as_str().unwrap();
        let (id, camera) = (&entry["id"], &entry["camera"]);
        let name = path.strip_prefix("images/").unwrap();
        let start = format!("{:04}_c{}_", id.as_u64().unwrap(), camera.as_u64().unwrap());
        assert!(name.starts_with(&start) && name.ends_with(".jpg"), "{name}");
        let (rgb, width, height) = sightline_world::stage::picture(&folder.join(path)).unwrap();
        assert_eq!((width, height, rgb.len()), (128, 256, 128 * 256 * 3));
        assert_eq!(entry["split"], "test");
        let captions = entry["captions"].as_array().unwrap();
        assert!((2..=4).contains(&captions.len()));
        // What is told to be absent is nowhere among the clauses.
        let kinds: Vec<&str> = entry["clauses"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["part"].as_str().unwrap())
            .collect();
        let absent = entry["absent"].as_array().unwrap();
        assert!(!absent.is_empty());
        let is_denied =
            |words: &[&str]| absent.iter().any(|a| words.contains(&a.as_str().unwrap()));
        assert_ne!(
            kinds.contains(&"umbrella"),
            is_denied(&["no umbrella"]),
            "{path}"
        );
        assert_ne!(
            kinds.contains(&"hat"),
            is_denied(&["no hat", "no cap"]),
            "{path}"
        );
        assert!(entry["visibility"].as_f64().unwrap() >= 0.4, "{path}");
    }
}
