//! Child processes, signals, standard streams, workers, and communication between threads.

#[path = "../common/mod.rs"]
mod common;
#[cfg(target_os = "linux")]
#[path = "../common/memory.rs"]
mod memory;

#[cfg(unix)]
mod child_signal;
#[cfg(unix)]
mod children;
#[cfg(windows)]
mod console;
#[cfg(target_os = "linux")]
mod faults;
mod foreign_tasks;
mod one_pool_thread;
#[cfg(unix)]
mod pipes;
mod portable;
mod remote;
#[cfg(unix)]
mod signals;
mod stdio;
#[cfg(unix)]
mod stdio_unix;
mod workers;
