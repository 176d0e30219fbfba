//! Where cards and installed models lie.

use std::path::{Path, PathBuf};

use super::Error;

/// Name of the manifest beside the cards.
pub const MANIFEST_FILE: &str = "manifest.toml";

/// Where a package puts cards and manifest.
const PACKAGED_CARDS: &str = "/usr/share/sightline/models";

/// The two folders of models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFolders {
    /// One folder a model, each with its card and file; written by `models fetch`.
    pub installed: PathBuf,
    /// The manifest, and one folder a model with its card alone; part of the program.
    pub cards: PathBuf,
}

impl ModelFolders {
    /// Cards that belong to this program, for models installed in `installed` (`folder` under `[models]`).
    #[must_use]
    pub fn for_installed(installed: PathBuf) -> Self {
        let cards = starts()
            .find_map(|start| upward(&start, "models", &|it| it.join(MANIFEST_FILE).is_file()));
        Self {
            installed,
            cards: cards.unwrap_or_else(|| PACKAGED_CARDS.into()),
        }
    }

    /// Both folders as a checkout or a package has them: up from the program, then from the working folder.
    #[must_use]
    pub fn discover() -> Self {
        let beside = starts().find_map(|start| upward(&start, ".sightline", &|it| it.is_dir()));
        let installed = match beside {
            Some(folder) => folder.join("models"),
            None => "/var/lib/sightline/models".into(),
        };
        Self::for_installed(installed)
    }

    /// Folder of one installed model.
    #[must_use]
    pub fn of(&self, name: &str) -> PathBuf {
        self.installed.join(name)
    }

    /// The folder of a model that can be used: installed, or shipped beside its card.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<PathBuf> {
        let installed = self.of(name);
        if installed.join(super::card::CARD_FILE).is_file() {
            return Some(installed);
        }
        self.is_shipped(name).then(|| self.cards.join(name))
    }

    /// Whether the model's file lies beside its card, in the repository or the package. A card that cannot be read counts
    /// as one that has its file, so that whoever loads it says what is wrong with it.
    #[must_use]
    pub fn is_shipped(&self, name: &str) -> bool {
        let card = self.cards.join(name).join(super::card::CARD_FILE);
        match super::card::WholeCard::read(&card) {
            Ok(found) => card.with_file_name(found.file).is_file(),
            Err(_) => card.is_file(),
        }
    }

    /// Names of the models that can be used, in order.
    ///
    /// # Errors
    /// [`Error::Io`] if a folder cannot be read.
    pub fn usable_names(&self) -> Result<Vec<String>, Error> {
        let mut names = self.installed_names()?;
        let shipped = Self {
            installed: self.cards.clone(),
            cards: self.cards.clone(),
        };
        let shipped = shipped.installed_names()?.into_iter();
        names.extend(shipped.filter(|name| self.is_shipped(name)));
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Names of installed models, sorted: folders with a card.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder is there and cannot be read.
    pub fn installed_names(&self) -> Result<Vec<String>, Error> {
        let entries = match fs_err::read_dir(&self.installed) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string()
                && entry.path().join(super::card::CARD_FILE).is_file()
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

/// Where searches start: the program, then the working folder.
fn starts() -> impl Iterator<Item = PathBuf> {
    let program = std::env::current_exe().ok();
    program.into_iter().chain(std::env::current_dir().ok())
}

/// The first `name` in `start` or above it that `is_right`.
pub(super) fn upward(
    start: &Path,
    name: &str,
    is_right: &dyn Fn(&Path) -> bool,
) -> Option<PathBuf> {
    start
        .ancestors()
        .map(|folder| folder.join(name))
        .find(|it| is_right(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_of_a_checkout_are_found_from_its_build_folder() {
        let folders = ModelFolders::discover();
        assert!(folders.cards.join(MANIFEST_FILE).is_file(), "{folders:?}");
    }

    #[test]
    fn a_broken_card_is_found_so_that_its_fault_is_told() {
        let root = tempfile::tempdir().unwrap();
        let folders = ModelFolders {
            installed: root.path().join("none"),
            cards: root.path().into(),
        };
        assert!(!folders.is_shipped("appearance"));
        fs_err::create_dir(root.path().join("appearance")).unwrap();
        fs_err::write(root.path().join("appearance/model.toml"), "nonsense").unwrap();
        assert_eq!(
            folders.find("appearance"),
            Some(root.path().join("appearance"))
        );
    }

    #[test]
    fn folders_without_a_card_are_no_models() {
        let root = tempfile::tempdir().unwrap();
        for (name, has_card) in [("b", true), ("a", true), ("half", false)] {
            fs_err::create_dir(root.path().join(name)).unwrap();
            if has_card {
                fs_err::write(root.path().join(name).join("model.toml"), "").unwrap();
            }
        }
        let folders = ModelFolders {
            installed: root.path().into(),
            cards: root.path().into(),
        };
        assert_eq!(folders.installed_names().unwrap(), ["a", "b"]);
        let none = ModelFolders {
            installed: root.path().join("none"),
            ..folders
        };
        assert!(none.installed_names().unwrap().is_empty());
    }
}
