//! What a process has used.

use std::time::Duration;

/// The processor time that the calling process's first thread has used so far; where it is the only
/// one, all of it. Other programs' work does not count, though it slows the memory down.
pub fn processor_time() -> Result<Duration, String> {
    let file = "/proc/self/schedstat";
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let first = text.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
    first.map(Duration::from_nanos).ok_or_else(|| format!("{file} says {text:?}"))
}
