//! A loop inside of another one: the host waits with its own `poll(2)`, this loop never does.
//!
//! A GUI or a game has a loop of its own and can't give it up. Before each wait it asks how long
//! the other loop may be left alone, waits for the descriptor of that loop beside its own, and
//! gives it one turn. The order inside is the same as in a loop that runs alone.
//!
//! Here everything hangs together in one chain, so that each line has one place only: a socket
//! answers inside of the loop, a thread writes into a pipe that only the host knows, the host
//! tells the loop, and a timer of the loop ends it.
//!
//! Compared with Node: not, because Node can't be run inside of another loop

use std::error::Error;

#[cfg(not(unix))]
fn main() -> Result<(), Box<dyn Error>> {
    Err("this example waits with poll(2), which is there on Unix only".into())
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
    use nodeloop::{EventLoop, handle, keep_alive, set_immediate, spawn, time};
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    pub fn main() -> Result<(), Box<dyn Error>> {
        let (own_pipe, far_end) = rustix::pipe::pipe()?;
        let (word, from_host) = oneshot::channel();
        let mut word = Some(word);

        println!("host: starts the loop");
        let mut event_loop = EventLoop::builder().build()?;
        let main = event_loop.start(program(far_end, from_host))?;
        while event_loop.turn()? {
            if wait(&mut event_loop, &own_pipe)? {
                rustix::io::read(&own_pipe, &mut [0; 1])?;
                println!("host: a byte in my own pipe; tells the loop");
                if let Some(word) = word.take() {
                    let _ = word.send("the host has spoken");
                }
            }
        }
        println!("host: the loop has nothing left");
        event_loop.block_on(main)??;
        Ok(())
    }

    /// The only wait there is: for the loop's descriptor, the host's own, and the first timer.
    /// Whether the host's own is ready.
    fn wait(event_loop: &mut EventLoop, own_pipe: &OwnedFd) -> Result<bool, Box<dyn Error>> {
        let timeout = event_loop.poll_timeout(); // last of all, right before waiting
        let timeout = timeout.map(Timespec::try_from).transpose()?;
        let mut watched = [
            PollFd::new(event_loop, PollFlags::IN),
            PollFd::new(own_pipe, PollFlags::IN),
        ];
        poll(&mut watched, timeout.as_ref())?;
        Ok(watched[1].revents().contains(PollFlags::IN))
    }

    /// What the loop does, a step behind the other.
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
        println!("loop: the socket said {}", String::from_utf8_lossy(&hello));

        // Neither a thread nor the host is anything that the loop knows to wait for.
        let token = keep_alive();
        let to_loop = handle();
        std::thread::spawn(move || {
            let told = to_loop.post(move || {
                println!("loop: a message of another thread");
                std::thread::spawn(move || rustix::io::write(far_end, b"!"));
            });
            told.expect("the loop is there");
        });
        let word = from_host.await.map_err(io::Error::other)?;
        println!("loop: {word}");
        drop(token);

        time::sleep(Duration::from_millis(5)).await;
        println!("loop: a timer");
        Ok(())
    }
}
