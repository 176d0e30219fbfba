//! The Unix socket itself: who may reach it, a dead process's leftovers, and paths longer than the kernel takes.

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FlockOperation, Gid, Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::Error;

/// Bytes of `sun_path` less the terminating zero.
const SUN_PATH_BYTES: usize = 107;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;
const GROUP_FILE: &str = "/etc/group";

/// A group of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group(u32);

impl Group {
    /// Takes a group's number.
    #[must_use]
    pub const fn from_gid(gid: u32) -> Self {
        Self(gid)
    }

    /// Finds a group by name or number in `/etc/group`.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`].
    pub fn by_name(name: &str) -> Result<Self, Error> {
        if let Ok(gid) = name.parse() {
            return Ok(Self(gid));
        }
        let unknown = || Error::NoSuchGroup {
            group: name.to_owned(),
        };
        let file = fs_err::read_to_string(GROUP_FILE).map_err(|_| unknown())?;
        groups(&file)
            .find(|(group, _)| *group == name)
            .map(|(_, gid)| Self(gid))
            .ok_or_else(unknown)
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = fs_err::read_to_string(GROUP_FILE).unwrap_or_default();
        match groups(&file).find(|(_, gid)| *gid == self.0) {
            Some((name, gid)) => write!(f, "`{name}` ({gid})"),
            None => write!(f, "{}", self.0),
        }
    }
}

fn groups(file: &str) -> impl Iterator<Item = (&str, u32)> {
    file.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        Some((name, fields.nth(1)?.parse().ok()?))
    })
}

/// Where to listen and who may ask.
#[derive(Debug, Clone)]
pub struct ListenOptions {
    /// Path of the socket.
    pub path: PathBuf,
    /// Group that owns it; the process's own if absent.
    pub group: Option<Group>,
    /// Permissions of the socket.
    pub mode: u32,
}

impl ListenOptions {
    /// Owner and group may ask.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            group: None,
            mode: 0o660,
        }
    }
}

/// A socket that listens; it is removed from its folder when this is dropped.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    folder: OwnedFd,
    path: PathBuf,
    /// Device and inode, so that another process's later socket is never removed.
    identity: (u64, u64),
}

/// The folder of a socket, opened, and the path by which the kernel reaches the socket in it.
struct Place {
    folder: OwnedFd,
    reachable: PathBuf,
}

impl Place {
    fn open(path: &Path) -> Result<Self, Error> {
        let name = path.file_name().ok_or_else(|| Error::SocketPath {
            path: path.to_owned(),
            reason: "it names no file, expected for example `/run/sightline/api.sock`".into(),
        })?;
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let folder = rustix::fs::open(
            parent,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(|error| fault(path, "open the folder of", error.into()))?;
        let reachable = if path.as_os_str().len() <= SUN_PATH_BYTES {
            path.to_owned()
        } else {
            PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name)
        };
        if reachable.as_os_str().len() > SUN_PATH_BYTES
            || reachable.as_os_str().as_bytes().contains(&0)
        {
            return Err(Error::SocketPath {
                path: path.to_owned(),
                reason: format!(
                    "its file name is {} bytes long, expected at most 80",
                    name.len()
                ),
            });
        }
        Ok(Self { folder, reachable })
    }
}

fn fault(path: &Path, what: &'static str, source: io::Error) -> Error {
    Error::Socket {
        path: path.to_owned(),
        what,
        source,
    }
}

impl Listener {
    /// Makes the socket, with group and mode in place before anybody can connect, and listens.
    ///
    /// A socket that a dead process left is replaced.
    ///
    /// # Errors
    /// [`Error::InUse`] if a living process listens there, [`Error::SocketPath`] for something else in its place or a
    /// name that is too long, [`Error::Socket`] for what the system refuses.
    pub fn bind(options: &ListenOptions) -> Result<Self, Error> {
        let path = &options.path;
        let place = Place::open(path)?;
        // Two starting processes look, remove and bind one after the other; the lock ends with this function.
        rustix::fs::flock(&place.folder, FlockOperation::LockExclusive)
            .map_err(|error| fault(path, "lock the folder of", error.into()))?;
        let result = bind_locked(options, &place);
        rustix::fs::flock(&place.folder, FlockOperation::Unlock)
            .map_err(|error| fault(path, "unlock the folder of", error.into()))?;
        let (socket, identity) = result?;
        Ok(Self {
            socket,
            folder: place.folder,
            path: path.clone(),
            identity,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The socket, for an event loop of the caller.
    ///
    /// # Errors
    /// [`Error::Socket`] if the handle cannot be duplicated.
    pub(crate) fn try_clone_socket(&self) -> Result<UnixListener, Error> {
        self.socket
            .try_clone()
            .map_err(|error| fault(&self.path, "share", error))
    }

    fn remove(&self) -> io::Result<()> {
        let Some(name) = self.path.file_name() else {
            return Ok(());
        };
        rustix::fs::flock(&self.folder, FlockOperation::LockExclusive)?;
        let removed = match rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if (stat.st_dev, stat.st_ino) == self.identity => {
                rustix::fs::unlinkat(&self.folder, name, AtFlags::empty())
            }
            Ok(_) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(error),
        };
        rustix::fs::flock(&self.folder, FlockOperation::Unlock)?;
        Ok(removed?)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket; the next start replaces it");
        }
    }
}

fn bind_locked(
    options: &ListenOptions,
    place: &Place,
) -> Result<(UnixListener, (u64, u64)), Error> {
    let path = &options.path;
    clear_stale(path, place)?;
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )
    .map_err(|error| fault(path, "make", error.into()))?;
    let address =
        SocketAddrUnix::new(&place.reachable).map_err(|error| fault(path, "bind", error.into()))?;
    rustix::net::bind(&socket, &address).map_err(|error| fault(path, "bind", error.into()))?;
    // Nobody can connect before `listen`, so there is no moment with other permissions.
    restrict(options, place)?;
    let stat = fs_err::symlink_metadata(&place.reachable)
        .map_err(|error| fault(path, "look at", error))?;
    rustix::net::listen(&socket, BACKLOG)
        .map_err(|error| fault(path, "listen on", error.into()))?;
    Ok((UnixListener::from(socket), (stat.dev(), stat.ino())))
}

fn restrict(options: &ListenOptions, place: &Place) -> Result<(), Error> {
    let path = &options.path;
    rustix::fs::chmodat(
        CWD,
        &place.reachable,
        Mode::from_raw_mode(options.mode),
        AtFlags::empty(),
    )
    .map_err(|error| fault(path, "set the mode of", error.into()))?;
    if let Some(Group(gid)) = options.group {
        rustix::fs::chownat(
            CWD,
            &place.reachable,
            None,
            Some(Gid::from_raw(gid)),
            AtFlags::empty(),
        )
        .map_err(|error| fault(path, "give to its group", error.into()))?;
    }
    Ok(())
}

/// Removes the socket of a process that is gone; refuses to touch anything else.
fn clear_stale(path: &Path, place: &Place) -> Result<(), Error> {
    let found = match fs_err::symlink_metadata(&place.reachable) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(fault(path, "look at", error)),
    };
    if !found.file_type().is_socket() {
        return Err(Error::SocketPath {
            path: path.to_owned(),
            reason:
                "something that is no socket is in its place; move it away, or choose another path"
                    .into(),
        });
    }
    match UnixStream::connect(&place.reachable) {
        Ok(stream) => Err(Error::InUse {
            path: path.to_owned(),
            holder: holder_of(&stream),
        }),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs_err::remove_file(&place.reachable)
                .map_err(|error| fault(path, "remove the stale", error))
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(Error::InUse {
            path: path.to_owned(),
            holder: "a busy process".into(),
        }),
        Err(error) => Err(fault(path, "find out who listens on", error)),
    }
}

fn holder_of(stream: &UnixStream) -> String {
    match rustix::net::sockopt::socket_peercred(stream) {
        Ok(peer) => format!("process {}", peer.pid.as_raw_nonzero()),
        Err(_) => "another process".into(),
    }
}

/// Connects to a server's socket.
///
/// # Errors
/// [`Error::NobodyListens`], [`Error::Denied`] with the group that may, [`Error::Socket`].
pub(crate) fn connect(path: &Path) -> Result<UnixStream, Error> {
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Error::NobodyListens {
            path: path.to_owned(),
        },
        io::ErrorKind::PermissionDenied => Error::Denied {
            path: path.to_owned(),
            hint: who_may(path),
        },
        _ => fault(path, "connect to", error),
    };
    let place = Place::open(path).map_err(|error| match error {
        Error::Socket { source, .. } => refused(source),
        other => other,
    })?;
    UnixStream::connect(&place.reachable).map_err(refused)
}

fn who_may(path: &Path) -> String {
    let folder = path.parent().unwrap_or(path);
    match fs_err::metadata(path).or_else(|_| fs_err::metadata(folder)) {
        Ok(found) => {
            let group = Group(found.gid());
            format!(
                "only members of group {group} may ask; join it with `usermod -aG`, then log in again"
            )
        }
        Err(_) => "its folder may not be read either; ask as the service's user".into(),
    }
}
