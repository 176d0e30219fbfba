//! Market-1501: folders of pictures whose names say who they show: `0002_c1s1_000451_03.jpg`, `-1_c3s2_...jpg` for junk.

use std::path::{Path, PathBuf};

use crate::error::EvalError;
use crate::retrieval::Label;

/// A picture of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Its file.
    pub path: PathBuf,
    /// Who it shows, and which camera took it. Identity 0 is nobody's, [`crate::retrieval::JUNK`] neither right nor wrong.
    pub label: Label,
}

/// Queries and gallery of a dataset, whoever's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Market {
    /// Pictures that ask.
    pub queries: Vec<Picture>,
    /// Pictures that are ranked.
    pub gallery: Vec<Picture>,
}

/// Most pictures of one part of a dataset.
pub(super) const MOST_PICTURES: usize = 2_000_000;

/// Reads `query/` and `bounding_box_test/` below `root`.
///
/// # Errors
/// A folder is missing or empty, or a picture is misnamed.
pub fn read_market(root: &Path) -> Result<Market, EvalError> {
    Ok(Market {
        queries: read_pictures(&root.join("query"))?,
        gallery: read_pictures(&root.join("bounding_box_test"))?,
    })
}

/// Reads the names of all `.jpg` and `.png` pictures of a folder, sorted; other files are not pictures.
///
/// # Errors
/// As [`read_market`].
pub fn read_pictures(folder: &Path) -> Result<Vec<Picture>, EvalError> {
    let mut pictures = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
        if ending != "jpg" && ending != "jpeg" && ending != "png" {
            continue;
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let Some(label) = label_of(&name) else {
            return Err(EvalError::path(
                &path,
                "is misnamed, expected a name like `0002_c1s1_000451_03.jpg`",
            ));
        };
        if pictures.len() == MOST_PICTURES {
            let what = format!("has more than {MOST_PICTURES} pictures");
            return Err(EvalError::path(folder, what));
        }
        pictures.push(Picture { path, label });
    }
    if pictures.is_empty() {
        return Err(EvalError::path(
            folder,
            "has no pictures, expected files like `0002_c1s1_000451_03.jpg`",
        ));
    }
    pictures.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(pictures)
}

/// `<identity>_c<camera>`, then nothing or anything that is no digit.
fn label_of(name: &str) -> Option<Label> {
    let (id, rest) = name.split_once("_c")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let is_junk = id == "-1";
    let is_identity = (4..=9).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit());
    if !(is_junk || is_identity) || !(1..=6).contains(&digits) {
        return None;
    }
    Some(Label {
        id: id.parse().ok()?,
        camera: rest[..digits].parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieval::JUNK;

    #[test]
    fn names_say_who_and_where() {
        let label = |id, camera| Some(Label { id, camera });
        for (name, expected) in [
            ("0002_c1s1_000451_03", label(2, 1)),
            ("-1_c3s2_000001_00", label(JUNK, 3)),
            ("0000_c6s4_000001_00", label(0, 6)),
            ("0001_c12", label(1, 12)),
            ("2_c1s1", None),
            ("0002-c1s1", None),
            ("0002_cs1", None),
            ("00a2_c1", None),
            ("-2_c1", None),
            ("0002_c99999999999", None),
            ("", None),
        ] {
            assert_eq!(label_of(name), expected, "{name}");
        }
    }

    #[test]
    fn a_folder_is_read_sorted_and_a_misnamed_picture_refused() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["query", "bounding_box_test"] {
            fs_err::create_dir(folder.path().join(name)).unwrap();
        }
        let error = read_market(folder.path()).unwrap_err().to_string();
        assert!(error.contains("query` has no pictures"), "{error}");
        for name in [
            "query/0007_c2s1_1.jpg",
            "query/Thumbs.db",
            "bounding_box_test/0009_c1.png",
            "bounding_box_test/-1_c1.jpg",
        ] {
            fs_err::write(folder.path().join(name), "").unwrap();
        }
        let market = read_market(folder.path()).unwrap();
        assert_eq!(market.queries.len(), 1);
        let ids: Vec<i64> = market
            .gallery
            .iter()
            .map(|picture| picture.label.id)
            .collect();
        assert_eq!(ids, [JUNK, 9]);
        fs_err::write(folder.path().join("query/face.jpg"), "").unwrap();
        let error = read_market(folder.path()).unwrap_err().to_string();
        assert!(error.contains("face.jpg` is misnamed"), "{error}");
    }
}
