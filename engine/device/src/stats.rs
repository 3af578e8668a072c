//! What a device counts by itself.

/// What a device has done since it was opened. A device leaves at zero what it does not do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceStats {
    /// Datagrams that carried several small ones, sent.
    pub bundles_sent: u64,
    /// The small ones in them.
    pub bundled_sent: u64,
    /// Datagrams that carried several small ones, received.
    pub bundles_received: u64,
    /// The small ones in them.
    pub bundled_received: u64,
    /// Arrivals that were dropped, as they made no sense to the device.
    pub malformed: u64,
    /// Datagrams that were lost on this side, as at that moment their route or path led nowhere.
    pub unroutable: u64,
    /// Datagrams that wait, now, until it is known where their destination is.
    pub held: u64,
    /// Times that a queue pair failed, and lost what it was sending.
    pub queue_pairs_failed: u64,
    /// Times that one was made anew.
    pub queue_pairs_rebuilt: u64,
    /// Rails that have failed for good.
    pub rails_failed: u64,
    /// Rails whose port is down, now.
    pub ports_down: u64,
}
