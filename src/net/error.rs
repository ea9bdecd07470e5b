//! Errors that say what was tried, and with which address.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use crate::io::platform::TOO_LONG;

/// What stands inside of an error of connecting, listening, binding or looking up a name: what
/// was tried, in words of Node, and the system's own errors.
///
/// The `io::Error` around it has the kind of the first attempt, as the code of Node's
/// `AggregateError` is that of the first. Its `raw_os_error()` is empty, because the standard
/// library has no error with both a code and a text; the code is here.
///
/// ```
/// use nodeloop::net::{NetError, TcpSocket, TcpStream};
///
/// // A port that nobody listens on.
/// let closed = TcpSocket::new_v4()?;
/// closed.bind("127.0.0.1:0".parse().unwrap())?;
/// let address = closed.local_addr()?;
///
/// let error = nodeloop::block_on(async move { TcpStream::connect(address).await }).unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
/// assert_eq!(error.to_string(), format!("connect ECONNREFUSED {address}"));
///
/// let details = NetError::of(&error).unwrap();
/// assert_eq!(details.attempts()[0].address(), Some(address));
/// assert!(details.raw_os_error().is_some());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[doc(alias = "AggregateError")]
pub struct NetError {
    attempts: Vec<FailedAttempt>,
}

/// One of the attempts that a [`NetError`] is made of.
#[derive(Debug)]
pub struct FailedAttempt {
    operation: &'static str,
    target: String,
    address: Option<SocketAddr>,
    error: io::Error,
}

impl NetError {
    /// The details of an error that came from [`net`](crate::net).
    pub fn of(error: &io::Error) -> Option<&NetError> {
        error.get_ref()?.downcast_ref()
    }

    /// What was tried, in the order in which it failed; at least one.
    pub fn attempts(&self) -> &[FailedAttempt] {
        &self.attempts
    }

    /// The system's code for the first attempt, if the error came from the system.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.first().error.raw_os_error()
    }

    /// An error of several attempts, of which there is one at least.
    pub(super) fn wrap(attempts: Vec<FailedAttempt>) -> io::Error {
        let error = NetError { attempts };
        io::Error::new(error.first().error.kind(), error)
    }

    fn first(&self) -> &FailedAttempt {
        self.attempts.first().expect("something was tried")
    }
}

impl FailedAttempt {
    pub(super) fn at(operation: &'static str, address: SocketAddr, error: io::Error) -> Self {
        FailedAttempt {
            operation,
            target: format!("{}:{}", address.ip(), address.port()),
            address: Some(address),
            error,
        }
    }

    #[cfg(unix)]
    pub(super) fn at_path(
        operation: &'static str,
        path: &std::path::Path,
        error: io::Error,
    ) -> Self {
        FailedAttempt::named(operation, path.display().to_string(), error)
    }

    pub(super) fn named(operation: &'static str, target: String, error: io::Error) -> Self {
        FailedAttempt {
            operation,
            target,
            address: None,
            error,
        }
    }

    /// This attempt alone as an error.
    pub(super) fn alone(self) -> io::Error {
        NetError::wrap(vec![self])
    }

    /// What was tried: `connect`, `listen`, `bind`, or `getaddrinfo` for looking up a name.
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// The address, unless it was a name or a path.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The address, the name or the path, as Node writes it: an IPv6 address has no brackets.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// What went wrong. An attempt that was given up because it took too long is `TimedOut`.
    pub fn error(&self) -> &io::Error {
        &self.error
    }
}

impl fmt::Display for FailedAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (operation, target) = (self.operation, &self.target);
        match code_and_text(&self.error) {
            // Only `listen` explains the code (Node's `UVExceptionWithHostPort`).
            Some((code, text)) if operation == "listen" => {
                write!(f, "{operation} {code}: {text} {target}")
            }
            Some((code, _)) => write!(f, "{operation} {code} {target}"),
            None => write!(f, "{operation} {target}: {}", self.error),
        }
    }
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, attempt) in self.attempts.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{attempt}")?;
        }
        Ok(())
    }
}

impl Error for NetError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.first().error)
    }
}

/// The name by which Node knows an error, and libuv's words for it.
fn code_and_text(error: &io::Error) -> Option<(&'static str, &'static str)> {
    Some(match error.kind() {
        ErrorKind::AddrInUse => ("EADDRINUSE", "address already in use"),
        ErrorKind::AddrNotAvailable => ("EADDRNOTAVAIL", "address not available"),
        ErrorKind::ConnectionAborted => ("ECONNABORTED", "software caused connection abort"),
        ErrorKind::ConnectionRefused => ("ECONNREFUSED", "connection refused"),
        ErrorKind::ConnectionReset => ("ECONNRESET", "connection reset by peer"),
        ErrorKind::HostUnreachable => ("EHOSTUNREACH", "host is unreachable"),
        ErrorKind::InvalidInput if error.raw_os_error().is_some() => ("EINVAL", "invalid argument"),
        ErrorKind::NetworkDown => ("ENETDOWN", "network is down"),
        ErrorKind::NetworkUnreachable => ("ENETUNREACH", "network is unreachable"),
        ErrorKind::NotFound => ("ENOENT", "no such file or directory"),
        ErrorKind::PermissionDenied if error.raw_os_error() == Some(1) => {
            ("EPERM", "operation not permitted")
        }
        ErrorKind::PermissionDenied => ("EACCES", "permission denied"),
        ErrorKind::TimedOut => ("ETIMEDOUT", "connection timed out"),
        _ if error.raw_os_error() == Some(TOO_LONG) => ("EMSGSIZE", "message too long"),
        _ => return None,
    })
}
