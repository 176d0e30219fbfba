//! Faults of a file that show before it is played.

use std::path::Path;

use gstreamer as gst;

use super::{Error, container, decode};

/// Looks at the file before GStreamer does, since its own words for these faults help nobody. Gives back the file's URI
/// and how many bytes it lacks.
pub(super) fn checked_uri(path: &Path) -> Result<(String, u64), Error> {
    let own = || path.to_path_buf();
    let unreadable = |source: std::io::Error| Error::Unreadable {
        path: own(),
        source,
    };
    let metadata = match fs_err::metadata(path) {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::MissingFile { path: own() });
        }
        Err(e) => return Err(unreadable(e)),
    };
    if !metadata.is_file() {
        return Err(Error::NotAFile { path: own() });
    }
    if metadata.len() == 0 {
        return Err(Error::EmptyFile { path: own() });
    }
    let structure = container::inspect(path).map_err(unreadable)?;
    if structure.lacks_index {
        return Err(Error::NotVideo {
            path: own(),
            detail: "its index (moov) is not there, as when recording was cut off".to_owned(),
        });
    }
    let absolute = std::path::absolute(path).map_err(unreadable)?;
    let uri = gst::glib::filename_to_uri(&absolute, None).map_err(|e| Error::NotVideo {
        path: own(),
        detail: decode::one_line(e.message()),
    })?;
    Ok((uri.to_string(), structure.missing_bytes))
}
