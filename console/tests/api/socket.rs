//! The socket's life: long paths, leftovers, permissions, removal.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

use sightline_console::{Client, Error, Group, Limits, ListenOptions, Listener, serve};

use crate::{Memory, Running};

#[tokio::test]
async fn a_path_longer_than_the_kernel_takes_is_served_and_reached() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a".repeat(120)).join("b".repeat(120));
    fs_err::create_dir_all(&deep).unwrap();
    let path = deep.join("api.sock");
    let listener = Listener::bind(&ListenOptions::new(&path)).unwrap();
    assert_eq!(
        fs_err::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o660
    );
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, Arc::new(Memory::default()), async move {
        stopped.await.expect("the test holds the sender");
    }));
    assert_eq!(
        Client::connect(&path)
            .unwrap()
            .status()
            .await
            .unwrap()
            .tracks,
        7
    );
    assert!(matches!(
        Listener::bind(&ListenOptions::new(&path)),
        Err(Error::InUse { .. })
    ));
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    assert!(!path.exists());
}

#[test]
fn a_file_name_that_no_path_can_shorten_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error =
        Listener::bind(&ListenOptions::new(folder.path().join("s".repeat(120)))).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("120 bytes long, expected at most"),
        "{error}"
    );
}

#[test]
fn the_socket_of_a_dead_process_is_replaced_and_a_living_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    // Closing the listener without removing its file is what kill -9 leaves.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let listener = Listener::bind(&ListenOptions::new(&path)).unwrap();
    let error = Listener::bind(&ListenOptions::new(&path)).unwrap_err();
    let pid = std::process::id();
    assert!(
        error
            .to_string()
            .contains(&format!("process {pid} listens there already")),
        "{error}"
    );
    drop(listener);
    assert!(!path.exists());
}

#[test]
fn something_that_is_no_socket_is_never_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    fs_err::write(&path, "precious").unwrap();
    let error = Listener::bind(&ListenOptions::new(&path)).unwrap_err();
    assert!(matches!(error, Error::SocketPath { .. }), "{error}");
    assert_eq!(fs_err::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_socket_that_somebody_else_made_meanwhile_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let listener = Listener::bind(&ListenOptions::new(&path)).unwrap();
    fs_err::remove_file(&path).unwrap();
    let other = Listener::bind(&ListenOptions::new(&path)).unwrap();
    drop(listener);
    assert!(path.exists());
    drop(other);
    assert!(!path.exists());
}

#[test]
fn group_and_mode_are_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    // Only root may give a socket to a group it is no member of.
    let gid = if rustix::process::getuid().is_root() {
        54_321
    } else {
        rustix::process::getgid().as_raw()
    };
    let options = ListenOptions {
        group: Some(Group::from_gid(gid)),
        mode: 0o640,
        ..ListenOptions::new(&path)
    };
    let _listener = Listener::bind(&options).unwrap();
    let found = fs_err::metadata(&path).unwrap();
    assert_eq!(
        (found.gid(), found.permissions().mode() & 0o777),
        (gid, 0o640)
    );
}

#[test]
fn a_group_is_found_by_name_and_by_number() {
    assert_eq!(Group::by_name("root").unwrap(), Group::from_gid(0));
    assert_eq!(Group::by_name("54321").unwrap(), Group::from_gid(54_321));
    let error = Group::by_name("nobody-has-this").unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`nobody-has-this` is not in /etc/group"),
        "{error}"
    );
}

#[test]
fn a_folder_that_is_missing_is_named_by_server_and_client() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none").join("api.sock");
    let error = Listener::bind(&ListenOptions::new(&path)).unwrap_err();
    assert!(error.to_string().contains("none/api.sock"), "{error}");
    let error = Client::connect(&path).unwrap_err();
    assert!(
        error.to_string().starts_with("nobody listens at"),
        "{error}"
    );
}

const DENIED_PATH: &str = "CONSOLE_TEST_DENIED_SOCKET";

#[tokio::test]
async fn a_user_outside_the_group_is_told_which_group_may() {
    if let Some(path) = std::env::var_os(DENIED_PATH) {
        let error = Client::connect(path).unwrap_err();
        assert!(matches!(error, Error::Denied { .. }), "{error}");
        assert!(
            error.to_string().contains("only members of group"),
            "{error}"
        );
        return;
    }
    let server = Running::start(Arc::new(Memory::default()), Limits::default());
    fs_err::set_permissions(server.folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    fs_err::set_permissions(&server.path, PermissionsExt::from_mode(0o600)).unwrap();
    let mut child = Command::new("/proc/self/exe");
    child
        .args([
            "--exact",
            "socket::a_user_outside_the_group_is_told_which_group_may",
        ])
        .env(DENIED_PATH, &server.path)
        .current_dir("/");
    if rustix::process::getuid().is_root() {
        child.uid(65_534).gid(65_534);
    } else {
        // Permissions bind the owner too.
        fs_err::set_permissions(&server.path, PermissionsExt::from_mode(0o0)).unwrap();
    }
    let output = child.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}
