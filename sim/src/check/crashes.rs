//! Who may not know yet that a host has lost everything, or has closed him. Until he does, what goes
//! between the two may fail; after that, nothing may.
//!
//! Host x learns of the crash of host y when its endpoint reports the old context with y over, while
//! y is up again. What x reports while y is still down says nothing of y's next incarnation. And y, once
//! it is back, may take a late packet of x for the beginning of a context that x has given up: the first
//! that ends is excused at its side, too. Who closes a peer knows, and remembers its incarnation, if it
//! has ever heard of it.

use std::collections::BTreeSet;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Crashes {
    /// Hosts that are down.
    down: BTreeSet<u32>,
    /// Hosts that have ever been.
    ever: BTreeSet<u32>,
    /// (who has not learned yet, of whose crash).
    unaware: BTreeSet<(u32, u32)>,
    /// Pairs of which one has ever closed the other.
    closed: BTreeSet<(u32, u32)>,
}

impl Crashes {
    pub(super) fn crashed(&mut self, host: u32, hosts: u32) {
        self.down.insert(host);
        self.ever.insert(host);
        self.unaware.extend((0..hosts).map(|other| (other, host)));
        // Its next incarnation knows of no crash before it, but may hear late packets from before.
        self.unaware.extend((0..hosts).map(|other| (host, other)));
    }

    pub(super) fn restarted(&mut self, host: u32) {
        self.down.remove(&host);
    }

    /// A host is about to close another: what is under way between them may fail on both sides.
    pub(super) fn parts(&mut self, host: u32, other: u32) {
        self.unaware.extend([(host, other), (other, host)]);
        self.closed.extend([(host, other), (other, host)]);
    }

    /// A host's endpoint reports that its context with another is over.
    pub(super) fn learned(&mut self, host: u32, of: u32) {
        if !self.down.contains(&of) {
            self.unaware.remove(&(host, of));
        }
    }

    /// Whether what goes on between them may fail at `host`.
    pub(super) fn excuse(&self, host: u32, other: u32) -> bool {
        self.unaware.contains(&(host, other))
    }

    /// Whether any host has ever crashed, or closed another.
    pub(super) fn any(&self) -> bool {
        !self.ever.is_empty() || !self.closed.is_empty()
    }

    /// Whether either has ever crashed, or closed the other.
    pub(super) fn have_touched(&self, a: u32, b: u32) -> bool {
        self.ever.contains(&a) || self.ever.contains(&b) || self.closed.contains(&(a, b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excuse_lasts_until_the_crash_is_known() {
        let mut crashes = Crashes::default();
        assert!(!crashes.excuse(0, 1));
        crashes.crashed(1, 3);
        assert!(crashes.excuse(0, 1) && crashes.excuse(2, 1) && !crashes.excuse(0, 2));
        crashes.learned(0, 1);
        assert!(crashes.excuse(0, 1), "it is still down");
        crashes.restarted(1);
        crashes.learned(0, 1);
        assert!(!crashes.excuse(0, 1) && crashes.excuse(2, 1));
        assert!(crashes.have_touched(1, 2) && !crashes.have_touched(0, 2));
        assert!(crashes.excuse(1, 0), "a late packet may have fooled it");
        crashes.learned(1, 0);
        assert!(!crashes.excuse(1, 0), "once");
    }

    #[test]
    fn who_closes_knows_at_once() {
        let mut crashes = Crashes::default();
        crashes.parts(0, 1);
        assert!(crashes.excuse(0, 1) && crashes.excuse(1, 0) && !crashes.excuse(1, 2));
        crashes.learned(0, 1);
        assert!(!crashes.excuse(0, 1) && crashes.excuse(1, 0));
        crashes.learned(1, 0);
        assert!(!crashes.excuse(1, 0) && crashes.have_touched(1, 0) && !crashes.have_touched(1, 2));
    }
}
