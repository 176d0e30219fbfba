//! Files that are not what they seem.

use std::path::Path;

use sightline::ingest::{Error, RecordingSpec, Recordings};
use sightline_tests::footage::{self, Made};

use crate::recordings::{Folder, X264};

#[test]
fn a_truncated_recording_gives_what_it_has_and_then_says_so() {
    let folder = Folder::new();
    let made = Made::small(100);
    for (name, chain) in [
        (
            "front.mp4",
            format!("{X264} ! h264parse ! mp4mux faststart=true"),
        ),
        ("a.mkv", format!("{X264} ! h264parse ! matroskamux")),
        ("a.avi", "jpegenc ! avimux".to_owned()),
    ] {
        let whole = folder.made(name, made, &chain);
        let path = folder.path(&format!("cut-{name}"));
        footage::truncate(&whole, 0.5, &path).unwrap();
        let all: Vec<_> = Recordings::open(&[RecordingSpec::new("gate", &path, 0)])
            .unwrap_or_else(|e| panic!("{name}: {e}"))
            .collect();
        let (end, frames) = all.split_last().unwrap();
        assert!(
            (25..75).contains(&frames.len()),
            "{name}: {} frames",
            frames.len()
        );
        assert!(frames.iter().all(Result::is_ok), "{name}");
        let error = end
            .as_ref()
            .err()
            .unwrap_or_else(|| panic!("{name} ends as if it were whole"));
        assert!(
            matches!(
                error,
                Error::Truncated { .. } | Error::CutShort { .. } | Error::BrokenOff { .. }
            ),
            "{name}: {error:?}"
        );
        check_words(error, &path);
    }
}

#[test]
fn a_recording_without_its_index_is_no_video() {
    let folder = Folder::new();
    let whole = folder.made(
        "a.mp4",
        Made::small(50),
        &format!("{X264} ! h264parse ! mp4mux"),
    );
    let path = folder.path("cut.mp4");
    footage::truncate(&whole, 0.5, &path).unwrap();
    let error = Recordings::open(&[RecordingSpec::new("gate", &path, 0)])
        .err()
        .unwrap();
    assert!(matches!(error, Error::NotVideo { .. }), "{error:?}");
    check_words(&error, &path);
}

#[test]
fn files_that_are_no_recordings_are_refused_in_one_line() {
    let folder = Folder::new();
    let empty = folder.path("empty.mp4");
    fs_err::write(&empty, b"").unwrap();
    let text = folder.path("text.mp4");
    fs_err::write(&text, "this is no video\n".repeat(100)).unwrap();
    let noise = folder.path("noise.avi");
    let bytes: Vec<u8> = (0..50_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    fs_err::write(&noise, bytes).unwrap();
    let sound = folder.path("sound.wav");
    fs_err::write(&sound, wav()).unwrap();
    let open = |path: &Path| {
        Recordings::open(&[RecordingSpec::new("gate", path, 0)])
            .err()
            .unwrap_or_else(|| panic!("{} opened", path.display()))
    };
    for (path, is_expected) in [
        (
            folder.path("absent.mp4"),
            (|e| matches!(e, Error::MissingFile { .. })) as fn(&Error) -> bool,
        ),
        (folder.0.path().to_path_buf(), |e| {
            matches!(e, Error::NotAFile { .. })
        }),
        (empty, |e| matches!(e, Error::EmptyFile { .. })),
        (text, |e| matches!(e, Error::NotVideo { .. })),
        (noise, |e| matches!(e, Error::NotVideo { .. })),
        (sound, |e| matches!(e, Error::NotVideo { .. })),
    ] {
        let error = open(&path);
        assert!(is_expected(&error), "{error:?}");
        check_words(&error, &path);
    }
}

/// One second of silence.
fn wav() -> Vec<u8> {
    let mut bytes = b"RIFF\x64\x1f\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data\x40\x1f\0\0".to_vec();
    bytes.extend(std::iter::repeat_n(128u8, 8000));
    bytes
}

/// One line, naming the file, without a full stop.
fn check_words(error: &Error, path: &Path) {
    let words = error.to_string();
    assert!(words.contains(path.to_str().unwrap()), "{words}");
    assert!(!words.contains('\n') && !words.ends_with('.'), "{words}");
}

#[test]
fn a_broken_recording_does_not_end_the_others() {
    let folder = Folder::new();
    let whole = folder.made("a.avi", Made::small(100), "jpegenc ! avimux");
    let cut = folder.path("cut.avi");
    footage::truncate(&whole, 0.3, &cut).unwrap();
    let specs = [
        RecordingSpec::new("gate", &cut, 0),
        RecordingSpec::new("hall", &whole, 0),
    ];
    let all: Vec<_> = Recordings::open(&specs).unwrap().collect();
    assert_eq!(all.iter().filter(|frame| frame.is_err()).count(), 1);
    let hall = all
        .iter()
        .flatten()
        .filter(|frame| &*frame.camera == "hall");
    assert_eq!(hall.count(), 100);
}
