//! Sockets: TCP, UDP and Unix domain sockets, addresses, and faults of peers and networks.

#[path = "../common/mod.rs"]
mod common;
#[cfg(target_os = "linux")]
#[path = "../common/memory.rs"]
mod memory;

mod addresses;
#[cfg(feature = "macros")]
mod chat;
#[cfg(target_os = "linux")] // it limits descriptors, and counts those in /dev/fd
mod descriptors;
mod echo_node;
#[cfg(target_os = "linux")] // it counts descriptors
mod faults;
mod node_peer;
mod readiness;
mod tcp;
mod tcp_socket;
#[cfg(target_os = "linux")] // it counts descriptors and raises their limit
mod ten_thousand;
mod udp;
#[cfg(unix)] // Unix sockets do not exist on Windows
mod unix;
mod unrefed;
