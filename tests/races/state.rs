//! State that a request reads, and that another one changes before the first one uses it.

use std::collections::{BTreeMap, BTreeSet};

use nodeloop::promise::SharedPromise;
use nodeloop::spawn;
use nodeloop::test::Test;

use crate::harness::{By, Race, Version};
use crate::world::{Lock, QUICK, Store, operation, request, shared, sleep};

/// The redirect after a login is sent before the session is saved.
#[test]
fn redirect_before_save() {
    let race = Race {
        name: "redirect_before_save",
        by: By::Time,
        steps: ["session saved", "session loaded"],
    };
    race.check(async |t: Test, version: Version| {
        let (store, log) = (Store::default(), t.log());
        let saving = store.set("session", "logged in");
        let saving = saving.then(log.reaction("session saved"));
        if version.is_mended() {
            saving.await;
        } else {
            saving.detach();
        }
        request(1..=5).await; // the browser follows the redirect
        let session = store.get("session").await;
        log.add("session loaded");
        assert!(session.is_some(), "the next page is shown without a login");
        t.until_idle().await;
    });
}

/// A request saves the session that it loaded, although it did not change it. Another one logs out.
#[test]
fn session_saved_unchanged() {
    let race = Race {
        name: "session_saved_unchanged",
        by: By::Time,
        steps: ["poll: saved", "logout: saved"],
    };
    race.check(async |t: Test, version: Version| {
        let store = Store::default();
        store.set("session", "logged in").await;
        let (polled, log) = (store.clone(), t.log());
        let polling = spawn(async move {
            let session = polled.get("session").await.expect("it is stored");
            request(1..=20).await; // waits for news
            if !version.is_mended() {
                polled.set("session", session).await;
            }
            log.add("poll: saved");
        });
        sleep(5).await;
        store.get("session").await;
        store.set("session", "logged out").await;
        t.log().add("logout: saved");
        polling.await;
        let session = store.value("session");
        assert_eq!(session.as_deref(), Some("logged out"), "the session");
    });
}

/// Only the first visitor may become the owner: the users are counted, then one is added.
#[test]
fn two_owners() {
    let race = Race {
        name: "two_owners",
        by: By::Time,
        steps: ["A added", "B counted"],
    };
    race.check(async |t: Test, version: Version| {
        let (users, lock) = (Store::default(), Lock::default());
        let sign_up = |name: &'static str| {
            let (users, log, lock) = (users.clone(), t.log(), lock.clone());
            let add = async move {
                let rows = users.clone();
                let count = operation(QUICK, move || rows.len()).await;
                log.add(format_args!("{name} counted"));
                if count == 0 {
                    users.set(name, "owner").await;
                    log.add(format_args!("{name} added"));
                }
            };
            spawn(async move {
                match version {
                    Version::Buggy => add.await,
                    Version::Mended => lock.run(add).await,
                }
            })
        };
        let first = sign_up("A");
        sleep(3).await;
        sign_up("B").await;
        first.await;
        assert_eq!(users.len(), 1, "the number of owners");
    });
}

/// A setting of the application is changed for one request.
#[test]
fn setting_of_one_request() {
    let race = Race {
        name: "setting_of_one_request",
        by: By::Time,
        steps: ["pretty: answered", "plain: asked"],
    };
    race.check(async |t: Test, version: Version| {
        let spaces = shared(0);
        let get = |name: &'static str, wanted: usize| {
            let (setting, log) = (spaces.clone(), t.log());
            spawn(async move {
                *setting.borrow_mut() = wanted;
                log.add(format_args!("{name}: asked"));
                request(QUICK).await; // the rows of the answer
                let used = match version {
                    Version::Buggy => *setting.borrow(),
                    Version::Mended => wanted,
                };
                log.add(format_args!("{name}: answered"));
                assert_eq!(used, wanted, "the spaces of the {name} answer");
            })
        };
        let first = get("pretty", 2);
        sleep(3).await;
        get("plain", 0).await;
        first.await;
    });
}

/// Requests miss the cache before the first one has filled it.
#[test]
fn cache_stampede() {
    let race = Race {
        name: "cache_stampede",
        by: By::Time,
        steps: ["A: computed", "B: missed"],
    };
    race.check(async |t: Test, version: Version| {
        let values = shared(BTreeMap::<u32, &str>::new());
        let pending = shared(BTreeMap::<u32, SharedPromise<&str>>::new());
        let computed = shared(0);
        let get = |name: &'static str| {
            let (values, pending, log) = (values.clone(), pending.clone(), t.log());
            let computed = computed.clone();
            spawn(async move {
                let value = values.borrow().get(&1).copied();
                if let Some(value) = value {
                    return value;
                }
                log.add(format_args!("{name}: missed"));
                let other = pending.borrow().get(&1).cloned();
                if let Some(other) = other.filter(|_| version.is_mended()) {
                    return other.await;
                }
                let computing = operation(1..=20, move || {
                    *computed.borrow_mut() += 1;
                    log.add(format_args!("{name}: computed"));
                    values.borrow_mut().insert(1, "data");
                    "data"
                });
                let computing = computing.shared();
                pending.borrow_mut().insert(1, computing.clone());
                computing.await
            })
        };
        let first = get("A");
        sleep(5).await;
        assert_eq!((get("B").await, first.await), ("data", "data"));
        assert_eq!(*computed.borrow(), 1, "how often the value was computed");
    });
}

/// A port is free when it is probed, and taken when a server listens on it.
#[test]
fn free_port() {
    let race = Race {
        name: "free_port",
        by: By::Time,
        steps: ["A: listens", "B: probed"],
    };
    race.check(async |t: Test, version: Version| {
        let (taken, lock) = (shared(BTreeSet::new()), Lock::default());
        let serve = |name: &'static str| {
            let (taken, log, lock) = (taken.clone(), t.log(), lock.clone());
            let start = async move {
                let ports = taken.clone();
                let free = move || (3000..).find(|port| !ports.borrow().contains(port));
                let port: u16 = operation(QUICK, free).await.expect("a port is free");
                log.add(format_args!("{name}: probed"));
                let is_new = operation(QUICK, move || taken.borrow_mut().insert(port)).await;
                log.add(format_args!("{name}: listens"));
                assert!(is_new, "{name}: EADDRINUSE {port}");
            };
            spawn(async move {
                match version {
                    Version::Buggy => start.await,
                    Version::Mended => lock.run(start).await,
                }
            })
        };
        let first = serve("A");
        sleep(3).await;
        serve("B").await;
        first.await;
    });
}

/// A request arrives before the database is connected.
#[test]
fn request_before_connection() {
    let race = Race {
        name: "request_before_connection",
        by: By::Time,
        steps: ["connected", "request"],
    };
    race.check(async |t: Test, version: Version| {
        let (database, log) = (shared(None), t.log());
        let connection = database.clone();
        let connected = operation(1..=20, move || {
            log.add("connected");
            *connection.borrow_mut() = Some(["admin", "local"]);
        });
        let connected = connected.shared();
        sleep(10).await;
        t.log().add("request");
        if version.is_mended() {
            connected.clone().await;
        }
        let databases = *database.borrow();
        assert!(databases.is_some(), "listDatabases of undefined");
        connected.await;
    });
}

/// A session ends while a message of it waits for the database.
#[test]
fn session_ends_during_update() {
    let race = Race {
        name: "session_ends_during_update",
        by: By::Time,
        steps: ["pad loaded", "left"],
    };
    race.check(async |t: Test, version: Version| {
        let sessions = shared(BTreeMap::from([("s1", "author")]));
        let (infos, log) = (sessions.clone(), t.log());
        let updating = spawn(async move {
            if !infos.borrow().contains_key("s1") {
                return;
            }
            request(QUICK).await; // loads the pad
            log.add("pad loaded");
            let author = infos.borrow().get("s1").copied();
            assert!(
                version.is_mended() || author.is_some(),
                "sessioninfos[session] is null"
            );
        });
        sleep(5).await;
        sessions.borrow_mut().remove("s1");
        t.log().add("left");
        updating.await;
    });
}
