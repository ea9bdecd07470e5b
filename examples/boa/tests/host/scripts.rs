//! The scripts of `examples/js`: `NAME.out` is what Node 20 printed.

use std::fs;
use std::path::PathBuf;

use super::{host, path, tests};

/// The scripts that print something else on Boa 0.22.
const DIFFERING: [(&str, &str); 2] = [
    (
        "abort.js",
        "the error of an aborted sleep arrives without its `cause`",
    ),
    (
        "values.js",
        "`Function.prototype.toString` of a class does not return its source",
    ),
];

#[test]
fn ordinary_scripts_print_what_node_printed() {
    let compared = compare("scripts", &["--virtual-time"]);
    assert!(compared > 8, "only {compared} scripts were compared");
}

#[test]
fn scripts_of_order_bugs_print_what_node_printed() {
    // They block the thread with loops that read the clock, which moves on virtual time, too.
    for options in [&[][..], &["--virtual-time"]] {
        let compared = compare("order_bugs", options);
        assert!(compared > 5, "only {compared} scripts were compared");
    }
}

#[test]
fn an_import_is_rejected() {
    let script =
        std::env::temp_dir().join(format!("nodeloop-boa-{}-import.js", std::process::id()));
    let text = "import('./none.mjs').catch((error) => console.log(error instanceof TypeError));\n\
                process.on('exit', (code) => console.log('exit', code));\n";
    fs::write(&script, text).unwrap();
    let output = host(&[path(&script)]);
    fs::remove_file(&script).unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(printed, "true\nexit 0\n", "{errors}");
}

/// Compares the scripts of a folder, and returns their number. A script that is known to differ must do so.
fn compare(folder: &str, options: &[&str]) -> usize {
    let mut compared = 0;
    for script in scripts(folder) {
        let recorded = fs::read_to_string(format!("{}.out", script.display())).unwrap();
        let arguments: Vec<&str> = [options, &["--node", "20", path(&script)]].concat();
        let output = host(&arguments);
        let code = output.status.code().expect("the program ended by itself");
        let printed = String::from_utf8_lossy(&output.stdout);
        let printed = format!("{printed}exit code {code}\n");
        let name = script.file_name().and_then(|name| name.to_str()).unwrap();
        match DIFFERING.iter().find(|(known, _)| *known == name) {
            Some(_) => assert_ne!(printed, recorded, "{name} matches: remove it from the list"),
            None => {
                let errors = String::from_utf8_lossy(&output.stderr);
                assert_eq!(printed, recorded, "{name}: {errors}");
                compared += 1;
            }
        }
    }
    compared
}

fn scripts(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(tests().join("../../js/tests").join(folder)).unwrap();
    let mut scripts: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    scripts.retain(|script| {
        script
            .extension()
            .is_some_and(|extension| extension == "js")
    });
    scripts.sort();
    scripts
}
