//! The recipes of nodeloop's guide, compiled and run with the crates that they name.
//!
//! The chapter is the documentation of this package, so `cargo test -p nodeloop-cookbook` runs each
//! snippet. The published crate does not depend on these crates, and does not run the snippets. Its
//! documentation has the chapter itself, whose links are those of nodeloop.
#![cfg_attr(doctest, doc = include_str!("../../../src/guide/cookbook.md"))]

/// The table of crates names the versions that the snippets were compiled with.
#[test]
fn the_versions_are_those_of_the_lock_file() {
    let chapter = include_str!("../../../src/guide/cookbook.md");
    let lock = include_str!("../../../Cargo.lock");
    let manifest = include_str!("../Cargo.toml");
    let mut listed = Vec::new();
    for line in chapter.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, version, _] = cells[..] else {
            continue;
        };
        let Some(name) = name
            .strip_prefix('`')
            .and_then(|name| name.strip_suffix('`'))
        else {
            continue;
        };
        let entry = format!("name = \"{name}\"\nversion = \"{version}.");
        assert!(
            lock.contains(&entry),
            "{name} {version} is not in Cargo.lock"
        );
        listed.push(name);
    }
    for line in manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]")
    {
        let name = line.split(" = ").next().unwrap();
        let is_dependency = line.contains(" = ") && name != "nodeloop" && name != "workspace";
        assert!(
            !is_dependency || listed.contains(&name),
            "{name} is not listed"
        );
    }
}
