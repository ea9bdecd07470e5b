//! A simulated world: several hosts in one thread, on one virtual clock.

mod children;
mod explore;
mod failure;
mod faults;
mod machine;
mod resources;
mod schedule;
mod signals;
mod trace;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use super::Log;
use super::log::short;
use crate::phases::macrotask::SourceLocation;
use crate::phases::poll::delivery::Seed;
use crate::reactor::world::link::Link;
use crate::reactor::world::{HostId, Source, WorldChoices, WorldState};
use crate::runtime::{EventLoop, MainOutput};
use failure::Failure;
use faults::Chances;
pub use faults::Fault;
use machine::{Machine, program_of};
use trace::Trace;

/// A simulated world: hosts that run unchanged programs, each on an event loop of its own, all in this
/// thread and on one virtual clock.
///
/// Nothing happens before [`run`](World::run): a test that forgets to call it tests nothing, and passes.
///
/// Clones refer to the same world, so that a program or a script can change it while it runs.
///
/// # Order
///
/// At each instant the hosts take turns, in the order in which they were created: a host that has
/// something to do runs one turn of its loop. A [seed](WorldBuilder::seed) permutes the hosts, and the
/// packets that arrive at one host at the same instant, except for those of one connection. When no host has anything to do, time moves to the next
/// timer, simulated completion, packet or scripted action of the world. Actions of the script come before
/// packets, and packets before hosts.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use nodeloop::test::World;
/// use nodeloop::time::sleep;
///
/// let world = World::new();
/// let log = world.log();
/// for (name, delay_ms) in [("slow", 20), ("fast", 10)] {
///     let log = log.clone();
///     world.host(name).run(async move || {
///         sleep(Duration::from_millis(delay_ms)).await;
///         log.add(name);
///     });
/// }
/// world.run();
/// log.assert_order(["fast", "slow"]);
/// assert_eq!(world.now(), Duration::from_millis(20));
/// ```
#[derive(Clone)]
pub struct World {
    inner: Rc<Inner>,
}

struct Inner {
    state: Rc<WorldState>,
    settings: WorldBuilder,
    log: Log,
    /// By the number of the host.
    machines: RefCell<Vec<Machine>>,
    /// What the script does, by its time, then in the order in which it was added.
    script: RefCell<BTreeMap<(Duration, u64), Action>>,
    /// How many actions were added to the script, those that have run included.
    scripted: Cell<u64>,
    stage: Cell<Stage>,
    /// The actions of the script that have run.
    acted: RefCell<Vec<(String, SourceLocation)>>,
    /// What an exploration wants to know of the run: how it failed, and otherwise which faults and
    /// actions have happened.
    failure: RefCell<Option<Failure>>,
    outcomes: RefCell<Vec<(String, bool)>>,
}

/// How far the run of a world is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    New,
    Running,
    Ended,
}

/// What a script does, and where it was added.
struct Action {
    call: Box<dyn FnOnce(&World)>,
    /// When it is due, for reports.
    when: String,
    location: SourceLocation,
}

/// Settings of a [`World`].
#[derive(Clone)]
#[must_use = "settings do nothing until a world is built with them"]
pub struct WorldBuilder {
    time_limit: Duration,
    seed: Option<Seed>,
    link: Link,
    chances: Chances,
    permits_unfired: bool,
    /// Whether an exploration reports failures, and faults that have not happened in any run.
    is_explored: bool,
    /// What the hosts do is added to it.
    trace: Option<Trace>,
}

/// The default limit of virtual time: a day.
const TIME_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

impl Default for WorldBuilder {
    fn default() -> WorldBuilder {
        WorldBuilder {
            time_limit: TIME_LIMIT,
            seed: None,
            link: Link::default(),
            chances: Chances::default(),
            permits_unfired: false,
            is_explored: false,
            trace: None,
        }
    }
}

impl WorldBuilder {
    /// Sets the virtual time after which a run fails; a day by default.
    pub fn time_limit(mut self, limit: Duration) -> WorldBuilder {
        self.time_limit = limit;
        self
    }

    /// Sets the seed of the faults, the delays and the orders that are chosen at random.
    ///
    /// Seed 0 is the plain run: no fault happens whose probability is below 1, everything takes the
    /// shortest time of its range, and nothing is permuted. Without a seed the faults and the delays are
    /// chosen, always in the same way, and nothing is permuted.
    ///
    /// # Panics
    ///
    /// Panics if it is the seed of an order of [`explore_all`](crate::test::explore_all).
    #[track_caller]
    pub fn seed(mut self, seed: Seed) -> WorldBuilder {
        assert!(
            !seed.is_order(),
            "the seed `{seed}` is that of an order of `explore_all`, which no world has: use a number such as \
             `17`, or with decisions such as `17:6.64,9.0`"
        );
        self.seed = Some(seed);
        self
    }

    /// Builds an event loop that is the only host of a world, for programs that talk to themselves.
    ///
    /// It is driven like any other loop, by [`EventLoop::run`], [`EventLoop::block_on`] or a host, so that
    /// its main future may borrow. A run that nothing can continue ends with
    /// [`RunError::Stuck`](crate::RunError::Stuck).
    ///
    /// # Panics
    ///
    /// Panics if the operating system has no file descriptors left.
    ///
    /// # Examples
    ///
    /// ```
    /// use nodeloop::net::{TcpListener, TcpStream};
    /// use nodeloop::test::World;
    ///
    /// let mut event_loop = World::builder().event_loop();
    /// let address = "127.0.0.1:80";
    /// let connected = event_loop.block_on(async {
    ///     let _listener = TcpListener::bind(address).await?; // needs no privilege
    ///     TcpStream::connect(address).await?.peer_addr()
    /// });
    /// assert_eq!(connected?.unwrap().to_string(), address);
    /// # Ok::<(), nodeloop::RunError>(())
    /// ```
    #[track_caller]
    pub fn event_loop(self) -> EventLoop {
        let world = self.build();
        let host = world.host("localhost");
        let settings = world.inner.loop_settings(host.id);
        match settings.host_of_world(world.inner.host(host.id)).build() {
            Ok(event_loop) => event_loop,
            Err(error) => panic!("the loop of a host could not be built: {error}"),
        }
    }

    /// Builds the world, which has no host yet.
    pub fn build(self) -> World {
        let state = WorldState::new();
        state.with_network(|network| {
            network.links.choices = WorldChoices::new(self.seed.clone());
            self.chances.install(&self.link, network);
        });
        World {
            inner: Rc::new(Inner {
                state: Rc::new(state),
                settings: self,
                log: Log::new(),
                machines: RefCell::default(),
                script: RefCell::default(),
                scripted: Cell::default(),
                stage: Cell::default(),
                acted: RefCell::default(),
                failure: RefCell::default(),
                outcomes: RefCell::default(),
            }),
        }
    }
}

impl fmt::Debug for WorldBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorldBuilder")
            .field("time_limit", &self.time_limit)
            .field("seed", &self.seed)
            .field("link", &self.link)
            .field("chances", &self.chances)
            .field("permits_unfired", &self.permits_unfired)
            .finish_non_exhaustive()
    }
}

impl Default for World {
    fn default() -> World {
        World::new()
    }
}

impl World {
    /// Creates a world with the default settings.
    pub fn new() -> World {
        World::builder().build()
    }

    /// Returns the default settings.
    pub fn builder() -> WorldBuilder {
        WorldBuilder::default()
    }

    /// Returns the host of this name, which is created by the first call.
    ///
    /// A method that needs a running host, such as [`crash`](Host::crash), panics if it has no program, which
    /// finds a name that is misspelled. A name has no case, as in the DNS.
    ///
    /// # Panics
    ///
    /// Panics if the name is an IP address, which is never looked up.
    #[track_caller]
    pub fn host(&self, name: &str) -> Host {
        let known = self.inner.state.host_named(name);
        let id = known.unwrap_or_else(|| {
            assert!(
                name.parse::<IpAddr>().is_err(),
                "{name:?} is an address, which no name of a host can be: give the host a name, and the address \
                 with `Host::address`"
            );
            self.inner.machines.borrow_mut().push(Machine::default());
            self.inner.state.add_host(name)
        });
        Host {
            world: self.clone(),
            id,
        }
    }

    /// Returns the log of the world, which is printed if the run fails.
    pub fn log(&self) -> Log {
        self.inner.log.clone()
    }

    /// Returns the virtual time since the world was created.
    pub fn now(&self) -> Duration {
        self.inner.state.now()
    }

    /// Calls `action` at the virtual time `at`, or at once if that has passed.
    ///
    /// A world that ends before an action is due fails, unless it
    /// [permits](WorldBuilder::permit_unfired_faults) that. It does not end while a host of
    /// [`Host::run`] is down after a crash and an action is still to come, which may restart the host.
    ///
    /// # Panics
    ///
    /// Panics if the world has ended.
    #[track_caller]
    pub fn at(&self, at: Duration, action: impl FnOnce(&World) + 'static) {
        self.add_action(at, format!("at {at:?}"), Location::caller(), action);
    }

    /// Calls `action` at a virtual time in `range`, which the [seed](WorldBuilder::seed) chooses: the
    /// earliest one in the plain order. In all else it is like [`at`](World::at).
    ///
    /// An [exploration](WorldBuilder::explore) finds the moments at which a fault matters.
    ///
    /// # Panics
    ///
    /// Panics if the range is empty, and if the world has ended.
    ///
    /// # Examples
    ///
    /// ```should_panic
    /// use std::time::Duration;
    /// use nodeloop::{fs, test::World, time::sleep};
    ///
    /// let ms = Duration::from_millis;
    /// World::builder().explore(50, |world| {
    ///     let host = world.host("server");
    ///     let disk = host.disk();
    ///     disk.write("/tmp/config", "old").unwrap();
    ///     host.set_job_duration(ms(1)..=ms(1));
    ///     host.run(async || {
    ///         fs::write("/tmp/config", "").await?; // the bug: it is empty for a while
    ///         fs::write("/tmp/config", "new").await
    ///     });
    ///     world.host("clock").run(async || sleep(Duration::from_millis(20)).await);
    ///     world.at_within(ms(0)..=ms(3), |world| world.host("server").crash());
    ///     world.run();
    ///     assert!(!disk.read("/tmp/config").unwrap().is_empty());
    /// });
    /// ```
    #[track_caller]
    pub fn at_within(
        &self,
        range: RangeInclusive<Duration>,
        action: impl FnOnce(&World) + 'static,
    ) {
        let (earliest, latest) = (*range.start(), *range.end());
        assert!(
            earliest <= latest,
            "the range of times is empty: its start must not be after its end"
        );
        let location = Location::caller();
        let choices = self.inner.state.choices(Source::Script);
        let at = choices.choose_duration(&range, |at| {
            let place = short(location);
            format!("the action of the script ({place}) is due at {at:?} instead of {earliest:?}")
        });
        let when = format!("between {earliest:?} and {latest:?}");
        self.add_action(at, when, location, action);
    }

    #[track_caller]
    fn add_action(
        &self,
        at: Duration,
        when: String,
        location: SourceLocation,
        action: impl FnOnce(&World) + 'static,
    ) {
        self.refuse_if_ended();
        let number = self.inner.scripted.get();
        self.inner.scripted.set(number + 1);
        let action = Action {
            call: Box::new(action),
            when,
            location,
        };
        self.inner.script.borrow_mut().insert((at, number), action);
    }

    /// Panics if the world has ended, where nothing happens any more.
    #[track_caller]
    fn refuse_if_ended(&self) {
        assert!(
            self.inner.stage.get() != Stage::Ended,
            "the world has ended, so that this would never happen: create a new one for another run"
        );
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("now", &self.now())
            .field("hosts", &self.inner.state.host_count())
            .finish_non_exhaustive()
    }
}

/// A host of a [`World`], returned by [`World::host`].
#[derive(Clone)]
pub struct Host {
    world: World,
    id: HostId,
}

impl Host {
    /// Sets the program of the host, whose end the world waits for. [`World::run`] starts it.
    ///
    /// The program is the main future of the host's loop. It ends as that of [`run`](crate::run): when it
    /// has finished *and* nothing keeps its loop alive. A [restart](Host::restart) calls `program` again.
    /// An [`io::Error`](std::io::Error) or a boxed error is reported with its sources, and any other by `Debug`.
    ///
    /// # Panics
    ///
    /// Panics if the host has a program already, and if the world has ended.
    #[track_caller]
    pub fn run<T: MainOutput + 'static>(&self, program: impl AsyncFn() -> T + 'static) -> &Host {
        self.install(machine::Waited::Yes, program)
    }

    /// Sets the program of the host, which may still run when the world ends, such as a server.
    ///
    /// It is then cancelled: its loop is dropped. In all else it is like that of [`run`](Host::run).
    ///
    /// # Panics
    ///
    /// Panics if the host has a program already, and if the world has ended.
    #[track_caller]
    pub fn serve<T: MainOutput + 'static>(&self, program: impl AsyncFn() -> T + 'static) -> &Host {
        self.install(machine::Waited::No, program)
    }

    #[track_caller]
    fn install<T: MainOutput + 'static>(
        &self,
        waited: machine::Waited,
        program: impl AsyncFn() -> T + 'static,
    ) -> &Host {
        self.world.refuse_if_ended();
        let program = program_of(program);
        let location = std::panic::Location::caller();
        let is_new = self.with(|machine| machine.install(waited, program, location));
        assert!(
            is_new,
            "host \"{}\" has a program already: give the second program a host of its own",
            self.name()
        );
        self
    }

    /// Returns the name of the host.
    pub fn name(&self) -> String {
        let state = &self.world.inner.state;
        state.with_host(self.id, |host| host.name.clone())
    }

    /// Stops the host at once: all of its tasks are dropped before any other host runs, and its sockets and
    /// child processes vanish without a word to their peers. Its [disk](Host::disk) loses what was not synced.
    ///
    /// Nothing happens if the host is down already. The world does not wait for a program that has crashed,
    /// unless an action of the [script](World::at) is still to come, which may restart it.
    ///
    /// # Panics
    ///
    /// Panics if the host has no program.
    #[track_caller]
    pub fn crash(&self) {
        self.check_program();
        let state = &self.world.inner.state;
        state.with_network(|network| network.crash(self.id));
        self.with(Machine::crash);
    }

    /// Starts the program of a host that has crashed or ended again.
    ///
    /// # Panics
    ///
    /// Panics if the host has no program, and if the world has ended.
    #[track_caller]
    pub fn restart(&self) {
        self.world.refuse_if_ended();
        self.check_program();
        if self.with(|machine| machine.restart()) {
            let state = &self.world.inner.state;
            state.with_network(|network| network.crash(self.id));
        }
    }

    /// Panics if the host has no program, which is most likely because its name is misspelled.
    #[track_caller]
    fn check_program(&self) {
        let has_program = self.with(|machine| machine.program.is_some());
        assert!(
            has_program || self.world.inner.stage.get() == Stage::Ended,
            "host \"{}\" has no program: is its name misspelled?",
            self.name()
        );
    }

    /// Does what [`check_program`](Host::check_program) does while the world runs. Before that the program
    /// may be set later, and a fault that does not happen fails the run.
    #[track_caller]
    fn check_program_of_run(&self) {
        if self.world.inner.stage.get() == Stage::Running {
            self.check_program();
        }
    }

    fn with<R>(&self, call: impl FnOnce(&mut Machine) -> R) -> R {
        call(&mut self.world.inner.machines.borrow_mut()[self.id.0])
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Host").field(&self.name()).finish()
    }
}
