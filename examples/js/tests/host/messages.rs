//! What the host prints of errors, rejections and modules that cannot be found.

use super::{Script, errors_of, host, text_of};

#[test]
fn a_warning_of_a_rejection_shows_the_stack_of_its_error() {
    let script = Script::new("warn.js", "Promise.reject(new TypeError('bad thing'));\n");
    let output = host(&["--unhandled-rejections=warn", script.path()]);
    assert_eq!(output.status.code(), Some(0));
    let errors = errors_of(&output);
    let start = ") UnhandledPromiseRejectionWarning: TypeError: bad thing\n    at ";
    assert!(errors.contains(start), "{errors}");
}

#[test]
fn a_rejection_without_an_error_is_named_as_in_node() {
    let script = Script::new("value.js", "Promise.reject({ code: 7 });\n");
    let output = host(&[script.path()]);
    assert_eq!(output.status.code(), Some(1));
    let errors = errors_of(&output);
    let expected = "UnhandledPromiseRejection: This error originated either by throwing inside of an async function \
                    without a catch block, or by rejecting a promise which was not handled with .catch(). The promise \
                    rejected with the reason \"#<Object>\". {\n  code: 'ERR_UNHANDLED_REJECTION'\n}\n";
    // Node's frames and the place in Node are missing.
    assert!(errors.starts_with(expected), "{errors}");
}

#[test]
fn an_import_that_finds_nothing_names_the_file_and_its_importer() {
    let path = Script::new("path.mjs", "import './nothere.mjs';\n");
    let package = Script::new("package.mjs", "import 'nopkg';\n");
    let builtin = Script::new("builtin.mjs", "import 'node:nope';\n");
    let directory = std::env::temp_dir().canonicalize().unwrap();
    let directory = directory.display();
    let name = |script: &Script| script.0.file_name().unwrap().display().to_string();
    for (script, expected) in [
        (
            &path,
            format!(
                "Error [ERR_MODULE_NOT_FOUND]: Cannot find module '{directory}/nothere.mjs' imported from \
                 {directory}/{}",
                name(&path)
            ),
        ),
        (
            &package,
            format!(
                "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'nopkg' imported from {directory}/{}",
                name(&package)
            ),
        ),
        (
            &builtin,
            "Error [ERR_UNKNOWN_BUILTIN_MODULE]: No such built-in module: node:nope".to_owned(),
        ),
    ] {
        let output = host(&[script.path()]);
        assert_eq!(output.status.code(), Some(1));
        let errors = errors_of(&output);
        assert!(errors.starts_with(&expected), "{errors}");
    }
}

#[test]
fn broken_json_is_named() {
    let json = Script::new("broken.json", "{\n  \"a\": 1,\n}\n");
    let script = Script::new(
        "broken.js",
        "const file = process.argv[2];\n\
         try {\n  require(file);\n} catch (error) {\n\
         \x20 const start = `SyntaxError: ${file}: `;\n\
         \x20 console.log(error instanceof SyntaxError, `${error}`.startsWith(start), error.stack.startsWith(start));\n\
         }\nrequire(file);\n",
    );
    let output = host(&[script.path(), json.path()]);
    assert_eq!(text_of(&output), "true true true\nexit code 1\n");
    let errors = errors_of(&output);
    assert!(
        errors.contains(&format!("\nSyntaxError: {}: ", json.path())),
        "{errors}"
    );
}
