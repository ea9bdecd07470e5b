//! What a host has besides the network: its disk and the worker pool.

use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::Duration;

use super::Host;
use crate::reactor::disk::Disk;
use crate::reactor::world::SimulatedJob;

/// The disk and the worker pool.
impl Host {
    /// Returns the disk of the host, which survives a crash and a restart.
    ///
    /// # Examples
    ///
    /// ```
    /// use nodeloop::fs;
    /// use nodeloop::test::World;
    ///
    /// let world = World::new();
    /// let host = world.host("server");
    /// host.disk().write("/etc/motd", "hello").unwrap_err(); // there is no such directory
    /// host.disk().write("/motd", "hello")?;
    /// host.run(async || {
    ///     assert_eq!(fs::read_to_string("/motd").await?, "hello");
    ///     fs::write("/tmp/reply", "bye").await
    /// });
    /// world.run();
    /// assert_eq!(host.disk().read("/tmp/reply")?, b"bye");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn disk(&self) -> Disk {
        let state = &self.world.inner.state;
        state.with_host(self.id, |host| host.disk.clone())
    }

    /// Sets how long each job of the worker pool takes: a time that is chosen from this range; no time by
    /// default.
    ///
    /// Jobs are those of [`spawn_blocking`](crate::spawn_blocking), [`queue_work`](crate::queue_work) and
    /// [`fs`](crate::fs). As many run at the same time as the pool has threads, and the others wait.
    ///
    /// # Panics
    ///
    /// Panics if the range is empty.
    #[track_caller]
    pub fn set_job_duration(&self, range: RangeInclusive<Duration>) -> &Host {
        assert!(
            range.start() <= range.end(),
            "the range of durations is empty: its start must not be after its end"
        );
        let state = &self.world.inner.state;
        state.with_host(self.id, |host| host.jobs.set_range(range));
        self
    }

    /// Sets a function that decides how long each job takes. A job for which it returns `None` is stuck: it
    /// never finishes, and its thread is lost to the pool.
    ///
    /// A stuck job keeps its loop alive, as a real one does. A program that waits for it makes the run of
    /// the world fail, with a report that names the job. When a loop ends early or crashes, its jobs are
    /// dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use nodeloop::test::World;
    /// use nodeloop::time::timeout;
    ///
    /// let world = World::new();
    /// let ms = Duration::from_millis;
    /// world
    ///     .host("server")
    ///     .set_job_times(move |job| (job.number > 0).then_some(ms(5))) // the first one is stuck
    ///     .serve(async move || {
    ///         let stuck = nodeloop::fs::read("/tmp/a");
    ///         timeout(ms(100), stuck).await.unwrap_err();
    ///         nodeloop::fs::write("/tmp/b", "x").await.unwrap();
    ///     });
    /// world.host("clock").run(async move || nodeloop::time::sleep(ms(200)).await);
    /// world.run();
    /// assert!(world.host("server").disk().exists("/tmp/b"));
    /// ```
    pub fn set_job_times(
        &self,
        choose: impl Fn(&SimulatedJob) -> Option<Duration> + 'static,
    ) -> &Host {
        let state = &self.world.inner.state;
        let replaced = Rc::new(choose);
        state.with_host(self.id, |host| host.jobs.set_choice(replaced));
        self
    }
}
