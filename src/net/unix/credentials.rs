//! The credentials of the peer of a stream.

use std::io;
use std::os::fd::AsFd;

use super::UnixStream;
use crate::io::Backed;
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
    /// On a host of a [simulated world](crate::test::World), they are the
    /// [user and the group](crate::test::Disk::set_user) of the host, without a process.
    ///
    /// # Errors
    ///
    /// Returns any error reported by the operating system, and an error of kind
    /// [`Unsupported`](io::ErrorKind::Unsupported) on systems other than Linux and Android.
    pub fn peer_cred(&self) -> io::Result<UCred> {
        let (pid, uid, gid) = self.source.with(|socket| match socket {
            Backed::Real(socket) => peer_credentials(socket.as_fd()),
            Backed::World(socket) => {
                let (user, group) = socket.owner();
                Ok((None, user, group))
            }
        })?;
        Ok(UCred { pid, uid, gid })
    }
}
