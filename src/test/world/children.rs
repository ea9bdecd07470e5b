//! The child processes of a host.

use std::io;
use std::panic::Location;
use std::process::Command;
use std::rc::Rc;

use super::Host;
use crate::reactor::world::{OnSpawn, SimulatedChild};

/// Child processes.
impl Host {
    /// Sets a function that decides what each child process of the host does. (On Windows, starting a child is
    /// an error of kind [`Unsupported`](io::ErrorKind::Unsupported) in any case.)
    ///
    /// No process of the system is started. The function receives the command, and returns the steps of the
    /// child or the error of starting it. Without a function, starting a child is an error. A second function
    /// replaces the first.
    ///
    /// A function that is never called fails the run, unless that is
    /// [permitted](crate::test::WorldBuilder::permit_unfired_faults).
    ///
    /// Which streams are pipes is known only of those that the program has set through
    /// [`process::Command`](crate::process::Command): each of them counts as piped, `Stdio::null()`
    /// included. A signal that [`Child::signal`](crate::process::Child) sends ends the child, unless its
    /// default action has no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// # if cfg!(unix) {
    /// use std::io;
    /// use std::time::Duration;
    /// use nodeloop::process::Command;
    /// use nodeloop::test::{SimulatedChild, World};
    ///
    /// let world = World::new();
    /// let host = world.host("builder");
    /// host.on_spawn(|command| match command.get_program().to_str() {
    ///     Some("git") => {
    ///         assert_eq!(command.get_args().collect::<Vec<_>>(), ["rev-parse", "HEAD"]);
    ///         Ok(SimulatedChild::new().sleep(Duration::from_millis(20)).stdout("4f2a\n").exit(0))
    ///     }
    ///     _ => Err(io::ErrorKind::NotFound.into()),
    /// });
    /// host.run(async || {
    ///     let output = Command::new("git").args(["rev-parse", "HEAD"]).output().await?;
    ///     assert!(output.status.success());
    ///     assert_eq!(output.stdout, b"4f2a\n");
    ///     let missing = Command::new("hg").spawn().unwrap_err();
    ///     assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    ///     io::Result::Ok(())
    /// });
    /// world.run();
    /// assert_eq!(world.now(), Duration::from_millis(20));
    /// # }
    /// ```
    #[track_caller]
    pub fn on_spawn(
        &self,
        decide: impl Fn(&Command) -> io::Result<SimulatedChild> + 'static,
    ) -> &Host {
        let on_spawn = OnSpawn::new(Rc::new(decide), Location::caller());
        let state = &self.world.inner.state;
        state.with_host(self.id, |host| host.on_spawn.push(on_spawn));
        self
    }
}
