//! The helpers of `tests/common` for the modules of `tests/net` that also run in a world: loops that are
//! the only host of a world, and addresses of that host.

#[path = "../common/mod.rs"]
mod real;

use std::panic::resume_unwind;

use nodeloop::test::World;
use nodeloop::{MainOutput, RunError};
pub use real::*;

/// Skips the calling test, because it needs what a world does not have.
pub fn needs_system(reason: &str) -> bool {
    skip::skip(format!("in a simulated world: {reason}"));
    true
}

/// [`nodeloop::block_on`] in a world.
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    value(World::builder().event_loop().block_on(future))
}

/// [`nodeloop::run`] in a world.
#[track_caller]
pub fn run<F: Future<Output: MainOutput>>(future: F) -> F::Output {
    value(World::builder().event_loop().run(future))
}

/// [`nodeloop::run_script`] in a world.
#[track_caller]
pub fn run_script(script: impl FnOnce() + 'static) {
    value(World::builder().event_loop().run_script(script));
}

#[track_caller]
fn value<T>(result: Result<T, RunError>) -> T {
    match result {
        Ok(value) => value,
        Err(RunError::Uncaught(error)) => resume_unwind(error.into_payload()),
        Err(error) => panic!("{error}"),
    }
}

/// Addresses of the host.
pub mod net {
    use std::net::SocketAddr;

    pub use super::real::net::{ANY, destroy, tcp_pair};

    /// An address at which no socket of the world is.
    pub struct Refusing {
        pub address: SocketAddr,
    }

    impl Refusing {
        pub fn tcp() -> Refusing {
            let address = SocketAddr::new(ANY.ip(), 9);
            Refusing { address }
        }

        pub fn udp() -> Refusing {
            Refusing::tcp()
        }
    }

    /// A path on the disk of the host.
    #[cfg(unix)]
    pub struct SocketPath {
        pub path: std::path::PathBuf,
    }

    #[cfg(unix)]
    impl SocketPath {
        pub fn new() -> SocketPath {
            use std::sync::atomic::{AtomicUsize, Ordering};

            static NUMBER: AtomicUsize = AtomicUsize::new(0);
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let path = format!("/tmp/socket-{number}").into();
            SocketPath { path }
        }
    }
}
