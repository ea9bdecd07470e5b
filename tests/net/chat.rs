//! The chat server of `examples/chat.rs`: lines go to everyone, silence ends a connection, and Ctrl-C
//! ends the server.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::channel::oneshot;
use futures::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use futures::{AsyncRead, StreamExt};
use nodeloop::net::{TcpListener, TcpStream};
use nodeloop::{Promise, spawn, test};

use crate::common::limit::limit;

#[allow(dead_code, reason = "its `main` is not called")]
#[path = "../../examples/chat.rs"]
mod program;

const HALF_A_MINUTE: Duration = Duration::from_secs(30);

struct Client {
    name: SocketAddr,
    write: nodeloop::net::OwnedWriteHalf<nodeloop::net::kind::Tcp>,
    lines: Lines<BufReader<Box<dyn AsyncRead + Unpin>>>,
}

impl Client {
    /// Connects, and waits until the server has noticed it.
    async fn join(server: SocketAddr) -> Client {
        let stream = TcpStream::connect(server).await.unwrap();
        let name = stream.local_addr().unwrap();
        let (read, write) = stream.into_split();
        let read: Box<dyn AsyncRead + Unpin> = Box::new(read);
        let lines = BufReader::new(read).lines();
        let mut client = Client { name, write, lines };
        client.expect(&format!("{name} joins")).await;
        client
    }

    async fn say(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.write.write_all(line.as_bytes()).await.unwrap();
    }

    async fn expect(&mut self, line: &str) {
        assert_eq!(self.lines.next().await.unwrap().unwrap(), line);
    }

    async fn expect_end(&mut self) {
        assert!(self.lines.next().await.is_none());
    }
}

async fn start<F: Future + 'static>(quit: F) -> (SocketAddr, Promise<io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (address, spawn(program::serve(listener, quit)))
}

#[test]
fn lines_go_to_everyone_and_silence_ends_a_connection() {
    let _limit = limit();
    test::run(async |t| {
        let _held = t.hold_time(); // sockets do not hold a virtual clock
        let (quit, quits) = oneshot::channel::<()>();
        let (address, server) = start(quits).await;
        let mut ada = Client::join(address).await;
        let mut bob = Client::join(address).await;
        ada.expect(&format!("{} joins", bob.name)).await;

        ada.say("hello").await;
        ada.expect(&format!("{}: hello", ada.name)).await;
        bob.expect(&format!("{}: hello", ada.name)).await;

        t.advance(HALF_A_MINUTE).await;
        bob.say("hi").await;
        ada.expect(&format!("{}: hi", bob.name)).await;
        bob.expect(&format!("{}: hi", bob.name)).await;

        t.advance(HALF_A_MINUTE).await; // a minute for Ada, half of one for Bob
        ada.expect_end().await;
        bob.expect(&format!("{} leaves: silent for a minute", ada.name))
            .await;

        quit.send(()).unwrap();
        bob.expect("the server stops").await;
        bob.expect_end().await;
        server.await.unwrap();
    });
}

#[cfg(unix)] // the test raises a signal
#[test]
fn ctrl_c_says_goodbye() {
    if crate::common::process::in_own_process(ctrl_c_says_goodbye) {
        return;
    }
    let _limit = limit();
    crate::common::block_on(async {
        let (address, server) = start(nodeloop::signal::ctrl_c()).await;
        let mut client = Client::join(address).await;
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::INT)
            .unwrap();
        client.expect("the server stops").await;
        client.expect_end().await;
        server.await.unwrap();
    });
}
