//! Unix domain sockets of a host: what they have of the system's, and what of the host's disk.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
#[cfg(target_os = "linux")]
use std::rc::Rc;

#[cfg(target_os = "linux")]
use futures::FutureExt;
use futures::{AsyncReadExt, AsyncWriteExt};
use nodeloop::fs;
#[cfg(target_os = "linux")]
use nodeloop::net::UnixSocket;
use nodeloop::net::{UnixDatagram, UnixListener, UnixStream};
use nodeloop::test::World;
use nodeloop::time::sleep;

use crate::common::limit::limit;
use crate::notes::{Notes, failure, ms};

const PATH: &str = "/tmp/service";

#[test]
fn a_path_belongs_to_one_host() {
    let _limit = limit();
    let world = World::new();
    let notes = Notes::of(&world);
    world.host("server").serve(async || {
        let listener = UnixListener::bind(PATH).unwrap();
        loop {
            listener.accept().await.unwrap();
        }
    });
    let client = notes.clone();
    world.host("client").run(async move || {
        let error = UnixStream::connect(PATH).await.unwrap_err();
        client.add(error);
        let error = UnixStream::connect("\0service").await.unwrap_err();
        client.add(format!("{:?}", error.kind()));
    });
    world.run();
    notes.assert(["0ns connect ENOENT /tmp/service", "0ns ConnectionRefused"]);
}

#[test]
fn the_entry_of_the_disk_stays_after_the_listener() {
    let _limit = limit();
    let world = World::new();
    let log = world.log();
    world.host("h").run(async move || {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt};

        drop(UnixListener::bind(PATH)?);
        let metadata = fs::metadata(PATH).await?;
        assert!(metadata.file_type().is_socket() && !metadata.is_file());
        assert_eq!(metadata.permissions().mode(), 0o140_755);
        log.add(UnixListener::bind(PATH).unwrap_err());
        log.add(UnixStream::connect(PATH).await.unwrap_err());
        // The name moves with the entry, and is free once the entry is removed.
        let _listener = UnixListener::bind("/tmp/other")?;
        fs::rename("/tmp/other", PATH).await?;
        let stream = UnixStream::connect(PATH).await?;
        assert_eq!(
            stream.peer_addr()?.as_pathname(),
            Some(Path::new("/tmp/other"))
        );
        fs::remove_file(PATH).await?;
        log.add(UnixStream::connect(PATH).await.unwrap_err());
        UnixListener::bind(PATH)?;
        io::Result::Ok(())
    });
    world.run();
    world.log().assert_order([
        "listen EADDRINUSE: address already in use /tmp/service",
        "connect ECONNREFUSED /tmp/service",
        "connect ENOENT /tmp/service",
    ]);
    let files = world.host("h").disk().files();
    assert_eq!(files, [PathBuf::from(PATH)]);
}

#[test]
fn the_disk_decides_who_may_connect() {
    let _limit = limit();
    let world = World::new();
    let disk = world.host("h").disk();
    disk.set_user(0, 0);
    disk.create_dir_all("/private").unwrap();
    disk.set_user(1000, 1000);
    disk.write("/tmp/file", "text").unwrap();
    world.host("h").run(async move || {
        let kind = |error: io::Error| error.kind();
        let bound = UnixListener::bind("/private/socket").unwrap_err();
        assert_eq!(kind(bound), ErrorKind::PermissionDenied);
        let bound = UnixListener::bind("/nowhere/socket").unwrap_err();
        assert_eq!(kind(bound), ErrorKind::NotFound);
        let no_socket = UnixStream::connect("/tmp/file").await.unwrap_err();
        assert_eq!(kind(no_socket), ErrorKind::ConnectionRefused);

        let _listener = UnixListener::bind(PATH).unwrap();
        disk.set_user(2000, 2000);
        let refused = UnixStream::connect(PATH).await.unwrap_err();
        assert_eq!(kind(refused), ErrorKind::PermissionDenied);
        disk.set_user(1000, 1000);
        let stream = UnixStream::connect(PATH).await.unwrap();
        let peer = stream.peer_cred().unwrap();
        assert_eq!((peer.pid(), peer.uid(), peer.gid()), (None, 1000, 1000));
        let not_a_file = fs::read(PATH).await.unwrap_err();
        assert!(
            not_a_file.to_string().contains("No such device"),
            "{not_a_file}"
        );
    });
    world.run();
}

/// As after a power failure, the entry is there and nobody listens.
#[test]
fn a_crash_leaves_the_entry_of_the_disk() {
    let _limit = limit();
    let world = World::new();
    let notes = Notes::of(&world);
    let (program, script) = (notes.clone(), world.host("h"));
    script.run(async move || {
        let listener = match UnixListener::bind(PATH) {
            Ok(listener) => listener,
            Err(error) => {
                program.add(error);
                let error = UnixStream::connect(PATH).await.unwrap_err();
                program.add(error);
                fs::remove_file(PATH).await?;
                UnixListener::bind(PATH)?
            }
        };
        fs::File::open("/tmp").await?.sync_all().await?;
        let connecting = UnixStream::connect(PATH);
        let (client, accepted) = futures::join!(connecting, listener.accept());
        let (mut server, _) = accepted?;
        server.write_all(b"x").await?;
        client?.read_exact(&mut [0]).await?;
        program.add("connected");
        sleep(ms(10)).await;
        io::Result::Ok(())
    });
    world.at(ms(5), |world| world.host("h").crash());
    world.at(ms(7), |world| world.host("h").restart());
    world.run();
    notes.assert([
        "0ns connected",
        "7ms listen EADDRINUSE: address already in use /tmp/service",
        "7ms connect ECONNREFUSED /tmp/service",
        "7ms connected",
    ]);
}

#[test]
fn faults_of_streams_happen_on_unix_domain_sockets() {
    let _limit = limit();
    let world = World::builder().short_reads(0.5).short_writes(0.5).build();
    let bytes: Vec<u8> = (0..10_000).map(|number| number as u8).collect();
    world.host("h").run(async move || {
        let (mut one, mut other) = UnixStream::pair()?;
        let writing = async {
            for part in bytes.chunks(1_000) {
                one.write_all(part).await?;
            }
            one.close().await
        };
        let mut read = Vec::new();
        let (written, all) = futures::join!(writing, other.read_to_end(&mut read));
        written?;
        assert_eq!((all?, &read), (bytes.len(), &bytes));
        io::Result::Ok(())
    });
    world.run();
    assert!(world.faults().iter().all(|fault| fault.count() > 0));
}

#[test]
fn the_limit_of_sockets_includes_them() {
    let _limit = limit();
    let world = World::new();
    world.host("h").limit_sockets(Some(2));
    world.host("h").run(async || {
        let _listener = UnixListener::bind(PATH)?;
        let refused = UnixStream::pair().unwrap_err();
        assert_eq!(
            refused.raw_os_error(),
            Some(rustix::io::Errno::MFILE.raw_os_error())
        );
        UnixStream::connect(PATH).await?; // the other end is not accepted
        UnixDatagram::unbound()?;
        io::Result::Ok(())
    });
    world.run();
}

#[test]
fn a_descriptor_is_refused_with_advice() {
    let _limit = limit();
    let world = World::new();
    world.host("h").run(async || {
        let (one, other) = UnixStream::pair()?;
        let advice = "use the methods of `nodeloop::net`";
        assert!(one.descriptor().unwrap_err().to_string().contains(advice));
        let converted = other.into_std().unwrap_err();
        assert_eq!(converted.kind(), ErrorKind::Unsupported);
        assert!(converted.to_string().contains(advice));
        let (std_socket, _) = std::os::unix::net::UnixStream::pair()?;
        let refused = UnixStream::from_std(std_socket).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
        io::Result::Ok(())
    });
    world.run();
    // A program that waits for a peer that never comes fails the run.
    let world = World::new();
    world
        .host("h")
        .run(async || UnixListener::bind(PATH)?.accept().await.map(drop));
    assert!(failure(&world).contains("no program can continue"));
}

/// Runs a body on the system's sockets and on those of a world, and compares what it returns.
#[cfg(target_os = "linux")]
#[track_caller]
fn assert_same(body: impl AsyncFn(PathBuf) -> Vec<String> + Clone + 'static) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let real = nodeloop::block_on(body(path));
    let simulated = crate::common::block_on(body(PATH.into()));
    assert_eq!(simulated, real);
}

#[cfg(target_os = "linux")]
fn outcome<T: std::fmt::Debug>(result: io::Result<T>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{:?}", error.kind()),
    }
}

#[cfg(target_os = "linux")] // the behaviour is that of Linux
#[test]
fn ends_of_streams_are_those_of_the_system() {
    let _limit = limit();
    assert_same(async |path| {
        let mut outcomes = Vec::new();
        let mut buffer = [0; 8];
        let listener = UnixListener::bind(&path).unwrap();
        // Closed with and without bytes that were not read, and before it was accepted.
        for (is_accepted, unread) in [(true, ""), (true, "abc"), (false, ""), (false, "abc")] {
            let mut client = UnixStream::connect(&path).await.unwrap();
            client.write_all(unread.as_bytes()).await.unwrap();
            if is_accepted {
                let (mut server, _) = listener.accept().await.unwrap();
                server.write_all(b"last").await.unwrap();
                drop(server);
            } else {
                drop(client);
                let (mut server, _) = listener.accept().await.unwrap();
                let mut text = String::new();
                outcomes.push(outcome(server.read_to_string(&mut text).await));
                outcomes.push(text);
                outcomes.push(outcome(server.write(b"x").await));
                continue;
            }
            for _ in 0..3 {
                outcomes.push(outcome(client.read(&mut buffer).await));
            }
            outcomes.push(outcome(client.write(b"x").await));
            outcomes.push(outcome(client.shutdown(std::net::Shutdown::Both)));
            outcomes.push(outcome(client.peer_addr().map(|at| at.is_unnamed())));
        }
        // The listener is closed before it accepts.
        let mut client = UnixStream::connect(&path).await.unwrap();
        drop(listener);
        outcomes.push(outcome(client.read(&mut buffer).await));
        outcomes.push(outcome(client.read(&mut buffer).await));
        outcomes.push(outcome(client.write(b"x").await));
        outcomes.push(outcome(client.take_error()));
        // Each end shuts down one direction.
        let (mut one, mut other) = UnixStream::pair().unwrap();
        other.write_all(b"left").await.unwrap();
        one.shutdown(std::net::Shutdown::Read).unwrap();
        outcomes.push(outcome(other.write(b"x").await));
        outcomes.push(outcome(one.read(&mut buffer).await));
        outcomes.push(outcome(one.read(&mut buffer).await));
        one.write_all(b"more").await.unwrap();
        outcomes.push(outcome(other.read(&mut buffer).await));
        outcomes
    });
}

#[cfg(target_os = "linux")] // the behaviour is that of Linux
#[test]
fn queues_and_kinds_are_those_of_the_system() {
    let _limit = limit();
    assert_same(async |path| {
        let mut outcomes = Vec::new();
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(&path).unwrap();
        // Bound, but not listening yet.
        outcomes.push(outcome(UnixStream::connect(&path).await));
        let listener = socket.listen(1).unwrap();
        let mut clients = Vec::new();
        for _ in 0..3 {
            let connected = UnixStream::connect(&path).await;
            outcomes.push(outcome(
                connected.as_ref().map(drop).map_err(|it| it.kind().into()),
            ));
            clients.extend(connected);
        }
        listener.accept().await.unwrap();
        outcomes.push(outcome(UnixStream::connect(&path).await.map(drop)));
        // A listener receives no datagrams, and is bound only once.
        let datagrams = UnixDatagram::unbound().unwrap();
        let error = datagrams.connect(&path).unwrap_err();
        outcomes.push(error.to_string().replace(path.to_str().unwrap(), "PATH"));
        let socket = UnixSocket::new_stream().unwrap();
        outcomes.push(outcome(socket.listen(1).map(drop)));
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(path.with_extension("1")).unwrap();
        outcomes.push(outcome(socket.bind(path.with_extension("2"))));
        outcomes
    });
}

#[cfg(target_os = "linux")] // the behaviour is that of Linux
#[test]
fn datagrams_are_those_of_the_system() {
    let _limit = limit();
    assert_same(async |path| {
        let mut outcomes = Vec::new();
        let mut buffer = [0; 8];
        let receiver = UnixDatagram::bind(&path).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        outcomes.push(outcome(sender.send(b"x").await));
        outcomes.push(outcome(sender.peer_addr()));
        sender.connect(&path).unwrap();
        outcomes.push(outcome(sender.send(b"longer than eight").await));
        outcomes.push(outcome(receiver.recv(&mut buffer).await));
        outcomes.push(outcome(sender.send(&vec![0; 1 << 20]).await));
        // A socket that is connected receives from its peer only.
        let (one, other) = UnixDatagram::pair().unwrap();
        let own = path.with_extension("own");
        let bound = UnixDatagram::bind(&own).unwrap();
        bound.connect(&path).unwrap();
        outcomes.push(outcome(sender.try_send_to(b"x", &own)));
        // A socket that was closed.
        drop(other);
        outcomes.push(outcome(one.send(b"x").await));
        outcomes.push(outcome(one.send(b"x").await));
        let receiver = Rc::new(receiver);
        receiver.shutdown(std::net::Shutdown::Read).unwrap();
        outcomes.push(outcome(sender.send(b"x").await));
        drop(receiver);
        outcomes.push(outcome(sender.send(b"x").await));
        outcomes.push(outcome(sender.send_to(b"x", &path).await));
        outcomes
    });
}

/// The room of a writer is that of what its peer has not read, which is nothing once the peer is closed.
#[cfg(target_os = "linux")]
#[test]
fn a_peer_that_is_closed_wakes_a_writer_whose_error_was_read() {
    let _limit = limit();
    assert_same(async |_| {
        let (one, other) = UnixStream::pair().unwrap();
        let one = Rc::new(one);
        while (&*one).write(&[0; 4096]).now_or_never().is_some() {}
        let writing = one.clone();
        let writer = nodeloop::spawn(async move { outcome((&*writing).write(b"x").await) });
        let reading = one.clone();
        let reader = nodeloop::spawn(async move { outcome((&*reading).read(&mut [0; 8]).await) });
        nodeloop::yield_now().await;
        drop(other);
        vec![outcome(one.take_error()), reader.await, writer.await]
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_read_of_no_bytes_leaves_the_error() {
    let _limit = limit();
    assert_same(async |_| {
        let (one, other) = UnixStream::pair().unwrap();
        (&one).write_all(b"unread").await.unwrap();
        drop(other);
        one.readable().await.unwrap();
        let nothing = outcome(one.try_read(&mut []));
        vec![
            nothing,
            outcome(one.try_read(&mut [0; 8])),
            outcome(one.try_read(&mut [0; 8])),
        ]
    });
}
