//! How signals reach a loop, and their default actions, on each operating system.

#[cfg_attr(unix, path = "source/unix.rs")]
#[cfg_attr(not(unix), path = "source/windows.rs")]
mod system;

pub(crate) use system::OnChildEnd;
pub(super) use system::{CHILD, INTERRUPT, SignalSource, SignalSources, check, raise_default};
pub(crate) use system::{is_harmless, name};
