//! Tests of the disk: random scripts on it and on a real directory, and crashes.

mod compare;
mod crashes;
mod random;
mod rules;
