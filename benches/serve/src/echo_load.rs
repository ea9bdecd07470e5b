//! The load of `echo`: connections that each send a message, wait for its echo, and send the next.

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
    /// Connects, and exchanges some messages as a warm-up.
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

    /// Exchanges `messages` messages on every connection, and checks every byte. Returns their number.
    pub fn exchange(&mut self, messages: usize) -> io::Result<u64> {
        exchange(&mut self.poll, &mut self.clients, messages)?;
        Ok((self.clients.len() * messages) as u64)
    }

    /// Measures an exchange of `messages` messages on every connection.
    pub fn run(&mut self, server: &ServerProcess, messages: usize) -> io::Result<Sample> {
        let before = server.cpu()?;
        let start = Instant::now();
        let operations = self.exchange(messages)?;
        Ok(Sample {
            operations,
            wall: start.elapsed(),
            cpu: server.cpu()? - before,
        })
    }
}

fn exchange(poll: &mut Poll, clients: &mut [Client], messages: usize) -> io::Result<()> {
    for client in &mut *clients {
        client.left = messages;
        client.start_message();
        client.advance()?;
    }
    let mut events = Events::with_capacity(clients.len());
    while clients.iter().any(|client| client.left > 0) {
        poll.poll(&mut events, Some(Duration::from_secs(10)))?;
        if events.is_empty() {
            return Err(io::Error::other("no echo arrived for ten seconds"));
        }
        for event in &events {
            clients[event.token().0].advance()?;
        }
    }
    Ok(())
}

impl Client {
    /// Prepares the next message, which differs from the last one.
    fn start_message(&mut self) {
        self.sent = 0;
        self.received = 0;
        for byte in &mut self.message {
            *byte = byte.wrapping_mul(31).wrapping_add(7);
        }
    }

    /// Writes and reads until the socket would block.
    fn advance(&mut self) -> io::Result<()> {
        while self.left > 0 {
            while self.sent < MESSAGE {
                match self.stream.write(&self.message[self.sent..]) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                    sent => self.sent += sent?,
                }
            }
            let mut echo = [0; MESSAGE];
            let length = match self.stream.read(&mut echo[self.received..]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                read => read?,
            };
            let range = self.received..self.received + length;
            if length == 0 || echo[range.clone()] != self.message[range.clone()] {
                return Err(io::Error::other("the echo differs from the message"));
            }
            self.received = range.end;
            if self.received == MESSAGE {
                self.left -= 1;
                self.start_message();
            }
        }
        Ok(())
    }
}
