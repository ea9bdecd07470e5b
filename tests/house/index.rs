//! The index of the examples lists each of them once, in the repository and in the guide.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const INDEX: &str = include_str!("../../examples/README.md");
const CHAPTER: &str = include_str!("../../src/guide/examples.md");

/// The rows of the tables: the name of an example, its mark, and what it shows.
fn rows(text: &str) -> Vec<(String, bool, &str)> {
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, shows] = cells[..] else {
            return None;
        };
        let is_recorded = name.ends_with('▸');
        let name: String = match name.strip_prefix('[') {
            Some(link) => link.split(']').next().unwrap().to_owned(),
            None => name.strip_prefix('`')?.split('`').next()?.to_owned(),
        };
        Some((name, is_recorded, shows))
    });
    rows.collect()
}

#[test]
fn the_guide_lists_what_the_folder_lists() {
    assert_eq!(rows(INDEX), rows(CHAPTER));
}

#[test]
fn every_example_is_listed_once() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut there = BTreeSet::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let is_example = path.extension().is_some_and(|extension| extension == "rs");
        if is_example || path.join("Cargo.toml").exists() {
            there.insert(path.file_stem().unwrap().to_string_lossy().into_owned());
        }
    }
    let rows = rows(INDEX);
    let listed: BTreeSet<String> = rows.iter().map(|(name, ..)| name.clone()).collect();
    assert_eq!(listed.len(), rows.len(), "an example is listed twice");
    assert_eq!(listed, there);

    let mut wrong = Vec::new();
    for (name, is_recorded, shows) in rows {
        let sentence = shows.matches(". ").count() == 0 && shows.ends_with('.');
        let source = fs::read_to_string(folder.join(&name).with_extension("rs"));
        let records = source.is_ok_and(|source| source.contains("recording::from_args"));
        if !sentence || records != is_recorded {
            wrong.push(name);
        }
    }
    assert!(
        wrong.is_empty(),
        "not one sentence, or wrongly marked: {wrong:?}"
    );
}
