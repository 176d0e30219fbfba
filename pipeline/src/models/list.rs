//! What models there are, under which licence, and whether their files are there.

use std::path::Path;

use serde::Serialize;
use sightline_reid::card::sha256_of_file;

use super::card::{CARD_FILE, WholeCard};
use super::{Error, ModelFolders, manifest};

/// Whether a model can be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Card and file are in place, and the file is the card's.
    Installed,
    /// The manifest has it; `models fetch` brings it.
    NotInstalled,
    /// Card or file is not right; the words say what.
    Damaged(String),
}

/// One model of the manifest or of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedModel {
    /// Its name.
    pub name: String,
    /// `detect`, `embed-image` or `embed-text`; null where the card cannot be read.
    pub task: Option<&'static str>,
    /// Its licence.
    pub licence: Option<String>,
    /// Where its file comes from.
    pub source: Option<String>,
    /// Name and digest as they stand on the wire.
    pub model_id: Option<String>,
    /// Width and height of its input in pixels.
    pub input_px: Option<[u32; 2]>,
    /// Name of the vector it makes.
    pub vector: Option<String>,
    /// Values of that vector.
    pub dimension: Option<u32>,
    /// Whether it can be used.
    pub state: State,
    /// Whether `models fetch` knows it.
    pub is_in_manifest: bool,
}

/// All models of the manifest and of the folder, by name.
///
/// # Errors
/// [`Error::Io`], [`Error::Document`] if the manifest cannot be read; a bad model is listed, not an error.
pub fn list(folders: &ModelFolders) -> Result<Vec<ListedModel>, Error> {
    let entries = manifest::read(&folders.cards)?;
    let mut names = folders.usable_names()?;
    names.extend(entries.iter().map(|entry| entry.name.clone()));
    names.sort();
    names.dedup();
    let describe = |name: String| {
        let entry = entries.iter().find(|entry| entry.name == name);
        let folder = folders.find(&name);
        let is_installed = folder.is_some();
        let folder = folder.unwrap_or_else(|| folders.of(&name));
        let installed = folder.join(CARD_FILE);
        let path = match entry {
            Some(entry) if !is_installed => entry.card.clone(),
            _ => installed,
        };
        match WholeCard::read(&path) {
            Ok(card) => {
                let state = if is_installed {
                    file_state(&folder, &card)
                } else {
                    State::NotInstalled
                };
                listed(name, Some(&card), state, entry.is_some())
            }
            Err(error) => listed(
                name,
                None,
                State::Damaged(error.to_string()),
                entry.is_some(),
            ),
        }
    };
    Ok(names.into_iter().map(describe).collect())
}

fn file_state(folder: &Path, card: &WholeCard) -> State {
    let file = folder.join(&card.file);
    match sha256_of_file(&file) {
        Ok(found) if found == card.sha256 => State::Installed,
        Ok(found) => State::Damaged(format!(
            "`{}` has sha256 {found}, its card says {}; run `sightline models fetch {}`",
            file.display(),
            card.sha256,
            card.name
        )),
        Err(error) => State::Damaged(error.to_string()),
    }
}

fn listed(
    name: String,
    card: Option<&WholeCard>,
    state: State,
    is_in_manifest: bool,
) -> ListedModel {
    ListedModel {
        name,
        task: card.map(|card| card.task.name()),
        licence: card.map(|card| card.licence.clone()),
        source: card.map(|card| card.source.clone()),
        model_id: card.map(WholeCard::model_id),
        input_px: card.and_then(|card| Some([card.input.width?, card.input.height?])),
        vector: card.and_then(|card| card.output.vector.clone()),
        dimension: card.and_then(|card| card.output.dimension),
        state,
        is_in_manifest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_listed_whether_installed_absent_or_damaged() {
        let root = tempfile::tempdir().unwrap();
        let cards = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("models");
        let folders = ModelFolders {
            installed: root.path().into(),
            cards: cards.clone(),
        };
        let state = |name: &str| {
            let listed = list(&folders).unwrap();
            listed.into_iter().find(|model| model.name == name).unwrap()
        };
        assert_eq!(state("person-reid-0267").state, State::NotInstalled);
        assert_eq!(state("person-reid-0267").dimension, Some(256));

        let folder = folders.of("person-reid-0267");
        fs_err::create_dir(&folder).unwrap();
        fs_err::copy(
            cards.join("person-reid-0267/model.toml"),
            folder.join(CARD_FILE),
        )
        .unwrap();
        let State::Damaged(words) = state("person-reid-0267").state else {
            panic!("no file")
        };
        assert!(words.contains("model.onnx"), "{words}");
        fs_err::write(folder.join("model.onnx"), b"another").unwrap();
        let State::Damaged(words) = state("person-reid-0267").state else {
            panic!("wrong file")
        };
        assert!(words.contains("models fetch person-reid-0267"), "{words}");

        fs_err::create_dir(folders.of("mine")).unwrap();
        fs_err::write(folders.of("mine").join(CARD_FILE), "name = 3").unwrap();
        let mine = state("mine");
        assert!(matches!(mine.state, State::Damaged(_)) && !mine.is_in_manifest);
    }
}
