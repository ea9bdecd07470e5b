//! Descriptors: none is leaked, and a server survives when none is left.
//!
//! One test, in a process of its own, because it counts and limits the descriptors of the process.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use crate::common::block_on;
use crate::common::limit::{limit, watch};
use crate::common::process::{in_own_process, open_descriptors};
use futures::io::{AsyncReadExt, AsyncWriteExt};
use nodeloop::net::{TcpListener, TcpStream, UnixStream};
use nodeloop::observe::{Event, EventContext};
use nodeloop::time::sleep;
use nodeloop::{EventLoop, spawn, spawn_blocking, yield_now};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[test]
fn descriptors() {
    if in_own_process(descriptors) {
        return;
    }
    let _limit = limit();
    block_on(async {}); // creates what is created once per process
    let before = open_descriptors();
    a_loop_without_sources_needs_no_descriptor();
    assert_eq!(open_descriptors(), before);
    a_loop_dropped_with_open_sockets_closes_them();
    assert_eq!(open_descriptors(), before);
    sockets_that_outlive_their_loop_close_when_dropped();
    assert_eq!(open_descriptors(), before);
    abandoned_attempts_leave_nothing();
    assert_eq!(open_descriptors(), before);
    a_server_out_of_descriptors_recovers();
    assert_eq!(open_descriptors(), before);
}

/// Timers and other threads need none, so the loop works when none is left, and the first socket fails as
/// any other does.
fn a_loop_without_sources_needs_no_descriptor() {
    let before = open_descriptors();
    block_on(async {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        without_descriptors(async {
            sleep(Duration::from_millis(1)).await;
            assert_eq!(spawn_blocking(|| 7).await, 7);
            let error = UnixStream::from_std(one).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(24), "{error}"); // EMFILE
        })
        .await;
        assert_eq!(
            open_descriptors(),
            before + 1,
            "one end of the pair is left"
        );
    });
}

/// Lets `work` run while the process can open no descriptor.
async fn without_descriptors(work: impl Future<Output = ()>) {
    let old = getrlimit(Resource::Nofile);
    let none = Rlimit {
        current: Some(0),
        maximum: old.maximum,
    };
    setrlimit(Resource::Nofile, none).unwrap();
    work.await;
    setrlimit(Resource::Nofile, old).unwrap();
}

fn a_loop_dropped_with_open_sockets_closes_them() {
    let mut event_loop = EventLoop::builder().build().unwrap();
    let before = open_descriptors();
    let opened = event_loop.block_on(async {
        let listener = Rc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        for _ in 0..10 {
            let connecting = TcpStream::connect(listener.local_addr().unwrap());
            let (connected, accepted) = futures::join!(connecting, listener.accept());
            let (mut connected, (mut accepted, _)) = (connected.unwrap(), accepted.unwrap());
            spawn(async move {
                loop {
                    connected.read_exact(&mut [0; 1000]).await.unwrap();
                    yield_now().await; // let the writer get ahead
                }
            })
            .detach();
            spawn(async move {
                loop {
                    accepted.write_all(&[0; 65536]).await.unwrap();
                    yield_now().await;
                }
            })
            .detach();
        }
        let accepting = listener.clone();
        spawn(async move { accepting.accept().await.map(drop) }).detach();
        // The sockets are closed, and the loop ends before its close phase.
        listener.close_with(|| unreachable!("the loop has ended"));
        open_descriptors()
    });
    assert_eq!(opened.unwrap(), before + 20);
    drop(event_loop);
}

fn sockets_that_outlive_their_loop_close_when_dropped() {
    let kept = block_on(async {
        let (one, other) = UnixStream::pair().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        (one, other, listener)
    });
    drop(kept);
}

fn abandoned_attempts_leave_nothing() {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut connecting = Box::pin(TcpStream::connect(listener.local_addr().unwrap()));
        assert!(futures::poll!(&mut connecting).is_pending());
        drop(connecting);
        let mut connecting = Box::pin(TcpStream::connect(listener.local_addr().unwrap()));
        assert!(futures::poll!(&mut connecting).is_pending());
        nodeloop::set_immediate(|| ());
        let mut accepting = Box::pin(listener.accept());
        assert!(futures::poll!(&mut accepting).is_pending());
        drop(accepting); // loses no connection
        drop(listener.accept().await.unwrap());
        drop(listener.accept().await.unwrap());
    });
}

/// EMFILE: the listener backs off without spinning, the rest of the program continues, and once there
/// are descriptors again it serves the connections that have waited.
///
/// In virtual time 350 ms are three back-offs, however busy the machine is.
fn a_server_out_of_descriptors_recovers() {
    let turns = Rc::new(Cell::new(0));
    let counted = turns.clone();
    let count = move |event: &Event, _: &EventContext<'_>| {
        if let Event::TurnBegin = event {
            counted.set(counted.get() + 1);
        }
    };
    let builder = EventLoop::builder().virtual_time().observer(count);
    let mut event_loop = builder.build().unwrap();
    watch(event_loop.handle());
    let server = async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = Rc::new(RefCell::new(0));
        let counted = served.clone();
        let server = spawn(async move {
            for _ in 0..4 {
                let (stream, _) = listener.accept().await.unwrap();
                *counted.borrow_mut() += 1;
                spawn(async move { futures::io::copy(&stream, &mut &stream).await.unwrap() })
                    .detach();
            }
        });
        let mut early = TcpStream::connect(address).await.unwrap();
        echoes(&mut early).await;
        let clients: Vec<_> = (0..3)
            .map(|_| std::net::TcpStream::connect(address).unwrap())
            .collect();
        let old = getrlimit(Resource::Nofile);
        let limit = |current| Rlimit {
            current,
            maximum: old.maximum,
        };
        setrlimit(Resource::Nofile, limit(Some(0))).unwrap();
        let before = turns.get();
        sleep(Duration::from_millis(350)).await;
        let turns = turns.get() - before;
        assert_eq!(*served.borrow(), 1, "there was no descriptor for another");
        echoes(&mut early).await; // existing connections are still served
        assert!(turns < 20, "{turns} turns for three back-offs");
        setrlimit(Resource::Nofile, old).unwrap();
        for client in clients {
            echoes(&mut TcpStream::from_std(client).unwrap()).await;
        }
        server.await;
    };
    event_loop.block_on(server).unwrap();
}

async fn echoes(client: &mut TcpStream) {
    client.write_all(&[7]).await.unwrap();
    let mut byte = [0];
    client.read_exact(&mut byte).await.unwrap();
    assert_eq!(byte, [7]);
}
