//! The signals that only Unix has.

use signal_hook::consts as system;

use super::SignalKind;

impl SignalKind {
    /// Returns `SIGALRM`: a timer of the operating system has expired.
    pub const fn alarm() -> SignalKind {
        SignalKind::from_raw(system::SIGALRM)
    }

    /// Returns `SIGCHLD`: a child process has ended or was stopped.
    pub const fn child() -> SignalKind {
        SignalKind::from_raw(system::SIGCHLD)
    }

    /// Returns `SIGHUP`: the terminal was closed.
    ///
    /// Services usually reload their configuration.
    pub const fn hangup() -> SignalKind {
        SignalKind::from_raw(system::SIGHUP)
    }

    /// Returns `SIGIO`: a descriptor is ready for I/O.
    pub const fn io() -> SignalKind {
        SignalKind::from_raw(system::SIGIO)
    }

    /// Returns `SIGKILL`: the process is killed.
    ///
    /// It can be sent but not listened to.
    pub const fn kill() -> SignalKind {
        SignalKind::from_raw(system::SIGKILL)
    }

    /// Returns `SIGPIPE`: a pipe without a reader was written to.
    ///
    /// Rust programs ignore it by default.
    pub const fn pipe() -> SignalKind {
        SignalKind::from_raw(system::SIGPIPE)
    }

    /// Returns `SIGQUIT`: Ctrl-\\ was pressed.
    pub const fn quit() -> SignalKind {
        SignalKind::from_raw(system::SIGQUIT)
    }

    /// Returns `SIGTERM`: the process is asked to terminate.
    pub const fn terminate() -> SignalKind {
        SignalKind::from_raw(system::SIGTERM)
    }

    /// Returns `SIGUSR1`: defined by the user.
    pub const fn user_defined1() -> SignalKind {
        SignalKind::from_raw(system::SIGUSR1)
    }

    /// Returns `SIGUSR2`: defined by the user.
    pub const fn user_defined2() -> SignalKind {
        SignalKind::from_raw(system::SIGUSR2)
    }

    /// Returns `SIGWINCH`: the terminal was resized.
    pub const fn window_change() -> SignalKind {
        SignalKind::from_raw(system::SIGWINCH)
    }
}
