//! Pipes within the process, FIFOs, other descriptors, and copying in both directions.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::AsFd;
use std::panic::AssertUnwindSafe;
use std::pin::pin;

use crate::common::block_on;
use crate::common::limit::limit;
use futures::FutureExt;
use futures::io::{AsyncReadExt, AsyncWriteExt, Cursor};
use nodeloop::io::pipe::{Receiver, Sender, pipe};
use nodeloop::io::{AsyncFd, Interest, copy_bidirectional, copy_bidirectional_with_sizes};
use nodeloop::net::UnixStream;
use nodeloop::process::Command;
use nodeloop::{set_immediate, spawn, yield_now};
use rustix::fs::{OFlags, fcntl_getfl};

#[test]
fn a_pipe_is_read_and_written_without_waiting() {
    let _limit = limit();
    block_on(async {
        let (sender, receiver) = pipe().unwrap();
        sender.writable().await.unwrap();
        assert_eq!(sender.try_write(b"abc").unwrap(), 3);
        let slices = [&b"d"[..], b"ef"].map(IoSlice::new);
        assert_eq!(sender.try_write_vectored(&slices).unwrap(), 3);
        assert!(
            receiver
                .ready(Interest::READABLE)
                .await
                .unwrap()
                .is_readable()
        );
        let (mut first, mut second) = ([0; 2], [0; 2]);
        let mut slices = [&mut first[..], &mut second].map(IoSliceMut::new);
        assert_eq!(receiver.try_read_vectored(&mut slices).unwrap(), 4);
        poll_fn(|cx| receiver.poll_read_ready(cx)).await.unwrap();
        assert_eq!(receiver.try_read(&mut [0; 8]).unwrap(), 2);
        while sender.try_write(&[0; 4096]).is_ok() {}
        drop(receiver);
        poll_fn(|cx| sender.poll_write_ready(cx)).await.unwrap();
        assert_eq!(
            sender.try_write(b"x").unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
    });
}

fn is_nonblocking(pipe: impl AsFd) -> bool {
    fcntl_getfl(pipe).unwrap().contains(OFlags::NONBLOCK)
}

#[test]
fn a_pipe_converts_from_and_to_descriptors() {
    let _limit = limit();
    block_on(async {
        let (reader, writer) = io::pipe().unwrap();
        let error = Sender::from_owned_fd(reader.try_clone().unwrap().into()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let error = Receiver::from_owned_fd(socket.into()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let socket = std::os::unix::net::UnixStream::pair().unwrap().0;
        Receiver::from_owned_fd_unchecked(socket.into()).unwrap();
        let mut sender = Sender::from_owned_fd(writer.into()).unwrap();
        let mut receiver = Receiver::from_owned_fd(reader.into()).unwrap();
        assert!(is_nonblocking(sender.descriptor().unwrap()));
        sender.write_all(b"abc").await.unwrap();
        receiver.read_exact(&mut [0; 3]).await.unwrap();
        assert!(is_nonblocking(receiver.into_nonblocking_fd().unwrap()));
        assert!(!is_nonblocking(sender.into_blocking_fd().unwrap()));

        let (sender, mut receiver) = pipe().unwrap();
        let mut command = Command::new("echo");
        command.arg("hello").stdout(sender.into_stdio().unwrap());
        assert!(command.status().await.unwrap().success());
        drop(command); // it holds the sender
        let mut text = String::new();
        receiver.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello\n");
    });
}

#[cfg(target_os = "linux")] // elsewhere a FIFO can't be opened for both directions
#[test]
fn a_fifo_is_opened_for_each_direction() {
    use nodeloop::io::pipe::OpenOptions;
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    let _limit = limit();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    block_on(async move {
        let options = OpenOptions::new();
        const NO_RECEIVER: i32 = 6; // `ENXIO`
        let error = options.open_sender(&path).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(NO_RECEIVER));
        let mut receiver = options.open_receiver(&path).unwrap();
        let mut sender = options.open_sender(&path).unwrap();
        sender.write_all(b"abc").await.unwrap();
        drop(sender);
        let mut text = String::new();
        receiver.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "abc");
        drop(receiver);

        let mut lone = OpenOptions::new()
            .read_write(true)
            .open_sender(&path)
            .unwrap();
        lone.write_all(b"def").await.unwrap();
        let mut receiver = options.open_receiver(&path).unwrap();
        receiver.read_exact(&mut [0; 3]).await.unwrap();

        let file = folder.path().join("file");
        std::fs::write(&file, "text").unwrap();
        let error = options.open_receiver(&file).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let unchecked = OpenOptions::new().unchecked(true).open_receiver(&file);
        assert!(unchecked.is_err(), "a file cannot be registered");
        let file: std::os::fd::OwnedFd = std::fs::File::open(&file).unwrap().into();
        assert!(Receiver::from_owned_fd(file).is_err());
    });
}

#[test]
fn both_directions_are_copied_until_both_end() {
    let _limit = limit();
    block_on(async {
        let (mut client, mut one) = UnixStream::pair().unwrap();
        let (mut other, mut server) = UnixStream::pair().unwrap();
        let copying = spawn(async move { copy_bidirectional(&mut one, &mut other).await });
        let long = vec![b'x'; 1 << 20];
        let request = async {
            client.write_all(&long).await.unwrap();
            client.close().await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let response = async {
            let mut bytes = Vec::new();
            server.read_to_end(&mut bytes).await.unwrap();
            server.write_all(b"answer").await.unwrap();
            server.close().await.unwrap();
            bytes.len()
        };
        let (answer, length) = futures::join!(request, response);
        assert_eq!((&*answer, length), ("answer", 1 << 20));
        assert_eq!(copying.await.unwrap(), (1 << 20, 6));
    });
}

#[test]
fn an_error_ends_the_copy() {
    let _limit = limit();
    block_on(async {
        let (mut one, mut peer) = UnixStream::pair().unwrap();
        peer.write_all(b"x").await.unwrap();
        let mut no_room = [0; 0];
        let mut full = Cursor::new(&mut no_room[..]);
        let error = copy_bidirectional(&mut one, &mut full).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WriteZero);

        let (mut one, mut peer) = UnixStream::pair().unwrap();
        let (mut other, mut server) = UnixStream::pair().unwrap();
        peer.write_all(b"abc").await.unwrap();
        peer.close().await.unwrap();
        server.close().await.unwrap();
        let copied = copy_bidirectional_with_sizes(&mut one, &mut other, 1, 1).await;
        assert_eq!(copied.unwrap(), (3, 0));
        let no_buffer = copy_bidirectional_with_sizes(&mut one, &mut other, 0, 1);
        let no_buffer = AssertUnwindSafe(no_buffer).catch_unwind().await;
        assert!(no_buffer.is_err());
    });
}

#[test]
fn a_descriptor_is_used_in_either_direction() {
    let _limit = limit();
    block_on(async {
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let ours = AsyncFd::new(ours).unwrap();
        let both = Interest::READABLE | Interest::WRITABLE;
        assert!(ours.ready(both).await.unwrap().is_writable());
        let read = |mut ours: &std::os::unix::net::UnixStream| ours.read(&mut [0; 8]);
        let early = ours.try_io(Interest::READABLE, read).unwrap_err();
        assert_eq!(early.kind(), ErrorKind::WouldBlock);
        let write = |mut ours: &std::os::unix::net::UnixStream| ours.write(b"abc");
        assert_eq!(ours.try_io(Interest::WRITABLE, write).unwrap(), 3);
        set_immediate(move || theirs.write_all(b"de").unwrap());
        assert_eq!(ours.async_io(Interest::READABLE, read).await.unwrap(), 2);
        // Each attempt that blocks clears both directions, so it is repeated after an event only.
        let attempts = Cell::new(0);
        let writing = ours.async_io(both, |_| {
            attempts.set(attempts.get() + 1);
            Err::<(), _>(ErrorKind::WouldBlock.into())
        });
        let mut writing = pin!(writing);
        for _ in 0..10 {
            assert!(futures::poll!(writing.as_mut()).is_pending());
            yield_now().await;
        }
        assert_eq!(attempts.get(), 1);
    });
}

#[test]
fn a_pipe_runs_an_operation_when_its_end_is_ready() {
    let _limit = limit();
    block_on(async {
        let (sender, receiver) = pipe().unwrap();
        let read = || Ok(rustix::io::read(receiver.descriptor()?, &mut [0; 8])?);
        let early = receiver.try_io(read).unwrap_err();
        assert_eq!(early.kind(), ErrorKind::WouldBlock);
        sender.writable().await.unwrap();
        let write = |bytes: &[u8]| Ok(rustix::io::write(sender.descriptor()?, bytes)?);
        assert_eq!(sender.try_io(|| write(b"abc")).unwrap(), 3);
        assert_eq!(receiver.async_io(read).await.unwrap(), 3);
        // The attempt that blocks clears the readiness.
        let attempt = receiver.try_io(read).unwrap_err();
        assert_eq!(attempt.kind(), ErrorKind::WouldBlock);
        let uncalled = receiver.try_io::<()>(|| panic!("the pipe is not readable"));
        assert_eq!(uncalled.unwrap_err().kind(), ErrorKind::WouldBlock);
        let mut reading = pin!(receiver.async_io(read));
        assert!(futures::poll!(reading.as_mut()).is_pending());
        sender.async_io(|| write(b"de")).await.unwrap();
        assert_eq!(reading.await.unwrap(), 2);
    });
}
