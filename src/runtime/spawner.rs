//! Spawning for code that is generic over executors: the traits [`Spawn`] and [`LocalSpawn`] of
//! `futures::task`.

use std::panic::Location;

use futures::task::{FutureObj, LocalFutureObj, LocalSpawn, Spawn, SpawnError};

use crate::event_loop::current::try_current;
use crate::promise::{spawn_at, spawn_lazy};
use crate::runtime::handle::Handle;

/// Spawns on the loop that runs on this thread, for code that is generic over executors.
///
/// It implements [`LocalSpawn`] and [`Spawn`] of `futures::task`, and so the methods of their extension
/// traits. A task is polled for the first time in a microtask, as [`spawn_lazy`](crate::spawn_lazy) does
/// it: such code may hold a borrow while it spawns. Outside of a loop spawning fails with a
/// [`SpawnError`].
///
/// # Examples
///
/// ```
/// use futures::task::{LocalSpawn, LocalSpawnExt};
///
/// async fn sum(spawner: impl LocalSpawn) -> u32 {
///     let half = spawner.spawn_local_with_handle(async { 20 }).unwrap();
///     half.await + 22
/// }
/// assert_eq!(nodeloop::block_on(sum(nodeloop::LocalSpawner)), 42);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalSpawner;

impl LocalSpawn for LocalSpawner {
    #[track_caller]
    fn spawn_local_obj(&self, future: LocalFutureObj<'static, ()>) -> Result<(), SpawnError> {
        self.status_local()?;
        spawn_lazy(future).detach();
        Ok(())
    }

    fn status_local(&self) -> Result<(), SpawnError> {
        match try_current() {
            Some(state) if state.is_open() => Ok(()),
            _ => Err(SpawnError::shutdown()),
        }
    }
}

impl Spawn for LocalSpawner {
    #[track_caller]
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        self.spawn_local_obj(future.into())
    }

    fn status(&self) -> Result<(), SpawnError> {
        self.status_local()
    }
}

/// The future is sent to the loop and spawned there, in a macrotask of the poll phase.
impl Spawn for Handle {
    #[track_caller]
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        let location = Location::caller();
        let sent = self.post(move || spawn_at(location, future).detach());
        sent.map_err(|_| SpawnError::shutdown())
    }

    fn status(&self) -> Result<(), SpawnError> {
        match self.is_closed() {
            false => Ok(()),
            true => Err(SpawnError::shutdown()),
        }
    }
}
