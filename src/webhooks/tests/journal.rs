//! Journals give back what was written to them, whatever happens to the file.

use super::super::journal::{Claim, Journal};
use super::super::op::Op;
use super::{RULES, World, endpoint, lines};
use crate::hub::Change;
use std::path::PathBuf;

/// A file of its own for each test.
fn file(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("fanfare-{}-{name}.journal", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

fn open(path: &std::path::Path) -> (Journal, Vec<Op>) {
    Claim::new(path).unwrap().open().unwrap().expect("nobody else has it")
}

#[test]
fn a_journal_gives_back_what_was_written_but_for_a_line_that_was_cut() {
    let path = file("cut");
    let mut world = World::acting();
    world.change("a", Change::Occupied);
    world.change("b", Change::Occupied);
    let (mut journal, before) = open(&path);
    assert!(before.is_empty() && journal.is_due());
    journal.renew(&[]).unwrap();
    journal.append(&world.ops).unwrap();
    drop(journal);
    let whole = std::fs::read_to_string(&path).unwrap();
    assert_eq!(whole.lines().count(), 1 + world.ops.len());
    // The last step is about 200 bytes long.
    for cut in 2..40 {
        std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        let (mut journal, ops) = open(&path);
        assert_eq!(lines(&ops), lines(&world.ops[..world.ops.len() - 1]), "{cut}");
        // What comes after a line that was cut must not be lost with it.
        assert!(journal.is_due());
        journal.renew(&ops).unwrap();
        journal.append(&world.ops[..1]).unwrap();
        drop(journal);
        assert_eq!(open(&path).1.len(), ops.len() + 1);
    }
    // What makes no sense is put aside.
    let strange = whole.replacen("}\n", "}\n{\"later\":{}}\n", 1);
    std::fs::write(&path, &strange).unwrap();
    assert_eq!(open(&path).1.len(), world.ops.len());
    let copy = path.with_extension("journal.strange");
    assert_eq!(std::fs::read_to_string(&copy).unwrap(), strange);
    std::fs::remove_file(&copy).unwrap();
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn no_other_file_is_taken_for_a_journal() {
    let path = file("other");
    for (text, why) in [
        ("# notes\n", "it is no journal"),
        ("{}\n{}\n", "it is no journal"),
        ("x", "it is no journal"),
        ("{\"fanfare_webhooks\":2}\n", "a later version"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = Claim::new(&path).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
    let folder = std::env::temp_dir();
    assert!(Claim::new(&folder).is_err() && !folder.with_extension("lock").exists());
    for cut in ["", "{\"fanf"] {
        std::fs::write(&path, cut).unwrap();
        assert!(open(&path).1.is_empty());
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_journal_that_cannot_be_made_anew_goes_on() {
    let path = file("busy");
    let mut world = World::acting();
    world.change("a", Change::Occupied);
    let (mut journal, _) = open(&path);
    // Nothing can take the place of what is not there to be replaced.
    let new = path.with_extension("journal.new");
    std::fs::create_dir(&new).unwrap();
    assert!(journal.renew(&[]).is_err());
    journal.append(&world.ops).unwrap();
    assert!(!journal.is_due(), "it is not tried again for every line");
    drop(journal);
    assert_eq!(lines(&open(&path).1), lines(&world.ops));
    std::fs::remove_dir(&new).unwrap();
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_journal_is_one_process_at_a_time() {
    let path = file("lock");
    let (journal, _) = open(&path);
    let claim = Claim::new(&path).unwrap();
    let claim = claim.open().unwrap().expect_err("somebody has it");
    drop(journal);
    assert!(claim.open().unwrap().is_ok());
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_journal_that_has_grown_is_made_anew() {
    let path = file("grown");
    let mut world = World::new(1, RULES);
    world.act();
    let (mut journal, _) = open(&path);
    journal.renew(&[]).unwrap();
    let mut appended = 0;
    while !journal.is_due() {
        world.said(50_000);
        let number = world.desk.steps().len();
        assert!(number < 200, "what is done is not kept");
        let ids = world.told.drain(..).map(|event| event.id).collect();
        world.desk.done("1", &endpoint(), ids);
        world.take();
        journal.append(&std::mem::take(&mut world.ops)).unwrap();
        appended += 1;
        assert!(appended < 200);
    }
    journal.renew(&world.desk.steps()).unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() < 1000);
    std::fs::remove_file(&path).unwrap();
}
