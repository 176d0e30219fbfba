//! From two paths to pairs of files: one file is one sequence or scene, a folder holds several.
//!
//! In a folder, sequences are `<name>/gt/gt.txt`, else scenes `<name>/ground_truth.txt`, else `<name>.txt`: the first of these that
//! occurs at all. An AI City file is told from a MOTChallenge file by the commas that only the latter has.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::{GroundTruth, Observation, read_ground_truth, read_tracks};
use crate::error::{EvalError, shown};

/// Two MOTChallenge files of one camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MotPair {
    /// Name of the sequence or camera.
    pub name: String,
    /// Ground truth.
    pub truth: PathBuf,
    /// Tracks.
    pub tracks: PathBuf,
}

/// Files of one scene.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SceneSource {
    /// One file each for ground truth and tracks, in the form of AI City 2024.
    AiCity {
        /// Ground truth.
        truth: PathBuf,
        /// Tracks.
        tracks: PathBuf,
    },
    /// One MOTChallenge file a camera; identities are the same in all of them.
    Cameras(Vec<MotPair>),
}

/// A scene by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenePair {
    /// Name of the scene.
    pub name: String,
    /// Its files.
    pub source: SceneSource,
}

/// What belongs together in two places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pairing<T> {
    /// Pairs, by name.
    pub pairs: Vec<T>,
    /// Names of tracks without ground truth; they are not measured.
    pub left_out: Vec<String>,
}

const MOST_ENTRIES: usize = 100_000;

/// Pairs MOTChallenge files: two files, or two folders by name.
///
/// # Errors
/// A path is missing, a file meets a folder, a folder has no sequences, or a sequence has no tracks.
pub fn pair_sequences(truth: &Path, tracks: &Path) -> Result<Pairing<MotPair>, EvalError> {
    if !is_folder_pair(truth, tracks)? {
        let pair = MotPair {
            name: stem(truth),
            truth: truth.into(),
            tracks: tracks.into(),
        };
        return Ok(Pairing {
            pairs: vec![pair],
            left_out: Vec::new(),
        });
    }
    let mut found = list(tracks)?;
    let mut pairs = Vec::new();
    for (name, path) in list(truth)? {
        let Some(theirs) = found.remove(&name) else {
            let name = shown(&name);
            return Err(EvalError::path(
                tracks,
                format!(
                    "has no tracks of `{name}`, expected `{name}.txt` (empty if nobody was seen)"
                ),
            ));
        };
        pairs.push(MotPair {
            name,
            truth: path,
            tracks: theirs,
        });
    }
    Ok(Pairing {
        pairs,
        left_out: found.into_keys().collect(),
    })
}

/// Pairs files of scenes: two AI City files, two folders of them by name, or two folders of one MOTChallenge file a camera.
///
/// # Errors
/// As [`pair_sequences`], or the files are of different kinds.
pub fn pair_scenes(truth: &Path, tracks: &Path) -> Result<Pairing<ScenePair>, EvalError> {
    let name = stem(truth);
    let Pairing { pairs, left_out } = pair_sequences(truth, tracks)?;
    let is_single = !truth.is_dir();
    let mut kind = None;
    for file in pairs.iter().flat_map(|pair| [&pair.truth, &pair.tracks]) {
        let Some(has_commas) = has_commas(file)? else {
            continue;
        };
        if *kind.get_or_insert(has_commas) != has_commas {
            let names = ["AI City", "MOTChallenge"];
            let [is, others] = if has_commas { [1, 0] } else { [0, 1] };
            return Err(EvalError::path(
                file,
                format!(
                    "is in the form of {}, the files before it in that of {}",
                    names[is], names[others]
                ),
            ));
        }
    }
    if kind == Some(true) {
        if is_single {
            return Err(EvalError::path(
                truth,
                "is one MOTChallenge file, which is one camera: give a folder of one file a camera, or a file in the form of AI City",
            ));
        }
        let scene = ScenePair {
            name,
            source: SceneSource::Cameras(pairs),
        };
        return Ok(Pairing {
            pairs: vec![scene],
            left_out,
        });
    }
    let scenes = pairs.into_iter().map(|pair| ScenePair {
        name: pair.name,
        source: SceneSource::AiCity {
            truth: pair.truth,
            tracks: pair.tracks,
        },
    });
    Ok(Pairing {
        pairs: scenes.collect(),
        left_out,
    })
}

/// Reads both files of a pair.
///
/// # Errors
/// As [`read_ground_truth`] and [`read_tracks`].
pub fn read_pair(pair: &MotPair) -> Result<(GroundTruth, Vec<Observation>), EvalError> {
    Ok((read_ground_truth(&pair.truth)?, read_tracks(&pair.tracks)?))
}

fn is_folder_pair(truth: &Path, tracks: &Path) -> Result<bool, EvalError> {
    let is_folder = fs_err::metadata(truth)?.is_dir();
    if fs_err::metadata(tracks)?.is_dir() == is_folder {
        Ok(is_folder)
    } else {
        let [kind, other] = if is_folder {
            ["file", "folder"]
        } else {
            ["folder", "file"]
        };
        Err(EvalError::path(
            tracks,
            format!(
                "is a {kind}, but the ground truth is a {other}: give two files or two folders"
            ),
        ))
    }
}

fn list(folder: &Path) -> Result<BTreeMap<String, PathBuf>, EvalError> {
    let mut found: [BTreeMap<String, PathBuf>; 3] = Default::default();
    for (count, entry) in fs_err::read_dir(folder)?.enumerate() {
        if count == MOST_ENTRIES {
            return Err(EvalError::path(
                folder,
                format!("has more than {MOST_ENTRIES} entries"),
            ));
        }
        let path = entry?.path();
        if path.is_dir() {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            for (kind, inner) in ["gt/gt.txt", "ground_truth.txt"].iter().enumerate() {
                let inner = path.join(inner);
                if inner.is_file() {
                    found[kind].insert(name.clone(), inner);
                }
            }
        } else if path.extension().is_some_and(|ending| ending == "txt") {
            found[2].insert(stem(&path), path);
        }
    }
    found.into_iter().find(|kind| !kind.is_empty()).ok_or_else(|| {
        EvalError::path(
            folder,
            "has no sequences, expected `<name>.txt`, `<name>/gt/gt.txt` or `<name>/ground_truth.txt`",
        )
    })
}

/// Whether the first line that is not empty has a comma; none when there is no such line.
fn has_commas(path: &Path) -> Result<Option<bool>, EvalError> {
    const MOST_BYTES: u64 = 1 << 16;
    let mut reader = BufReader::new(fs_err::File::open(path)?.take(MOST_BYTES));
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        if !line.trim_ascii().is_empty() {
            return Ok(Some(line.contains(&b',')));
        }
        line.clear();
    }
    Ok(None)
}

fn stem(path: &Path) -> String {
    // `seq/gt/gt.txt` is called `seq`.
    let is_nested = path.ends_with("gt/gt.txt");
    let named = if is_nested {
        path.parent().and_then(Path::parent).unwrap_or(path)
    } else {
        path
    };
    let stem = named.file_stem().or(path.file_stem());
    stem.unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        folder
    }

    const MOT: &str = "1,1,0,0,5,5,1\n";
    const CITY: &str = "1 1 0 0 0 5 5\n";

    #[test]
    fn sequences_are_paired_by_name_and_tracks_without_truth_are_named() {
        let truth = folder(&[
            ("b/gt/gt.txt", MOT),
            ("a/gt/gt.txt", MOT),
            ("all.txt", CITY),
        ]);
        let tracks = folder(&[
            ("a.txt", MOT),
            ("b.txt", ""),
            ("c.txt", MOT),
            ("notes.md", ""),
        ]);
        let pairing = pair_sequences(truth.path(), tracks.path()).unwrap();
        let names: Vec<_> = pairing
            .pairs
            .iter()
            .map(|pair| pair.name.as_str())
            .collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(pairing.left_out, ["c"]);
    }

    #[test]
    fn what_does_not_pair_is_refused() {
        let truth = folder(&[("a.txt", MOT), ("b.txt", MOT)]);
        let tracks = folder(&[("a.txt", MOT)]);
        let empty = folder(&[("read.me", "")]);
        let file = tracks.path().join("a.txt");
        for (truth, tracks, expected) in [
            (truth.path(), tracks.path(), "has no tracks of `b`"),
            (
                truth.path(),
                file.as_path(),
                "is a file, but the ground truth is a folder",
            ),
            (
                file.as_path(),
                tracks.path(),
                "is a folder, but the ground truth is a file",
            ),
            (empty.path(), tracks.path(), "has no sequences"),
            (&file.with_file_name("no.txt"), &file, "no.txt"),
        ] {
            let error = pair_sequences(truth, tracks).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains('\n'));
        }
    }

    #[test]
    fn scenes_are_told_by_their_commas() {
        let cities = folder(&[("s1/ground_truth.txt", CITY), ("s2/ground_truth.txt", CITY)]);
        let flat = folder(&[("s1.txt", CITY), ("s2.txt", "\n")]);
        let pairing = pair_scenes(cities.path(), flat.path()).unwrap();
        assert_eq!(pairing.pairs.len(), 2);
        let cameras = folder(&[("one.txt", MOT), ("two.txt", MOT)]);
        let pairing = pair_scenes(cameras.path(), cameras.path()).unwrap();
        assert!(
            matches!(&pairing.pairs[0].source, SceneSource::Cameras(pairs) if pairs.len() == 2)
        );
        let mixed = folder(&[("s1.txt", CITY), ("s2.txt", MOT)]);
        let error = pair_scenes(cities.path(), mixed.path()).unwrap_err();
        assert!(
            error.to_string().contains("is in the form of MOTChallenge"),
            "{error}"
        );
        let one = cameras.path().join("one.txt");
        let error = pair_scenes(&one, &one).unwrap_err().to_string();
        assert!(error.contains("which is one camera"), "{error}");
    }

    #[test]
    fn a_sequence_is_called_by_its_folder() {
        assert_eq!(stem("x/MOT17-02/gt/gt.txt".as_ref()), "MOT17-02");
        assert_eq!(stem("x/gate.txt".as_ref()), "gate");
    }
}
