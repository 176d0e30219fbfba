//! A model into its folder: from the mirror, else from its address; mended, checked, and put in place whole.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sightline_reid::card::{sha256_of_bytes, sha256_of_file};
use sightline_reid::mend;

use super::card::{CARD_FILE, WholeCard};
use super::error::Unreachable;
use super::manifest::{self, Entry};
use super::{Error, ModelFolders, download, mirror};

/// Variable that names the mirror.
pub const MIRROR_VARIABLE: &str = "SIGHTLINE_MODEL_MIRROR";

/// Where a model's file came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It was in place already.
    Installed,
    /// The mirror, at this path.
    Mirror(PathBuf),
    /// Its address.
    Url(String),
}

/// What was done for one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FetchReport {
    /// The model.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Where its file came from.
    pub origin: Origin,
    /// Repairs that were made.
    pub mends: Vec<String>,
    /// Digest of the file as used.
    pub sha256: String,
    /// Its licence.
    pub licence: String,
}

/// How far one file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'p> {
    /// The model.
    pub name: &'p str,
    /// Bytes here.
    pub done_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
}

/// Installs the models called `names` (none: all of the manifest); what is in place and right stays as it is.
///
/// # Errors
/// [`Error::UnknownModel`], [`Error::Unreachable`], [`Error::Digest`], [`Error::Mend`], [`Error::Io`]; models before the
/// one that failed stay installed.
pub fn fetch(
    names: &[String],
    folders: &ModelFolders,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Vec<FetchReport>, Error> {
    let mirror = std::env::var_os(MIRROR_VARIABLE).map(PathBuf::from);
    fetch_from(mirror.as_deref(), &download::get, names, folders, progress)
}

/// Fetches a whole file of that length from an address and tells how far it is; the message says why it failed.
type Get<'g> = &'g dyn Fn(&str, u64, &mut dyn FnMut(u64)) -> Result<Vec<u8>, String>;

fn fetch_from(
    mirror: Option<&Path>,
    get: Get<'_>,
    names: &[String],
    folders: &ModelFolders,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Vec<FetchReport>, Error> {
    let entries = manifest::read(&folders.cards)?;
    let mut reports = Vec::new();
    for entry in manifest::select(&entries, names)? {
        reports.push(fetch_one(entry, mirror, get, folders, progress)?);
    }
    Ok(reports)
}

fn fetch_one(
    entry: &Entry,
    mirror: Option<&Path>,
    get: Get<'_>,
    folders: &ModelFolders,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<FetchReport, Error> {
    let card_text = fs_err::read_to_string(&entry.card)?;
    let card = WholeCard::parse(&card_text, &entry.card)?;
    if card.name != entry.name || card.sha256 != entry.used_sha256 {
        let reason = format!(
            "its name or sha256 differs from model `{}` of the manifest",
            entry.name
        );
        return Err(Error::Document {
            path: entry.card.clone(),
            reason,
        });
    }
    let folder = folders.of(&entry.name);
    let file = folder.join(&card.file);
    let report = |origin, mends: &[mend::Mend]| FetchReport {
        name: entry.name.clone(),
        folder: folder.clone(),
        origin,
        mends: mends.iter().map(|mend| mend.name().to_string()).collect(),
        sha256: entry.used_sha256.clone(),
        licence: entry.licence.clone(),
    };
    if file.is_file() && sha256_of_file(&file)? == entry.used_sha256 {
        // The card may be of an earlier release.
        write_whole(&folder.join(CARD_FILE), card_text.as_bytes())?;
        return Ok(report(Origin::Installed, &[]));
    }
    let (published, origin) = obtain(entry, mirror, get, progress)?;
    let used = if entry.mends.is_empty() {
        published
    } else {
        mend::apply(&published, &entry.mends).map_err(|source| Error::Mend {
            name: entry.name.clone(),
            source,
        })?
    };
    check_digest(entry, "the file after mending", &used, &entry.used_sha256)?;
    fs_err::create_dir_all(&folder)?;
    write_whole(&file, &used)?;
    write_whole(&folder.join(CARD_FILE), card_text.as_bytes())?;
    Ok(report(origin, &entry.mends))
}

/// The published file, from wherever it is.
fn obtain(
    entry: &Entry,
    mirror: Option<&Path>,
    get: Get<'_>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(Vec<u8>, Origin), Error> {
    let mut tell = |done_bytes| {
        progress(Progress {
            name: &entry.name,
            done_bytes,
            total_bytes: entry.bytes,
        });
    };
    if let Some(root) = mirror
        && let Some(path) = mirror::find(root, entry.bytes, &entry.sha256)?
    {
        let published = fs_err::read(&path)?;
        check_digest(entry, "the file of the mirror", &published, &entry.sha256)?;
        tell(entry.bytes);
        return Ok((published, Origin::Mirror(path)));
    }
    let published = get(&entry.url, entry.bytes, &mut tell).map_err(|reason| {
        Error::Unreachable(Box::new(Unreachable {
            name: entry.name.clone(),
            file: entry.file_name().into(),
            sha256: entry.sha256.clone(),
            mirror: match mirror {
                Some(root) => format!("not in the mirror `{}`", root.display()),
                None => format!("not here ({MIRROR_VARIABLE} is not set)"),
            },
            url: entry.url.clone(),
            reason,
        }))
    })?;
    check_digest(entry, "the file at its address", &published, &entry.sha256)?;
    Ok((published, Origin::Url(entry.url.clone())))
}

fn check_digest(entry: &Entry, what: &str, bytes: &[u8], expected: &str) -> Result<(), Error> {
    let found = sha256_of_bytes(bytes);
    if found == expected {
        return Ok(());
    }
    Err(Error::Digest {
        name: entry.name.clone(),
        what: what.into(),
        found,
        expected: expected.into(),
    })
}

/// Writes a file beside its place and renames it, so that nobody ever reads half of one.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let write = || {
        let mut file = fs_err::File::create(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs_err::rename(&part, path)
    };
    let written: std::io::Result<()> = write();
    if written.is_err() {
        // What went wrong first is what matters.
        fs_err::remove_file(&part).ok();
    }
    Ok(written?)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const PERSON: &str = "person-reid-0267";

    /// Cards of the checkout and an empty folder to install into.
    fn folders(root: &Path) -> ModelFolders {
        let cards = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("models");
        ModelFolders {
            installed: root.join("installed"),
            cards,
        }
    }

    fn unreachable(_: &str, _: u64, _: &mut dyn FnMut(u64)) -> Result<Vec<u8>, String> {
        Err("no route to host".into())
    }

    fn mirror(test: &str) -> Option<PathBuf> {
        let mirror = std::env::var_os(MIRROR_VARIABLE).map(PathBuf::from);
        if mirror.is_none() {
            Write::write_all(
                &mut std::io::stderr(),
                format!("SKIPPED {test}: {MIRROR_VARIABLE} is not set\n").as_bytes(),
            )
            .ok();
        }
        mirror
    }

    #[test]
    fn without_network_and_mirror_file_address_and_place_are_named() {
        let root = tempfile::tempdir().unwrap();
        for mirror in [None, Some(root.path())] {
            let names = [PERSON.to_string()];
            let error = fetch_from(
                mirror,
                &unreachable,
                &names,
                &folders(root.path()),
                &mut |_| {},
            )
            .unwrap_err()
            .to_string();
            for words in [
                "person-reidentification-retail-0267.onnx",
                "ca531dc7b2f0",
                "https://raw",
                "no route to host",
                MIRROR_VARIABLE,
            ] {
                assert!(error.contains(words), "{error}");
            }
            assert_eq!(error.lines().count(), 1);
        }
        assert!(!root.path().join("installed").join(PERSON).exists());
    }

    #[test]
    fn a_file_of_another_digest_is_not_installed() {
        let root = tempfile::tempdir().unwrap();
        let other = |_: &str, bytes: u64, _: &mut dyn FnMut(u64)| {
            Ok(vec![7; usize::try_from(bytes).unwrap()])
        };
        let error = fetch_from(
            None,
            &other,
            &[PERSON.into()],
            &folders(root.path()),
            &mut |_| {},
        )
        .unwrap_err();
        assert!(matches!(error, Error::Digest { .. }), "{error}");
        assert!(
            !root
                .path()
                .join("installed")
                .join(PERSON)
                .join("model.onnx")
                .exists()
        );
    }

    #[test]
    fn models_come_from_the_mirror_mended_and_a_second_time_stay_as_they_are() {
        let test = "models_come_from_the_mirror_mended_and_a_second_time_stay_as_they_are";
        let Some(mirror) = mirror(test) else { return };
        let root = tempfile::tempdir().unwrap();
        let folders = folders(root.path());
        let told = Cell::new(0);
        let mut tell = |progress: Progress<'_>| told.set(told.get() + progress.done_bytes);
        let first = fetch_from(Some(&mirror), &unreachable, &[], &folders, &mut tell).unwrap();
        assert!(
            first
                .iter()
                .all(|report| matches!(report.origin, Origin::Mirror(_))),
            "{first:?}"
        );
        assert!(told.get() > 0);
        let person = first.iter().find(|report| report.name == PERSON).unwrap();
        assert_eq!(person.mends, ["instance-norm", "dynamic-batch"]);
        for report in &first {
            let card = WholeCard::read(&report.folder.join(CARD_FILE)).unwrap();
            let file = report.folder.join(card.file);
            assert_eq!(sha256_of_file(&file).unwrap(), card.sha256);
            let entries = fs_err::read_dir(&report.folder).unwrap();
            assert_eq!(
                entries.count(),
                2,
                "no parts are left in {}",
                report.folder.display()
            );
        }
        let second = fetch_from(None, &unreachable, &[], &folders, &mut |_| {}).unwrap();
        assert!(
            second
                .iter()
                .all(|report| report.origin == Origin::Installed),
            "{second:?}"
        );

        let damaged = folders.of(PERSON).join("model.onnx");
        fs_err::write(&damaged, b"damaged").unwrap();
        let third = fetch_from(
            Some(&mirror),
            &unreachable,
            &[PERSON.into()],
            &folders,
            &mut |_| {},
        )
        .unwrap();
        assert!(matches!(third[0].origin, Origin::Mirror(_)));
        assert_eq!(sha256_of_file(&damaged).unwrap(), third[0].sha256);
    }
}
