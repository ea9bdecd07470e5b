//! Connections that each send a message, wait until it has come back, and send the next.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::Sample;
use crate::process::ServerProcess;

const MESSAGE: usize = 128;

struct Client {
    stream: TcpStream,
    message: [u8; MESSAGE],
    sent: usize,
    received: usize,
    left: usize,
}

/// The connections to one server.
pub struct Load {
    poll: Poll,
    clients: Vec<Client>,
}

impl Load {
    /// Connects, and exchanges some messages to warm up.
    pub fn new(server: &ServerProcess, connections: usize) -> io::Result<Load> {
        let poll = Poll::new()?;
        let mut clients = Vec::with_capacity(connections);
        for index in 0..connections {
            let stream = std::net::TcpStream::connect(server.address())?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            let interest = Interest::READABLE | Interest::WRITABLE;
            let token = Token(index);
            poll.registry().register(&mut stream, token, interest)?;
            clients.push(Client {
                stream,
                message: [index as u8; MESSAGE],
                sent: 0,
                received: 0,
                left: 0,
            });
        }
        let mut load = Load { poll, clients };
        exchange(&mut load.poll, &mut load.clients, 10)?;
        Ok(load)
    }

    /// Exchanges `messages` on every connection. Every byte is compared.
    pub fn run(&mut self, server: &ServerProcess, messages: usize) -> io::Result<Sample> {
        let before = server.cpu()?;
        let start = Instant::now();
        exchange(&mut self.poll, &mut self.clients, messages)?;
        Ok(Sample {
            operations: (self.clients.len() * messages) as u64,
            wall: start.elapsed(),
            cpu: server.cpu()? - before,
        })
    }
}

fn exchange(poll: &mut Poll, clients: &mut [Client], messages: usize) -> io::Result<()> {
    for client in &mut *clients {
        client.left = messages;
        client.begin();
        client.go_on()?;
    }
    let mut events = Events::with_capacity(clients.len());
    while clients.iter().any(|client| client.left > 0) {
        poll.poll(&mut events, Some(Duration::from_secs(10)))?;
        if events.is_empty() {
            return Err(io::Error::other("no message came back for ten seconds"));
        }
        for event in &events {
            clients[event.token().0].go_on()?;
        }
    }
    Ok(())
}

impl Client {
    /// The next message differs from the last one.
    fn begin(&mut self) {
        self.sent = 0;
        self.received = 0;
        for byte in &mut self.message {
            *byte = byte.wrapping_mul(31).wrapping_add(7);
        }
    }

    fn go_on(&mut self) -> io::Result<()> {
        while self.left > 0 {
            while self.sent < MESSAGE {
                match self.stream.write(&self.message[self.sent..]) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                    sent => self.sent += sent?,
                }
            }
            let mut came = [0; MESSAGE];
            let length = match self.stream.read(&mut came[self.received..]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                read => read?,
            };
            let range = self.received..self.received + length;
            if length == 0 || came[range.clone()] != self.message[range.clone()] {
                return Err(io::Error::other("the echo is wrong"));
            }
            self.received = range.end;
            if self.received == MESSAGE {
                self.left -= 1;
                self.begin();
            }
        }
        Ok(())
    }
}
