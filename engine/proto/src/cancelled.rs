//! What is known of an operation that its user has taken back.

/// How far a cancelled operation had got. Whatever it is, nothing more of it happens once its
/// completion says so: rule M8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Cancelled {
    /// Nothing of it had left: it has had no effect.
    #[error("nothing of it had left")]
    NotSent,
    /// It was not carried out whole. A message was not delivered; nobody was notified; but blocks of a
    /// WRITE may have been written, and the local memory of a READ is undefined.
    #[error("it had begun; it was not delivered, but parts of a WRITE may have been written")]
    Partly,
    /// All of it had left: it may have been delivered, or carried out, or not.
    #[error("all of it had left; it may have been delivered")]
    Unknown,
}
