//! ONNX Runtime: found, loaded and started once a process.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use ort::environment::Environment;

use super::Error;
use super::error::one_line;

/// Variable that names the library.
pub const LIBRARY_VARIABLE: &str = "SIGHTLINE_ONNXRUNTIME";

/// Start of the names of the library itself; its providers lie beside it under longer ones.
const LIBRARY_FILE: &str = "libonnxruntime.so";

/// Where the package puts it.
const PACKAGED: &str = "/usr/lib/sightline";

static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
static STARTING: Mutex<()> = Mutex::new(());

/// The environment of this process; the first call finds the library and starts it, later ones return the same.
///
/// Looked at in this order: `configured`, `SIGHTLINE_ONNXRUNTIME`, `../lib/sightline` beside the program,
/// `/usr/lib/sightline`, `.sightline/onnxruntime` in every folder above the program. Never the working folder: a
/// library planted where somebody happens to stand is not loaded.
///
/// # Errors
/// [`Error::RuntimeMissing`] with every place, [`Error::RuntimeUnusable`] with what the loader says.
pub fn environment(configured: Option<&Path>) -> Result<&'static Environment, Error> {
    // Nothing is held across a panic that could be half done.
    let _guard = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = ENVIRONMENT.get() {
        return Ok(environment);
    }
    let library = find(configured)?;
    let unusable = |reason: String| Error::RuntimeUnusable {
        path: library.clone(),
        reason,
    };
    let environment = ort::init_from(&library)
        .map_err(|error| unusable(one_line(&error)))?
        .with_name("sightline")
        .with_telemetry(false)
        .build()
        .map_err(|error| unusable(one_line(&error)))?;
    tracing::info!(library = %library.display(), "onnx runtime started");
    Ok(ENVIRONMENT.get_or_init(|| environment))
}

/// Path of the library, as [`environment`] takes it.
///
/// # Errors
/// [`Error::RuntimeMissing`] with every place.
pub fn find(configured: Option<&Path>) -> Result<PathBuf, Error> {
    let variable = std::env::var_os(LIBRARY_VARIABLE).map(PathBuf::from);
    let program = std::env::current_exe().ok();
    find_in(configured, variable.as_deref(), program.as_deref())
}

fn find_in(
    configured: Option<&Path>,
    variable: Option<&Path>,
    program: Option<&Path>,
) -> Result<PathBuf, Error> {
    let mut looked_at = Vec::new();
    // What somebody named is taken or is an error; it is never passed over in silence.
    for (named, by) in [
        (configured, "the configuration"),
        (variable, LIBRARY_VARIABLE),
    ] {
        if let Some(path) = named {
            if path.is_file() {
                return Ok(path.into());
            }
            let looked_at = format!("`{}` (named by {by})", path.display());
            return Err(Error::RuntimeMissing { looked_at });
        }
    }
    let beside = program
        .and_then(Path::parent)
        .map(|bin| bin.join("../lib/sightline"));
    let above = program.into_iter().flat_map(|program| {
        program
            .ancestors()
            .skip(1)
            .map(|folder| folder.join(".sightline/onnxruntime"))
    });
    for folder in beside.into_iter().chain([PACKAGED.into()]).chain(above) {
        if let Some(library) = library_in(&folder) {
            return Ok(library);
        }
        looked_at.push(format!("`{}`", folder.display()));
    }
    Err(Error::RuntimeMissing {
        looked_at: looked_at.join(", "),
    })
}

/// The library in a folder: the plain name, else the highest version.
fn library_in(folder: &Path) -> Option<PathBuf> {
    let plain = folder.join(LIBRARY_FILE);
    if plain.is_file() {
        return Some(plain);
    }
    let entries = fs_err::read_dir(folder).ok()?;
    let version = |path: &Path| {
        let name = path
            .file_name()?
            .to_str()?
            .strip_prefix(LIBRARY_FILE)?
            .strip_prefix('.')?;
        name.split('.')
            .map(|part| part.parse::<u32>().ok())
            .collect::<Option<Vec<_>>>()
    };
    let libraries = entries.flatten().map(|entry| entry.path());
    libraries
        .filter_map(|path| Some((version(&path)?, path)))
        .max()
        .map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_library_that_is_missing_is_an_error_that_says_who_named_it() {
        let absent = Path::new("/nowhere/libonnxruntime.so");
        let error = find_in(Some(absent), None, None).unwrap_err().to_string();
        assert!(
            error.contains("/nowhere") && error.contains("the configuration"),
            "{error}"
        );
        let error = find_in(None, Some(absent), None).unwrap_err().to_string();
        assert!(
            error.contains("/nowhere") && error.contains(LIBRARY_VARIABLE),
            "{error}"
        );
    }

    #[test]
    fn the_highest_version_above_the_program_is_taken_and_no_provider() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(".sightline/onnxruntime");
        fs_err::create_dir_all(&folder).unwrap();
        let program = root.path().join("target/release/sightline");
        let missing = find_in(None, None, Some(&program));
        // A machine with the package installed finds the packaged one.
        if !Path::new(PACKAGED).exists() {
            let error = missing.unwrap_err().to_string();
            assert!(
                error.contains("run `make`") && error.contains(PACKAGED),
                "{error}"
            );
        }
        for name in [
            "libonnxruntime.so.1.9.0",
            "libonnxruntime.so.1.31.1",
            "libonnxruntime_providers_cuda.so",
            "libonnxruntime.so.old",
        ] {
            fs_err::write(folder.join(name), b"").unwrap();
        }
        assert_eq!(
            library_in(&folder).unwrap(),
            folder.join("libonnxruntime.so.1.31.1")
        );
    }

    #[test]
    fn a_configured_library_goes_before_every_other() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("libonnxruntime.so");
        fs_err::write(&path, b"text").unwrap();
        let other = Path::new("/nowhere/libonnxruntime.so");
        assert_eq!(find_in(Some(&path), Some(other), None).unwrap(), path);
    }
}
