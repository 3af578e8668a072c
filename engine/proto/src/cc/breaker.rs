//! What saves a network in which nothing gets through any more, whatever the controller says.
//!
//! Trimmed packets are told at once and sent again at once, and their headers go first. Windows that
//! do not shrink, or not fast enough, can so fill a link with nothing but headers, for ever. So a
//! sender of which several windows in a row were trimmed, and nothing arrived, halves what it may
//! have under way, again and again; with each ACK that brings something it takes one halving back.
//! Compare RFC 8084. Rule C8.

/// See the module's head.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Breaker {
    /// Bytes trimmed since something arrived last, or since the last halving.
    trimmed_bytes: u64,
    halvings: u32,
}

impl Breaker {
    /// Something has arrived.
    #[inline]
    pub(crate) fn on_progress(&mut self) {
        self.trimmed_bytes = 0;
        self.halvings = self.halvings.saturating_sub(1);
    }

    /// So many bytes were trimmed, of a window that the controller sets to `cwnd_bytes`.
    pub(crate) fn on_trimmed(&mut self, bytes: u64, cwnd_bytes: u64) {
        let limit = self.limit(cwnd_bytes);
        self.trimmed_bytes = self.trimmed_bytes.saturating_add(bytes);
        // One packet is as little as there is.
        if limit > bytes && self.trimmed_bytes >= PATIENCE_WINDOWS.saturating_mul(limit) {
            self.trimmed_bytes = 0;
            self.halvings += 1;
        }
    }

    /// What is left of a window.
    #[inline]
    pub(crate) fn limit(&self, cwnd_bytes: u64) -> u64 {
        cwnd_bytes >> self.halvings
    }
}

/// The first window of an incast is trimmed nearly whole: that is no reason yet.
const PATIENCE_WINDOWS: u64 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_trimmed_windows_ends_at_one_packet() {
        let mut breaker = Breaker::default();
        for _ in 0..4 * 4 * 10 {
            breaker.on_trimmed(1_000, 10_000);
        }
        assert_eq!(breaker.limit(10_000), 625);
        (0..1_000).for_each(|_| breaker.on_trimmed(1, u64::MAX));
        (0..1_000).for_each(|_| breaker.on_trimmed(u64::MAX, u64::MAX));
        assert_eq!(breaker.limit(10_000), 625);
    }

    #[test]
    fn what_arrives_opens_it_again() {
        let mut breaker = Breaker::default();
        for _ in 0..39 {
            breaker.on_trimmed(1_000, 10_000);
        }
        assert_eq!(breaker.limit(10_000), 10_000, "fewer than four windows");
        breaker.on_progress();
        breaker.on_trimmed(39_000, 10_000);
        assert_eq!(breaker.limit(10_000), 10_000, "it counts anew");
        breaker.on_trimmed(1_000, 10_000);
        assert_eq!(breaker.limit(10_000), 5_000);
        breaker.on_progress();
        assert_eq!(breaker.limit(10_000), 10_000);
    }
}
