//! `nodeloop-soak soak` runs everything of nodeloop at once against an account of what must come
//! back. `nodeloop-soak load` measures it under load and faults. `README.md` explains both.
//!
//! It counts descriptors, threads and children in `/proc`, so it exists on Linux only.

#[cfg(target_os = "linux")]
mod account;
#[cfg(target_os = "linux")]
mod activities;
#[cfg(target_os = "linux")]
mod hooks;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod plant;
#[cfg(target_os = "linux")]
mod program;
#[cfg(target_os = "linux")]
mod resources;
#[cfg(target_os = "linux")]
mod soak;
#[cfg(target_os = "linux")]
mod watchdog;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    program::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("skipped: the soak counts what is open in /proc, which only Linux has");
}
