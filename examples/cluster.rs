//! A server on several cores: one loop accepts, and its workers receive the connections in turn.
//!
//! This is what Node's `cluster` does, with threads instead of processes: the accepting loop passes
//! each connection to a worker, which serves it alone. Where the order of the workers does not
//! matter, each worker can instead listen on the same port with `SO_REUSEPORT`, and the operating
//! system distributes the connections.
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
use nodeloop::worker::{Worker, WorkerPort};

const WORKERS: usize = 2;

/// A worker: serves the connections that it receives, any number at the same time.
async fn work(mut port: WorkerPort<Connection, ()>, number: usize) {
    while let Some(connection) = port.recv().await {
        spawn(async move {
            if let Err(error) = answer(connection, number).await {
                eprintln!("a client disconnected: {error}");
            }
        })
        .detach();
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
        // Only this loop accepts. Each connection is sent to the next worker.
        let accepting = spawn(async move {
            for worker in (0..WORKERS).cycle() {
                let (stream, _) = listener.accept().await?;
                if workers[worker].post(stream.into_std()?).is_err() {
                    eprintln!("worker {worker} has ended");
                }
            }
            io::Result::Ok(())
        })
        .settled();
        for question in 1..=6 {
            println!("question {question}: {}", ask(address).await?);
        }
        accepting.abort(); // drops the workers' ports, so the workers end
        nodeloop::on_exit(|_| println!("all workers have ended"));
        Ok(())
    })
}
