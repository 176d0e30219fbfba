//! Generations of the index: the one that is searched, and the one that other models make of it.
//!
//! A migration is written down in `migration.json` before anything is made, and struck when everything is done, so that a
//! kill at any moment leaves either the old generation in its place or the new one. In a folder a generation is a
//! folder (`index`, `index-2`, …) and the file `generation` says which one is searched; on a server it is a pair of
//! collections (`…-1`, `…-2`, …) and the aliases say it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err::File;
use serde::{Deserialize, Serialize};

use super::engine::embedded::Embedded;
use super::engine::server::{self, Client, Server, Wanted};
use super::engine::{Collection, EXEMPLARS, Engine, TRACKLETS};
use super::identity;
use super::noted::{self, Noted};
use super::options::{Manifest, StoreOptions, VectorSpec};
use crate::event::NamedVector;
use crate::{Error, Result};

const FORMAT: u32 = 1;
const NOTE: &str = "migration.json";
const CURRENT: &str = "generation";
const WHAT: &str = "write down where points lie";

/// The points of a store by one set of models.
#[derive(Debug)]
pub(crate) struct Generation {
    /// The kinds of vectors, each with its model.
    pub(crate) vectors: Vec<VectorSpec>,
    pub(crate) exemplars: Box<dyn Engine>,
    pub(crate) tracklets: Box<dyn Engine>,
}

impl Generation {
    /// The spec that a vector of an event must meet.
    pub(super) fn fits(&self, vector: &NamedVector) -> Result<(), String> {
        let mut specs = self.vectors.iter();
        let Some(spec) = specs.find(|spec| spec.name == vector.name) else {
            return Err(format!("vector `{}` is not one of this store", vector.name));
        };
        if spec.model != vector.model {
            return Err(format!(
                "vector `{}` is by model `{}`, expected `{}`",
                vector.name, vector.model, spec.model
            ));
        }
        if spec.dimension != vector.values.len() {
            return Err(format!(
                "vector `{}` has {} values, expected {}",
                vector.name,
                vector.values.len(),
                spec.dimension
            ));
        }
        Ok(())
    }
}

/// What `migration.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    format: u32,
    /// The generation that was searched when it began, and the one that is made.
    pub(super) from: u32,
    pub(super) to: u32,
    /// What is made: each kind of vectors with its model.
    pub(super) vectors: Vec<VectorSpec>,
    /// Given up: what was made goes.
    pub(super) is_abandoned: bool,
}

impl Note {
    pub(super) fn new(from: u32, vectors: &[VectorSpec]) -> Self {
        Self {
            format: FORMAT,
            from,
            to: from + 1,
            vectors: vectors.to_vec(),
            is_abandoned: false,
        }
    }
}

/// Where generations lie.
#[derive(Debug)]
pub(super) struct Place {
    dir: PathBuf,
    /// None where points lie in the folder.
    pub(super) client: Option<Arc<Client>>,
    exact_points: u64,
}

impl Place {
    pub(super) fn new(dir: &Path, options: &StoreOptions) -> Result<Self> {
        Ok(Self {
            dir: dir.to_path_buf(),
            client: options.server.as_ref().map(Client::new).transpose()?,
            exact_points: options.exact_points,
        })
    }

    /// Opens the generation that is searched; makes the first one where there is none. Gives what only this store is
    /// called as well: so that what was indexed into one is not taken for indexed into another.
    pub(super) fn open_current(&self, vectors: &[VectorSpec]) -> Result<(Generation, String)> {
        if let Some(client) = &self.client {
            return self.open_noted(client, vectors);
        }
        // Before there is an index: one that is made anew is another store.
        let identity = identity::of(&self.dir)?;
        let number = current_in(&self.dir)?;
        let index = index_dir(&self.dir, number);
        if !index.exists() {
            self.refuse_stray(number)?;
            create(&self.dir, &index, vectors)?;
        }
        Ok((self.open_in_folder(&index, vectors)?, identity))
    }

    /// Whether the generation that is searched is by these models. Nothing is opened in a folder, which may be held.
    pub(super) fn is_by(&self, vectors: &[VectorSpec]) -> Result<bool> {
        let found = match &self.client {
            None => Manifest::of(vectors).check(&current_index(&self.dir)?),
            Some(_) if Noted::read(&self.dir)?.is_none() => return Ok(false),
            Some(client) => self.open_noted(client, vectors).map(drop),
        };
        match found {
            Ok(()) => Ok(true),
            Err(Error::Mismatch { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Opens the generation that a migration makes, with whatever is in it already.
    pub(super) fn open_next(&self, note: &Note) -> Result<Generation> {
        if let Some(client) = &self.client {
            let store = self.store_on_server()?;
            let open = |collection: Collection| -> Result<Box<dyn Engine>> {
                let client = Arc::clone(client);
                let (vectors, points) = (&note.vectors, self.exact_points);
                Ok(Box::new(Server::open_generation(
                    client,
                    vectors,
                    &collection,
                    points,
                    note.to,
                    &store,
                )?))
            };
            return Ok(Generation {
                vectors: note.vectors.clone(),
                exemplars: open(EXEMPLARS)?,
                tracklets: open(TRACKLETS)?,
            });
        }
        let index = index_dir(&self.dir, note.to);
        if !index.exists() {
            create(&self.dir, &index, &note.vectors)?;
        }
        self.open_in_folder(&index, &note.vectors)
    }

    /// Makes room for the generation that a migration makes. A folder has one writer, collections may have several: one of
    /// them moves them.
    ///
    /// # Errors
    ///
    /// [`Error::Query`] when another process moves these collections.
    pub(super) fn claim(&self, note: &Note) -> Result<()> {
        let Some(client) = &self.client else {
            // What a process left that died while it gave one up.
            return self.delete(note.to);
        };
        let store = self.store_on_server()?;
        if server::claim(client, &note.vectors, &EXEMPLARS, note.to, &store)? {
            return Ok(());
        }
        let name = client.options().collection(EXEMPLARS.name);
        Err(Error::Query {
            what: format!(
                "collection `{name}-{}` is there already: another process moves these collections to other models, and one does that for all; if none does any more, delete it",
                note.to
            ),
        })
    }

    /// The number of the generation that is searched.
    pub(super) fn current(&self) -> Result<u32> {
        match &self.client {
            Some(client) => server::current(client, &EXEMPLARS),
            None => current_in(&self.dir),
        }
    }

    /// From now on the generation that was made is searched. All of it or nothing, whenever the process dies.
    pub(super) fn switch(&self, note: &Note) -> Result<()> {
        match &self.client {
            Some(client) => server::switch(client, &[EXEMPLARS, TRACKLETS], note.to),
            None => self.write(CURRENT, format!("{}\n", note.to).as_bytes()),
        }
    }

    /// Deletes a generation, if it is there. It must not be open.
    pub(super) fn delete(&self, number: u32) -> Result<()> {
        if let Some(client) = &self.client {
            return server::delete(client, &[EXEMPLARS, TRACKLETS], number);
        }
        let index = index_dir(&self.dir, number);
        match fs_err::remove_dir_all(&index) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("delete a generation of the index")(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The migration that is under way, if one is.
    pub(super) fn note(&self) -> Result<Option<Note>> {
        let path = self.dir.join(NOTE);
        let text = match fs_err::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("look for a migration")(error)),
        };
        let corrupt = |what: String| Error::Corrupt {
            path: path.clone(),
            what,
        };
        let note: Note =
            serde_json::from_slice(&text).map_err(|error| corrupt(error.to_string()))?;
        if note.format != FORMAT {
            let form = note.format;
            return Err(corrupt(format!(
                "its form is {form}, this build reads {FORMAT}"
            )));
        }
        Ok(Some(note))
    }

    pub(super) fn write_note(&self, note: &Note) -> Result<()> {
        let text = serde_json::to_vec_pretty(note).map_err(|e| Error::io(WHAT)(e.into()))?;
        self.write(NOTE, &text)
    }

    pub(super) fn strike_note(&self) -> Result<()> {
        match fs_err::remove_file(self.dir.join(NOTE)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io(WHAT)(error))
            }
            Ok(()) | Err(_) => sync_folder(&self.dir),
        }
    }

    /// Writes a file of the store durably, and whole.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let part = self.dir.join(format!("{name}.part"));
        fs_err::write(&part, bytes).map_err(Error::io(WHAT))?;
        File::open(&part)
            .and_then(|file| file.sync_all())
            .map_err(Error::io(WHAT))?;
        fs_err::rename(&part, self.dir.join(name)).map_err(Error::io(WHAT))?;
        sync_folder(&self.dir)
    }

    /// An index that nobody points to is no reason to begin with an empty one.
    fn refuse_stray(&self, wanted: u32) -> Result<()> {
        let what = "look for the store's index";
        for entry in fs_err::read_dir(&self.dir).map_err(Error::io(what))? {
            let name = entry.map_err(Error::io(what))?.file_name();
            let name = name.to_string_lossy();
            let is_generation = |number: &str| number.bytes().all(|byte| byte.is_ascii_digit());
            if name == "index" || name.strip_prefix("index-").is_some_and(is_generation) {
                return Err(Error::Corrupt {
                    path: self.dir.join(CURRENT),
                    what: format!(
                        "generation {wanted} of the index is to be searched and is not there, but `{name}` is"
                    ),
                });
            }
        }
        Ok(())
    }

    fn open_in_folder(&self, index: &Path, vectors: &[VectorSpec]) -> Result<Generation> {
        Manifest::of(vectors).check(index)?;
        let open = |collection: Collection| -> Result<Box<dyn Engine>> {
            let path = index.join(collection.name);
            Ok(Box::new(Embedded::open(&path, vectors, self.exact_points)?))
        };
        Ok(Generation {
            vectors: vectors.to_vec(),
            exemplars: open(EXEMPLARS)?,
            tracklets: open(TRACKLETS)?,
        })
    }

    /// Opens the generation that is searched on a server: the one that the folder knows, or whichever is there, which is noted.
    fn open_noted(
        &self,
        client: &Arc<Client>,
        vectors: &[VectorSpec],
    ) -> Result<(Generation, String)> {
        let noted = Noted::read(&self.dir)?;
        let wanted = match &noted {
            Some(noted) => Wanted::Known(noted.store.clone(), noted::file(&self.dir)),
            None => Wanted::Any(identity::fresh()?),
        };
        let open = |collection: &Collection, wanted: &Wanted| {
            let client = Arc::clone(client);
            Server::open(client, vectors, collection, self.exact_points, wanted)
        };
        let (exemplars, store) = open(&EXEMPLARS, &wanted)?;
        let wanted = match wanted {
            Wanted::Any(_) => Wanted::Any(store.clone()),
            known @ Wanted::Known(..) => known,
        };
        let (tracklets, same) = open(&TRACKLETS, &wanted)?;
        let options = client.options();
        if same != store {
            let names = [EXEMPLARS, TRACKLETS].map(|it| options.collection(it.name));
            return Err(Error::Mismatch {
                path: self.dir.clone(),
                what: format!(
                    "collections `{}` and `{}` belong to two stores, so one of them was lost",
                    names[0], names[1]
                ),
            });
        }
        if noted.is_none() {
            let noted = Noted {
                prefix: options.prefix.clone(),
                store: store.clone(),
            };
            let text = serde_json::to_vec_pretty(&noted);
            let text = text.map_err(|error| Error::io("note where points lie")(error.into()))?;
            self.write(noted::FILE, &text)?;
        }
        let site = options.site.as_deref().unwrap_or_default();
        let generation = Generation {
            vectors: vectors.to_vec(),
            exemplars: Box::new(exemplars),
            tracklets: Box::new(tracklets),
        };
        Ok((generation, format!("qdrant/{store}/{site}")))
    }

    /// The id of the store on the server, which every opening notes.
    fn store_on_server(&self) -> Result<String> {
        let noted = Noted::read(&self.dir)?.ok_or_else(|| Error::Corrupt {
            path: noted::file(&self.dir),
            what: "it is gone, and the store was opened with it".to_owned(),
        })?;
        Ok(noted.store)
    }
}

/// The folder of the index that is searched.
pub(super) fn current_index(dir: &Path) -> Result<PathBuf> {
    Ok(index_dir(dir, current_in(dir)?))
}

fn index_dir(dir: &Path, number: u32) -> PathBuf {
    match number {
        1 => dir.join("index"),
        _ => dir.join(format!("index-{number}")),
    }
}

fn current_in(dir: &Path) -> Result<u32> {
    let path = dir.join(CURRENT);
    let text = match fs_err::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(1),
        Err(error) => return Err(Error::io("look which index is searched")(error)),
    };
    text.trim().parse().map_err(|_| Error::Corrupt {
        path,
        what: "it holds no number".to_owned(),
    })
}

/// Makes an empty index beside its place and moves it there, so that there is never half of one.
fn create(dir: &Path, index: &Path, vectors: &[VectorSpec]) -> Result<()> {
    let what = "make the store's index";
    let part = index.with_extension("part");
    if part.exists() {
        fs_err::remove_dir_all(&part).map_err(Error::io(what))?;
    }
    for collection in [EXEMPLARS, TRACKLETS] {
        let path = part.join(collection.name);
        fs_err::create_dir_all(&path).map_err(Error::io(what))?;
        Embedded::create(&path, vectors, &collection)?;
    }
    Manifest::of(vectors).write(&part)?;
    let file = File::open(&part).map_err(Error::io(what))?;
    rustix::fs::syncfs(file.file()).map_err(|error| Error::io(what)(error.into()))?;
    fs_err::rename(&part, index).map_err(Error::io(what))?;
    sync_folder(dir)
}

fn sync_folder(dir: &Path) -> Result<()> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(Error::io("sync the store's folder"))
}
