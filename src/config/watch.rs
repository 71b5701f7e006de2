//! Whether files that were read have changed since.
//!
//! Must not know: what stands in them.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How files look from the outside; folders, with the files in them. Two looks that are equal saw the same.
///
/// Looking is asked for rather than told by the system: files are replaced by renames and through links to folders that
/// change as a whole, which notifications follow badly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look(BTreeMap<PathBuf, Seen>);

/// Inode, size, and time of the last change in seconds and nanoseconds.
type Seen = (u64, u64, (i64, i64));

impl Look {
    /// Looks at `paths`; one that is not there may come.
    pub fn at<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Self {
        let mut look = Self::default();
        for path in paths {
            look.add(path);
            for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
                look.add(&entry.path());
            }
        }
        look
    }

    fn add(&mut self, path: &Path) {
        if let Ok(found) = std::fs::metadata(path) {
            self.0.insert(path.to_owned(), (found.ino(), found.len(), (found.mtime(), found.mtime_nsec())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Folder;
    use super::*;

    #[test]
    fn changes_are_seen() {
        let folder = Folder::new().with("a", "1").with("b", "1");
        let sources = folder.sources();
        let (file, missing) = (sources.directory.join("a"), sources.directory.join("missing"));
        let look = || Look::at([&*file, &missing]);
        let before = look();
        assert_eq!(look(), before);
        std::fs::write(&missing, "").unwrap();
        let found = look();
        assert_ne!(found, before);
        std::fs::rename(sources.directory.join("b"), &file).unwrap();
        assert_ne!(look(), found);
        let whole = || Look::at([&*sources.directory]);
        let before = whole();
        std::fs::remove_file(&missing).unwrap();
        assert_ne!(whole(), before);
    }
}
