//! The simulated world: hosts on one virtual clock, their network, and its faults. The modules `net_*`
//! and `fs_*` are those of `tests/net` and `tests/fs`, with loops that are the only host of a world.

mod chat;
#[cfg(unix)] // a world has no children on Windows
mod children;
mod common;
mod durability;
mod ends;
mod explore;
mod failures;
mod faults;
mod files;
#[cfg(target_os = "linux")] // the same as in `tests/fs`
#[path = "../fs/faults.rs"]
mod fs_faults;
#[cfg(unix)] // a simulated disk has paths of Unix
#[path = "../fs/file.rs"]
mod fs_file;
#[cfg(unix)] // a simulated disk has paths of Unix
mod fs_kit;
#[cfg(unix)] // a simulated disk has paths of Unix
#[path = "../fs/operations.rs"]
mod fs_operations;
mod hosts;
mod misuse;
#[path = "../net/readiness.rs"]
mod net_readiness;
#[path = "../net/tcp.rs"]
mod net_tcp;
#[path = "../net/tcp_socket.rs"]
mod net_tcp_socket;
#[path = "../net/udp.rs"]
mod net_udp;
#[cfg(unix)] // Unix sockets do not exist on Windows
#[path = "../net/unix.rs"]
mod net_unix;
mod notes;
mod peers;
mod repeatable;
mod script;
mod signals;
mod tcp;
mod udp;
#[cfg(unix)] // Unix sockets do not exist on Windows
mod unix;
#[cfg(windows)] // what a world refuses on Windows
mod windows;
