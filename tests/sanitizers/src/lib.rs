//! The tests of this package have faults on purpose: `.ci/sanitizers.sh` checks that the sanitizers
//! report them.
