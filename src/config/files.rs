//! Config files, and files that hold apps: TOML or JSON, by extension, or what Laravel exports as JSON.
//!
//! Must not know: which setting wins.

use super::error::Mistakes;
use super::export::Export;
use super::merge::Layer;
use super::notes::Notes;
use super::schema::{APPS, FILE, ONE_APP};
use super::written::{Listed, Written};
use super::{Error, json, text};
use config::ValueKind;
use std::path::{Path, PathBuf};

/// What was made of a file's text.
enum Parsed {
    Own(Layer),
    Reverb(Export),
}

/// Reads and checks a config file.
pub(super) fn config(path: &Path, mistakes: &mut Mistakes, notes: &mut Notes) -> Written {
    match mistakes.sift(parse(path)) {
        None => Written { broken: true, ..Written::default() },
        Some(Parsed::Reverb(export)) => export.read(mistakes, notes),
        Some(Parsed::Own(settings)) => {
            FILE.check_layer("", &settings, mistakes);
            Written { apps: listed(&settings, path), broken: misshapen(&settings), settings }
        }
    }
}

/// Reads and checks a file of apps, or all such files in a folder, in the order of their names.
pub(super) fn apps(path: &Path, mistakes: &mut Mistakes, notes: &mut Notes) -> Written {
    let files = if path.is_dir() { mistakes.sift(within(path)) } else { Some(vec![path.to_owned()]) };
    let mut all = Written { broken: files.is_none(), ..Written::default() };
    for path in files.unwrap_or_default() {
        let written = apps_of(&path, mistakes, notes);
        all.apps.extend(written.apps);
        all.broken |= written.broken;
    }
    all
}

fn apps_of(path: &Path, mistakes: &mut Mistakes, notes: &mut Notes) -> Written {
    let Some(parsed) = mistakes.sift(parse(path)) else { return Written { broken: true, ..Written::default() } };
    match parsed {
        Parsed::Reverb(export) => {
            let written = export.read(mistakes, notes);
            if !written.settings.is_empty() {
                notes.warn(format!("{}: only its apps count; name it with --config for the rest", path.display()));
            }
            written
        }
        Parsed::Own(layer) if layer.get("apps").is_some() => {
            APPS.check_layer("", &layer, mistakes);
            Written { apps: listed(&layer, path), broken: misshapen(&layer), settings: Layer::default() }
        }
        Parsed::Own(table) => {
            ONE_APP.check_layer("", &table, mistakes);
            let app = Listed { place: String::new(), table, origin: path.display().to_string(), reverb: false };
            Written { apps: vec![app], ..Written::default() }
        }
    }
}

fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

fn parse(path: &Path) -> Result<Parsed, Error> {
    let format = if is_json(path) { "JSON" } else { "TOML" };
    let text = text::read(path)
        .map_err(|e| Error::unreadable(path, &e, &format!("name a {format} file that this user may read")))?;
    let origin = path.display().to_string();
    if !is_json(path) {
        return Layer::toml(&text, &origin).map(Parsed::Own).map_err(|e| Error::syntax(path, &e));
    }
    let found: serde_json::Value = serde_json::from_str(&text).map_err(|e| Error::not_json(path, &e))?;
    if Export::is(&found) {
        return Ok(Parsed::Reverb(Export::new(found, origin)));
    }
    let value = json::value(found, &origin);
    match value.kind {
        ValueKind::Table(_) => Ok(Parsed::Own(Layer::table(Some(&value)))),
        _ => Err(Error::new(&format!("{origin}: must be an object, such as {{\"server\": {{\"port\": 8080}}}}"))),
    }
}

/// The files of a folder that may hold apps.
fn within(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |cause| Error::unreadable(folder, &cause, "name a folder that this user may read");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let fits = path.extension().is_some_and(|extension| extension == "toml" || extension == "json");
        if fits && path.is_file() {
            found.push(path);
        }
    }
    if found.is_empty() {
        let mend = "add one for each app, or name another folder";
        return Err(Error::new(&format!("{} holds no .toml or .json file: {mend}", folder.display())));
    }
    found.sort();
    Ok(found)
}

/// The tables of `[[apps]]`.
fn listed(layer: &Layer, path: &Path) -> Vec<Listed> {
    let Some(ValueKind::Array(list)) = layer.get("apps").map(|apps| &apps.kind) else { return Vec::new() };
    let app = |(at, table)| Listed {
        place: format!("apps[{at}]"),
        table: Layer::table(Some(table)),
        origin: path.display().to_string(),
        reverb: false,
    };
    list.iter().enumerate().map(app).collect()
}

/// Whether apps were meant to be listed but are not.
fn misshapen(layer: &Layer) -> bool {
    layer.get("apps").is_some_and(|apps| !matches!(apps.kind, ValueKind::Array(_) | ValueKind::Nil))
}
