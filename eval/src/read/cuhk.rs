//! CUHK-PEDES, ICFG-PEDES, RSTPReid and the synthetic world: pictures with sentences, in one JSON file.

use std::path::{Path, PathBuf};

use super::lines::read_bytes;
use super::msmt::below;
use crate::error::{EvalError, shown};

/// A sentence about a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caption {
    /// What was written.
    pub text: String,
    /// Number of the picture in [`Captioned::pictures`].
    pub picture: usize,
}

/// Pictures with sentences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captioned {
    /// Files with who they show.
    pub pictures: Vec<(PathBuf, i64)>,
    /// Sentences in the order of the file.
    pub captions: Vec<Caption>,
}

/// How a dataset of sentences lies in its folder.
struct Layout {
    /// The file of sentences.
    file: &'static str,
    /// The folder of pictures; empty if it is the same.
    images: &'static str,
}

/// The synthetic world, CUHK-PEDES, ICFG-PEDES, RSTPReid.
const LAYOUTS: [Layout; 4] = [
    Layout {
        file: "captions.json",
        images: "",
    },
    Layout {
        file: "reid_raw.json",
        images: "imgs",
    },
    Layout {
        file: "ICFG-PEDES.json",
        images: "imgs",
    },
    Layout {
        file: "data_captions.json",
        images: "imgs",
    },
];

#[derive(serde::Deserialize)]
struct Entry {
    id: i64,
    // RSTPReid's name for it.
    #[serde(alias = "img_path")]
    file_path: String,
    captions: Vec<String>,
    split: String,
}

/// Reads one split of a dataset of sentences, by what lies in its folder: `captions.json` (the synthetic world), or `imgs/` beside
/// `reid_raw.json` (CUHK-PEDES), `ICFG-PEDES.json` or `data_captions.json` (RSTPReid).
///
/// # Errors
/// None of these is there, or as [`read_cuhk_pedes`].
pub fn read_sentences(root: &Path, split: &str) -> Result<Captioned, EvalError> {
    let found = LAYOUTS.iter().find(|it| root.join(it.file).is_file());
    let Some(layout) = found else {
        let files: Vec<&str> = LAYOUTS.iter().map(|it| it.file).collect();
        return Err(EvalError::path(
            root,
            format!("has no sentences, expected one of {}", files.join(", ")),
        ));
    };
    let images = root.join(layout.images);
    if !images.is_dir() {
        return Err(EvalError::path(
            &images,
            "is missing, expected the folder of pictures",
        ));
    }
    read_cuhk_pedes(&root.join(layout.file), &images, split)
}

/// Reads one split (`train`, `val`, `test`) of a CUHK-PEDES file: a JSON list of `id`, `file_path`, `captions`, `split`.
///
/// Pictures lie below `images`.
///
/// # Errors
/// The file is not of that form, an entry leaves the folder or has no sentence, a picture is missing, or the split is empty.
pub fn read_cuhk_pedes(json: &Path, images: &Path, split: &str) -> Result<Captioned, EvalError> {
    let bytes = read_bytes(json)?;
    let entries: Vec<Entry> = serde_json::from_slice(&bytes).map_err(|fault| {
        let what = "is not a list of `id`, `file_path`, `captions`, `split`";
        EvalError::line(
            json,
            fault.line(),
            format!("{what}: {}", shown(&fault.to_string())),
        )
    })?;
    let mut out = Captioned::default();
    for (number, entry) in entries.iter().enumerate().filter(|it| it.1.split == split) {
        let fault =
            |what: String| EvalError::path(json, format!("entry {number} (from 0): {what}"));
        let name = shown(&entry.file_path);
        let Some(relative) = below(&entry.file_path) else {
            return Err(fault(format!("`{name}` leaves the folder of pictures")));
        };
        if entry
            .captions
            .iter()
            .all(|caption| caption.trim().is_empty())
        {
            return Err(fault(format!("`{name}` has no sentence")));
        }
        let path = images.join(relative);
        if !path.is_file() {
            return Err(fault(format!(
                "`{name}` is missing below `{}`",
                images.display()
            )));
        }
        let picture = out.pictures.len();
        out.pictures.push((path, entry.id));
        let texts = entry
            .captions
            .iter()
            .filter(|caption| !caption.trim().is_empty());
        out.captions.extend(texts.map(|text| Caption {
            text: text.clone(),
            picture,
        }));
    }
    if out.pictures.is_empty() {
        let what = format!("has no entries of split `{}`", shown(split));
        return Err(EvalError::path(json, what));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dataset_is_known_by_its_file() {
        for (file, key) in [
            ("reid_raw.json", "file_path"),
            ("ICFG-PEDES.json", "file_path"),
            ("data_captions.json", "img_path"),
        ] {
            let root = tempfile::tempdir().unwrap();
            let text = format!(
                r#"[{{"id": 7, "{key}": "a/b.jpg", "captions": ["a man"], "split": "test"}}]"#
            );
            let error = read_sentences(root.path(), "test").unwrap_err().to_string();
            assert!(
                error.contains("has no sentences, expected one of"),
                "{error}"
            );
            fs_err::write(root.path().join(file), text).unwrap();
            let error = read_sentences(root.path(), "test").unwrap_err().to_string();
            assert!(error.contains("imgs` is missing"), "{error}");
            fs_err::create_dir_all(root.path().join("imgs/a")).unwrap();
            let error = read_sentences(root.path(), "test").unwrap_err().to_string();
            assert!(error.contains("`a/b.jpg` is missing"), "{error}");
            let picture = root.path().join("imgs/a/b.jpg");
            fs_err::write(&picture, "").unwrap();
            let set = read_sentences(root.path(), "test").unwrap();
            assert_eq!(set.pictures, [(picture, 7)]);
        }
    }

    #[test]
    fn captions_are_read_by_split_and_bad_entries_named() {
        let folder = tempfile::tempdir().unwrap();
        let json = folder.path().join("reid_raw.json");
        fs_err::write(folder.path().join("a.png"), "").unwrap();
        let read = |text: &str| {
            fs_err::write(&json, text).unwrap();
            read_cuhk_pedes(&json, folder.path(), "test")
        };
        let good = r#"{"id": 3, "file_path": "a.png", "captions": ["a man", " ", "in red"], "split": "test", "processed_tokens": []}"#;
        let other = r#"{"id": 4, "file_path": "no.png", "captions": ["x"], "split": "train"}"#;
        let captioned = read(&format!("[{other},{good}]")).unwrap();
        assert_eq!(captioned.pictures, [(folder.path().join("a.png"), 3)]);
        assert_eq!(
            captioned.captions[1],
            Caption {
                text: "in red".into(),
                picture: 0
            }
        );
        for (text, expected) in [
            ("[{\"id\": 3}]".to_owned(), "line 1: is not a list"),
            ("[".to_owned(), "is not a list"),
            (format!("[{other}]"), "has no entries of split `test`"),
            (
                format!("[{}]", other.replace("train", "test")),
                "entry 0 (from 0): `no.png` is missing",
            ),
            (
                format!("[{}]", good.replace("a.png", "../a.png")),
                "leaves the folder",
            ),
            (
                format!("[{}]", good.replace("a.png", "/etc/passwd")),
                "leaves the folder",
            ),
            (
                format!("[{}]", good.replace("\"a man\", \" \", \"in red\"", "")),
                "has no sentence",
            ),
        ] {
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains('\n'));
        }
    }
}
