//! Child processes that a test scripts, and pipes.

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Stdio;

use futures::{AsyncReadExt, AsyncWriteExt};
use nodeloop::Seed;
use nodeloop::io::{AsyncFd, pipe};
use nodeloop::process::{Command, SpawnError};
use nodeloop::signal::SignalKind;
use nodeloop::test::{SimulatedChild, World};
use nodeloop::time::{sleep, timeout};

use crate::common::limit::limit;
use crate::notes::{Notes, failure, ms};

#[test]
fn the_steps_of_a_child_take_place_in_order() {
    let _limit = limit();
    let world = World::new();
    let notes = Notes::of(&world);
    world.host("h").on_spawn(|command| {
        assert_eq!(command.get_program(), "convert");
        let child = SimulatedChild::new().stdout("half").sleep(ms(5));
        Ok(child.stderr("slow").sleep(ms(5)).stdout("whole").exit(3))
    });
    let program = notes.clone();
    world.host("h").run(async move || {
        let mut child = Command::new("convert")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        assert!(child.id().is_some() && child.stdin.is_none());
        let ended = program.clone();
        child.on_exit(move |status| {
            ended.add(format!("exit {:?}", status.as_ref().unwrap().code()))
        });
        let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let read = async {
            let mut buffer = [0; 16];
            loop {
                let length = stdout.read(&mut buffer).await?;
                program.add(format!(
                    "read {:?}",
                    String::from_utf8_lossy(&buffer[..length])
                ));
                if length == 0 {
                    return io::Result::Ok(());
                }
            }
        };
        let mut errors = String::new();
        let (read, errors_read) = futures::join!(read, stderr.read_to_string(&mut errors));
        read?;
        errors_read?;
        assert_eq!(errors, "slow");
        assert_eq!(child.wait().await?.code(), Some(3));
        assert_eq!(child.id(), None);
        io::Result::Ok(())
    });
    world.run();
    // R65: the end of the child follows the output that it has written.
    notes.assert([
        "0ns read \"half\"",
        "10ms read \"whole\"",
        "10ms exit Some(3)",
        "10ms read \"\"",
    ]);
}

#[test]
fn a_child_is_killed_by_its_parent() {
    let _limit = limit();
    let world = World::new();
    world
        .host("h")
        .on_spawn(|_| Ok(SimulatedChild::new().stdout("ready")));
    world.host("h").run(async || {
        let mut command = Command::new("server");
        let mut killed = command.spawn()?;
        assert!(timeout(ms(10), killed.wait()).await.is_err());
        assert_eq!(killed.try_wait()?, None);
        killed.kill().await?;
        assert_eq!(killed.wait().await?.signal(), Some(9));

        let mut terminated = command.spawn()?;
        terminated.signal(SignalKind::window_change())?; // has no effect
        assert_eq!(terminated.try_wait()?, None);
        terminated.signal(SignalKind::terminate())?;
        assert_eq!(terminated.try_wait()?.unwrap().signal(), Some(15));
        let late = terminated.signal(SignalKind::terminate()).unwrap_err();
        assert_eq!(late.kind(), ErrorKind::InvalidInput);
        terminated.wait().await?;

        drop(command.kill_on_drop(true).spawn()?); // otherwise the program would not end
        io::Result::Ok(())
    });
    world.run();
    assert_eq!(world.now(), ms(10));
}

#[test]
fn a_child_reads_all_input_and_writes_any_amount() {
    let _limit = limit();
    let world = World::new();
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|number| number as u8).collect();
    let expected = bytes.clone();
    world
        .host("h")
        .on_spawn(move |_| Ok(SimulatedChild::new().stdout(&bytes).sleep(ms(1)).exit(0)));
    world.host("h").run(async move || {
        let mut command = Command::new("filter");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&expected).await?;
        let output = child.wait_with_output().await?;
        assert_eq!(output.stdout, expected);
        let closed = stdin.write(b"x").await.unwrap_err();
        assert_eq!(closed.kind(), ErrorKind::BrokenPipe);
        io::Result::Ok(())
    });
    world.run();
}

#[test]
fn a_child_without_a_script_is_refused_with_advice() {
    let _limit = limit();
    let world = World::new();
    world.host("none").run(async || {
        let error = Command::new("git").spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(SpawnError::of(&error).unwrap().program(), "git");
        assert!(error.to_string().contains("`Host::on_spawn`"), "{error}");
    });
    world
        .host("fails")
        .on_spawn(|_| Err(ErrorKind::PermissionDenied.into()));
    world.host("fails").run(async || {
        let error = Command::new("git").status().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    });
    world.run();
    // A program that waits for a child that never ends.
    let world = World::new();
    world.host("h").on_spawn(|_| Ok(SimulatedChild::new()));
    world
        .host("h")
        .run(async || Command::new("git").status().await.map(drop));
    let text = failure(&world);
    assert!(text.contains("no program can continue"), "{text}");
    assert!(text.contains("tests/world/children.rs"), "{text}");
}

#[test]
fn a_crash_ends_the_children() {
    let _limit = limit();
    let world = World::new();
    let notes = Notes::of(&world);
    world
        .host("h")
        .on_spawn(|_| Ok(SimulatedChild::new().sleep(ms(20)).exit(0)));
    let program = notes.clone();
    world.host("h").run(async move || {
        program.add("started");
        let status = Command::new("job").status().await?;
        program.add(status.code().unwrap());
        io::Result::Ok(())
    });
    world.at(ms(5), |world| world.host("h").crash());
    world.at(ms(10), |world| world.host("h").restart());
    world.run();
    notes.assert(["0ns started", "10ms started", "30ms 0"]);
}

#[test]
fn pipes_are_those_of_the_host() {
    let _limit = limit();
    let world = World::new();
    world.host("h").run(async || {
        let (mut sender, mut receiver) = pipe::pipe()?;
        let writing = async {
            sender.write_all(&[7; 500_000]).await?; // more than there is room for
            sleep(ms(5)).await;
            sender.close().await
        };
        let mut bytes = Vec::new();
        let (written, read) = futures::join!(writing, receiver.read_to_end(&mut bytes));
        written?;
        assert_eq!((read?, bytes.len()), (500_000, 500_000));
        let (mut sender, receiver) = pipe::pipe()?;
        drop(receiver);
        let closed = sender.write(b"x").await.unwrap_err();
        assert_eq!(closed.kind(), ErrorKind::BrokenPipe);
        let no_descriptor = sender.into_blocking_fd().unwrap_err();
        assert_eq!(no_descriptor.kind(), ErrorKind::Unsupported);

        let (reader, writer) = io::pipe()?;
        let refused = [
            pipe::Receiver::from_owned_fd(reader.into()).unwrap_err(),
            AsyncFd::new(writer).unwrap_err(),
        ];
        for error in refused {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            let advice = "or test this part outside of the world";
            assert!(error.to_string().ends_with(advice), "{error}");
        }
        io::Result::Ok(())
    });
    world.run();
}

/// A seed may hold back what arrives, but loses nothing.
#[test]
fn every_child_ends_for_every_seed() {
    let _limit = limit();
    for number in 1..=20 {
        let world = World::builder().seed(Seed::new(number)).build();
        world.host("h").on_spawn(|_| {
            let child = SimulatedChild::new().stdout("one ").sleep(ms(2));
            Ok(child.stdout("two").exit(0))
        });
        world.host("h").run(async || {
            let outputs = (0..3).map(|_| Command::new("job").output());
            for output in futures::future::join_all(outputs).await {
                assert_eq!(output?.stdout, b"one two");
            }
            io::Result::Ok(())
        });
        world.run();
    }
}

#[test]
fn a_child_that_cannot_be_is_refused_where_it_is_described() {
    let _limit = limit();
    let new = SimulatedChild::new;
    let exited = move || new().exit(0);
    type Describe = Box<dyn Fn() -> SimulatedChild>;
    let wrong: [(Describe, &str); 7] = [
        (Box::new(move || new().exit(-1)), "is -1: pass a number"),
        (Box::new(move || new().exit(256)), "is 256: pass a number"),
        (Box::new(move || exited().exit(1)), "after `exit`"),
        (Box::new(move || exited().stdout("late")), "after `exit`"),
        (Box::new(move || exited().stderr("late")), "after `exit`"),
        (Box::new(move || exited().sleep(ms(1))), "after `exit`"),
        (Box::new(move || exited().sleep(ms(0))), "after `exit`"),
    ];
    for (describe, expected) in wrong {
        let panic = catch_unwind(AssertUnwindSafe(describe)).unwrap_err();
        let text = panic.downcast::<String>().map_or_else(
            |panic| (*panic.downcast::<&str>().unwrap()).to_owned(),
            |text| *text,
        );
        assert!(text.contains(expected), "{text}");
    }
    let _ = (new().exit(0), new().exit(255));
}

#[test]
fn a_function_of_on_spawn_that_is_never_called_fails_the_run() {
    let _limit = limit();
    let lines = Cell::new((0, 0));
    let set_up = |world: &World| {
        let host = world.host("h");
        let first = line!() + 1;
        host.on_spawn(|_| Err(ErrorKind::NotFound.into()));
        host.on_spawn(|_| Ok(SimulatedChild::new().exit(0)));
        lines.set((first, first + 1));
        host.run(async || Command::new("job").status().await.map(drop));
        let idle = world.host("idle");
        idle.on_spawn(|_| Ok(SimulatedChild::new()));
    };
    let world = World::new();
    set_up(&world);
    let (first, second) = lines.get();
    let (file, idle) = (file!(), second + 4);
    let unfired = format!(
        "a child of h, for `on_spawn` ({file}:{first}), a child of idle, for `on_spawn` ({file}:{idle})"
    );
    let text = failure(&world);
    assert!(text.contains(&unfired), "{text}");

    let explore = || World::builder().explore(3, set_up);
    let panic = catch_unwind(AssertUnwindSafe(explore)).unwrap_err();
    let text = panic.downcast::<String>().unwrap();
    assert!(text.contains(&unfired), "{text}");

    let world = World::builder().permit_unfired_faults().build();
    set_up(&world);
    world.run();
}
