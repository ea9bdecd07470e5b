//! The credentials of the peer of a stream.

use std::io;
use std::os::fd::AsFd;

use super::UnixStream;
use crate::io::platform::peer_credentials;

/// The credentials of the process that is the peer of a Unix domain socket, returned by
/// [`peer_cred`](UnixStream::peer_cred).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UCred {
    pid: Option<i32>,
    uid: u32,
    gid: u32,
}

impl UCred {
    /// Returns the id of the process, if the operating system reports it.
    pub fn pid(&self) -> Option<i32> {
        self.pid
    }

    /// Returns the id of the effective user.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Returns the id of the effective group.
    pub fn gid(&self) -> u32 {
        self.gid
    }
}

impl UnixStream {
    /// Returns the credentials of the process that had connected the stream, or that had called
    /// `listen`, at that time.
    ///
    /// # Errors
    ///
    /// Returns any error reported by the operating system, and an error of kind
    /// [`Unsupported`](io::ErrorKind::Unsupported) on systems other than Linux and Android.
    pub fn peer_cred(&self) -> io::Result<UCred> {
        let (pid, uid, gid) = peer_credentials(self.descriptor()?.as_fd())?;
        Ok(UCred { pid, uid, gid })
    }
}
