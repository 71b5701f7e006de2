//! Whether files that were read have changed since.
//!
//! Must not know: what stands in them.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How files look from the outside; folders, with the `.toml` and `.json` files in them. Two looks that are equal saw the same.
///
/// Looking is asked for rather than told by the system: files are replaced by renames and through links to folders that
/// change as a whole, which notifications follow badly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look(BTreeMap<PathBuf, Seen>);

/// Inode, size, and the last change of what is in it and of who may read it, in seconds and nanoseconds.
type Seen = (u64, u64, [i64; 4]);

impl Look {
    /// Looks at `paths`; one that is not there may come.
    pub fn at<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Self {
        let mut look = Self::default();
        for path in paths {
            look.add(path);
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
            let is_read = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "toml" || kind == "json");
            entries.filter(is_read).for_each(|path| look.add(&path));
        }
        look
    }

    /// The first of `paths` that was there `before` and is not any more.
    pub fn lost<'a>(&self, paths: &'a [PathBuf], before: &Self) -> Option<&'a Path> {
        let lost = |path: &&PathBuf| before.0.contains_key(*path) && !self.0.contains_key(*path);
        paths.iter().find(lost).map(PathBuf::as_path)
    }

    fn add(&mut self, path: &Path) {
        if let Ok(found) = std::fs::metadata(path) {
            // A folder changes with everything in it, and most of that is nobody's business here.
            let times = [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()];
            let (len, changed) = if found.is_dir() { (0, [0; 4]) } else { (found.len(), times) };
            self.0.insert(path.to_owned(), (found.ino(), len, changed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Folder;
    use super::*;

    #[test]
    fn changes_are_seen() {
        let folder = Folder::new().with("a", "1").with("b", "1").with("c.toml", "1");
        let sources = folder.sources();
        let (file, missing) = (sources.directory.join("a"), sources.directory.join("missing"));
        let look = || Look::at([&*file, &missing]);
        let before = look();
        assert_eq!(look(), before);
        std::fs::write(&missing, "").unwrap();
        let found = look();
        assert_ne!(found, before);
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let readable = look();
        assert_ne!(readable, found, "it may be one that could not be read before");
        std::fs::rename(sources.directory.join("b"), &file).unwrap();
        assert_ne!(look(), readable);
        let whole = || Look::at([&*sources.directory]);
        let before = whole();
        std::fs::remove_file(&missing).unwrap();
        assert_eq!(whole(), before, "it is nothing that would be read");
        std::fs::remove_file(sources.directory.join("c.toml")).unwrap();
        assert_ne!(whole(), before);
    }
}
