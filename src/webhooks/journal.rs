//! What happens to webhooks on disk, so that it outlives the process: one step in a line, in JSON, appended and synced before
//! anything is sent. The file is made anew from the state when it has grown. A last line that was cut short never was.
//!
//! What survives a crash of the process is everything written; what survives one of the machine is everything but what
//! endpoints have taken within the last moments, which they may then get twice.

use super::op::Op;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Error, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What clients say is nobody else's business.
const OWNER: u32 = 0o600;

/// A journal is made anew once so much has been appended to it, and as much as it had at first.
const GROWN: u64 = 4 << 20;
/// Of this server.
const FORMAT: Format = Format { fanfare_webhooks: 1 };

/// The first line: what the file is, so that no other file is taken for a journal, and no journal of a later version for one
/// that is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Format {
    fanfare_webhooks: u32,
}

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
    /// Whether nothing is in it.
    is_blank: bool,
    _lock: File,
}

/// The right to a journal, had or waited for.
#[derive(Debug)]
pub(super) struct Claim {
    path: PathBuf,
    lock: File,
}

impl Claim {
    /// For the journal at `path`. Fails if it could never be written, or is something else.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).create(true).mode(OWNER).append(true).open(path)?;
        format(&mut BufReader::new(file))?;
        let lock =
            OpenOptions::new().create(true).mode(OWNER).truncate(false).write(true).open(beside(path, "lock"))?;
        Ok(Self { path: path.to_owned(), lock })
    }

    /// Opens the journal; the claim itself while another process has it.
    pub(super) fn open(self) -> io::Result<Result<(Journal, Vec<Op>), Self>> {
        match self.lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Err(self)),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let file = OpenOptions::new().read(true).create(true).mode(OWNER).append(true).open(&self.path)?;
        let (ops, strange) = read(&file)?;
        if strange > 0 {
            let kept = beside(&self.path, "strange");
            std::fs::copy(&self.path, &kept)?;
            tracing::error!(
                lines = strange,
                "the journal of webhooks has lines that make no sense: what they said is lost; a copy is {}",
                kept.display()
            );
        }
        let base = file.metadata()?.len();
        let journal =
            Journal { path: self.path, file, base, appended: 0, torn: true, is_blank: base == 0, _lock: self.lock };
        Ok(Ok((journal, ops)))
    }
}

impl Journal {
    /// Appends steps. They are on the disk when this returns, but for what may be done twice.
    pub(super) fn append(&mut self, ops: &[Op]) -> io::Result<()> {
        let mut lines = lines(ops);
        if self.is_blank {
            lines.splice(0..0, line(&FORMAT));
        } else if self.torn {
            lines.insert(0, b'\n');
        }
        let is_vital = ops.iter().any(|op| !matches!(op, Op::Done { .. } | Op::At { .. }));
        let written = self.file.write_all(&lines).and_then(|()| if is_vital { self.file.sync_data() } else { Ok(()) });
        // After an error of fsync nobody knows what is on the disk.
        self.torn = written.is_err();
        self.is_blank &= self.torn;
        self.appended += lines.len() as u64;
        written
    }

    /// Whether it is to be made anew before anything is appended.
    pub(super) fn is_due(&self) -> bool {
        self.torn || self.appended > self.base.max(GROWN)
    }

    /// Makes it anew, of the steps that make the state. It is the old one or the new one, whenever the machine stops.
    pub(super) fn renew(&mut self, ops: &[Op]) -> io::Result<()> {
        let new = beside(&self.path, "new");
        let lines = [line(&FORMAT), lines(ops)].concat();
        let file = write(&new, &lines).and_then(|()| {
            std::fs::rename(&new, &self.path)?;
            OpenOptions::new().append(true).open(&self.path)
        });
        if file.is_err() {
            let _ = std::fs::remove_file(&new);
            // It is not tried again for every line.
            self.base = self.base.max(self.appended) + GROWN;
        }
        self.file = file?;
        (self.base, self.appended, self.torn, self.is_blank) = (lines.len() as u64, 0, false, false);
        if let Some(folder) = self.path.parent() {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).mode(OWNER).truncate(true).write(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("steps make JSON");
    line.push(b'\n');
    line
}

fn lines(ops: &[Op]) -> Vec<u8> {
    ops.iter().flat_map(line).collect()
}

/// Reads the first line. Fails on a file that is something else.
fn format(reader: &mut impl BufRead) -> io::Result<()> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    // What is cut short is the whole file.
    if self::line(&FORMAT).starts_with(&line) {
        return Ok(());
    }
    match serde_json::from_slice(&line) {
        Ok(FORMAT) => Ok(()),
        Ok(Format { .. }) => Err(Error::other("a later version of the server has written it")),
        Err(_) => Err(Error::other("it is no journal, and left as it is")),
    }
}

/// The steps of a journal, and how many lines make no sense.
fn read(file: &File) -> io::Result<(Vec<Op>, usize)> {
    let (mut reader, mut line) = (BufReader::new(file), Vec::new());
    format(&mut reader)?;
    let (mut ops, mut strange) = (Vec::new(), 0);
    while reader.read_until(b'\n', &mut line)? > 0 {
        match serde_json::from_slice(&line) {
            Ok(op) => ops.push(op),
            Err(_) if line.ends_with(b"\n") && line != b"\n" => strange += 1,
            Err(_) => {}
        }
        line.clear();
    }
    Ok((ops, strange))
}

/// A file that belongs to the one at `path`.
fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(what);
    name.into()
}
