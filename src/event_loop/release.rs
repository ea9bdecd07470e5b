//! The releases of Node whose order a loop can have, and the rules in which they differ.
//!
//! Each difference is one field of [`RuleVariants`], and one place of the loop reads it. No other file
//! depends on the release. `src/guide/exactness.md` names the change of Node or libuv that made each
//! difference, and `tests/node/releases.cjs` has the same table for the model that makes programs.

use crate::reactor::registrations::StreamEnd;

/// A release of Node, whose event loop a loop has.
///
/// The releases differ in few rules, nearly all about what follows an error or the end of a stream;
/// [the guide](crate::guide::exactness#releases-of-node) lists them. Each variant means the last version of
/// its release.
///
/// # Examples
///
/// ```
/// use nodeloop::{EventLoop, NodeRelease};
///
/// let event_loop = EventLoop::builder().node(NodeRelease::V22).build()?;
/// # drop(event_loop);
/// assert_eq!(NodeRelease::from_major(22), Some(NodeRelease::V22));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum NodeRelease {
    /// Node 20, which reached its end of life in April 2026.
    #[default]
    V20,
    /// Node 22.
    V22,
    /// Node 24.
    V24,
    /// Node 26, from 26.4 on.
    V26,
}

impl NodeRelease {
    /// The releases, from the oldest to the newest.
    pub const ALL: &[NodeRelease] = &[
        NodeRelease::V20,
        NodeRelease::V22,
        NodeRelease::V24,
        NodeRelease::V26,
    ];

    /// Returns the release with a major version number; `None` if the crate does not have its rules.
    pub const fn from_major(major: u32) -> Option<NodeRelease> {
        match major {
            20 => Some(NodeRelease::V20),
            22 => Some(NodeRelease::V22),
            24 => Some(NodeRelease::V24),
            26 => Some(NodeRelease::V26),
            _ => None,
        }
    }

    /// Returns the major version number.
    pub const fn major(self) -> u32 {
        match self {
            NodeRelease::V20 => 20,
            NodeRelease::V22 => 22,
            NodeRelease::V24 => 24,
            NodeRelease::V26 => 26,
        }
    }

    pub(crate) fn variants(self) -> RuleVariants {
        let stream_end = match self {
            NodeRelease::V20 | NodeRelease::V22 => StreamEnd::SameEvent,
            NodeRelease::V24 | NodeRelease::V26 => StreamEnd::NextPollPhase,
        };
        RuleVariants {
            timers_phase_repeats: self <= NodeRelease::V20,
            check_phase_drains: self <= NodeRelease::V24,
            stream_end,
        }
    }
}

/// The rules in which releases differ.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RuleVariants {
    /// Whether a timers phase makes another pass if the drain at its end has armed a timer that is due
    /// (R24).
    pub(crate) timers_phase_repeats: bool,
    /// Whether a check phase begins with a drain (R12).
    pub(crate) check_phase_drains: bool,
    /// When the end of a stream is reported that arrived together with data (R65).
    pub(crate) stream_end: StreamEnd,
}
