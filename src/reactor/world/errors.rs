//! The errors that a socket of a simulated world reports, with the codes of the operating system where it
//! has them.

use std::io;

/// An error of the operating system that the world reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errno {
    AddressInUse,
    AddressNotAvailable,
    ConnectionRefused,
    ConnectionReset,
    BrokenPipe,
    HostUnreachable,
    InvalidInput,
    NetworkUnreachable,
    NotConnected,
    AlreadyConnected,
    TimedOut,
    TooLong,
    TooManyDescriptors,
    DestinationRequired,
    NotPermitted,
    WouldBlock,
    WrongType,
}

#[cfg(unix)]
impl From<Errno> for io::Error {
    fn from(error: Errno) -> io::Error {
        use rustix::io::Errno as Code;
        io::Error::from(match error {
            Errno::AddressInUse => Code::ADDRINUSE,
            Errno::AddressNotAvailable => Code::ADDRNOTAVAIL,
            Errno::ConnectionRefused => Code::CONNREFUSED,
            Errno::ConnectionReset => Code::CONNRESET,
            Errno::BrokenPipe => Code::PIPE,
            Errno::HostUnreachable => Code::HOSTUNREACH,
            Errno::InvalidInput => Code::INVAL,
            Errno::NetworkUnreachable => Code::NETUNREACH,
            Errno::NotConnected => Code::NOTCONN,
            Errno::AlreadyConnected => Code::ISCONN,
            Errno::TimedOut => Code::TIMEDOUT,
            Errno::TooLong => Code::MSGSIZE,
            Errno::TooManyDescriptors => Code::MFILE,
            Errno::DestinationRequired => Code::DESTADDRREQ,
            Errno::NotPermitted => Code::PERM,
            Errno::WrongType => Code::PROTOTYPE,
            Errno::WouldBlock => return io::ErrorKind::WouldBlock.into(),
        })
    }
}

#[cfg(not(unix))]
impl From<Errno> for io::Error {
    fn from(error: Errno) -> io::Error {
        io::Error::from_raw_os_error(match error {
            Errno::AddressInUse => 10048,
            Errno::AddressNotAvailable => 10049,
            Errno::ConnectionRefused => 10061,
            Errno::ConnectionReset => 10054,
            Errno::BrokenPipe => 232,
            Errno::HostUnreachable => 10065,
            Errno::InvalidInput => 10022,
            Errno::NetworkUnreachable => 10051,
            Errno::NotConnected => 10057,
            Errno::AlreadyConnected => 10056,
            Errno::TimedOut => 10060,
            Errno::TooLong => 10040,
            Errno::TooManyDescriptors => 10024,
            Errno::DestinationRequired => 10039,
            Errno::NotPermitted => 10013,
            Errno::WrongType => 10041,
            Errno::WouldBlock => return io::ErrorKind::WouldBlock.into(),
        })
    }
}
