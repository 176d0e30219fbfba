//! Copies of a store: everything that is in it, in files that can be checked without it.
//!
//! A backup is a folder: `exemplars` and `tracklets` hold the points, wherever the store has them; `crops`,
//! `coverage`, `persons` and `forgotten` are as in the store; `backup.json` says what has to be there.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use fs_err::File;
use prost::Message;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::Store;
use super::crops::Crops;
use super::engine::{Engine, Point, Where};
use super::options::{StoreOptions, VectorSpec, sorted};
use super::points::{ExemplarPayload, from_payload};
use crate::{Error, Result};

mod proto {
    include!(concat!(env!("OUT_DIR"), "/sightline.backup.v1.rs"));
}

const FORMAT: u32 = 1;
const MANIFEST: &str = "backup.json";

/// Folders of the store that are copied as they are, but for the pictures.
const FOLDERS: [&str; 3] = ["coverage", "persons", "forgotten"];

/// Points read at once.
const PAGE: usize = 500;

/// Largest point that is read back, in bytes.
const MOST_POINT_BYTES: usize = 1 << 20;

/// What `backup.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// The form of the backup.
    pub format: u32,
    /// When it was made, Unix time in ns.
    pub at_ns: i64,
    /// The kinds of vectors, each with its model.
    pub vectors: Vec<VectorSpec>,
    /// Points of sightings.
    pub exemplars: u64,
    /// Points of tracks.
    pub tracklets: u64,
    /// Pictures; each is named by its sha256.
    pub crops: u64,
    /// Their bytes.
    pub crop_bytes: u64,
    /// [`Store::digest`] of the store.
    pub digest: String,
    /// Every other file with its sha256.
    pub files: BTreeMap<String, String>,
}

impl Store {
    /// Copies the store into `to`, which must be missing or empty. What waits in the spool is not in it: drain first.
    /// A dry run only says what it would hold.
    ///
    /// # Errors
    ///
    /// When the disk or the engine refuses, or there is something in `to`.
    pub fn backup(&self, to: &Path, at_ns: i64, is_dry_run: bool) -> Result<Backup> {
        let index = self.index();
        let what = "write a backup";
        self.flush()?;
        let status = self.status()?;
        let mut backup = Backup {
            format: FORMAT,
            at_ns,
            vectors: index.vectors.clone(),
            exemplars: status.exemplars,
            tracklets: status.tracklets,
            crops: status.crops.crops,
            crop_bytes: status.crops.bytes,
            digest: self.digest()?,
            files: BTreeMap::new(),
        };
        refuse_full(to)?;
        if is_dry_run {
            return Ok(backup);
        }
        fs_err::create_dir_all(to).map_err(Error::io(what))?;
        let mut named = BTreeSet::new();
        for (name, engine) in [
            ("exemplars", &index.exemplars),
            ("tracklets", &index.tracklets),
        ] {
            let note = |payload| note_picture(name, payload, &mut named);
            let hash = write_points(engine.as_ref(), &to.join(name), note)?;
            backup.files.insert(name.to_owned(), hash);
        }
        for name in FOLDERS {
            for file in files_in(&self.dir.join(name))? {
                let path = format!("{name}/{file}");
                copy(&self.dir.join(&path), &to.join(&path))?;
                backup.files.insert(path.clone(), hash_of(&to.join(&path))?);
            }
        }
        // A picture that no point names may lie there for a while, as where its point is another store's to hold.
        (backup.crops, backup.crop_bytes) = (0, 0);
        for name in named {
            if let Some(from) = self.crops.find(&name) {
                let path = Crops::path_in(&to.join("crops"), &name);
                backup.crop_bytes += copy(&from, &path)?;
                backup.crops += 1;
            }
        }
        // Last, and whole: a backup without it was not finished.
        let text = serde_json::to_vec_pretty(&backup).map_err(|e| Error::io(what)(e.into()))?;
        let part = to.join("backup.part");
        fs_err::write(&part, text).map_err(Error::io(what))?;
        let dir = File::open(to).map_err(Error::io(what))?;
        rustix::fs::syncfs(dir.file()).map_err(|error| Error::io(what)(error.into()))?;
        fs_err::rename(&part, to.join(MANIFEST)).map_err(Error::io(what))?;
        dir.sync_all().map_err(Error::io(what))?;
        Ok(backup)
    }
}

impl Backup {
    /// Reads what a backup says of itself.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when it was not finished, or cannot be read.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(MANIFEST);
        let corrupt = |what: String| Error::Corrupt {
            path: path.clone(),
            what,
        };
        let text = fs_err::read(&path).map_err(|error| corrupt(error.to_string()))?;
        let backup: Self =
            serde_json::from_slice(&text).map_err(|error| corrupt(error.to_string()))?;
        if backup.format != FORMAT {
            return Err(corrupt(format!(
                "its form is {}, this build reads {FORMAT}",
                backup.format
            )));
        }
        Ok(backup)
    }

    /// Refuses a store for other vectors than the backup's.
    pub(super) fn check_vectors(&self, dir: &Path, options: &StoreOptions) -> Result<()> {
        if sorted(&self.vectors) == sorted(&options.vectors) {
            return Ok(());
        }
        let held = self.vectors.iter();
        let held: Vec<_> = held
            .map(|spec| format!("`{}` by `{}`", spec.name, spec.model))
            .collect();
        Err(Error::Mismatch {
            path: dir.to_path_buf(),
            what: format!("it holds {}, and others are asked for", held.join(" and ")),
        })
    }

    /// Looks at every file of a backup: that it is there, that it is what it was, that every point can be read and
    /// has its picture, unless that had gone from the store already.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] with the first file that is not as it was.
    pub fn verify(dir: &Path) -> Result<Self> {
        let backup = Self::open(dir)?;
        let corrupt = |path: PathBuf, what: String| Error::Corrupt { path, what };
        for (name, wanted) in &backup.files {
            let path = dir.join(name);
            if !path.is_file() {
                return Err(corrupt(path, "it is missing".to_owned()));
            }
            if hash_of(&path)? != *wanted {
                return Err(corrupt(path, "it is not what was written".to_owned()));
            }
        }
        let pictures = backup.verify_pictures(dir)?;
        let mut named = BTreeSet::new();
        for (name, wanted) in [
            ("exemplars", backup.exemplars),
            ("tracklets", backup.tracklets),
        ] {
            let mut points = 0;
            read_points(&dir.join(name), |point| {
                points += 1;
                note_picture(name, point.payload, &mut named)
            })?;
            if points != wanted {
                let what = format!("it holds {points} points, expected {wanted}");
                return Err(corrupt(dir.join(name), what));
            }
        }
        if let Some(stray) = pictures.iter().find(|name| !named.contains(*name)) {
            let what = format!("no point names picture {stray}");
            return Err(corrupt(dir.join("crops"), what));
        }
        Ok(backup)
    }

    fn verify_pictures(&self, dir: &Path) -> Result<BTreeSet<String>> {
        let mut pictures = BTreeSet::new();
        for file in files_in(&dir.join("crops"))? {
            let path = dir.join("crops").join(&file);
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            let name = stem.unwrap_or_default().to_owned();
            if hash_of(&path)? != name {
                let what = "its bytes are not those that its name says".to_owned();
                return Err(Error::Corrupt { path, what });
            }
            pictures.insert(name);
        }
        if pictures.len() as u64 != self.crops {
            return Err(Error::Corrupt {
                path: dir.join("crops"),
                what: format!("{} pictures, expected {}", pictures.len(), self.crops),
            });
        }
        Ok(pictures)
    }
}

/// Refuses a folder that has something in it.
pub(super) fn refuse_full(dir: &Path) -> Result<()> {
    let entries = match fs_err::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("look into a folder")(error)),
    };
    if entries.into_iter().next().is_some() {
        return Err(Error::Query {
            what: format!("{} is not empty, expected a new folder", dir.display()),
        });
    }
    Ok(())
}

/// Files under a folder by their paths from there, in order; none where it is missing.
pub(super) fn files_in(dir: &Path) -> Result<Vec<String>> {
    let what = "look into a folder";
    let mut files = Vec::new();
    let entries = match fs_err::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(files),
        Err(error) => return Err(Error::io(what)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(Error::io(what))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().map_err(Error::io(what))?.is_dir() {
            let below = files_in(&entry.path())?;
            files.extend(below.into_iter().map(|file| format!("{name}/{file}")));
        } else {
            files.push(name);
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Notes the picture that a point of a file names: those of tracks name none of their own.
fn note_picture(
    file: &str,
    payload: Map<String, Value>,
    named: &mut BTreeSet<String>,
) -> Result<()> {
    if file == "exemplars" {
        let payload: ExemplarPayload = from_payload(payload)?;
        named.extend(payload.crop);
    }
    Ok(())
}

/// Copies a file with its permissions and its time. Says how many bytes it has.
pub(super) fn copy(from: &Path, to: &Path) -> Result<u64> {
    let what = "copy a file";
    if let Some(folder) = to.parent() {
        fs_err::create_dir_all(folder).map_err(Error::io(what))?;
    }
    let bytes = fs_err::copy(from, to).map_err(Error::io(what))?;
    let time = fs_err::metadata(from).and_then(|file| file.modified());
    let file = File::options()
        .append(true)
        .open(to)
        .map_err(Error::io(what))?;
    file.file()
        .set_modified(time.map_err(Error::io(what))?)
        .map_err(Error::io(what))?;
    Ok(bytes)
}

pub(super) fn hash_of(path: &Path) -> Result<String> {
    let what = "read a file";
    let mut file = File::open(path).map_err(Error::io(what))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let length = file.read(&mut buffer).map_err(Error::io(what))?;
        if length == 0 {
            break;
        }
        hash.update(&buffer[..length]);
    }
    Ok(hex(&hash.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes every point of a collection, and hands on what it holds. Says what the file's bytes hash to.
fn write_points(
    engine: &dyn Engine,
    path: &Path,
    mut note: impl FnMut(Map<String, Value>) -> Result<()>,
) -> Result<String> {
    let what = "write points into a backup";
    let mut file = BufWriter::new(File::create(path).map_err(Error::io(what))?);
    let mut from = None;
    loop {
        let (points, next) = engine.page(&Where::default(), from, PAGE, true)?;
        for point in points {
            let vectors = point.vectors.into_iter();
            let stored = proto::StoredPoint {
                id: point.id.as_bytes().to_vec().into(),
                payload_json: serde_json::to_vec(&point.payload)
                    .map_err(|error| Error::io(what)(error.into()))?
                    .into(),
                vectors: vectors
                    .map(|(name, values)| proto::StoredVector { name, values })
                    .collect(),
            };
            file.write_all(&stored.encode_length_delimited_to_vec())
                .map_err(Error::io(what))?;
            note(point.payload)?;
        }
        match next {
            Some(next) => from = Some(next),
            None => break,
        }
    }
    file.flush().map_err(Error::io(what))?;
    drop(file);
    hash_of(path)
}

/// Hands on every point of a file.
pub(super) fn read_points(path: &Path, mut take: impl FnMut(Point) -> Result<()>) -> Result<()> {
    let what = "read points of a backup";
    let corrupt = |what: &str| Error::Corrupt {
        path: path.to_path_buf(),
        what: what.to_owned(),
    };
    let mut file = BufReader::new(File::open(path).map_err(Error::io(what))?);
    let mut bytes = Vec::new();
    while let Some(length) = read_length(&mut file).map_err(Error::io(what))? {
        if length > MOST_POINT_BYTES {
            return Err(corrupt("a point is larger than any can be"));
        }
        bytes.resize(length, 0);
        file.read_exact(&mut bytes).map_err(Error::io(what))?;
        let stored = proto::StoredPoint::decode(bytes.as_slice())
            .map_err(|_| corrupt("a point cannot be read"))?;
        take(Point {
            id: Uuid::from_slice(&stored.id).map_err(|_| corrupt("a point has no id"))?,
            vectors: stored
                .vectors
                .into_iter()
                .map(|vector| (vector.name, vector.values))
                .collect(),
            payload: serde_json::from_slice(&stored.payload_json)
                .map_err(|_| corrupt("a point has no payload"))?,
        })?;
    }
    Ok(())
}

/// The length before a point; none at the end.
fn read_length(file: &mut impl Read) -> std::io::Result<Option<usize>> {
    let mut length = 0_usize;
    for shift in (0..28).step_by(7) {
        let mut byte = [0];
        if file.read(&mut byte)? == 0 {
            return match shift {
                0 => Ok(None),
                _ => Err(std::io::ErrorKind::UnexpectedEof.into()),
            };
        }
        length |= usize::from(byte[0] & 0x7f) << shift;
        if byte[0] & 0x80 == 0 {
            return Ok(Some(length));
        }
    }
    Err(std::io::ErrorKind::InvalidData.into())
}
