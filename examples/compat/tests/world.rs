//! A PostgreSQL client made for tokio, unchanged, on a host of a simulated world.

use std::io;
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use nodeloop::net::{TcpListener, TcpStream};
use nodeloop::test::World;
use nodeloop::time::sleep;
use nodeloop_compat::connect;
use tokio_postgres::{Config, SimpleQueryMessage};

const SECOND: Duration = Duration::from_secs(1);

/// Answers each simple query with one row, which has one column: the text of the query.
async fn serve() -> io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:5432").await?;
    loop {
        let (stream, _) = listener.accept().await?;
        nodeloop::spawn(answer(stream)).detach();
    }
}

async fn answer(mut stream: TcpStream) -> io::Result<()> {
    let startup = read_body(&mut stream).await?; // has no type
    assert_eq!(startup[..4], [0, 3, 0, 0], "version 3.0 of the protocol");
    let ready = message(b'Z', b"I");
    let authenticated = message(b'R', &[0; 4]);
    stream
        .write_all(&[authenticated, ready.clone()].concat())
        .await?;
    loop {
        let mut kind = [0];
        stream.read_exact(&mut kind).await?;
        let body = read_body(&mut stream).await?;
        if kind == *b"X" {
            return Ok(()); // the client ends the connection
        }
        assert_eq!(kind, *b"Q", "a simple query");
        let text = &body[..body.len() - 1]; // without the NUL byte
        // One column of the type `text`, whose name is empty.
        let columns = [
            &[0, 1, 0][..],
            &[0; 6],
            &[0, 0, 0, 25],
            &[0, 0],
            &[0; 4],
            &[0, 0],
        ]
        .concat();
        let length = (text.len() as u32).to_be_bytes();
        let row = [&[0, 1], &length[..], text].concat();
        let answer = [
            message(b'T', &columns),
            message(b'D', &row),
            message(b'C', b"SELECT 1\0"),
            ready.clone(),
        ];
        stream.write_all(&answer.concat()).await?;
    }
}

/// Reads the length of a message, and the rest of it.
async fn read_body(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await?;
    let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32 + 4).to_be_bytes();
    [&[kind], &length[..], body].concat()
}

fn first_column(messages: &[SimpleQueryMessage]) -> String {
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    row.unwrap_or_default().to_owned()
}

#[test]
fn a_client_meets_a_slow_network_and_a_server_that_crashes() {
    let world = World::builder().latency(SECOND / 10..=SECOND / 10).build();
    world.host("database").serve(serve);
    let log = world.log();
    let clock = world.clone();
    world.host("client").run(async move || {
        let stream = TcpStream::connect("database:5432").await?;
        let mut config = Config::new();
        config.user("somebody");
        let (client, connection) = connect(stream, &config).await.unwrap();
        let began = clock.now();
        let answer = client.simple_query("select 'milk'").await.unwrap();
        log.add(first_column(&answer));
        assert_eq!(clock.now() - began, SECOND / 5, "there and back");
        sleep(2 * SECOND).await; // the database has crashed when this ends
        log.add(client.simple_query("select 'bread'").await.is_err());
        log.add(connection.await.is_err());
        io::Result::Ok(())
    });
    world.at(SECOND, |world| world.host("database").crash());
    world.run();
    world.log().assert_order(["select 'milk'", "true", "true"]);
}
