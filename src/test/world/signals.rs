//! The signals that a test delivers to a host.

use super::Host;
use super::machine::Power;
use crate::reactor::world::Network;
use crate::signal::kind::SignalKind;
use crate::signal::source;

/// Signals.
impl Host {
    /// Delivers a signal to the program of the host, such as Ctrl-C or a request to terminate.
    ///
    /// The listeners of [`signal`](crate::signal) are called in the next poll phase of the host, as in
    /// reality. A signal of the system reaches no host: Ctrl-C ends the test.
    ///
    /// A signal whose default action has no effect, such as `SIGCHLD`, is lost if the program does not
    /// listen to it. On Unix, so is any other signal for 100 ms after the program has removed the last listener
    /// to it, such as a second Ctrl-C during a clean-up.
    ///
    /// # Panics
    ///
    /// Panics if the program does not listen to a signal that ends a process by default. To end a program
    /// that does not listen, [crash](Host::crash) the host. Panics if the program does not run, and if there is
    /// no such signal.
    ///
    /// # Examples
    ///
    /// A server answers the request that it has begun before it ends:
    ///
    /// ```
    /// use std::time::Duration;
    /// use futures::{AsyncReadExt, AsyncWriteExt};
    /// use nodeloop::net::{TcpListener, TcpStream};
    /// use nodeloop::signal::{SignalKind, ctrl_c};
    /// use nodeloop::test::World;
    /// use nodeloop::time::sleep;
    ///
    /// let ms = Duration::from_millis;
    /// let world = World::new();
    /// world.host("server").run(async move || {
    ///     let listener = TcpListener::bind("0.0.0.0:80").await?;
    ///     let accepting = async {
    ///         loop {
    ///             let (mut stream, _) = listener.accept().await?;
    ///             nodeloop::spawn(async move {
    ///                 sleep(ms(50)).await; // the work
    ///                 stream.write_all(b"done").await.unwrap();
    ///             })
    ///             .detach();
    ///         }
    ///     };
    ///     futures::pin_mut!(accepting);
    ///     let stopped = ctrl_c();
    ///     futures::pin_mut!(stopped);
    ///     match futures::future::select(accepting, stopped).await {
    ///         futures::future::Either::Left((failed, _)) => failed,
    ///         futures::future::Either::Right((stopped, _)) => stopped, // the loop ends after its tasks
    ///     }
    /// });
    /// let log = world.log();
    /// world.host("client").run(async move || {
    ///     let mut stream = TcpStream::connect("server:80").await?;
    ///     let mut answer = String::new();
    ///     stream.read_to_string(&mut answer).await?;
    ///     log.add(answer);
    ///     std::io::Result::Ok(())
    /// });
    /// world.at(ms(10), |world| world.host("server").deliver_signal(SignalKind::interrupt()));
    /// world.run();
    /// world.log().assert_order(["done"]);
    /// ```
    #[track_caller]
    pub fn deliver_signal(&self, kind: SignalKind) {
        self.check_program();
        let is_running = self.with(|machine| machine.power == Power::On);
        assert!(
            is_running,
            "host \"{}\" does not run, so that no signal reaches it: deliver the signal while its program \
             runs",
            self.name()
        );
        let (number, state) = (kind.as_raw(), &self.world.inner.state);
        assert!(
            source::exists(number),
            "there is no signal {number}: pass a kind of signal that the system has"
        );
        let deliver =
            |network: &mut Network| network.deliver_signal(self.id, number, source::IN_FLIGHT);
        if state.with_network(deliver) || source::is_harmless(number) {
            return;
        }
        let (host, name) = (self.name(), source::name(number));
        match source::check(number) {
            Ok(()) => panic!(
                "the program of host \"{host}\" does not listen to {name}, which would end it: let it listen \
                 before, or call `Host::crash`"
            ),
            Err(_) => panic!(
                "the program of host \"{host}\" can't listen to {name}: call `Host::crash` to end it"
            ),
        }
    }
}
