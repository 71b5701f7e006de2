//! What starts the server where it is installed: units, images, supervisor.

use std::path::Path;
use std::process::Command;

fn text(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The value of `key=` in a file of such lines.
fn value<'a>(file: &'a str, key: &str) -> &'a str {
    let found: Vec<_> = file.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect();
    let [value] = found[..] else { panic!("{key} stands there {} times", found.len()) };
    value
}

/// The longest that a stop takes: the delay, the window, and what comes after them.
const STOP_SECS: u64 = 5 + 30 + 10;

#[test]
fn systemd_takes_the_unit() {
    let unit = text("examples/systemd/fanfare.service");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("unit-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("fanfare.service");
    // It must be there to be executed.
    std::fs::write(&path, unit.replace("/usr/bin/fanfare", env!("CARGO_BIN_EXE_fanfare"))).unwrap();
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // Other units of the machine may be wrong as well.
    let ours: Vec<_> = said.lines().filter(|line| line.contains("fanfare")).collect();
    assert!(output.status.success() && ours.is_empty(), "{said}");
    assert_eq!((value(&unit, "KillSignal"), value(&unit, "LimitNOFILE")), ("SIGTERM", "1048576"));
    assert!(value(&unit, "TimeoutStopSec").parse::<u64>().unwrap() > STOP_SECS);
    assert_eq!((value(&unit, "RestartPreventExitStatus"), value(&unit, "StartLimitIntervalSec")), ("78", "0"));
}

#[test]
fn supervisor_waits_long_enough() {
    let program = text("examples/supervisor/fanfare.conf");
    assert_eq!((value(&program, "stopsignal"), value(&program, "exitcodes")), ("TERM", "78"));
    assert!(value(&program, "stopwaitsecs").parse::<u64>().unwrap() > STOP_SECS);
}

/// The image is made of the files that the build is given, and nothing of it runs as root.
#[test]
fn the_image_has_what_it_copies() {
    let (dockerfile, ignore) = (text("Dockerfile"), text(".dockerignore"));
    let copied =
        dockerfile.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|line| !line.contains("--from"));
    for name in copied.flat_map(|line| line.split(' ').filter(|part| !part.starts_with('.') && !part.starts_with("./")))
    {
        assert!(ignore.lines().any(|line| line == format!("!{name}")), "{name} is not given to the build");
    }
    for line in ["USER 10001:10001", "WORKDIR /app", "STOPSIGNAL SIGTERM", "FROM scratch"] {
        assert!(dockerfile.lines().any(|known| known == line), "{line}");
    }
}
