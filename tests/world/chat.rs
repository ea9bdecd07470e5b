//! The chat of `examples/chat.rs`, unchanged, with its clients on other hosts.

use std::future::pending;
use std::io;
use std::time::Duration;

use futures::StreamExt;
use futures::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use nodeloop::net::{TcpListener, TcpStream};
use nodeloop::test::World;
use nodeloop::time::sleep;

use crate::common::limit::limit;
use crate::notes::{Notes, ms};

#[allow(dead_code, reason = "its `main` is not called")]
#[path = "../../examples/chat.rs"]
mod program;

/// Adds a client that joins at `at`, says its lines, and notes what it reads.
fn add_client(world: &World, notes: &Notes, name: &'static str, at: Duration) {
    let notes = notes.clone();
    world.host(name).run(async move || {
        sleep(at).await;
        let stream = TcpStream::connect("server:7000").await?;
        if name == "ada" {
            (&stream).write_all(b"hello\n").await?;
        }
        let mut lines = BufReader::new(&stream).lines();
        while let Some(line) = lines.next().await {
            notes.add(format!("{name} reads {}", line?));
        }
        notes.add(format!("{name} has left"));
        io::Result::Ok(())
    });
}

#[test]
fn the_chat_runs_in_a_world() {
    let _limit = limit();
    let world = World::new();
    let notes = Notes::of(&world);
    world.host("server").serve(async || {
        let listener = TcpListener::bind("0.0.0.0:7000").await?;
        program::serve(listener, pending::<()>()).await
    });
    add_client(&world, &notes, "ada", ms(10));
    add_client(&world, &notes, "bob", ms(30_000));
    world.run();
    // A client that is silent for a minute is disconnected.
    notes.assert([
        "14ms ada reads 10.0.0.2:49152 joins",
        "14ms ada reads 10.0.0.2:49152: hello",
        "30.004s ada reads 10.0.0.3:49152 joins",
        "30.004s bob reads 10.0.0.3:49152 joins",
        "60.014s ada has left",
        "60.014s bob reads 10.0.0.2:49152 leaves: silent for a minute",
        "90.004s bob has left",
    ]);
}
