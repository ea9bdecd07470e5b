//! The errors of the attributes: each file in `ui` is a wrong program, beside the output of the
//! compiler.
//!
//! `TRYBUILD=overwrite cargo test -p nodeloop-macros` writes the outputs.

#[test]
fn wrong_programs_are_explained() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
