//! The options of a socket, which are stored and read back.

use std::time::Duration;

/// The options of a socket. Those that change what the world does are the buffers, `linger`, `keepalive`
/// and the shared addresses.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) nodelay: bool,
    pub(crate) linger: Option<Duration>,
    pub(crate) keepalive: Option<Duration>,
    pub(crate) ttl: u32,
    pub(crate) send_buffer: usize,
    pub(crate) recv_buffer: usize,
    pub(crate) reuse_address: bool,
    pub(crate) reuse_port: bool,
    pub(crate) only_v6: bool,
    pub(crate) broadcast: bool,
    pub(crate) multicast_ttl: u32,
    pub(crate) multicast_loop: bool,
}

/// The size of the buffers that Linux gives a socket for datagrams.
const BUFFER: usize = 212_992;

impl Default for Options {
    fn default() -> Options {
        Options {
            nodelay: false,
            linger: None,
            keepalive: None,
            ttl: 64,
            send_buffer: BUFFER,
            recv_buffer: BUFFER,
            reuse_address: false,
            reuse_port: false,
            only_v6: false,
            broadcast: false,
            multicast_ttl: 1,
            multicast_loop: true,
        }
    }
}

impl Options {
    /// Returns the size of a buffer for which `bytes` were asked: twice as much, as on Linux.
    pub(crate) fn buffer(bytes: usize) -> usize {
        const SMALLEST: usize = 2_304;
        bytes.saturating_mul(2).clamp(SMALLEST, 1 << 30)
    }
}
