//! Programs that were changed: they read or write fewer bytes at once than in the recording.

use std::io::{IoSlice, IoSliceMut};
use std::path::Path;

use futures::{AsyncReadExt, AsyncWriteExt};
use nodeloop::flight_recorder::FlightRecorder;
use nodeloop::net::{TcpListener, TcpStream, UdpSocket};
use nodeloop::test::{Replay, ReplayFailure, Replayed};
use nodeloop::{EventLoop, spawn};

use crate::common::limit::limit;

/// The length of the buffer in the recording, which is longer than what is read.
const RECORDED: usize = 200;

async fn stream(capacity: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = vec![0; capacity];
        let mut total = 0;
        while total < 100 {
            let length = stream.read(&mut buffer).await.unwrap();
            total += buffer[..length].len();
        }
    });
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&[7; 100]).await.unwrap();
    server.await;
}

async fn vectored(capacity: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(&[7; 100]).await.unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut buffer = vec![0; capacity];
    let mut buffers = [IoSliceMut::new(&mut buffer)];
    let length = stream.read_vectored(&mut buffers).await.unwrap();
    assert_eq!(buffer[..length].len(), 100);
}

async fn datagram(capacity: usize) {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    client.send_to(&[7; 100], address).await.unwrap();
    let mut buffer = vec![0; capacity];
    let (length, _) = server.recv_from(&mut buffer).await.unwrap();
    assert_eq!(buffer[..length].len(), 100);
}

#[track_caller]
fn assert_differs(program: impl AsyncFn(usize)) {
    for payloads in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let path: &Path = &directory.path().join("run.flight");
        let recorder = FlightRecorder::to_file(path).payloads(payloads);
        let mut event_loop = EventLoop::builder().record(recorder).build().unwrap();
        event_loop.run(program(RECORDED)).unwrap();
        drop(event_loop);
        let replay = Replay::open(path).unwrap();
        let same = replay.run(async || program(RECORDED).await).unwrap();
        assert_eq!(same, Replayed::Finished(()));
        let replay = Replay::open(path).unwrap();
        match replay.run(async || program(50).await).unwrap_err() {
            ReplayFailure::Diverged(report) => {
                let text = report.program();
                assert!(text.ends_with(", into a buffer of 50 bytes"), "{report}");
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_read_into_a_smaller_buffer_is_a_difference() {
    let _limit = limit();
    assert_differs(stream);
    assert_differs(vectored);
    assert_differs(datagram);
}

/// What a program writes may differ, so that no write is a difference.
#[test]
fn a_shorter_write_is_complete() {
    let _limit = limit();
    let writes = async |length: usize| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let (bytes, half) = (vec![7; length], length / 2);
        assert_eq!(stream.write(&bytes).await.unwrap(), length);
        assert_eq!(stream.try_write(&bytes).unwrap(), length);
        let parts = [&bytes[..half], &bytes[half..]].map(IoSlice::new);
        assert_eq!(stream.write_vectored(&parts).await.unwrap(), length);
        assert_eq!(stream.try_write_vectored(&parts).unwrap(), length);
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        assert_eq!(socket.send_to(&bytes, address).await.unwrap(), length);
        assert_eq!(socket.try_send_to(&bytes, address).unwrap(), length);
        socket.connect(address).await.unwrap();
        assert_eq!(socket.send(&bytes).await.unwrap(), length);
        assert_eq!(socket.try_send(&bytes).unwrap(), length);
    };
    let directory = tempfile::tempdir().unwrap();
    let path: &Path = &directory.path().join("run.flight");
    let mut event_loop = EventLoop::builder().record(path).build().unwrap();
    event_loop.run(writes(100)).unwrap();
    drop(event_loop);
    for length in [100, 50] {
        let replay = Replay::open(path).unwrap();
        let same = replay.run(async || writes(length).await).unwrap();
        assert_eq!(same, Replayed::Finished(()));
    }
}
