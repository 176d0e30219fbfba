//! MSMT17: lists of pictures, a path and a number of a person a line.

use std::path::{Path, PathBuf};

use super::Market;
use super::lines::read_bytes;
use super::market::{MOST_PICTURES, Picture};
use crate::error::{EvalError, shown};
use crate::retrieval::Label;

/// Folders of the test pictures, by edition of the dataset.
const FOLDERS: [&str; 3] = ["test", "mask_test_v2", "test_v2"];

/// Whether a folder is laid out like MSMT17.
pub(super) fn is_msmt(root: &Path) -> bool {
    root.join("list_query.txt").is_file()
}

/// Reads `list_query.txt` and `list_gallery.txt`; their paths lie below `test/` (`mask_test_v2/`, `test_v2/`).
///
/// # Errors
/// A list or a picture is missing, a line is no path and number, or a picture is misnamed.
pub fn read_msmt(root: &Path) -> Result<Market, EvalError> {
    let mut folders = FOLDERS.iter().map(|name| root.join(name));
    let Some(folder) = folders.find(|folder| folder.is_dir()) else {
        return Err(EvalError::path(
            root,
            "has no folder `test`, `mask_test_v2` or `test_v2`, expected MSMT17 as its authors lay it out",
        ));
    };
    Ok(Market {
        queries: list(&root.join("list_query.txt"), &folder)?,
        gallery: list(&root.join("list_gallery.txt"), &folder)?,
    })
}

fn list(file: &Path, folder: &Path) -> Result<Vec<Picture>, EvalError> {
    let bytes = read_bytes(file)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut pictures = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let fault = |what: String| EvalError::line(file, at + 1, what);
        let parts = line
            .rsplit_once(' ')
            .and_then(|(path, id)| Some((below(path)?, id.parse::<u32>().ok()?)));
        let Some((relative, id)) = parts else {
            return Err(fault(format!(
                "is `{}`, expected a path below the folder and a number, such as `0000/0000_000_01_0303morning_0008_0.jpg 0`",
                shown(line)
            )));
        };
        let Some(camera) = camera_of(&relative) else {
            return Err(fault(format!(
                "`{}` is misnamed, expected a name like `0000_000_01_0303morning_0008_0.jpg`",
                shown(line)
            )));
        };
        let path = folder.join(relative);
        if !path.is_file() {
            return Err(fault(format!(
                "`{}` is missing below `{}`",
                shown(line),
                folder.display()
            )));
        }
        if pictures.len() == MOST_PICTURES {
            return Err(fault(format!("is beyond {MOST_PICTURES} pictures")));
        }
        let id = i64::from(id);
        let label = Label { id, camera };
        pictures.push(Picture { path, label });
    }
    if pictures.is_empty() {
        return Err(EvalError::path(file, "names no picture"));
    }
    Ok(pictures)
}

/// A relative path that stays below its folder.
pub(super) fn below(path: &str) -> Option<PathBuf> {
    let relative = PathBuf::from(path);
    let is_below = relative
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_)));
    (!path.is_empty() && is_below).then_some(relative)
}

/// The third number of a name: `0000_000_01_0303morning_0008_0.jpg` is of camera 1.
fn camera_of(path: &Path) -> Option<u32> {
    let name = path.file_stem()?.to_str()?;
    let mut parts = name.split('_');
    let (person, picture, camera) = (parts.next()?, parts.next()?, parts.next()?);
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let is_named = is_number(person) && is_number(picture) && camera.len() == 2;
    (is_named && is_number(camera) && parts.next().is_some())
        .then(|| camera.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(query: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("mask_test_v2/0003");
        fs_err::create_dir_all(&folder).unwrap();
        for name in [
            "0003_000_01_0303morning_0008_0.jpg",
            "0003_001_14_0303noon_0010_1.jpg",
        ] {
            fs_err::write(folder.join(name), "").unwrap();
        }
        fs_err::write(root.path().join("list_query.txt"), query).unwrap();
        let gallery = "0003/0003_001_14_0303noon_0010_1.jpg 3\n\n";
        fs_err::write(root.path().join("list_gallery.txt"), gallery).unwrap();
        root
    }

    #[test]
    fn lists_say_who_and_names_say_where() {
        let root = dataset("0003/0003_000_01_0303morning_0008_0.jpg 3\n");
        assert!(is_msmt(root.path()));
        let set = read_msmt(root.path()).unwrap();
        assert_eq!(set.queries[0].label, Label { id: 3, camera: 1 });
        assert_eq!(set.gallery[0].label, Label { id: 3, camera: 14 });
    }

    #[test]
    fn what_is_missing_or_misnamed_is_refused_with_its_line() {
        for (query, expected) in [
            ("0003/0003_000_01_x_0.jpg\n", "line 1: is `"),
            ("\n../../etc/passwd 3\n", "line 2: is `"),
            ("0003/face.jpg 3\n", "is misnamed"),
            ("0003/0003_000_01.jpg 3\n", "is misnamed"),
            (
                "0003/0003_009_01_0303morning_0_0.jpg 3\n",
                "is missing below",
            ),
            ("\n", "names no picture"),
        ] {
            let error = read_msmt(dataset(query).path()).unwrap_err().to_string();
            assert!(error.contains(expected), "{query}: {error}");
            assert!(!error.contains('\n'));
        }
        let empty = tempfile::tempdir().unwrap();
        let error = read_msmt(empty.path()).unwrap_err().to_string();
        assert!(error.contains("has no folder `test`"), "{error}");
    }
}
