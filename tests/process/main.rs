//! Child processes, signals, standard streams, workers, and communication between threads.

#[path = "../common/mod.rs"]
mod common;
#[cfg(target_os = "linux")]
#[path = "../common/memory.rs"]
mod memory;

#[cfg(unix)] // Windows has no `SIGCHLD`
mod child_signal;
#[cfg(unix)] // the children are programs of Unix; `portable` has the rest
mod children;
#[cfg(windows)] // a console is a part of Windows
mod console;
#[cfg(target_os = "linux")] // it counts in /proc, and limits descriptors
mod faults;
mod foreign_tasks;
mod one_pool_thread;
#[cfg(unix)] // Windows has no pipes that don't block, FIFOs and socket pairs
mod pipes;
mod portable;
mod remote;
#[cfg(unix)] // Windows has two signals, which `console` tests
mod signals;
mod stdio;
#[cfg(unix)] // the streams are of kinds that Unix has
mod stdio_unix;
mod workers;
