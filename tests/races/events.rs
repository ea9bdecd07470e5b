//! Events and timers: a timeout against a reply, events in an order that nobody expected.

use std::cell::Cell;
use std::rc::Rc;

use nodeloop::events::{Event, EventEmitter};
use nodeloop::test::Test;
use nodeloop::{TimeoutHandle, set_interval, set_timeout, spawn};

use crate::common::{Later, ms};
use crate::harness::{By, Race, Version};
use crate::world::{Disk, QUICK, operation, request, shared, sleep};

/// A reply comes after its timeout, and the callback is called again.
#[test]
fn reply_after_timeout() {
    let race = Race {
        name: "reply_after_timeout",
        by: By::Time,
        steps: ["reply", "timeout"],
    };
    race.check(async |t: Test, version: Version| {
        let (calls, is_over) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
        let callback = {
            let calls = calls.clone();
            move || calls.set(calls.get() + 1)
        };
        let (log, timed_out, call) = (t.log(), is_over.clone(), callback.clone());
        let timer = set_timeout(ms(30), move || {
            log.add("timeout");
            timed_out.set(true);
            call();
        });
        request(5..=60).await;
        t.log().add("reply");
        timer.clear();
        if !(version.is_mended() && is_over.get()) {
            callback();
        }
        assert_eq!(calls.get(), 1, "how often the callback was called");
    });
}

/// The socket of an agent times out. It stays in the list of free sockets until it has closed.
#[test]
fn free_socket_times_out() {
    let race = Race {
        name: "free_socket_times_out",
        by: By::Time,
        steps: ["request", "timeout"],
    };
    race.check(async |t: Test, version: Version| {
        let (is_free, is_destroyed) = (shared(true), shared(false));
        let (free, destroyed, log) = (is_free.clone(), is_destroyed.clone(), t.log());
        let timer = set_timeout(ms(30), move || {
            log.add("timeout");
            *destroyed.borrow_mut() = true;
            if version.is_mended() {
                *free.borrow_mut() = false;
            }
            let closed = operation(QUICK, move || *free.borrow_mut() = false);
            closed.then(log.reaction("closed")).detach();
        });
        request(5..=60).await; // until the program needs the socket
        t.log().add("request");
        if is_free.replace(false) {
            timer.clear();
            request(QUICK).await;
            assert!(
                !*is_destroyed.borrow(),
                "ECONNRESET: the socket was destroyed"
            );
        }
        t.until_idle().await;
    });
}

/// A client loses its connection and waits to connect again. Meanwhile the program disconnects.
#[test]
fn disconnect_during_reconnection() {
    let race = Race {
        name: "disconnect_during_reconnection",
        by: By::Time,
        steps: ["reconnects", "disconnect()"],
    };
    race.check(async |t: Test, version: Version| {
        let authorization = shared(Some("token"));
        let (reconnection, log) = (authorization.clone(), t.log());
        let timer = Rc::new(Cell::new(None::<TimeoutHandle>));
        let waiting = timer.clone();
        operation(1..=15, move || {
            if reconnection.borrow().is_none() {
                return; // lost after the program had disconnected
            }
            log.add("lost");
            waiting.set(Some(set_timeout(ms(10), move || {
                log.add("reconnects");
                let token = *reconnection.borrow();
                assert!(
                    token.is_some(),
                    "the authorization of the reconnection is null"
                );
            })));
        })
        .detach();
        sleep(18).await;
        t.log().add("disconnect()");
        *authorization.borrow_mut() = None;
        if let Some(timer) = timer.take().filter(|_| version.is_mended()) {
            timer.clear();
        }
        t.until_idle().await;
    });
}

/// A crawler stops when nothing is open or queued. A page is no longer open while its links are found.
#[test]
fn crawler_stops_early() {
    let race = Race {
        name: "crawler_stops_early",
        by: By::Time,
        steps: ["links found", "stopped"],
    };
    race.check(async |t: Test, version: Version| {
        let (open, queue) = (Rc::new(Cell::new(1)), Rc::new(Cell::new(0)));
        let (requests, queued, log) = (open.clone(), queue.clone(), t.log());
        spawn(async move {
            request(QUICK).await;
            log.add("page fetched");
            let fetched = requests.get() - 1;
            if !version.is_mended() {
                requests.set(fetched);
            }
            request(QUICK).await; // unzips the page and looks for links
            log.add("links found");
            queued.set(1);
            if version.is_mended() {
                requests.set(fetched);
            }
        })
        .detach();
        let (interval, log) = (Later::<TimeoutHandle>::new(), t.log());
        let (itself, crawled) = (interval.clone(), queue.clone());
        interval.set(set_interval(ms(10), move || {
            if queue.get() > 0 {
                queue.set(0); // fetches the links
            } else if open.get() == 0 {
                log.add("stopped");
                itself.get().clear();
            }
        }));
        t.until_idle().await;
        assert_eq!(crawled.get(), 0, "links that were never fetched");
    });
}

/// A reader of rows emits the end when its file has been read, and rows when they have been parsed.
#[test]
fn row_after_end() {
    let race = Race {
        name: "row_after_end",
        by: By::Time,
        steps: ["row", "end"],
    };
    race.check(async |t: Test, version: Version| {
        let writer = shared(Some(Vec::new()));
        let (rows, log) = (writer.clone(), t.log());
        let row = operation(QUICK, move || {
            log.add("row");
            let mut rows = rows.borrow_mut();
            rows.as_mut().expect("write after end").push("row");
        });
        let (read, log) = (request(5..=7), t.log());
        if version.is_mended() {
            row.await;
            read.await;
        } else {
            row.detach();
            read.await;
        }
        log.add("end");
        writer.take(); // writer.end()
        t.until_idle().await;
    });
}

/// A socket joins a room after a query of the database, and has disconnected meanwhile.
#[test]
fn join_after_disconnect() {
    let race = Race {
        name: "join_after_disconnect",
        by: By::Time,
        steps: ["joined", "disconnected"],
    };
    race.check(async |t: Test, version: Version| {
        let (room, is_connected) = (shared(Vec::new()), shared(true));
        let (members, connected, log) = (room.clone(), is_connected.clone(), t.log());
        let joining = operation(1..=30, move || {
            if version.is_mended() && !*connected.borrow() {
                return;
            }
            members.borrow_mut().push("socket");
            log.add("joined");
        });
        sleep(20).await;
        t.log().add("disconnected");
        *is_connected.borrow_mut() = false;
        room.borrow_mut().clear(); // leaves all rooms
        joining.await;
        assert!(
            room.borrow().is_empty(),
            "a socket that has disconnected is in the room"
        );
    });
}

/// A client disconnects when the server has its connection and the client has not heard of it yet.
#[test]
fn orphaned_connection() {
    let race = Race {
        name: "orphaned_connection",
        by: By::Time,
        steps: ["client: connected", "client: disconnect()"],
    };
    race.check(async |t: Test, version: Version| {
        let (server, is_connected, is_over) = (shared(0), shared(false), shared(false));
        let (accepted, connected, over, log) = (
            server.clone(),
            is_connected.clone(),
            is_over.clone(),
            t.log(),
        );
        let connecting = spawn(async move {
            let connections = accepted.clone();
            operation(1..=5, move || *connections.borrow_mut() += 1).await;
            log.add("server: connected");
            request(1..=20).await; // the server's answer
            log.add("client: connected");
            *connected.borrow_mut() = true;
            if version.is_mended() && *over.borrow() {
                *accepted.borrow_mut() -= 1; // closes it at once
            }
        });
        sleep(10).await;
        t.log().add("client: disconnect()");
        *is_over.borrow_mut() = true;
        if *is_connected.borrow() {
            *server.borrow_mut() -= 1; // the server hears of it
        }
        connecting.await;
        assert_eq!(*server.borrow(), 0, "connections that nobody closes");
    });
}

/// A listener keeps the message of an event in a variable, until a timer has written it to a file.
#[test]
fn message_of_another_event() {
    let race = Race {
        name: "message_of_another_event",
        by: By::Time,
        steps: ["first: written", "second: change"],
    };
    race.check(async |t: Test, version: Version| {
        let (disk, message, recorded) = (Disk::default(), shared(None), shared(Vec::new()));
        let change = |name: &'static str| {
            // The mended version has a variable for each event.
            let message = match version {
                Version::Buggy => message.clone(),
                Version::Mended => shared(None),
            };
            t.log().add(format_args!("{name}: change"));
            *message.borrow_mut() = Some(name);
            let (disk, log, recorded) = (disk.clone(), t.log(), recorded.clone());
            set_timeout(ms(100), move || {
                let Some(text) = *message.borrow() else {
                    return;
                };
                recorded.borrow_mut().push(text);
                let written = disk.write("log.txt", text);
                written
                    .then(move |()| {
                        log.add(format_args!("{text}: written"));
                        *message.borrow_mut() = None;
                    })
                    .detach();
            });
        };
        change("first");
        sleep(105).await;
        change("second");
        t.until_idle().await;
        assert_eq!(*recorded.borrow(), ["first", "second"]);
    });
}

const READY: Event<()> = Event::new("ready");

/// A listener of `ready` is added after the settings have been read. The event may have passed.
#[test]
fn listener_after_event() {
    let race = Race {
        name: "listener_after_event",
        by: By::Time,
        steps: ["listens", "ready"],
    };
    race.check(async |t: Test, version: Version| {
        let (agenda, is_ready) = (Rc::new(EventEmitter::new()), Rc::new(Cell::new(false)));
        let (emitter, ready, log) = (agenda.clone(), is_ready.clone(), t.log());
        operation(5..=12, move || {
            log.add("ready");
            ready.set(true);
            emitter.emit(READY, &());
        })
        .detach();
        request(QUICK).await; // reads the settings
        t.log().add("listens");
        let mut start = t.log().callback("jobs started");
        if version.is_mended() && is_ready.get() {
            start();
        } else {
            agenda.once(READY, move |_| start());
        }
        t.until_idle().await;
        t.log().assert_once("jobs started");
    });
}
