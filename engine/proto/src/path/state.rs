//! What a path is thought of.
//!
//! ```text
//!            timeout                    probe unanswered
//!   GOOD --------------> SUSPECT ---------------------------> BAD <---+
//!    ^  ^                   |                                  |      | probe
//!    |  +-------------------+                           answer |      | unanswered
//!    |     probe answered                                      v      |
//!    +----------------------------------------------------- PROBING --+
//!                     enough answers in a row
//! ```

use core::fmt;

/// What a path is thought of. Only a good path carries data, unless none is good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PathState {
    /// In use.
    #[default]
    Good,
    /// A packet on it timed out; it is being asked.
    Suspect,
    /// It did not answer; it is asked again now and then.
    Bad,
    /// It answered, and has to do so a few times more.
    Probing,
}

impl PathState {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "GOOD",
            Self::Suspect => "SUSPECT",
            Self::Bad => "BAD",
            Self::Probing => "PROBING",
        }
    }
}

impl fmt::Display for PathState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
