//! The simulated world: hosts on one virtual clock, their network, and its faults. The modules `net_*` are
//! those of `tests/net`, with loops that are the only host of a world.

mod chat;
mod common;
mod durability;
mod explore;
mod failures;
mod faults;
mod files;
mod hosts;
#[path = "../net/readiness.rs"]
mod net_readiness;
#[path = "../net/tcp.rs"]
mod net_tcp;
#[path = "../net/tcp_socket.rs"]
mod net_tcp_socket;
#[path = "../net/udp.rs"]
mod net_udp;
mod notes;
mod repeatable;
mod script;
mod tcp;
mod udp;
#[cfg(unix)]
mod unix;
