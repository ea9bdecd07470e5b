//! Real jobs of the pool and real sockets, which the exploration reorders.

use nodeloop::queue_work;
use nodeloop::test::Test;

use crate::harness::{By, Race, Version};
use crate::world::shared;

/// An editor has two versions of a file checked. The result of the older one comes last.
#[test]
fn result_of_an_old_version() {
    let race = Race {
        name: "result_of_an_old_version",
        by: By::Jobs,
        steps: ["lint of version 1", "lint of version 2"],
    };
    race.check(async |t: Test, version: Version| {
        let (text, shown) = (shared(1), shared(0));
        let lint = |number: u32| {
            let (text, shown, log) = (text.clone(), shown.clone(), t.log());
            move |()| {
                log.add(format_args!("lint of version {number}"));
                let is_current = *text.borrow() == number;
                if is_current || !version.is_mended() {
                    *shown.borrow_mut() = number;
                }
            }
        };
        queue_work(|| (), lint(1));
        *text.borrow_mut() = 2; // the user types
        queue_work(|| (), lint(2));
        t.until_idle().await;
        assert_eq!(*shown.borrow(), 2, "the version whose messages are shown");
    });
}

#[cfg(unix)] // Windows has no socket pairs
mod sockets {
    use std::collections::BTreeMap;

    use futures::io::{AsyncReadExt, AsyncWriteExt};
    use nodeloop::net::UnixStream;
    use nodeloop::{promise, spawn};

    use super::{By, Race, Test, Version, shared};

    /// A client connects again with its name. The end of its old connection removes the new one.
    #[test]
    fn reconnect_before_close() {
        let race = Race {
            name: "reconnect_before_close",
            by: By::Sockets,
            steps: ["connection 1 closed", "connection 2 registered"],
        };
        race.check(async |t: Test, version: Version| {
            let clients = shared(BTreeMap::new());
            let serve = |connection: u32, mut socket: UnixStream| {
                let (clients, log) = (clients.clone(), t.log());
                let (registered, is_registered) = promise::with_resolver();
                let serving = spawn(async move {
                    let mut name = [0];
                    socket.read_exact(&mut name).await.unwrap();
                    clients.borrow_mut().insert(name, connection);
                    log.add(format_args!("connection {connection} registered"));
                    is_registered.resolve(());
                    let end = socket.read(&mut [0]).await.unwrap();
                    assert_eq!(end, 0);
                    log.add(format_args!("connection {connection} closed"));
                    let current = clients.borrow().get(&name).copied();
                    if !version.is_mended() || current == Some(connection) {
                        clients.borrow_mut().remove(&name);
                    }
                });
                (registered, serving)
            };
            let (mut first, accepted) = UnixStream::pair().unwrap();
            let (registered, first_served) = serve(1, accepted);
            first.write_all(b"a").await.unwrap();
            registered.await;
            let (mut second, accepted) = UnixStream::pair().unwrap();
            let (registered, second_served) = serve(2, accepted);
            first.close().await.unwrap();
            t.turn().await; // the client connects again a little later
            second.write_all(b"a").await.unwrap();
            first_served.await;
            registered.await;
            assert_eq!(
                clients.borrow().get(b"a"),
                Some(&2),
                "the connection of the client"
            );
            drop(second);
            second_served.await;
        });
    }
}
