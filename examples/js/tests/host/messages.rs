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
