//! Errors that name the operation and the address.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use crate::io::platform::TOO_LONG;

/// The details of an [`io::Error`] of connecting, listening, binding or name resolution.
///
/// It lists the attempts, and the error that the operating system has reported for each.
///
/// The text of one attempt is that of Node's error, such as `connect ECONNREFUSED 127.0.0.1:80`, if
/// the error has one of the codes of connecting, listening, binding or sending. Any other error is
/// printed with the text of the operating system. This includes a failed name resolution, for which
/// Node prints a code such as `ENOTFOUND`. The texts of several attempts are joined, while Node's
/// `AggregateError` has no text.
///
/// The `io::Error` has the kind of the first attempt, as Node's `AggregateError` has the code of
/// the first one. Its `raw_os_error()` is `None`, because the standard library has no error with
/// both a code and a text. Use [`NetError::raw_os_error`] instead.
///
/// # Examples
///
/// ```
/// use nodeloop::net::{NetError, TcpSocket, TcpStream};
///
/// // A port on which no socket listens.
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

/// One attempt of a [`NetError`].
#[derive(Debug)]
pub struct FailedAttempt {
    operation: &'static str,
    target: String,
    address: Option<SocketAddr>,
    error: io::Error,
}

impl NetError {
    /// Returns the details of `error`, if it is an error of [`net`](crate::net) that has any.
    pub fn of(error: &io::Error) -> Option<&NetError> {
        error.get_ref()?.downcast_ref()
    }

    /// Returns the failed attempts, at least one, in order.
    pub fn attempts(&self) -> &[FailedAttempt] {
        &self.attempts
    }

    /// Returns the error code of the first attempt, if the operating system has reported it.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.first().error.raw_os_error()
    }

    /// Creates an error of one or more attempts.
    pub(super) fn wrap(attempts: Vec<FailedAttempt>) -> io::Error {
        let error = NetError { attempts };
        io::Error::new(error.first().error.kind(), error)
    }

    fn first(&self) -> &FailedAttempt {
        self.attempts
            .first()
            .expect("a `NetError` has at least one attempt")
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

    pub(super) fn named(operation: &'static str, target: String, error: io::Error) -> Self {
        FailedAttempt {
            operation,
            target,
            address: None,
            error,
        }
    }

    /// Creates an error of this attempt only.
    pub(super) fn into_error(self) -> io::Error {
        NetError::wrap(vec![self])
    }

    /// Returns the operation: `connect`, `listen`, `bind`, `send`, or `getaddrinfo` for name
    /// resolution.
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// Returns the address, or `None` if the target was a name or a path.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Returns the address, the name or the path in the form of Node: an IPv6 address has no
    /// brackets.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Returns the error.
    ///
    /// Its kind is `TimedOut` if the attempt has exceeded the attempt timeout.
    pub fn error(&self) -> &io::Error {
        &self.error
    }
}

impl fmt::Display for FailedAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (operation, target) = (self.operation, &self.target);
        match code_and_text(&self.error) {
            // Only `listen` has the text of the code (Node's `UVExceptionWithHostPort`).
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

/// The source is that of the first error, whose code or text `Display` contains;
/// [`FailedAttempt::error`] returns the error itself.
impl Error for NetError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.first().error.source()
    }
}

/// Returns the code of an error in Node and its text in libuv.
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
