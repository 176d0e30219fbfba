//! Words to systemd: ready, reloading, stopping, status, and the watchdog, which is fed only while no stage is stuck.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use sd_notify::NotifyState;

use super::events::StageStuck;
use super::progress::Progress;

/// The way to the service manager; silent where there is none.
#[derive(Debug, Default)]
pub struct Notifier {
    socket: Option<UnixDatagram>,
}

impl Notifier {
    /// Takes the socket that `NOTIFY_SOCKET` names; silent if it is not set.
    ///
    /// # Errors
    /// If it is set and cannot be reached.
    pub fn from_env() -> io::Result<Self> {
        match std::env::var_os("NOTIFY_SOCKET") {
            Some(address) => Self::to(&address),
            None => Ok(Self::default()),
        }
    }

    /// Takes a socket by path, or by name in the abstract space (`@name`).
    ///
    /// # Errors
    /// If it cannot be reached.
    pub fn to(address: &OsStr) -> io::Result<Self> {
        let address = match address.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(address)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address)?;
        Ok(Self {
            socket: Some(socket),
        })
    }

    fn tell(&self, states: &[NotifyState<'_>]) {
        let Some(socket) = &self.socket else { return };
        let words: Vec<String> = states.iter().map(ToString::to_string).collect();
        if let Err(error) = socket.send(words.join("\n").as_bytes()) {
            tracing::warn!(%error, "the service manager cannot be told");
        }
    }

    /// Start-up is done.
    pub fn ready(&self) {
        self.tell(&[NotifyState::Ready]);
    }

    /// The configuration is being read again; [`Notifier::ready`] ends it.
    ///
    /// # Errors
    /// If the monotonic clock cannot be read.
    pub fn reloading(&self) -> io::Result<()> {
        self.tell(&[NotifyState::Reloading, NotifyState::monotonic_usec_now()?]);
        Ok(())
    }

    /// The process is ending.
    pub fn stopping(&self) {
        self.tell(&[NotifyState::Stopping]);
    }

    /// One line for `systemctl status`.
    pub fn status(&self, text: &str) {
        self.tell(&[NotifyState::Status(&text.replace('\n', " "))]);
    }

    /// Start-up takes this much longer, such as for building engines.
    pub fn extend_timeout(&self, time: Duration) {
        let usec = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        self.tell(&[NotifyState::ExtendTimeoutUsec(usec)]);
    }
}

/// Feeds systemd's watchdog by real progress.
#[derive(Debug)]
pub struct Watchdog {
    progress: Progress,
    notifier: Notifier,
    /// Stages that were told to be stuck already.
    told: Vec<String>,
}

impl Watchdog {
    /// A watchdog over all stages of `progress`.
    #[must_use]
    pub fn new(progress: Progress, notifier: Notifier) -> Self {
        Self {
            progress,
            notifier,
            told: Vec::new(),
        }
    }

    /// How often to call [`Watchdog::tick`]: a third of `WatchdogSec`, or every five seconds without one.
    #[must_use]
    pub fn interval() -> Duration {
        sd_notify::watchdog_enabled().map_or(Duration::from_secs(5), |limit| limit / 3)
    }

    /// Feeds the watchdog unless a stage is stuck; says in log and status which, once. True if it was fed.
    pub fn tick(&mut self) -> bool {
        let stuck = self.progress.stuck();
        for stage in &stuck {
            if !self.told.contains(&stage.stage) {
                StageStuck { stuck: stage }.emit();
            }
        }
        let had_trouble = !self.told.is_empty();
        self.told = stuck.iter().map(|stage| stage.stage.clone()).collect();
        if stuck.is_empty() {
            self.notifier.tell(&[NotifyState::Watchdog]);
            if had_trouble {
                self.notifier.status("running");
            }
            return true;
        }
        self.notifier
            .status(&format!("stuck: {}", self.told.join(", ")));
        false
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock::fake::FakeClock;
    use super::*;

    fn manager() -> (tempfile::TempDir, UnixDatagram, Notifier) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_nonblocking(true).unwrap();
        let notifier = Notifier::to(path.as_os_str()).unwrap();
        (folder, manager, notifier)
    }

    fn told(manager: &UnixDatagram) -> Vec<String> {
        let mut words = Vec::new();
        let mut buffer = [0; 512];
        while let Ok(count) = manager.recv(&mut buffer) {
            words.push(String::from_utf8(buffer[..count].to_vec()).unwrap());
        }
        words
    }

    #[test]
    fn the_service_manager_hears_each_word() {
        let (_folder, manager, notifier) = manager();
        notifier.ready();
        notifier.status("two\nlines");
        notifier.reloading().unwrap();
        notifier.extend_timeout(Duration::from_secs(2));
        notifier.stopping();
        let words = told(&manager);
        assert_eq!(words[0], "READY=1");
        assert_eq!(words[1], "STATUS=two lines");
        let usec: u64 = words[2]
            .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
            .unwrap()
            .parse()
            .unwrap();
        assert!(usec > 0);
        assert_eq!(words[3..], ["EXTEND_TIMEOUT_USEC=2000000", "STOPPING=1"]);
    }

    #[test]
    fn an_abstract_socket_is_reached() {
        let name = format!("sightline-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        manager.set_nonblocking(true).unwrap();
        Notifier::to(OsStr::new(&format!("@{name}")))
            .unwrap()
            .ready();
        assert_eq!(told(&manager), ["READY=1"]);
    }

    #[test]
    fn without_a_service_manager_nothing_is_said() {
        Notifier::default().ready();
        let error = Notifier::to(OsStr::new("/nonexistent/notify")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn the_watchdog_is_fed_only_while_no_stage_is_stuck() {
        let (_folder, manager, notifier) = manager();
        let time = FakeClock::default();
        let progress = Progress::new(time.clock());
        let detect = progress.stage("detect", Duration::from_secs(10));
        let mut watchdog = Watchdog::new(progress, notifier);
        assert!(watchdog.tick());
        assert_eq!(told(&manager), ["WATCHDOG=1"]);
        detect.arrived(1);
        time.advance(Duration::from_secs(11));
        assert!(!watchdog.tick());
        assert!(!watchdog.tick());
        assert_eq!(
            told(&manager),
            ["STATUS=stuck: detect", "STATUS=stuck: detect"]
        );
        detect.done(1);
        assert!(watchdog.tick());
        assert_eq!(told(&manager), ["WATCHDOG=1", "STATUS=running"]);
    }
}
