//! Whether a Windows program runs under Wine, for what Wine lacks and Windows has.

/// Returns whether this process runs under Wine. `.ci/windows.sh` sets the variable.
pub fn is_under_wine() -> bool {
    std::env::var_os("NODELOOP_WINE").is_some()
}
