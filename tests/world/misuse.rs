//! What a test may do wrong with a world, and what it is told.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use nodeloop::net::{TcpListener, TcpStream, UdpSocket};
use nodeloop::test::{self, World};
use nodeloop::time::sleep;

use crate::common::limit::limit;
use crate::notes::{failure, ms};

/// Returns the message of a call that panics.
#[track_caller]
fn refused(call: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(call)).expect_err("the call is refused");
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => (*panic.downcast::<&str>().expect("a text")).to_owned(),
    }
}

#[test]
fn nothing_is_added_to_a_world_that_has_ended() {
    let _limit = limit();
    let world = World::new();
    let host = world.host("h");
    host.run(async || ());
    world.run();
    let ended =
        "the world has ended, so that this would never happen: create a new one for another run";
    assert_eq!(refused(|| world.at(ms(1), |_| ())), ended);
    assert_eq!(refused(|| world.at_within(ms(1)..=ms(2), |_| ())), ended);
    assert_eq!(refused(|| drop(host.run(async || ()).clone())), ended);
    assert_eq!(refused(|| drop(host.serve(async || ()).clone())), ended);
    assert_eq!(refused(|| host.restart()), ended);
    host.crash(); // it is down
}

#[test]
fn a_name_has_no_case() {
    let _limit = limit();
    let world = World::new();
    world.host("Server").serve(async || {
        let listener = TcpListener::bind("0.0.0.0:80").await?;
        loop {
            listener.accept().await?;
        }
        #[allow(unreachable_code, reason = "the type of the output")]
        std::io::Result::Ok(())
    });
    assert_eq!(world.host("server").name(), "Server");
    world
        .host("client")
        .run(async || TcpStream::connect("SERVER:80").await.map(drop));
    world.run();
    let world = World::new();
    world.host("a").run(async || ());
    let text = refused(|| drop(world.host("A").run(async || ()).clone()));
    assert!(
        text.starts_with("host \"a\" has a program already"),
        "{text}"
    );
}

#[test]
fn a_name_that_cannot_be_looked_up_is_refused() {
    let _limit = limit();
    let world = World::new();
    assert_eq!(
        refused(|| drop(world.host("10.0.0.7"))),
        "\"10.0.0.7\" is an address, which no name of a host can be: give the host a name, and the address \
         with `Host::address`"
    );
}

#[test]
fn no_two_hosts_have_the_same_address() {
    let _limit = limit();
    let world = World::new();
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let one = world.host("one");
    one.address(address("192.168.0.1"))
        .address(address("10.0.0.2"));
    let other = world.host("other");
    assert_eq!(other.ip(), address("10.0.0.3"));
    assert_eq!(
        refused(|| drop(other.address(address("192.168.0.1")).clone())),
        "host \"one\" has the address 192.168.0.1 already: give each host addresses of its own"
    );
    one.address(address("192.168.0.1")); // has it already
    for own in ["127.0.0.1", "0.0.0.0", "::1", "224.0.0.1"] {
        let text = refused(|| drop(other.address(address(own)).clone()));
        assert!(text.contains("no address of one host"), "{text}");
    }
}

#[test]
fn durations_may_be_as_long_as_possible() {
    let _limit = limit();
    let world = World::builder()
        .latency(ms(1)..=Duration::MAX)
        .datagram_reordering(1.0)
        .permit_unfired_faults()
        .seed(nodeloop::Seed::new(3))
        .build();
    world.host("server").serve(async || {
        let listener = TcpListener::bind("0.0.0.0:80").await?;
        loop {
            listener.accept().await?;
        }
        #[allow(unreachable_code, reason = "the type of the output")]
        std::io::Result::Ok(())
    });
    world.host("client").run(async || {
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        socket.send_to(b"a", "server:80").await.unwrap();
        let socket = nodeloop::net::TcpSocket::new_v4().unwrap();
        socket.set_keepalive(Some(Duration::MAX)).unwrap();
        let address = nodeloop::net::lookup_host("server:80").await.unwrap()[0];
        let connecting = socket.connect(address);
        nodeloop::time::timeout(ms(100), connecting)
            .await
            .unwrap_err();
    });
    world.run();
    let world = World::new();
    world.host("h").run(async || sleep(Duration::MAX).await);
    assert!(failure(&world).contains("the limit of 86400s of virtual time is exceeded"));
}

/// At the place of the call, and with its name.
#[test]
fn what_has_loops_of_its_own_is_refused_in_a_loop() {
    let _limit = limit();
    let calls: [(&str, fn()); 4] = [
        ("WorldBuilder::explore", || {
            World::builder().explore(1, |_| ());
        }),
        ("WorldBuilder::check_deterministic", || {
            World::builder().check_deterministic(1, |_| ());
        }),
        ("explore", || {
            test::explore(1, async |_| ());
        }),
        ("explore_all", || {
            let _ = test::explore_all(async |_| ());
        }),
    ];
    for (name, call) in calls {
        assert_eq!(
            nodeloop::block_on(async { refused(call) }),
            format!(
                "`{name}` was called inside of an event loop: it has loops of its own; call it from a plain \
                 `#[test]`"
            )
        );
    }
}

/// A body of an exploration is no part of a loop, and neither is a job.
#[test]
fn worlds_run_inside_of_explorations_of_worlds_and_of_jobs() {
    let _limit = limit();
    let one_host = |world: &World| {
        world.host("h").run(async || sleep(ms(1)).await);
    };
    let outer = World::builder().explore(3, |world| {
        let inner = World::builder().explore(2, one_host);
        assert_eq!(inner.runs(), 3);
        one_host(world);
    });
    assert_eq!(outer.runs(), 4);
    let now = nodeloop::block_on(async move {
        nodeloop::spawn_blocking(move || {
            let world = World::new();
            one_host(&world);
            world.run();
            world.now()
        })
        .await
    });
    assert_eq!(now, ms(1));
}

#[test]
fn a_link_has_some_bandwidth() {
    let _limit = limit();
    let text = "the bandwidth is 0: pass the number of bytes per second, or separate hosts by `World::partition`";
    assert_eq!(refused(|| drop(World::builder().bandwidth(0))), text);
    let world = World::new();
    world.host("a");
    world.host("b");
    assert_eq!(refused(|| world.set_bandwidth("a", "b", Some(0))), text);
}
