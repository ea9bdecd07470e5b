//! What the host prints of errors, rejections and modules that cannot be found.

use super::{Script, errors_of, host};

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
