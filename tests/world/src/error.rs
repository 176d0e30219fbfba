//! What can go wrong while a world is made.

/// The crate's error: what, where, and what to do about it, in one line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `SIGHTLINE_PEOPLE` is not set.
    #[error(
        "the people's meshes are missing: run `tests/world/fetch-people DIR` and set SIGHTLINE_PEOPLE to DIR, or to a folder that holds the files of tests/world/assets.toml (found by sha256)"
    )]
    NoPeople,
    /// Files of the manifest were not found under the folder.
    #[error(
        "`{folder}` holds {found} of {wanted} files that people are made of; the first missing is `{first}` (`tests/world/fetch-people DIR` brings them)"
    )]
    MissingAssets {
        /// The folder that was searched.
        folder: String,
        /// How many files were found.
        found: usize,
        /// How many are needed.
        wanted: usize,
        /// The first missing name.
        first: String,
    },
    /// A mesh, target or rig cannot be read although its hash is right.
    #[error("asset `{name}`: {what}")]
    Asset {
        /// Name in the manifest.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// A file could not be read or written; the text names its path.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A scene file is wrong.
    #[error("{file}: {what}")]
    Scene {
        /// The scene file.
        file: String,
        /// Key, value and allowed range.
        what: String,
    },
    /// The video pipeline failed.
    #[error("video `{file}`: {what}")]
    Video {
        /// The output file.
        file: String,
        /// What `GStreamer` said, and what to install where that helps.
        what: String,
    },
    /// A picture could not be encoded or decoded.
    #[error("picture `{file}`: {what}")]
    Picture {
        /// The picture file.
        file: String,
        /// What is wrong.
        what: String,
    },
    /// No walkable way between two places of a floor plan.
    #[error(
        "scene `{scene}`: no way from ({from_x:.1}, {from_y:.1}) to ({to_x:.1}, {to_y:.1}): walls close it, move a gate or a wall"
    )]
    NoWay {
        /// The scene's name.
        scene: String,
        /// Start, metres.
        from_x: f32,
        /// Start, metres.
        from_y: f32,
        /// Goal, metres.
        to_x: f32,
        /// Goal, metres.
        to_y: f32,
    },
}

impl Error {
    /// An asset fault.
    #[must_use]
    pub fn asset(name: &str, what: impl Into<String>) -> Self {
        Self::Asset {
            name: name.to_owned(),
            what: what.into(),
        }
    }

    /// A picture fault.
    #[must_use]
    pub fn picture(file: &str, what: impl std::fmt::Display) -> Self {
        Self::Picture {
            file: file.to_owned(),
            what: what.to_string(),
        }
    }

    /// A video fault.
    #[must_use]
    pub fn video(file: &str, what: impl std::fmt::Display) -> Self {
        Self::Video {
            file: file.to_owned(),
            what: what.to_string(),
        }
    }
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
