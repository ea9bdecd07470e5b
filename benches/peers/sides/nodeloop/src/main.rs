//! The side of nodeloop. Its workloads that some peers have, too, but not as futures, are in
//! `callbacks.rs`; those of growth, which only nodeloop has, are in `growth.rs`.

mod callbacks;
mod growth;

use std::future::Future;
use std::io;
use std::time::Duration;

use nodeloop::net::{TcpListener, TcpStream};
use side_common::{Jobs, Net, Runtime, Timers, Yields};

pub struct Nodeloop;

impl Runtime for Nodeloop {
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        nodeloop::block_on(future)
    }

    fn spawn<T: 'static>(
        future: impl Future<Output = T> + 'static,
    ) -> impl Future<Output = T> + 'static {
        nodeloop::spawn(future)
    }
}

impl Timers for Nodeloop {
    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        nodeloop::time::sleep(duration)
    }
}

impl Yields for Nodeloop {
    fn yield_now() -> impl Future<Output = ()> + 'static {
        nodeloop::yield_now()
    }
}

impl Jobs for Nodeloop {
    fn blocking<T: Send + 'static>(
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + 'static {
        nodeloop::spawn_blocking(job)
    }
}

impl Net for Nodeloop {
    type Listener = TcpListener;
    type Stream = TcpStream;

    async fn listen() -> io::Result<(TcpListener, u16)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        Ok((listener, port))
    }

    async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn echo(stream: TcpStream) {
        side_common::echo(stream).await;
    }

    fn detach(future: impl Future<Output = ()> + 'static) {
        nodeloop::spawn(future).detach();
    }
}

fn main() {
    let mut workloads = side_common::tasks::<Nodeloop>();
    workloads.extend(side_common::chain_of_yields::<Nodeloop>());
    workloads.extend(side_common::timers::<Nodeloop>());
    workloads.extend(side_common::jobs::<Nodeloop>());
    workloads.extend(side_common::wakes::<Nodeloop>());
    workloads.extend(side_common::memory::<Nodeloop>());
    // A promise of nodeloop takes the place of a channel.
    workloads.retain(|workload| workload.name != "memory-promise");
    workloads.extend(callbacks::callbacks());
    workloads.extend(growth::growth());
    side_common::main(&workloads, Some(side_common::serve::<Nodeloop>));
}
