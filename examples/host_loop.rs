//! An event loop inside of another loop: only the host waits, with its own `poll(2)`.
//!
//! A GUI or a game has its own loop. Before each wait it asks the event loop for the timeout, waits
//! for the descriptor of the event loop together with its own descriptors, and then runs one turn.
//! The order is the same as in an event loop that runs alone.
//!
//! Each step starts the next one, so the order of the lines is fixed: a socket of the loop receives
//! data, a thread writes to a pipe that only the host watches, the host sends a value to the loop,
//! and a timer of the loop ends the program.
//!
//! Compared with Node: not, because Node can't be run inside of another loop
//! On Windows: not run, because the loop has no descriptor there

use std::error::Error;

#[cfg(not(unix))]
fn main() -> Result<(), Box<dyn Error>> {
    Err("this example waits with poll(2), which only Unix systems have".into())
}

#[cfg(unix)]
fn main() -> Result<(), Box<dyn Error>> {
    unix::main()
}

#[cfg(unix)]
mod unix {
    use std::error::Error;
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use futures::channel::oneshot;
    use futures::io::{AsyncReadExt, AsyncWriteExt};
    use nodeloop::net::{TcpListener, TcpStream};
    use nodeloop::{EventLoop, Handle, keep_alive, set_immediate, spawn, time};
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    pub fn main() -> Result<(), Box<dyn Error>> {
        let (own_pipe, far_end) = rustix::pipe::pipe()?;
        let (to_loop, from_host) = oneshot::channel();
        let mut to_loop = Some(to_loop);

        println!("host: starts the loop");
        let mut event_loop = EventLoop::builder().build()?;
        let main = event_loop.start(program(far_end, from_host))?;
        while event_loop.turn()? {
            if wait(&mut event_loop, &own_pipe)? {
                rustix::io::read(&own_pipe, &mut [0; 1])?;
                println!("host: received a byte from the pipe, sends a value to the loop");
                if let Some(to_loop) = to_loop.take() {
                    let _ = to_loop.send("a value of the host");
                }
            }
        }
        println!("host: nothing keeps the loop alive");
        event_loop.block_on(main)??;
        Ok(())
    }

    /// Waits for the descriptor of the loop, the descriptor of the host or the first timer. This is
    /// the only wait of the program. Returns whether the descriptor of the host is ready.
    fn wait(event_loop: &mut EventLoop, own_pipe: &OwnedFd) -> Result<bool, Box<dyn Error>> {
        let timeout = event_loop.poll_timeout(); // must be the last call before the wait
        let timeout = timeout.map(Timespec::try_from).transpose()?;
        let mut watched = [
            PollFd::new(event_loop, PollFlags::IN),
            PollFd::new(own_pipe, PollFlags::IN),
        ];
        poll(&mut watched, timeout.as_ref())?;
        Ok(watched[1].revents().contains(PollFlags::IN))
    }

    /// The program of the event loop.
    async fn program(
        far_end: OwnedFd,
        from_host: oneshot::Receiver<&'static str>,
    ) -> io::Result<()> {
        println!("loop: the main script");
        set_immediate(|| println!("loop: an immediate, in the first turn"));

        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = spawn(async move {
            let (mut peer, _) = listener.accept().await?;
            peer.write_all(b"hello").await
        });
        let mut socket = TcpStream::connect(address).await?;
        let mut hello = [0; 5];
        socket.read_exact(&mut hello).await?;
        server.await?;
        println!(
            "loop: the socket received {}",
            String::from_utf8_lossy(&hello)
        );

        // The loop does not wait for threads or for the host, so a token keeps it alive.
        let token = keep_alive();
        let to_loop = Handle::current();
        std::thread::spawn(move || {
            let posted = to_loop.post(move || {
                println!("loop: a message from another thread");
                std::thread::spawn(move || rustix::io::write(far_end, b"!"));
            });
            posted.expect("the loop is running");
        });
        let value = from_host.await.map_err(io::Error::other)?;
        println!("loop: {value}");
        drop(token);

        time::sleep(Duration::from_millis(5)).await;
        println!("loop: a timer");
        Ok(())
    }
}
