//! How signals reach a loop, and their default actions, on each operating system.

#[cfg_attr(unix, path = "source/unix.rs")]
#[cfg_attr(not(unix), path = "source/windows.rs")]
mod system;

pub(crate) use system::OnChildEnd;
pub(crate) use system::{CHILD, IN_FLIGHT, check, exists, is_harmless, name};
pub(super) use system::{INTERRUPT, SignalSource, SignalSources, raise_default};
