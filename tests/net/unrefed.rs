//! A main future that waits for a source that does not keep the loop alive.

use std::sync::mpsc;
use std::thread;

use crate::common::block_on;
use crate::common::limit::limit;
use crate::common::net::ANY;
use nodeloop::net::UdpSocket;
use nodeloop::observe::{self, Event, EventContext};
use nodeloop::yield_now;

/// The main future waits for a source that keeps nothing alive, and that contains the key of its task, but no
/// waker. Only a thread can send to it, which does so once the loop waits.
#[test]
fn a_main_future_that_waits_for_an_unrefed_source_is_not_stuck() {
    let _limit = limit();
    let received = block_on(async {
        let socket = UdpSocket::bind(ANY).await.unwrap();
        socket.unref();
        let address = socket.local_addr().unwrap();
        yield_now().await; // the first poll of a main future has no key
        let (waits, waiting) = mpsc::channel();
        let sender = thread::spawn(move || {
            waiting.recv().unwrap();
            let sender = std::net::UdpSocket::bind(ANY).unwrap();
            sender.send_to(b"abc", address).unwrap();
        });
        let observer = observe::install(move |event: &Event, _: &EventContext<'_>| {
            if matches!(event, Event::WaitBegin { .. }) {
                let _ = waits.send(()); // after the first one nobody receives
            }
        });
        let mut buffer = [0; 8];
        let (length, _) = socket.recv_from(&mut buffer).await.unwrap();
        drop(observer);
        sender.join().unwrap();
        buffer[..length].to_vec()
    });
    assert_eq!(received, b"abc");
}
