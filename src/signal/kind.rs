//! The kinds of signals.

use signal_hook::consts as system;

/// A kind of signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignalKind {
    number: i32,
}

impl SignalKind {
    /// Returns the signal of this number, for signals without a method such as real-time signals.
    ///
    /// The number is not checked. [`on_signal`](super::on_signal) returns an error for a signal
    /// that cannot be listened to.
    pub const fn from_raw(number: i32) -> SignalKind {
        SignalKind { number }
    }

    /// Returns the number of the signal on this platform.
    #[doc(alias = "as_raw_value")]
    pub const fn as_raw(self) -> i32 {
        self.number
    }

    /// `SIGALRM`: a timer of the operating system has expired.
    pub const fn alarm() -> SignalKind {
        SignalKind::from_raw(system::SIGALRM)
    }

    /// `SIGCHLD`: a child process has ended or was stopped.
    pub const fn child() -> SignalKind {
        SignalKind::from_raw(system::SIGCHLD)
    }

    /// `SIGHUP`: the terminal was closed. Services usually reload their configuration.
    pub const fn hangup() -> SignalKind {
        SignalKind::from_raw(system::SIGHUP)
    }

    /// `SIGINT`: Ctrl-C was pressed.
    pub const fn interrupt() -> SignalKind {
        SignalKind::from_raw(system::SIGINT)
    }

    /// `SIGIO`: a descriptor is ready for I/O.
    pub const fn io() -> SignalKind {
        SignalKind::from_raw(system::SIGIO)
    }

    /// `SIGKILL`: the process is killed. It can be sent but not listened to.
    pub const fn kill() -> SignalKind {
        SignalKind::from_raw(system::SIGKILL)
    }

    /// `SIGPIPE`: a pipe without a reader was written to. Rust programs ignore it by default.
    pub const fn pipe() -> SignalKind {
        SignalKind::from_raw(system::SIGPIPE)
    }

    /// `SIGQUIT`: Ctrl-\\ was pressed.
    pub const fn quit() -> SignalKind {
        SignalKind::from_raw(system::SIGQUIT)
    }

    /// `SIGTERM`: the process is asked to terminate.
    pub const fn terminate() -> SignalKind {
        SignalKind::from_raw(system::SIGTERM)
    }

    /// `SIGUSR1`: defined by the user.
    pub const fn user_defined1() -> SignalKind {
        SignalKind::from_raw(system::SIGUSR1)
    }

    /// `SIGUSR2`: defined by the user.
    pub const fn user_defined2() -> SignalKind {
        SignalKind::from_raw(system::SIGUSR2)
    }

    /// `SIGWINCH`: the terminal was resized.
    pub const fn window_change() -> SignalKind {
        SignalKind::from_raw(system::SIGWINCH)
    }
}

impl From<i32> for SignalKind {
    fn from(number: i32) -> SignalKind {
        SignalKind::from_raw(number)
    }
}
