//! How many bytes a recording lacks by its own account.
//!
//! Players forgive a file that was cut off: without its index they read what is there and call it whole. So the
//! outermost structure of the two containers that recorders use most is checked before playing.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Boxes or chunks looked at; a sane file has a handful.
const LIMIT: usize = 10_000;

/// What the outermost structure of a file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Structure {
    /// Bytes that should follow the file's end.
    pub(super) missing_bytes: u64,
    /// An MP4 or MOV file whose index is not there, so that nothing in it can be played.
    pub(super) lacks_index: bool,
}

/// Reads the outermost structure of AVI, MP4 and MOV files; other files lack nothing that is known here.
pub(super) fn inspect(path: &Path) -> std::io::Result<Structure> {
    let mut file = fs_err::File::open(path)?;
    let length = file.metadata()?.len();
    let mut start = [0; 12];
    if length < 12 {
        return Ok(Structure::default());
    }
    file.read_exact(&mut start)?;
    match (&start[..4], &start[4..8], &start[8..]) {
        (b"RIFF", _, b"AVI ") => walk_riff(&mut file, length),
        (_, b"ftyp" | b"moov" | b"mdat" | b"wide" | b"free" | b"skip", _) => {
            walk_boxes(&mut file, length)
        }
        _ => Ok(Structure::default()),
    }
}

fn walk_riff(file: &mut (impl Read + Seek), length: u64) -> std::io::Result<Structure> {
    let mut at = 0;
    for _ in 0..LIMIT {
        if at + 8 > length {
            break;
        }
        file.seek(SeekFrom::Start(at))?;
        let mut header = [0; 8];
        file.read_exact(&mut header)?;
        let size = u64::from(u32::from_le_bytes([
            header[4], header[5], header[6], header[7],
        ]));
        // A recorder that died never went back to write the size.
        if &header[..4] != b"RIFF" || size == 0 || size == u64::from(u32::MAX) {
            break;
        }
        let end = at + 8 + size;
        if end > length {
            return Ok(Structure {
                missing_bytes: end - length,
                lacks_index: false,
            });
        }
        at = end + size % 2;
    }
    Ok(Structure::default())
}

fn walk_boxes(file: &mut (impl Read + Seek), length: u64) -> std::io::Result<Structure> {
    let mut at = 0u64;
    let mut has_index = false;
    let mut missing_bytes = 0;
    for _ in 0..LIMIT {
        if at + 8 > length {
            break;
        }
        file.seek(SeekFrom::Start(at))?;
        let mut header = [0; 8];
        file.read_exact(&mut header)?;
        let short = u64::from(u32::from_be_bytes([
            header[0], header[1], header[2], header[3],
        ]));
        let size = match short {
            // Up to the end of the file.
            0 => length - at,
            1 if at + 16 <= length => {
                let mut long = [0; 8];
                file.read_exact(&mut long)?;
                u64::from_be_bytes(long)
            }
            short => short,
        };
        if size < 8 {
            break;
        }
        let end = at.saturating_add(size);
        missing_bytes = end.saturating_sub(length);
        // A fragmented file keeps its index in pieces.
        has_index |= matches!(&header[4..], b"moov" | b"moof") && missing_bytes == 0;
        if end >= length {
            break;
        }
        at = end;
    }
    Ok(Structure {
        missing_bytes,
        lacks_index: !has_index,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspected(bytes: &[u8]) -> Structure {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs_err::write(&path, bytes).unwrap();
        inspect(&path).unwrap()
    }

    fn boxed(kind: &[u8; 4], body: usize) -> Vec<u8> {
        let mut bytes = u32::try_from(body + 8).unwrap().to_be_bytes().to_vec();
        bytes.extend(kind);
        bytes.extend(vec![7; body]);
        bytes
    }

    #[test]
    fn a_whole_mp4_lacks_nothing() {
        let bytes = [boxed(b"ftyp", 16), boxed(b"mdat", 100), boxed(b"moov", 50)].concat();
        assert_eq!(inspected(&bytes), Structure::default());
    }

    #[test]
    fn an_mp4_cut_before_its_index_lacks_it() {
        let bytes = [boxed(b"ftyp", 16), boxed(b"mdat", 100)].concat();
        let cut = inspected(&bytes[..bytes.len() - 30]);
        assert_eq!((cut.missing_bytes, cut.lacks_index), (30, true));
    }

    #[test]
    fn an_mp4_with_its_index_in_front_can_be_played_up_to_the_cut() {
        let bytes = [boxed(b"ftyp", 16), boxed(b"moov", 50), boxed(b"mdat", 100)].concat();
        let cut = inspected(&bytes[..bytes.len() - 30]);
        assert_eq!((cut.missing_bytes, cut.lacks_index), (30, false));
    }

    #[test]
    fn an_avi_says_how_long_it_should_be() {
        let mut bytes = b"RIFF\x40\0\0\0AVI ".to_vec();
        bytes.extend([0; 60]);
        assert_eq!(inspected(&bytes), Structure::default());
        assert_eq!(inspected(&bytes[..50]).missing_bytes, 22);
    }

    #[test]
    fn nonsense_and_very_short_files_lack_nothing_known() {
        for bytes in [&b""[..], b"ftyp", b"\0\0\0\x01ftypisom\0\0", &[0xff; 64]] {
            assert_eq!(inspected(bytes).missing_bytes, 0, "{bytes:?}");
        }
    }
}
