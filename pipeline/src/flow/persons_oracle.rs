//! Association alone: with boxes and looks that are right, nothing may be lost.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use sightline_eval::read::{SceneRow, read_scene};
use sightline_eval::tracking::measure_scene;
use sightline_sink::persons::Associator;
use sightline_sink::{
    AssociationOptions, Event, NamedVector, Sighting, SightingId, TrackId, TrackState, f16,
};

/// A stretch of frames in which one camera sees one person.
struct Stretch {
    track: TrackId,
    camera: u32,
    rows: Vec<SceneRow>,
}

/// Frames for which nobody is seen before a tracker gives up.
const PATIENCE: u32 = 10;

/// The benchmark's scenes, from easy to very hard.
const BENCHMARK: [&str; 7] = ["easy", "medium", "hard", "night", "gap", "sixteen", "crowd"];

/// Sizes of the pictures of the scenes here.
const SIZES_PX: [[f64; 2]; 2] = [[640.0, 360.0], [960.0, 540.0]];

/// The least size in which every box lies.
fn size_px(rows: &[SceneRow]) -> [f64; 2] {
    let is_within = |size: &[f64; 2]| {
        rows.iter().all(|row| {
            let [x, y, w, h] = row.observation.bbox;
            x >= 0.0 && y >= 0.0 && x + w <= size[0] && y + h <= size[1]
        })
    };
    let mut sizes = SIZES_PX.into_iter();
    sizes
        .find(is_within)
        .expect("the truth's boxes lie within a picture of one of the sizes")
}

fn time_ns(frame: u32, fps: i64) -> i64 {
    1_772_442_000_000_000_000 + i64::from(frame) * 1_000_000_000 / fps
}

fn stretches(rows: &[SceneRow], fps: i64) -> Vec<Stretch> {
    let mut by_person: BTreeMap<(u32, u64), Vec<SceneRow>> = BTreeMap::new();
    for row in rows {
        let key = (row.camera, row.observation.id);
        by_person.entry(key).or_default().push(*row);
    }
    let mut stretches: Vec<Stretch> = Vec::new();
    for ((camera, id), mut rows) in by_person {
        rows.sort_by_key(|row| row.observation.frame);
        for part in rows.chunk_by(|a, b| b.observation.frame - a.observation.frame <= PATIENCE) {
            let birth_ns = time_ns(part[0].observation.frame, fps);
            let name = camera.to_string();
            stretches.push(Stretch {
                track: TrackId::derive("oracle", &name, birth_ns, id as u32),
                camera,
                rows: part.to_vec(),
            });
        }
    }
    stretches
}

/// A direction for each person, so far from every other one that looks leave no doubt.
fn look(id: u64) -> Vec<NamedVector> {
    let mut state = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491;
    let values = (0..128).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        f16::from_f32((state >> 40) as f32 / (1 << 24) as f32 - 0.5)
    });
    vec![NamedVector {
        name: "appearance".into(),
        model: "oracle@0".into(),
        values: values.collect(),
    }]
}

fn sightings(stretch: &Stretch, size_px: [f64; 2], fps: i64) -> Vec<Event> {
    let (first, last) = (stretch.rows[0], stretch.rows[stretch.rows.len() - 1]);
    let start_ns = time_ns(first.observation.frame, fps);
    let every_second = stretch
        .rows
        .iter()
        .step_by(fps as usize)
        .map(|row| (row, false));
    let with_end = every_second.chain([(&last, true)]);
    with_end
        .zip(0_u32..)
        .map(|((row, is_end), sequence)| {
            let [x, y, w, h] = row.observation.bbox;
            let corners = [x, y, x + w, y + h];
            let share = |at: usize| (corners[at] / size_px[at % 2]) as f32;
            assert!(share(2) <= 1.0 && share(3) <= 1.0, "{corners:?}");
            assert!(share(0) < share(2) && share(1) < share(3), "{corners:?}");
            let capture_ns = time_ns(row.observation.frame, fps);
            let vectors = look(row.observation.id);
            Event::Sighting(Box::new(Sighting {
                id: SightingId::derive(stretch.track, sequence),
                track: stretch.track,
                site: "oracle".into(),
                camera: stretch.camera.to_string(),
                capture_ns,
                clock_error_ns: None,
                bbox: [share(0), share(1), share(2), share(3)],
                quality: 0.9,
                sequence,
                vectors: if is_end { Vec::new() } else { vectors.clone() },
                crop: None,
                state: TrackState {
                    start_ns,
                    end_ns: capture_ns,
                    detections: sequence + 1,
                    revision: sequence,
                    vectors,
                    best_quality: 0.9,
                    has_ended: is_end,
                },
                is_end,
            }))
        })
        .collect()
}

/// IDF1 over all cameras, persons that came out and persons there are.
fn associate(Scene { truth, fps }: &Scene) -> (f64, usize, usize) {
    let truth = read_scene(truth).expect("the scene's truth can be read");
    let stretches = stretches(&truth, *fps);
    let size_px = size_px(&truth);
    let mut events: Vec<Event> = stretches
        .iter()
        .flat_map(|stretch| sightings(stretch, size_px, *fps))
        .collect();
    events.sort_by_key(Event::time_ns);
    let mut associator =
        Associator::new(AssociationOptions::default()).expect("the options are good");
    let mut decisions = Vec::new();
    for event in &events {
        associator.take(event, &mut decisions);
    }
    associator.finish(&mut decisions);
    let mut numbers = HashMap::new();
    let mut tracks = Vec::with_capacity(truth.len());
    for stretch in &stretches {
        let person = associator
            .person_of(stretch.track)
            .expect("every track has a person");
        let next = numbers.len() as u64 + 1;
        let number = *numbers.entry(person).or_insert(next);
        tracks.extend(stretch.rows.iter().map(|row| {
            let mut row = *row;
            row.observation.id = number;
            row
        }));
    }
    let people: BTreeSet<u64> = truth.iter().map(|row| row.observation.id).collect();
    let scores = measure_scene(&truth, &tracks).expect("the scene can be measured");
    (scores.boxes.scores().idf1, numbers.len(), people.len())
}

struct Scene {
    truth: PathBuf,
    /// Frames a second.
    fps: i64,
}

impl Scene {
    fn of(truth: PathBuf, spec: &Path) -> Self {
        let text = fs_err::read_to_string(spec).expect("the scene can be read");
        let spec: toml::Table = text.parse().expect("the scene is TOML");
        let fps = spec["fps"].as_integer().expect("its frame rate is whole");
        Self { truth, fps }
    }
}

/// The truth of the demo, and of the benchmark's scenes.
fn scenes() -> Vec<Scene> {
    let world = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/world");
    let demo = world.join("demo");
    let mut scenes = vec![Scene::of(
        demo.join("ground_truth/ai_city_2024.txt"),
        &demo.join("scene.toml"),
    )];
    for name in BENCHMARK {
        let truth = world.join(format!("benchmark/truth/{name}.txt"));
        let spec = world.join(format!("benchmark/{name}.toml"));
        scenes.push(Scene::of(truth, &spec));
    }
    scenes
}

#[test]
fn with_perfect_boxes_and_perfect_looks_association_loses_nothing() {
    for scene in scenes() {
        let (idf1, persons, people) = associate(&scene);
        assert!(
            idf1 >= 0.99,
            "{}: IDF1 {idf1:.4}, {persons} persons of {people} people",
            scene.truth.display()
        );
    }
}
