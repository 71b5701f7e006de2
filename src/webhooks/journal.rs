//! What happens to webhooks on disk, so that it outlives the process: one step in a line, in JSON, appended and synced before
//! anything is sent. The file is made anew from the state when it has grown. A last line that was cut short never was.
//!
//! What survives a crash of the process is everything written; what survives one of the machine is everything but what
//! endpoints have taken within the last moments, which they may then get twice.

use super::op::Op;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// A journal is made anew once so much has been appended to it, and as much as it had at first.
const GROWN: u64 = 4 << 20;

/// An open journal.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes when it was made, and bytes appended since.
    base: u64,
    appended: u64,
    /// Whether its last line may have been cut short, because writing failed.
    torn: bool,
    _lock: File,
}

/// The right to a journal, had or waited for.
#[derive(Debug)]
pub(super) struct Claim {
    path: PathBuf,
    lock: File,
}

impl Claim {
    /// For the journal at `path`. Fails if it could never be written.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(beside(path, "lock"))?;
        OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { path: path.to_owned(), lock })
    }

    /// Opens the journal; the claim itself while another process has it.
    pub(super) fn open(self) -> io::Result<Result<(Journal, Vec<Op>), Self>> {
        match self.lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Err(self)),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let file = OpenOptions::new().read(true).create(true).append(true).open(&self.path)?;
        let ops = read(&file)?;
        let base = file.metadata()?.len();
        let journal = Journal { path: self.path, file, base, appended: 0, torn: true, _lock: self.lock };
        Ok(Ok((journal, ops)))
    }
}

impl Journal {
    /// Appends steps. They are on the disk when this returns, if they matter.
    pub(super) fn append(&mut self, ops: &[Op]) -> io::Result<()> {
        let lines = lines(ops);
        let written = self.file.write_all(&lines);
        self.torn |= written.is_err();
        written?;
        self.appended += lines.len() as u64;
        if ops.iter().any(Op::matters) { self.file.sync_data() } else { Ok(()) }
    }

    /// Whether it is to be made anew before anything is appended.
    pub(super) fn is_due(&self) -> bool {
        self.torn || self.appended > self.base.max(GROWN)
    }

    /// Makes it anew, of the steps that make the state. It is the old one or the new one, whenever the machine stops.
    pub(super) fn renew(&mut self, ops: &[Op]) -> io::Result<()> {
        let new = beside(&self.path, "new");
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(&new)?;
        let lines = lines(ops);
        file.write_all(&lines)?;
        file.sync_all()?;
        std::fs::rename(&new, &self.path)?;
        if let Some(folder) = self.path.parent() {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            File::open(folder)?.sync_all()?;
        }
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        (self.base, self.appended, self.torn) = (lines.len() as u64, 0, false);
        Ok(())
    }
}

fn lines(ops: &[Op]) -> Vec<u8> {
    let mut lines = Vec::new();
    for op in ops.iter().filter(|op| op.lasts()) {
        serde_json::to_writer(&mut lines, op).expect("steps make JSON");
        lines.push(b'\n');
    }
    lines
}

fn read(file: &File) -> io::Result<Vec<Op>> {
    let (mut reader, mut line) = (BufReader::new(file), Vec::new());
    let (mut ops, mut strange) = (Vec::new(), 0);
    while reader.read_until(b'\n', &mut line)? > 0 {
        match serde_json::from_slice(&line) {
            Ok(op) => ops.push(op),
            Err(_) if line.ends_with(b"\n") => strange += 1,
            Err(_) => {}
        }
        line.clear();
    }
    if strange > 0 {
        tracing::error!(
            lines = strange,
            "the journal of webhooks has lines that make no sense: what they said is lost"
        );
    }
    Ok(ops)
}

/// A file that belongs to the one at `path`.
fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(what);
    name.into()
}
