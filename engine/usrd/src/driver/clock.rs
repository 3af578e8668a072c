//! The one place where the clock is read.

use usrd_proto::Instant;

/// A monotonic clock that starts at zero.
#[derive(Debug)]
pub(super) struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { origin: std::time::Instant::now() }
    }

    pub(super) fn now(&self) -> Instant {
        let nanos = self.origin.elapsed().as_nanos();
        // 64 bits last for 584 years.
        Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX - 1))
    }
}
