//! Files as text, whoever wrote them.
//!
//! Must not know: what the text means.

use std::io::{self, ErrorKind};
use std::path::Path;

/// The text of a file in UTF-8, without the mark that editors on Windows begin it with. What they call Unicode is
/// UTF-16, and an error that says so.
pub(super) fn read(path: &Path) -> io::Result<String> {
    let bytes = std::fs::read(path)?;
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(io::Error::new(ErrorKind::InvalidData, "UTF-16"));
    }
    let text = String::from_utf8(bytes).map_err(|_| io::Error::from(ErrorKind::InvalidData))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
