//! What each path has brought: how far it got, which transmissions, how many marks.

use alloc::vec::Vec;

use crate::lines::lines_of;
use crate::psn::PathSeq;
use crate::set256::Set256;
use crate::wire::{AckPath, Transmission};

/// The paths that anything has arrived on.
#[derive(Debug, Default)]
pub(super) struct PathArrivals {
    paths: Vec<Progress>,
    /// Paths with something to report.
    dirty: Set256,
}

/// One path's progress.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    highest: PathSeq,
    /// Bit i: transmission `highest - i` has arrived.
    recent: u64,
    ce_packets: u8,
}

/// What an arrival means to its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PathArrival {
    /// A transmission before it is missing that was not missing before.
    pub gap: bool,
    /// This very transmission has arrived before: the network doubled it.
    pub repeated: bool,
}

impl PathArrivals {
    /// Names the memory of a path's record.
    pub(super) fn lines_of_path(&self, path: u8, ask: &mut impl FnMut(*const u8)) {
        if let Some(progress) = self.paths.get(usize::from(path)) {
            lines_of(progress, ask);
        }
    }

    // Once per packet, and called from several places.
    #[inline(always)]
    pub(super) fn on_arrival(&mut self, transmission: Transmission, ce: bool) -> PathArrival {
        let id = usize::from(transmission.path);
        if self.paths.len() <= id {
            self.paths.resize(id + 1, Progress::default());
        }
        self.dirty.insert(transmission.path);
        let path = &mut self.paths[id];
        path.ce_packets = path.ce_packets.saturating_add(ce.into());
        path.on_arrival(transmission.seq)
    }

    /// What is left of a trimmed packet has arrived: its path is congested, and that is all that it
    /// says. Where headers go first it has overtaken what was sent before it, and a report that the
    /// path got so far would make gaps of all of that. Rule L7.
    pub(super) fn on_trimmed(&mut self, transmission: Transmission) {
        // Of a path that has brought nothing yet there is nothing to report.
        if let Some(path) = self.paths.get_mut(usize::from(transmission.path))
            && path.recent != 0
        {
            path.ce_packets = path.ce_packets.saturating_add(1);
            self.dirty.insert(transmission.path);
        }
    }

    /// A path to report, if there is one, and forgets that it has to be reported.
    pub(super) fn next_report(&mut self) -> Option<AckPath> {
        let id = self.dirty.pop_first()?;
        let path = &mut self.paths[usize::from(id)];
        let highest = Transmission { path: id, seq: path.highest.wire() };
        let ce_packets = core::mem::take(&mut path.ce_packets);
        Some(AckPath { highest, ce_packets })
    }

    pub(super) fn has_reports(&self) -> bool {
        !self.dirty.is_empty()
    }
}

impl Progress {
    #[inline]
    fn on_arrival(&mut self, seq: u32) -> PathArrival {
        let ahead = PathSeq::distance(seq, self.highest);
        if ahead > 0 && self.recent != 0 {
            self.highest = self.highest.plus(ahead as u64);
            self.recent = if ahead < 64 { self.recent << ahead | 1 } else { 1 };
            return PathArrival { gap: ahead > 1, repeated: false };
        }
        self.on_first_or_late(seq, ahead.unsigned_abs())
    }

    fn on_first_or_late(&mut self, seq: u32, behind: u64) -> PathArrival {
        if self.recent == 0 {
            // The first arrival on this path, or the first after its record was given back.
            self.highest = PathSeq::reconstruct(seq, self.highest);
            self.recent = 1;
            return PathArrival { gap: false, repeated: false };
        }
        let bit = match behind {
            0..=63 => 1 << behind,
            // Too long ago to tell; a repeat of something that old is rarer than a straggler.
            _ => return PathArrival { gap: false, repeated: false },
        };
        let repeated = self.recent & bit != 0;
        self.recent |= bit;
        PathArrival { gap: false, repeated }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrive(paths: &mut PathArrivals, path: u8, seq: u32) -> PathArrival {
        paths.on_arrival(Transmission { path, seq }, false)
    }

    #[test]
    fn tells_gaps_stragglers_and_repeats_apart() {
        let mut paths = PathArrivals::default();
        let plain = PathArrival { gap: false, repeated: false };
        assert_eq!(arrive(&mut paths, 3, 0), plain);
        assert_eq!(arrive(&mut paths, 3, 1), plain);
        assert_eq!(arrive(&mut paths, 3, 4), PathArrival { gap: true, repeated: false });
        assert_eq!(arrive(&mut paths, 3, 2), plain);
        assert_eq!(arrive(&mut paths, 3, 2), PathArrival { gap: false, repeated: true });
        assert_eq!(arrive(&mut paths, 5, 2), plain, "each path has its own numbers");
    }

    #[test]
    fn a_trimmed_packet_marks_its_path_and_moves_it_nowhere() {
        let mut paths = PathArrivals::default();
        paths.on_trimmed(Transmission { path: 4, seq: 7 });
        assert!(!paths.has_reports());
        arrive(&mut paths, 4, 1);
        paths.on_trimmed(Transmission { path: 4, seq: 7 });
        let report = paths.next_report().unwrap();
        assert_eq!((report.highest.seq, report.ce_packets), (1, 1));
        assert!(!arrive(&mut paths, 4, 2).gap);
    }

    #[test]
    fn survives_the_wrap_of_24_bits() {
        let mut paths = PathArrivals::default();
        arrive(&mut paths, 0, 0x00ff_ffff);
        let report = paths.next_report();
        assert_eq!(report.map(|it| it.highest.seq), Some(0x00ff_ffff));
        assert!(!arrive(&mut paths, 0, 0).gap);
        assert_eq!(paths.next_report().map(|it| it.highest.seq), Some(0));
        assert_eq!(paths.next_report(), None);
    }
}
