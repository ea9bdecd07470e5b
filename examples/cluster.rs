//! Serving on several cores: a loop that accepts, and workers that get the connections in turn.
//!
//! This is what Node's `cluster` does, with threads in place of processes: a connection is handed
//! over, and from then on its worker alone has to do with it. Where the order of the workers does
//! not matter, each can listen for itself on the same port, with `SO_REUSEPORT`, and the system
//! chooses.
//!
//! Compared with Node: exactly
//!
//! ```js
//! const cluster = require('node:cluster');
//! const net = require('node:net');
//!
//! const WORKERS = 2;
//!
//! if (cluster.isWorker) {
//!   net.createServer((socket) => {
//!     socket.end(`worker ${process.env.NUMBER}`);
//!   }).listen(0, '127.0.0.1');
//! } else {
//!   start(1);
//! }
//!
//! function start(number) {
//!   cluster.fork({ NUMBER: number }).on('listening', ({ port }) => {
//!     console.log(`worker ${number} is listening`);
//!     if (number < WORKERS) start(number + 1);
//!     else ask(port, 1);
//!   });
//! }
//!
//! function ask(port, question) {
//!   const socket = net.connect(port, '127.0.0.1');
//!   let answer = '';
//!   socket.on('data', (data) => { answer += data; });
//!   socket.on('end', () => {
//!     console.log(`question ${question}: ${answer}`);
//!     if (question < 6) ask(port, question + 1);
//!     else cluster.disconnect(() => console.log('all workers have ended'));
//!   });
//! }
//! ```

use std::io;
use std::net::{SocketAddr, TcpStream as Connection};

use futures::{AsyncReadExt, AsyncWriteExt};
use nodeloop::net::{TcpListener, TcpStream};
use nodeloop::spawn;
use nodeloop::worker::{MessagePort, Worker};

const WORKERS: usize = 2;

/// A worker: serves the connections that it is given, any number at once.
async fn work(mut port: MessagePort<(), Connection>, number: usize) {
    while let Some(connection) = port.recv().await {
        spawn(async move {
            if let Err(error) = answer(connection, number).await {
                eprintln!("a client has gone: {error}");
            }
        });
    }
}

async fn answer(connection: Connection, number: usize) -> io::Result<()> {
    let mut stream = TcpStream::from_std(connection)?;
    stream
        .write_all(format!("worker {number}").as_bytes())
        .await
}

async fn ask(address: SocketAddr) -> io::Result<String> {
    let mut answer = String::new();
    let mut stream = TcpStream::connect(address).await?;
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn main() -> io::Result<()> {
    nodeloop::run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut workers = Vec::new();
        for number in 1..=WORKERS {
            workers.push(Worker::spawn(move |port| work(port, number))?);
            println!("worker {number} is listening");
        }
        // Only the loop that accepts waits for connections; who is next gets this one.
        let accepting = spawn(async move {
            for turn in (0..WORKERS).cycle() {
                let (stream, _) = listener.accept().await?;
                if workers[turn].post(stream.into_std()?).is_err() {
                    eprintln!("worker {turn} has ended");
                }
            }
            io::Result::Ok(())
        });
        for question in 1..=6 {
            println!("question {question}: {}", ask(address).await?);
        }
        accepting.abort(); // with it go the workers' ports, so they come to their ends
        nodeloop::on_exit(|_| println!("all workers have ended"));
        Ok(())
    })
}
