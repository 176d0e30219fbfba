//! The engine's notes of free room, put right before it reads them.
//!
//! The engine marks a block as used in one mapped file, and notes in another one how much room is left around it. A process that is
//! killed between the two leaves a note of room that is not there: from then on the engine panics at each write, after every start too.
//! The notes follow from the marks, so they are made again from them. (Gridstore of qdrant-edge 0.7: `bitmask.dat`, `gaps.dat`.)

use std::path::Path;

use serde::Deserialize;

use crate::{Error, Result};

const WHAT: &str = "look at the index's free room";

/// How blocks lie in such a folder; `config.json` there.
#[derive(Debug, Deserialize)]
struct Shape {
    page_size_bytes: usize,
    block_size_bytes: usize,
    region_size_blocks: usize,
}

/// Puts right what a killed process left, in this folder and below.
///
/// # Errors
///
/// When the disk refuses. What is no such folder, or another kind of it, is left to the engine.
pub(super) fn mend(dir: &Path) -> Result<()> {
    let entries = match fs_err::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(Error::io(WHAT))?,
    };
    for entry in entries {
        let entry = entry.map_err(Error::io(WHAT))?;
        if entry.file_type().map_err(Error::io(WHAT))?.is_dir() {
            mend(&entry.path())?;
        } else if entry.file_name() == "gaps.dat" {
            mend_notes(dir)?;
        }
    }
    Ok(())
}

fn mend_notes(dir: &Path) -> Result<()> {
    let read = |name: &str| fs_err::read(dir.join(name)).ok();
    let (Some(config), Some(marks), Some(known)) =
        (read("config.json"), read("bitmask.dat"), read("gaps.dat"))
    else {
        return Ok(());
    };
    let Ok(shape) = serde_json::from_slice::<Shape>(&config) else {
        return Ok(());
    };
    let region_bytes = shape.region_size_blocks / 8;
    let is_whole = region_bytes > 0 && marks.len().is_multiple_of(region_bytes);
    if !is_whole || shape.page_size_bytes == 0 || usize::from(u16::MAX) < shape.region_size_blocks {
        return Ok(());
    }
    // A page that was made and is not marked yet holds nothing, and the engine refuses to open beside it.
    let mut page = marks.len() * 8 * shape.block_size_bytes / shape.page_size_bytes;
    while dir.join(format!("page_{page}.dat")).exists() {
        let path = dir.join(format!("page_{page}.dat"));
        fs_err::remove_file(path).map_err(Error::io(WHAT))?;
        page += 1;
    }
    let regions = marks.chunks_exact(region_bytes);
    let gaps: Vec<u8> = regions.flat_map(room).flat_map(u16::to_ne_bytes).collect();
    if gaps != known {
        tracing::info!(folder = %dir.display(), "the index's notes of free room were made again");
        fs_err::write(dir.join("gaps.dat"), gaps).map_err(Error::io(WHAT))?;
    }
    Ok(())
}

/// Blocks of the longest free run of a region, of the one at its beginning and of the one at its end.
fn room(marks: &[u8]) -> [u16; 3] {
    let (mut longest, mut leading, mut run) = (0, None, 0_u16);
    for byte in marks {
        if *byte == 0 {
            run += 8;
            continue;
        }
        for bit in 0..8 {
            if byte >> bit & 1 == 0 {
                run += 1;
            } else {
                longest = longest.max(run);
                leading.get_or_insert(run);
                run = 0;
            }
        }
    }
    [longest.max(run), leading.unwrap_or(run), run]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::store::tests::{digest_of, events, options};

    #[test]
    fn room_is_counted_from_the_marks() {
        assert_eq!(room(&[0, 0]), [16, 16, 16]);
        assert_eq!(room(&[0xff, 0xff]), [0, 0, 0]);
        assert_eq!(room(&[0b0000_1000, 0b0001_0000]), [8, 3, 3]);
        assert_eq!(room(&[0b1000_0001, 0]), [8, 0, 8]);
    }

    /// Every folder with notes below one.
    fn folders(dir: &Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in fs_err::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders(&entry.path(), found);
            } else if entry.file_name() == "gaps.dat" {
                found.push(dir.to_path_buf());
            }
        }
    }

    #[test]
    fn a_store_that_was_killed_between_two_marks_is_written_on() {
        let dir = tempfile::tempdir().unwrap();
        let all = events(40, 4);
        let (first, second) = all.split_at(all.len() / 2);
        let store = Store::open(dir.path(), &options()).unwrap();
        store.apply(first).unwrap();
        store.flush().unwrap();
        drop(store);
        let mut places = Vec::new();
        folders(dir.path(), &mut places);
        assert!(places.len() > 5, "{places:?}");
        for place in &places {
            // The last block of the first region was marked, and its note was not written.
            let mut marks = fs_err::read(place.join("bitmask.dat")).unwrap();
            marks[..1024].fill(0xff);
            fs_err::write(place.join("bitmask.dat"), &marks).unwrap();
            let mut gaps = fs_err::read(place.join("gaps.dat")).unwrap();
            gaps[..6].copy_from_slice(&[1_u16, 0, 1].map(u16::to_ne_bytes).concat());
            fs_err::write(place.join("gaps.dat"), &gaps).unwrap();
            // And a page was made that is not marked yet.
            let page = fs_err::read(place.join("page_0.dat")).unwrap();
            fs_err::write(place.join("page_1.dat"), vec![0; page.len()]).unwrap();
        }
        let store = Store::open(dir.path(), &options()).unwrap();
        store.apply(second).unwrap();
        store.flush().unwrap();
        assert_eq!(store.digest().unwrap(), digest_of(&[&all]));
    }
}
