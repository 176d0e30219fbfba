//! The systemd units: clean, closed, and doing what they promise under a real systemd.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Exposure by `systemd-analyze security`, 0 to 10, that the service may not exceed.
const MOST_EXPOSURE: f64 = 2.5;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Says why a test did not run, where everybody sees it.
fn skipped(test: &str, why: &str) {
    std::io::Write::write_all(
        &mut std::io::stderr(),
        format!("SKIPPED {test}: {why}\n").as_bytes(),
    )
    .ok();
}

fn has(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The service, with the GPU drop-in or without, where its program exists on every machine.
fn installed(name: &str, with_gpu: bool) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let units = workspace().join("systemd");
    let place = |from: &str, to: &Path| {
        let text = fs_err::read_to_string(units.join(from)).unwrap();
        fs_err::write(to, text.replace("/usr/bin/sightline", "/bin/true")).unwrap();
    };
    for unit in [
        "sightline-edge.service",
        "sightline-index.service",
        "sightline-associate.service",
        "sightline.target",
    ] {
        place(unit, &folder.path().join(unit));
    }
    if with_gpu {
        let drop_ins = folder.path().join("sightline-edge.service.d");
        fs_err::create_dir(&drop_ins).unwrap();
        place("sightline-edge-gpu.conf", &drop_ins.join("gpu.conf"));
    }
    let service = folder.path().join(name);
    (folder, service)
}

fn exposure(service: &Path) -> f64 {
    let output = Command::new("systemd-analyze")
        .args([
            "security",
            "--offline=true",
            "--threshold=100",
            "--no-pager",
        ])
        .arg(service)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let last = text.lines().last().unwrap_or_default();
    last.split("exposure level for ")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or_else(|| panic!("no exposure level in {last:?}"))
}

#[test]
fn the_units_give_systemd_nothing_to_remark() {
    if !has("systemd-analyze") {
        return skipped(
            "the_units_give_systemd_nothing_to_remark",
            "no systemd-analyze",
        );
    }
    for (name, with_gpu) in [
        ("sightline-edge.service", false),
        ("sightline-edge.service", true),
        ("sightline-index.service", false),
        ("sightline-associate.service", false),
        ("sightline.target", false),
    ] {
        let (_folder, service) = installed(name, with_gpu);
        let output = Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(&service)
            .output()
            .unwrap();
        // It ends with 0 on an unknown key, and only prints.
        let words = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{name}, with_gpu: {with_gpu}");
        assert_eq!(
            String::from_utf8_lossy(&words),
            "",
            "{name}, with_gpu: {with_gpu}"
        );
    }
}

#[test]
fn the_service_is_as_closed_as_the_documents_say() {
    if !has("systemd-analyze") {
        return skipped(
            "the_service_is_as_closed_as_the_documents_say",
            "no systemd-analyze",
        );
    }
    let plain = exposure(&installed("sightline-edge.service", false).1);
    let gpu = exposure(&installed("sightline-edge.service", true).1);
    let index = exposure(&installed("sightline-index.service", false).1);
    let associate = exposure(&installed("sightline-associate.service", false).1);
    assert!(
        associate <= MOST_EXPOSURE,
        "exposure of association {associate}"
    );
    assert!(plain <= MOST_EXPOSURE, "exposure {plain}");
    assert!(index <= MOST_EXPOSURE, "exposure of the indexer {index}");
    assert!(gpu <= MOST_EXPOSURE, "exposure with a GPU {gpu}");
    let text = fs_err::read_to_string(workspace().join("docs/operations.md")).unwrap();
    for line in [
        format!("| `sightline-edge.service` | {plain:.1} |"),
        format!("| `sightline-index.service` | {index:.1} |"),
        format!("| `sightline-associate.service` | {associate:.1} |"),
        format!("| with `sightline-edge-gpu.conf` | {gpu:.1} |"),
    ] {
        assert!(
            text.contains(&line),
            "docs/operations.md lacks the line {line:?}"
        );
    }
}

#[test]
fn every_file_that_the_package_takes_from_the_sources_is_there() {
    let recipe = fs_err::read_to_string(workspace().join("pipeline/Cargo.toml")).unwrap();
    let makefile = fs_err::read_to_string(workspace().join("Makefile")).unwrap();
    let mut count = 0;
    for line in recipe
        .lines()
        .filter_map(|line| line.trim().strip_prefix("[\"../"))
    {
        let path = line.split('"').next().unwrap_or_default();
        // ONNX Runtime's library comes by `make runtime`, and the rest by the target that makes the package.
        if path.starts_with(".sightline/onnxruntime/") {
            continue;
        }
        if path.starts_with("target/") {
            assert!(
                makefile.contains(&format!(">{path}")),
                "nobody makes {path}"
            );
            continue;
        }
        let folder = path.split("/*").next().unwrap_or_default();
        assert!(workspace().join(folder).exists(), "{path}");
        count += 1;
    }
    assert!(count >= 10, "only {count} files were looked at");
}

/// A systemd of our own, in namespaces of its own; gone with this value.
struct Machine {
    outer: Child,
    pid: u32,
    report: tempfile::TempDir,
}

impl Machine {
    fn boot() -> Self {
        let report = tempfile::tempdir().unwrap();
        // The service's own user writes its log there.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs_err::set_permissions(report.path(), open).unwrap();
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/system/units");
        let outer = Command::new("unshare")
            .args([
                "--fork",
                "--kill-child",
                "--pid",
                "--mount",
                "--cgroup",
                "--uts",
                "--ipc",
                "--net",
            ])
            .arg(here.join("boot.sh"))
            .arg(fs_err::canonicalize(workspace().join("systemd")).unwrap())
            .arg(here.join("stand-in.pl"))
            .arg(report.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let children = format!("/proc/{0}/task/{0}/children", outer.id());
        let pid = wait_for("the namespaces", || {
            fs_err::read_to_string(&children)
                .ok()?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        });
        Self { outer, pid, report }
    }

    fn systemctl(&self, arguments: &[&str]) -> String {
        let output = Command::new("nsenter")
            .args([
                "-t",
                &self.pid.to_string(),
                "-m",
                "-p",
                "-C",
                "-u",
                "-i",
                "-n",
                "systemctl",
            ])
            .args(arguments)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Waits until the service's properties are these.
    fn wait_until(&self, wanted: &[(&str, &str)]) {
        wait_for(&format!("{wanted:?}; last log: {}", self.log()), || {
            wanted
                .iter()
                .all(|(name, value)| {
                    let property = format!("--property={name}");
                    self.systemctl(&["show", "--value", &property, "sightline-edge"]) == *value
                })
                .then_some(())
        });
    }

    fn log(&self) -> String {
        fs_err::read_to_string(self.report.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Its PID 1 does not heed SIGTERM; its children go with it.
        let inner = i32::try_from(self.pid)
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        if let Some(inner) = inner {
            rustix::process::kill_process(inner, rustix::process::Signal::KILL).ok();
        }
        self.outer.kill().ok();
        self.outer.wait().ok();
    }
}

/// Asks again and again until there is an answer, and fails after 30 s.
fn wait_for<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn under_a_real_systemd_the_service_starts_comes_back_and_stays_down_on_a_bad_configuration() {
    const NAME: &str =
        "under_a_real_systemd_the_service_starts_comes_back_and_stays_down_on_a_bad_configuration";
    if !rustix::process::geteuid().is_root() {
        return skipped(NAME, "only root can make its namespaces");
    }
    if !Path::new("/lib/systemd/systemd").exists() || !has("unshare") || !has("nsenter") {
        return skipped(NAME, "no systemd, unshare or nsenter");
    }
    let can_mount = Command::new("unshare")
        .args([
            "--mount", "--pid", "--fork", "--cgroup", "mount", "-t", "tmpfs", "tmpfs", "/mnt",
        ])
        .stderr(Stdio::null())
        .status();
    if !can_mount.is_ok_and(|status| status.success()) {
        return skipped(
            NAME,
            "this machine lets nobody mount (a container without CAP_SYS_ADMIN)",
        );
    }
    let machine = Machine::boot();
    machine.wait_until(&[
        ("ActiveState", "active"),
        ("SubState", "running"),
        ("NRestarts", "0"),
    ]);
    let log = machine.log();
    assert!(log.starts_with("check\nrun\n"), "{log}");
    for line in ["password hunter2", "state writable", "ready"] {
        assert!(log.lines().any(|logged| logged == line), "{line}: {log}");
    }
    assert!(
        !log.contains("system writable"),
        "the sandbox let it write /etc"
    );

    machine.systemctl(&["kill", "--signal=KILL", "sightline-edge"]);
    machine.wait_until(&[("ActiveState", "active"), ("NRestarts", "1")]);

    fs_err::write(machine.report.path().join("bad"), "").unwrap();
    machine.systemctl(&["kill", "--signal=KILL", "sightline-edge"]);
    machine.wait_until(&[
        ("ActiveState", "failed"),
        ("Result", "exit-code"),
        ("ExecMainStatus", "78"),
        ("NRestarts", "2"),
    ]);
}
