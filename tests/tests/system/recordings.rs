//! Recordings: codecs, containers, sizes, order, and files that are not what they seem.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sightline::ingest::{
    Error, Frame, FrameRate, Patience, Polygon, Recording, RecordingSpec, Recordings,
};
use sightline_detector::Planes;
use sightline_tests::footage::{self, Made};

pub const X264: &str = "x264enc speed-preset=ultrafast bitrate=4000 key-int-max=10";

pub struct Folder(pub tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn made(&self, name: &str, made: Made, chain: &str) -> PathBuf {
        let path = self.path(name);
        made.record(chain, &path).unwrap();
        path
    }
}

fn play(path: &Path) -> Result<Vec<Seen>, Error> {
    play_spec(RecordingSpec::new("gate", path, 0))
}

fn play_spec(spec: RecordingSpec) -> Result<Vec<Seen>, Error> {
    Recordings::open(&[spec])?
        .map(|frame| frame.map(|frame| Seen::of(&frame)))
        .collect()
}

#[derive(Debug, PartialEq, Clone)]
struct Seen {
    capture_ns: i64,
    sequence: u64,
    width: usize,
    height: usize,
    luma: u8,
}

impl Seen {
    fn of(frame: &Frame) -> Self {
        Self {
            capture_ns: frame.capture_ns,
            sequence: frame.sequence,
            width: frame.width(),
            height: frame.height(),
            luma: frame.luma()[(frame.height() / 2, frame.width() / 2)],
        }
    }
}

/// Every picture is there, once, in order, and is the one that was put in.
fn check_whole(seen: &[Seen], made: Made) {
    assert_eq!(seen.len(), made.frames as usize);
    for (n, frame) in seen.iter().enumerate() {
        assert_eq!(frame.sequence, n as u64);
        assert_eq!(
            (frame.width, frame.height),
            (made.width as usize, made.height as usize)
        );
        let expected = i16::from(Made::luma(n as u32));
        let luma = i16::from(frame.luma);
        assert!(
            (luma - expected).abs() <= 2,
            "picture {n}: {luma}, put in {expected}"
        );
        let due_ns = n as i64 * 1_000_000_000 / i64::from(made.fps);
        let first_ns = seen[0].capture_ns;
        let late_ns = frame.capture_ns - first_ns - due_ns;
        assert!(late_ns.abs() < 2_000_000, "picture {n} is {late_ns} ns off");
    }
}

#[test]
fn b_frames_come_in_the_order_they_were_taken() {
    let folder = Folder::new();
    let made = Made::small(50);
    let chain = "x264enc bframes=3 b-adapt=false bitrate=4000 ! h264parse ! mp4mux";
    check_whole(&play(&folder.made("b.mp4", made, chain)).unwrap(), made);
}

#[test]
fn h265_mjpeg_and_common_containers_play_whole() {
    let folder = Folder::new();
    let made = Made::small(20);
    for (name, chain) in [
        (
            "a.mkv",
            "x265enc speed-preset=ultrafast bitrate=4000 ! h265parse ! matroskamux",
        ),
        ("a.avi", "jpegenc quality=95 ! avimux"),
        ("a.mov", &format!("{X264} ! h264parse ! qtmux")),
        ("a.ts", &format!("{X264} ! h264parse ! mpegtsmux")),
    ] {
        let path = folder.made(name, made, chain);
        let seen = play(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
        check_whole(&seen, made);
    }
}

#[test]
fn pictures_that_are_neither_i420_nor_nv12_are_converted() {
    let folder = Folder::new();
    let made = Made::small(5);
    let chain = "videoconvert ! video/x-raw,format=Y444 ! x264enc ! h264parse ! matroskamux";
    check_whole(&play(&folder.made("a.mkv", made, chain)).unwrap(), made);
}

#[test]
fn portrait_odd_sized_and_4k_pictures_keep_their_size() {
    let folder = Folder::new();
    for (width, height) in [(240, 426), (3840, 2160), (322, 242)] {
        let made = Made {
            width,
            height,
            fps: 5,
            frames: 4,
        };
        let chain = format!("{X264} ! h264parse ! mp4mux");
        let path = folder.made(&format!("{width}.mp4"), made, &chain);
        check_whole(&play(&path).unwrap(), made);
    }
    let odd = Made {
        width: 161,
        height: 121,
        fps: 5,
        frames: 4,
    };
    let path = folder.made("odd.avi", odd, "jpegenc quality=95 ! avimux");
    check_whole(&play(&path).unwrap(), odd);
    for frame in Recordings::open(&[RecordingSpec::new("gate", &path, 0)]).unwrap() {
        match frame.unwrap().planes() {
            Planes::I420 { u, v, .. } => assert_eq!((u.dim(), v.dim()), ((61, 81), (61, 81))),
            Planes::Nv12 { uv, .. } => assert_eq!(uv.dim(), (61, 81, 2)),
            Planes::Rgb(_) => panic!("converted"),
        }
    }
}

#[test]
fn a_resolution_change_in_mid_stream_is_followed() {
    let folder = Folder::new();
    let chain =
        format!("{X264} ! h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream");
    let sizes = [(320, 240), (480, 368), (160, 128)];
    let mut bytes = Vec::new();
    for (width, height) in sizes {
        let made = Made {
            width,
            height,
            fps: 10,
            frames: 10,
        };
        let path = folder.made(&format!("{width}.264"), made, &chain);
        bytes.extend(fs_err::read(path).unwrap());
    }
    let path = folder.path("all.264");
    fs_err::write(&path, bytes).unwrap();
    let seen = play(&path).unwrap();
    let widths: Vec<usize> = seen.iter().map(|frame| frame.width).collect();
    let expected: Vec<usize> = [320usize, 480, 160].iter().flat_map(|&w| [w; 10]).collect();
    assert_eq!(widths, expected);
    assert!(seen.is_sorted_by(|a, b| a.capture_ns < b.capture_ns));
}

#[test]
fn several_cameras_come_in_the_order_of_time_and_ties_in_the_order_given() {
    let folder = Folder::new();
    let fast = folder.made(
        "fast.avi",
        Made {
            fps: 20,
            ..Made::small(20)
        },
        "jpegenc ! avimux",
    );
    let slow = folder.made("slow.avi", Made::small(10), "jpegenc ! avimux");
    let specs = [
        RecordingSpec::new("gate", &slow, 1_000_000_000),
        RecordingSpec::new("hall", &fast, 1_000_000_000),
        RecordingSpec::new("yard", &slow, 1_050_000_000),
    ];
    let order = || -> Vec<(i64, usize)> {
        Recordings::open(&specs)
            .unwrap()
            .map(|frame| frame.map(|f| (f.capture_ns, f.camera_index)).unwrap())
            .collect()
    };
    let first = order();
    assert_eq!(first.len(), 40);
    assert!(first.is_sorted(), "{first:?}");
    assert_eq!(&first[..2], &[(1_000_000_000, 0), (1_000_000_000, 1)]);
    assert_eq!(first, order());
}

#[test]
fn one_name_for_two_cameras_is_refused_before_any_file_is_opened() {
    let spec = RecordingSpec::new("gate", "x.mp4", 0);
    let error = Recordings::open(&[spec.clone(), spec]);
    assert!(matches!(error.err(), Some(Error::DuplicateCamera { .. })));
}

#[test]
fn a_frame_rate_override_times_frame_n_at_n_over_the_rate() {
    let folder = Folder::new();
    let path = folder.made("a.avi", Made::small(8), "jpegenc ! avimux");
    let mut spec = RecordingSpec::new("gate", path, 500);
    spec.fps_override = Some(FrameRate::try_new(7.0).unwrap());
    let times: Vec<i64> = play_spec(spec)
        .unwrap()
        .iter()
        .map(|f| f.capture_ns)
        .collect();
    let expected: Vec<i64> = (0..8)
        .map(|n| 500 + (f64::from(n) * 1e9 / 7.0).round() as i64)
        .collect();
    assert_eq!(times, expected);
}

#[test]
fn a_rate_cap_leaves_frames_out_and_keeps_their_numbers() {
    let folder = Folder::new();
    let path = folder.made("a.avi", Made::small(9), "jpegenc ! avimux");
    let mut spec = RecordingSpec::new("gate", path, 0);
    spec.fps_cap = Some(FrameRate::try_new(5.0).unwrap());
    let mut recording = Recording::open(spec, 0, Patience::default()).unwrap();
    let numbers: Vec<u64> = recording.by_ref().map(|f| f.unwrap().sequence).collect();
    assert_eq!(numbers, [0, 2, 4, 6, 8]);
    assert_eq!((recording.decoded(), recording.dropped()), (9, 4));
}

#[test]
fn the_length_is_known_before_playing() {
    let folder = Folder::new();
    let path = folder.made(
        "a.mp4",
        Made::small(30),
        &format!("{X264} ! h264parse ! mp4mux"),
    );
    let recordings = Recordings::open(&[RecordingSpec::new("gate", path, 0)]).unwrap();
    let estimate = recordings.estimate();
    assert_eq!(estimate.frames, Some(30));
    assert_eq!(estimate.duration_ns, Some(3_000_000_000));
}

#[test]
fn a_telephone_recording_is_turned_upright() {
    let folder = Folder::new();
    let path = folder.made(
        "a.mov",
        Made::small(5),
        &format!("{X264} ! h264parse ! qtmux"),
    );
    // The track header's matrix, as a telephone held upright writes it: a quarter turn clockwise.
    let mut bytes = fs_err::read(&path).unwrap();
    let header = bytes.windows(4).position(|kind| kind == b"tkhd").unwrap();
    let matrix: [i32; 9] = [0, 1 << 16, 0, -(1 << 16), 0, 0, 240 << 16, 0, 1 << 30];
    for (n, value) in matrix.iter().enumerate() {
        let at = header + 44 + 4 * n;
        bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }
    fs_err::write(&path, bytes).unwrap();
    let seen = play(&path).unwrap();
    assert!(
        seen.iter().all(|f| (f.width, f.height) == (240, 320)),
        "{seen:?}"
    );
}

#[test]
fn privacy_masks_are_black_and_touch_nothing_else() {
    let folder = Folder::new();
    // Long predictions: a mask in the decoder's own memory would smear into the pictures after it.
    let chain = "x264enc bframes=2 key-int-max=60 bitrate=4000 ! h264parse ! mp4mux";
    let path = folder.made("a.mp4", Made::small(30), chain);
    let plain = RecordingSpec::new("gate", &path, 0);
    let mut masked = plain.clone();
    masked.masks = vec![Polygon::rectangle(0.25, 0.25, 0.5, 0.5).unwrap()];
    let pairs = Recordings::open(&[plain])
        .unwrap()
        .zip(Recordings::open(&[masked]).unwrap());
    let mut count = 0;
    for (plain, masked) in pairs {
        let (plain, masked) = (plain.unwrap(), masked.unwrap());
        for ((row, column), &value) in masked.luma().indexed_iter() {
            let is_masked = (60..120).contains(&row) && (80..160).contains(&column);
            let expected = if is_masked {
                16
            } else {
                plain.luma()[(row, column)]
            };
            assert_eq!(value, expected, "frame {count} luma {row},{column}");
        }
        let Planes::I420 { u, v, .. } = masked.planes() else {
            panic!("not I420");
        };
        for plane in [u, v] {
            let inside = plane.slice(ndarray::s![30..60, 40..80]);
            assert!(inside.iter().all(|&value| value == 128));
        }
        count += 1;
    }
    assert_eq!(count, 30);
}

#[test]
fn real_footage_plays_whole() {
    for (sha256, frames, size) in [
        (footage::VTEST, 795, (768, 576)),
        (footage::PEOPLE, 596, (768, 432)),
    ] {
        let Some(path) = footage::find("real_footage_plays_whole", sha256).unwrap() else {
            return;
        };
        let seen = play(&path).unwrap();
        assert_eq!(seen.len(), frames);
        assert!(seen.iter().all(|f| (f.width, f.height) == size));
        assert!(seen.is_sorted_by(|a, b| a.capture_ns < b.capture_ns));
    }
}

#[test]
fn a_deadline_ends_the_wait_for_a_first_picture() {
    let folder = Folder::new();
    let path = folder.made("a.avi", Made::small(5), "jpegenc ! avimux");
    let patience = Patience {
        first_frame: Duration::ZERO,
        next_frame: Duration::ZERO,
    };
    // With no patience at all either the picture is there at the first look, or the wait ends.
    match Recording::open(RecordingSpec::new("gate", path, 0), 0, patience) {
        Ok(_) | Err(Error::Stuck { .. }) => {}
        Err(other) => panic!("{other}"),
    }
}
