//! A server on bare mio: the lower bound of the cost.
//!
//! It is edge-triggered, with one registration for each connection, and stops reading after a read
//! that does not fill the buffer. A message therefore costs one read, one write and its share of a
//! wait.

use std::io::{self, Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use side_common::BUFFER;

const LISTENER: Token = Token(usize::MAX);

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// The range of the buffer that was read and not yet written.
    pending: std::ops::Range<usize>,
}

pub fn serve() {
    run().expect("a loop without errors");
}

fn run() -> io::Result<()> {
    let mut listener = TcpListener::bind(([127, 0, 0, 1], 0).into())?;
    println!("{}", listener.local_addr()?.port());
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut connections: Vec<Option<Connection>> = Vec::new();
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            if event.token() == LISTENER {
                accept(&listener, &poll, &mut connections)?;
                continue;
            }
            let slot = &mut connections[event.token().0];
            if let Some(connection) = slot
                && !matches!(connection.serve(), Ok(true))
            {
                *slot = None; // the client has disconnected
            }
        }
    }
}

fn accept(
    listener: &TcpListener,
    poll: &Poll,
    connections: &mut Vec<Option<Connection>>,
) -> io::Result<()> {
    loop {
        let mut stream = match listener.accept() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            accepted => accepted?.0,
        };
        stream.set_nodelay(true)?;
        let token = Token(connections.len());
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut stream, token, interest)?;
        connections.push(Some(Connection {
            stream,
            buffer: vec![0; BUFFER],
            pending: 0..0,
        }));
    }
}

impl Connection {
    /// Returns whether the client is still connected.
    fn serve(&mut self) -> io::Result<bool> {
        loop {
            while !self.pending.is_empty() {
                match self.stream.write(&self.buffer[self.pending.clone()]) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                    written => self.pending.start += written?,
                }
            }
            if 0 < self.pending.end && self.pending.end < self.buffer.len() {
                self.pending = 0..0;
                return Ok(true); // after a short read nothing is left
            }
            match self.stream.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                read => match read? {
                    0 => return Ok(false),
                    length => self.pending = 0..length,
                },
            }
        }
    }
}
