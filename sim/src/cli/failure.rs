//! Why a verb could not do what it should, and the exit codes.

use usrd_sim::ScenarioError;

/// A verb that cannot be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// What the user gave cannot be right.
    #[error("{0}")]
    BadInput(String),
    /// A file cannot be written.
    #[error("{path}: {error}")]
    Output { path: String, error: std::io::Error },
}

impl Failure {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::BadInput(_) => BAD_INPUT,
            Self::Output { .. } => NO_OUTPUT,
        }
    }

    /// Turns what a write gave into a failure that names the file.
    pub(crate) fn writing(path: &std::path::Path) -> impl Fn(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |error| Self::Output { path: path.clone(), error }
    }
}

impl From<ScenarioError> for Failure {
    fn from(error: ScenarioError) -> Self {
        Self::BadInput(error.to_string())
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::BadInput(message)
    }
}

/// A property does not hold; a run is not what its seed determines, or what it was before.
pub(crate) const VIOLATION: u8 = 1;
/// As clap exits, too.
const BAD_INPUT: u8 = 2;
const NO_OUTPUT: u8 = 5;
