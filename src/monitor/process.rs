//! What the system says about the process, under the names that are usual for it.
//!
//! Read from Linux' `/proc` here, because the crates that do so do not build elsewhere; where there is none, nothing is
//! told but when the process was started.

use super::families::{Labels, Page};
use crate::node::Identity;
use std::fmt::Result;
use std::fs;
use std::time::SystemTime;

const NONE: Labels<'static, 0> = [];

/// Units of processor time in a second: Linux tells all programs that it is 100, whatever it is inside.
const TICKS: f64 = 100.0;

/// Writes the families of the process.
pub(super) fn write(me: &Identity, page: &mut Page<'_>) -> Result {
    let open = fs::read_dir("/proc/self/fd").ok().map(|files| files.count().saturating_sub(1));
    page.gauge("process_open_fds", "Files and sockets that are open.", open.map(|open| (NONE, open)))?;
    let most = rlimit::getrlimit(rlimit::Resource::NOFILE).ok().map(|(soft, _)| (NONE, soft));
    page.gauge("process_max_fds", "Files and sockets that may be open.", most)?;
    let memory = read("/proc/self/status").as_deref().and_then(resident_bytes).map(|bytes| (NONE, bytes));
    page.gauge("process_resident_memory_bytes", "Memory in use.", memory)?;
    let cpu = read("/proc/self/stat").as_deref().and_then(cpu_seconds).map(|seconds| (NONE, seconds));
    page.counter("process_cpu_seconds", "Processor time used.", cpu)?;
    let started = me.started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    page.gauge("process_start_time_seconds", "When it was started, in seconds since 1970.", [(NONE, started)])
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// `VmRSS` of `/proc/self/status`, which is in KiB.
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// The 14th and 15th fields of `/proc/self/stat`: in the program and in the system. The second is a name in
/// parentheses, which may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<f64>().ok();
    Some((next()? + next()?) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_writes_is_read() {
        assert_eq!(resident_bytes("Name:\tfanfare\nVmRSS:\t    5120 kB\nThreads:\t3\n"), Some(5 << 20));
        assert_eq!(resident_bytes("Name:\tfanfare\n"), None);
        let stat = "7 (a) b) c) S 1 7 7 0 -1 4194560 100 0 0 0 150 25 0 0 20 0 3 0 99 1000 1280 18446744073709551615";
        assert_eq!(cpu_seconds(stat), Some(1.75));
        assert_eq!(cpu_seconds("7 (a) S 1"), None);
    }
}
