//! The queue on a PostgreSQL server of its own.

#![cfg(unix)]

#[allow(dead_code, reason = "shared with the tests of the crate")]
#[path = "../../../../tests/common/limit.rs"]
mod limit;
#[allow(dead_code, reason = "shared with the tests of the crate")]
#[path = "../../../../tests/common/postgres.rs"]
mod postgres;
#[allow(dead_code, reason = "shared with the tests of the crate")]
#[path = "../../../../tests/common/process.rs"]
mod process;
#[path = "../../../../tests/common/skip.rs"]
mod skip;

#[cfg(target_os = "linux")]
mod cluster;
mod helpers;
mod killed_workers;
mod one_process;
mod program;
