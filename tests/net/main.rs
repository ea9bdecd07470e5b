//! Sockets: TCP, UDP and Unix domain sockets, addresses, and faults of peers and networks.

#[path = "../common/mod.rs"]
mod common;
#[cfg(target_os = "linux")]
#[path = "../common/memory.rs"]
mod memory;

mod addresses;
#[cfg(feature = "macros")]
mod chat;
#[cfg(target_os = "linux")]
mod descriptors;
mod echo_node;
#[cfg(target_os = "linux")]
mod faults;
mod node_peer;
mod readiness;
mod tcp;
mod tcp_socket;
#[cfg(target_os = "linux")]
mod ten_thousand;
mod udp;
#[cfg(unix)]
mod unix;
