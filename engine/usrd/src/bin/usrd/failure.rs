//! How a command fails, and the exit code of each way.

use std::process::ExitCode;

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// What was asked for makes no sense, or cannot be had here.
    #[error("{0}")]
    Usage(String),
    /// It could not be carried through.
    #[error("{0}")]
    Run(String),
    /// It was carried through, and what arrived is not what was sent.
    #[error("contents did not verify: {0}")]
    Contents(String),
}

impl Failure {
    /// As documented in the help texts, see [`EXIT_CODES`].
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Run(_) => 1,
            Self::Usage(_) => 2,
            Self::Contents(_) => 3,
        })
    }

    /// For `map_err`: this cannot be done with what was asked for.
    pub(crate) fn usage(error: impl std::fmt::Display) -> Self {
        Self::Usage(error.to_string())
    }

    /// For `map_err`: this went wrong on the way.
    pub(crate) fn run(error: impl std::fmt::Display) -> Self {
        Self::Run(error.to_string())
    }
}

/// For the help texts.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done, and everything that was to be verified did verify
  1  the run failed: the peer does not answer, or a system call failed
  2  bad input
  3  contents did not verify";
