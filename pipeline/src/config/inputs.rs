//! Recordings to replay: files, folders of files, and manifests that say more about each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use super::document::{Reading, read};
use super::fault::{Faults, KeyPath, shown};
use super::schema::{Rule, schema_of};
use super::values::{CameraId, Name};

/// A file that stands in for a camera.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// The camera it came from.
    pub id: CameraId,
    /// The video.
    pub file: PathBuf,
    /// When its first frame was taken.
    pub start: Start,
    /// Frames a second, where the file's own times are not to be used.
    pub fps: Option<f64>,
    /// Known tracks of the same video in MOTChallenge form, to be measured against.
    pub ground_truth: Option<PathBuf>,
}

/// When a recording begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The manifest says so: nanoseconds since 1970-01-01T00:00:00Z.
    Known(i64),
    /// Nobody said: counted from 1970-01-01T00:00:00Z, so that every replay gives the same.
    Unknown,
}

impl Start {
    /// Capture time of the first frame, unix nanoseconds.
    #[must_use]
    pub const fn capture_ns(self) -> i64 {
        match self {
            Self::Known(ns) => ns,
            Self::Unknown => 0,
        }
    }
}

/// A list of recordings (TOML): one `[[cameras]]` each; relative paths begin at the manifest's folder.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Sightline manifest of recordings")]
pub struct Manifest {
    /// The recordings.
    #[serde(default)]
    pub cameras: Vec<ManifestCamera>,
}

/// `[[cameras]]`: one recording.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ManifestCamera {
    /// Name of the camera. Absent: the file's name.
    pub id: Option<Name>,
    /// The video.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub file: Option<PathBuf>,
    /// When its first frame was taken, RFC 3339 with an offset. Absent: 1970-01-01T00:00:00Z.
    #[schemars(extend("x-form" = "time"))]
    pub start: Option<String>,
    /// Frames a second, where the file's own times are not to be used.
    #[schemars(range(min = 0.01, max = 1000.0))]
    pub fps: Option<f64>,
    /// Known tracks in MOTChallenge form.
    #[schemars(length(min = 1))]
    pub ground_truth: Option<PathBuf>,
}

/// Why there is nothing to replay.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// An argument or a folder could not be read; the message names it.
    #[error("cannot read the input: {0}; check the path and who may read it")]
    Unreadable(std::io::Error),
    /// A folder without videos.
    #[error("folder `{0}` holds no video; expected files that end in {1}")]
    EmptyFolder(String, String),
    /// A manifest that is wrong.
    #[error(transparent)]
    Manifest(#[from] Faults),
    /// A manifest without recordings.
    #[error("manifest `{0}` names no recording; add a [[cameras]] table with `file`")]
    EmptyManifest(String),
    /// A file of a manifest is not there.
    #[error("camera `{id}`: file `{file}` is not there; check the path in `{manifest}`")]
    Missing {
        /// The camera.
        id: String,
        /// The file.
        file: String,
        /// The manifest.
        manifest: String,
    },
    /// Two recordings of one name.
    #[error(
        "camera `{id}` is named twice, by `{first}` and `{second}`; give each its own id in a manifest"
    )]
    Twice {
        /// The name.
        id: String,
        /// The file that had it first.
        first: String,
        /// The other.
        second: String,
    },
    /// Neither file nor folder.
    #[error("no input; name a video, a folder or a manifest")]
    Nothing,
}

/// Endings by which a video in a folder is known. A file that is named itself may have any.
const VIDEO_ENDINGS: [&str; 17] = [
    "264", "265", "avi", "flv", "h264", "h265", "hevc", "m4v", "mjpeg", "mjpg", "mkv", "mov",
    "mp4", "mpg", "ts", "webm", "wmv",
];

/// The recordings of a replay.
pub struct Inputs;

impl Inputs {
    /// Turns the arguments of `replay` into recordings with distinct ids, in the order given
    /// (folders by file name).
    ///
    /// # Errors
    /// The first argument that is not a video, a folder with videos or a sound manifest.
    pub fn from_args(args: &[PathBuf]) -> Result<Vec<Recording>, InputError> {
        let mut recordings = Vec::new();
        for arg in args {
            let metadata = fs_err::metadata(arg).map_err(InputError::Unreadable)?;
            if metadata.is_dir() {
                recordings.extend(from_folder(arg)?);
            } else if has_ending(arg, &["toml"]) {
                recordings.extend(from_manifest(arg)?);
            } else {
                recordings.push(plain(arg.clone()));
            }
        }
        if recordings.is_empty() {
            return Err(InputError::Nothing);
        }
        let mut seen: BTreeMap<&CameraId, &Path> = BTreeMap::new();
        for recording in &recordings {
            if let Some(first) = seen.insert(&recording.id, &recording.file) {
                return Err(InputError::Twice {
                    id: recording.id.to_string(),
                    first: text(first),
                    second: text(&recording.file),
                });
            }
        }
        Ok(recordings)
    }
}

fn text(path: &Path) -> String {
    shown(&path.to_string_lossy())
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    path.extension()
        .and_then(|ending| ending.to_str())
        .is_some_and(|ending| endings.contains(&ending.to_ascii_lowercase().as_str()))
}

fn id_of(file: &Path) -> CameraId {
    Name::made_safe(&file.file_stem().unwrap_or_default().to_string_lossy())
}

fn plain(file: PathBuf) -> Recording {
    Recording {
        id: id_of(&file),
        file,
        start: Start::Unknown,
        fps: None,
        ground_truth: None,
    }
}

fn from_folder(folder: &Path) -> Result<Vec<Recording>, InputError> {
    let mut files = Vec::new();
    for entry in fs_err::read_dir(folder).map_err(InputError::Unreadable)? {
        let path = entry.map_err(InputError::Unreadable)?.path();
        if path.is_file() && has_ending(&path, &VIDEO_ENDINGS) {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        let endings: Vec<String> = VIDEO_ENDINGS
            .iter()
            .map(|ending| format!(".{ending}"))
            .collect();
        return Err(InputError::EmptyFolder(text(folder), endings.join(" ")));
    }
    Ok(files.into_iter().map(plain).collect())
}

fn from_manifest(path: &Path) -> Result<Vec<Recording>, InputError> {
    let content = fs_err::read_to_string(path).map_err(InputError::Unreadable)?;
    let manifest = parse_manifest(&content, path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut recordings = Vec::new();
    for camera in manifest.cameras {
        let file = folder.join(camera.file.unwrap_or_default());
        let id = camera.id.unwrap_or_else(|| id_of(&file));
        let ground_truth = camera.ground_truth.map(|truth| folder.join(truth));
        for needed in std::iter::once(&file).chain(&ground_truth) {
            if !needed.is_file() {
                return Err(InputError::Missing {
                    id: id.to_string(),
                    file: text(needed),
                    manifest: text(path),
                });
            }
        }
        let start = camera
            .start
            .and_then(|start| start.parse::<Timestamp>().ok())
            .and_then(|start| i64::try_from(start.as_nanosecond()).ok())
            .map_or(Start::Unknown, Start::Known);
        recordings.push(Recording {
            id,
            file,
            start,
            fps: camera.fps,
            ground_truth,
        });
    }
    if recordings.is_empty() {
        return Err(InputError::EmptyManifest(text(path)));
    }
    Ok(recordings)
}

fn parse_manifest(content: &str, path: &Path) -> Result<Manifest, InputError> {
    let schema = schema_of::<Manifest>();
    let reading = Reading {
        rule: Rule::of(&schema),
        variable: &|name| std::env::var(name).ok(),
        is_unused: &|_| false,
    };
    let mut document = read(content, &reading);
    let cameras = document.value["cameras"].as_array().map_or(0, Vec::len);
    for index in 0..cameras {
        if document.value["cameras"][index]["file"].is_null() {
            document.blame(
                &KeyPath::of(&["cameras", &format!("[{index}]"), "file"]),
                super::document::Blame {
                    problem: "a recording without `file`".into(),
                    expected: Some("`file = \"gate-1.mp4\"`".into()),
                    ..Default::default()
                },
            );
        }
    }
    if let Some(faults) = Faults::of(path, std::mem::take(&mut document.faults)) {
        return Err(faults.into());
    }
    Manifest::deserialize(&document.value).map_err(|error| {
        InputError::Unreadable(std::io::Error::other(format!(
            "{}: {}",
            text(path),
            shown(&error.to_string())
        )))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs_err::write(folder.path().join(name), content).unwrap();
        }
        folder
    }

    fn read_one(folder: &tempfile::TempDir, name: &str) -> Result<Vec<Recording>, InputError> {
        Inputs::from_args(&[folder.path().join(name)])
    }

    #[test]
    fn a_manifest_gives_ids_starts_and_paths_from_its_own_folder() {
        let folder = folder_with(&[
            ("gate-1.mp4", ""),
            ("b.avi", ""),
            ("truth.txt", ""),
            (
                "m.toml",
                "[[cameras]]\nid = \"north\"\nfile = \"gate-1.mp4\"\nstart = \"2026-03-01T14:00:00+01:00\"\nfps = 14\nground_truth = \"truth.txt\"\n[[cameras]]\nfile = \"b.avi\"\nstart = 2026-03-01T13:00:00Z\n",
            ),
        ]);
        let recordings = read_one(&folder, "m.toml").unwrap();
        assert_eq!(recordings[0].id.as_str(), "north");
        assert_eq!(recordings[0].file, folder.path().join("gate-1.mp4"));
        assert_eq!(recordings[0].fps, Some(14.0));
        assert_eq!(
            recordings[0].ground_truth,
            Some(folder.path().join("truth.txt"))
        );
        assert_eq!(recordings[0].start, Start::Known(1_772_370_000_000_000_000));
        assert_eq!(recordings[1].start, recordings[0].start);
        assert_eq!(recordings[1].id.as_str(), "b");
    }

    #[test]
    fn a_folder_gives_its_videos_by_name_and_hostile_names_become_safe() {
        let folder = folder_with(&[("b.mp4", ""), ("-a b;$(x).MKV", ""), ("notes.txt", "")]);
        let ids: Vec<String> = Inputs::from_args(&[folder.path().to_owned()])
            .unwrap()
            .into_iter()
            .map(|recording| recording.id.to_string())
            .collect();
        assert_eq!(ids, ["camera--a-b---x-", "b"]);
    }

    #[test]
    fn a_recording_without_a_start_begins_at_the_epoch() {
        let folder = folder_with(&[("b.mp4", "")]);
        let recordings = read_one(&folder, "b.mp4").unwrap();
        assert_eq!(
            (recordings[0].start, recordings[0].start.capture_ns()),
            (Start::Unknown, 0)
        );
    }

    #[test]
    fn faults_of_inputs_name_the_file_and_what_to_do() {
        let folder = folder_with(&[
            ("empty.toml", ""),
            (
                "gone.toml",
                "[[cameras]]\nid = \"x\"\nfile = \"gone.mp4\"\n",
            ),
            (
                "bad.toml",
                "[[cameras]]\nfil = \"gone.mp4\"\nfps = 0\nstart = \"today\"\n",
            ),
            ("a.mp4", ""),
            ("a.avi", ""),
        ]);
        let says = |name: &str| read_one(&folder, name).unwrap_err().to_string();
        assert!(says("empty.toml").contains("[[cameras]]"));
        assert!(says("gone.toml").contains("camera `x`: file"));
        assert!(says("nope.mp4").contains("nope.mp4"));
        let bad = says("bad.toml");
        for part in [
            "did you mean `file`?",
            "fps `0` is out of range",
            "start `today` is not a time",
            "without `file`",
        ] {
            assert!(bad.contains(part), "{part}: {bad}");
        }
        let twice = Inputs::from_args(&[folder.path().to_owned()])
            .unwrap_err()
            .to_string();
        assert!(twice.contains("camera `a` is named twice"), "{twice}");
        let empty = tempfile::tempdir().unwrap();
        let none = Inputs::from_args(&[empty.path().to_owned()])
            .unwrap_err()
            .to_string();
        assert!(none.contains("holds no video"), "{none}");
    }
}
