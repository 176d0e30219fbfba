//! Occluded-REID: a folder a person, hidden in part to ask with and whole to find.

use std::path::Path;

use super::Market;
use super::market::{MOST_PICTURES, Picture};
use crate::error::EvalError;
use crate::retrieval::Label;

/// Folders of those who ask and of those who are ranked. The dataset names no cameras: each half counts as one.
const HALVES: [&str; 2] = ["occluded_body_images", "whole_body_images"];

/// Whether a folder is laid out like Occluded-REID.
pub(super) fn is_occluded(root: &Path) -> bool {
    HALVES.iter().any(|half| root.join(half).is_dir())
}

/// Reads `occluded_body_images/` (queries) and `whole_body_images/` (gallery): a folder a person, `001/001_01.png`.
///
/// # Errors
/// A folder is missing or empty, or a picture is misnamed, is somebody else's, or is a TIFF, as the authors have it.
pub fn read_occluded(root: &Path) -> Result<Market, EvalError> {
    Ok(Market {
        queries: half(&root.join(HALVES[0]), 1)?,
        gallery: half(&root.join(HALVES[1]), 2)?,
    })
}

fn half(folder: &Path, camera: u32) -> Result<Vec<Picture>, EvalError> {
    let mut pictures = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let person = entry?.path();
        if !person.is_dir() {
            continue;
        }
        for entry in fs_err::read_dir(&person)? {
            let path = entry?.path();
            let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
            if ending == "tif" || ending == "tiff" {
                return Err(EvalError::path(
                    &path,
                    "is a TIFF, expected PNG or JPEG: convert the pictures first (`mogrify -format png */*/*.tif`)",
                ));
            }
            if ending != "jpg" && ending != "jpeg" && ending != "png" {
                continue;
            }
            let Some(id) = number_of(&person).filter(|id| person_of(&path) == Some(*id)) else {
                return Err(EvalError::path(
                    &path,
                    "is misnamed, expected `001_01.png` in a folder `001`",
                ));
            };
            if pictures.len() == MOST_PICTURES {
                let what = format!("has more than {MOST_PICTURES} pictures");
                return Err(EvalError::path(folder, what));
            }
            let label = Label { id, camera };
            pictures.push(Picture { path, label });
        }
    }
    if pictures.is_empty() {
        return Err(EvalError::path(
            folder,
            "has no pictures, expected folders of people like `001/001_01.png`",
        ));
    }
    pictures.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(pictures)
}

fn number_of(folder: &Path) -> Option<i64> {
    digits(folder.file_name()?.to_str()?)
}

/// `001_01.png` shows person 1.
fn person_of(path: &Path) -> Option<i64> {
    let (person, number) = path.file_stem()?.to_str()?.split_once('_')?;
    digits(number)?;
    digits(person)
}

fn digits(text: &str) -> Option<i64> {
    let is_number = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(asking: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in [
            format!("{}/{asking}", HALVES[0]),
            format!("{}/001/001_01.png", HALVES[1]),
            format!("{}/012/012_03.JPG", HALVES[1]),
            format!("{}/012/Thumbs.db", HALVES[1]),
        ] {
            let path = root.path().join(file);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, "").unwrap();
        }
        root
    }

    #[test]
    fn folders_say_who() {
        let root = dataset("012/012_01.png");
        assert!(is_occluded(root.path()));
        let set = read_occluded(root.path()).unwrap();
        assert_eq!(set.queries[0].label, Label { id: 12, camera: 1 });
        let gallery: Vec<i64> = set.gallery.iter().map(|it| it.label.id).collect();
        assert_eq!(gallery, [1, 12]);
    }

    #[test]
    fn what_is_misnamed_or_a_tiff_is_refused() {
        for (asking, expected) in [
            ("012/013_01.png", "is misnamed"),
            ("012/face.png", "is misnamed"),
            ("x/001_01.png", "is misnamed"),
            ("012/012_01.tif", "is a TIFF"),
            ("012/notes.txt", "has no pictures"),
        ] {
            let error = read_occluded(dataset(asking).path())
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{asking}: {error}");
        }
    }
}
