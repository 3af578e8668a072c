//! Which path the next packet takes. Rules P1 and P2.
//!
//! The hybrid of two ideas. REPS: a path whose packet was just acknowledged without a mark is
//! likely to be free now, so it is used again (its *entropy is recycled*). Penalties: otherwise go
//! round all paths in turn, and let each skip as many turns as it has earned penalty points.
//! Before the first ACK this explores every path once; after it, traffic settles on those that
//! work. A train of packets stays together where the device sends trains.

use super::PathTable;
use crate::config::SprayPolicy;
use crate::lazy::Lazy;

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Sprayer {
    policy: SprayPolicy,
    train: u16,
    at: SprayPosition,
    clean: Lazy<CleanPaths>,
}

/// Where it is in its round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SprayPosition {
    left_in_train: u16,
    current: u8,
    cursor: u8,
    /// The path of what is said in return.
    control: u8,
}

impl SprayPosition {
    /// Starts at a path of the caller's choosing, so that peers do not all start at the same.
    pub(crate) fn new(first: u8) -> Self {
        Self { left_in_train: 0, current: first, cursor: first, control: first }
    }
}

/// The paths of clean ACKs that wait to be used again, oldest first; the oldest gives way.
#[derive(Debug, Default)]
struct CleanPaths {
    ring: [u8; CLEAN_PATHS],
    head: u8,
    len: u8,
}

/// More than the ACKs that arrive while one window is sent is not needed: older news is stale.
const CLEAN_PATHS: usize = 32;

const _: () = assert!(CLEAN_PATHS.is_power_of_two() && CLEAN_PATHS <= 128);

impl Sprayer {
    pub(crate) fn new(policy: SprayPolicy, train: u16, at: SprayPosition) -> Self {
        Self { policy, train, at, clean: Lazy::default() }
    }

    pub(crate) fn position(&self) -> SprayPosition {
        self.at
    }

    /// Paths that the next new packet is likely to take: the same again, or the next in turn.
    pub(crate) fn likely_next(&self) -> [u8; 2] {
        [self.at.current, self.at.cursor.wrapping_add(1)]
    }

    /// The path for the next new packet.
    #[inline]
    pub(crate) fn next(&mut self, paths: &mut PathTable) -> u8 {
        if self.at.left_in_train > 0 && self.usable(paths, self.at.current) {
            self.at.left_in_train -= 1;
            return self.at.current;
        }
        self.at.current = self.choose(paths);
        self.at.left_in_train = self.train - 1;
        self.at.current
    }

    /// The path for a packet that was lost on `lost_on`: another one, if there is one.
    pub(crate) fn next_other(&mut self, paths: &mut PathTable, lost_on: u8) -> u8 {
        if self.at.left_in_train > 0
            && self.at.current != lost_on
            && self.usable(paths, self.at.current)
        {
            self.at.left_in_train -= 1;
            return self.at.current;
        }
        let mut path = self.choose(paths);
        if path == lost_on {
            path = self.in_turn(paths, |_, path| path != lost_on);
        }
        self.at.current = path;
        self.at.left_in_train = self.train - 1;
        path
    }

    /// The path for a packet that is sent again while nothing at all comes back: far away from the
    /// last, whatever is thought of it. Paths that fail together are often neighbours; by this stride
    /// any few turns are spread evenly over all.
    pub(crate) fn leap(&mut self, paths: &mut PathTable) -> u8 {
        let at = u32::from(self.at.cursor) + u32::from(paths.count()) * 5 / 8;
        self.at.cursor = (at % u32::from(paths.count())) as u8;
        self.at.left_in_train = 0;
        self.at.current = self.in_turn(paths, |_, _| true);
        self.at.current
    }

    /// The path for what is said in return: always the same, so that ACKs do not overtake each
    /// other and round trips differ only by the way there; another one when that one is not good,
    /// and where [`answer_along`](Self::answer_along) says. Rule P7.
    pub(crate) fn for_control(&mut self, paths: &PathTable) -> u8 {
        if !self.usable(paths, self.at.control) {
            self.leave_control_path(paths);
        }
        self.at.control
    }

    /// The path for the question whether a silent peer still lives: another one each time, as it may
    /// be the path that is silent. Answers take it as well, until they have a better one. Rule P7.
    pub(crate) fn for_question(&mut self, paths: &PathTable) -> u8 {
        self.leave_control_path(paths);
        self.at.control
    }

    /// What is said in return does not seem to get through. The way that the peer has just come is
    /// the likeliest to lead back to it.
    pub(crate) fn answer_along(&mut self, paths: &PathTable, path: u8) {
        if self.usable(paths, path) {
            self.at.control = path;
        }
    }

    fn leave_control_path(&mut self, paths: &PathTable) {
        for _ in 0..paths.count() {
            let next = u16::from(self.at.control) + 1;
            self.at.control = if next < paths.count() { next as u8 } else { 0 };
            if self.usable(paths, self.at.control) {
                return;
            }
        }
    }

    /// A path was acknowledged without a mark.
    #[inline]
    pub(crate) fn on_clean(&mut self, path: u8) {
        if matches!(self.policy, SprayPolicy::Reps | SprayPolicy::Hybrid) {
            self.clean.or_default().push(path);
        }
    }

    /// The train is over: its path is not wanted any more.
    pub(crate) fn end_train(&mut self) {
        self.at.left_in_train = 0;
    }

    fn usable(&self, paths: &PathTable, path: u8) -> bool {
        u16::from(path) < paths.count() && (paths.is_good(path) || paths.good() == 0)
    }

    #[inline]
    fn choose(&mut self, paths: &mut PathTable) -> u8 {
        match self.policy {
            SprayPolicy::Single => self.single(paths),
            SprayPolicy::Oblivious => self.in_turn(paths, |_, _| true),
            SprayPolicy::Penalty | SprayPolicy::Bitmap => self.in_turn(paths, take_penalty),
            SprayPolicy::Reps => self.recycle(paths, |_, _| true),
            SprayPolicy::Hybrid => self.recycle(paths, take_penalty),
        }
    }

    fn single(&mut self, paths: &mut PathTable) -> u8 {
        let path = (u16::from(self.at.current) % paths.count()) as u8;
        if self.usable(paths, path) { path } else { self.in_turn(paths, |_, _| true) }
    }

    #[inline]
    fn recycle(&mut self, paths: &mut PathTable, accept: Accept) -> u8 {
        while let Some(path) = self.clean.get_mut().and_then(CleanPaths::pop) {
            if self.usable(paths, path) {
                return path;
            }
        }
        self.in_turn(paths, accept)
    }

    /// The next usable path in turn that is accepted; if a whole round accepts none, the one with
    /// the least to pay.
    fn in_turn(
        &mut self,
        paths: &mut PathTable,
        accept: impl Fn(&mut PathTable, u8) -> bool,
    ) -> u8 {
        let mut cheapest: Option<(u8, u8)> = None;
        for _ in 0..paths.count() {
            let next = u16::from(self.at.cursor) + 1;
            self.at.cursor = if next < paths.count() { next as u8 } else { 0 };
            if !self.usable(paths, self.at.cursor) {
                continue;
            }
            if accept(paths, self.at.cursor) {
                return self.at.cursor;
            }
            let price = paths.get(self.at.cursor).map_or(0, |path| path.penalty);
            if cheapest.is_none_or(|(least, _)| price < least) {
                cheapest = Some((price, self.at.cursor));
            }
        }
        if let Some((price, path)) = cheapest {
            // As if so many rounds had passed; and the next one goes on from here.
            paths
                .iter_mut()
                .for_each(|(_, path)| path.penalty = path.penalty.saturating_sub(price));
            self.at.cursor = path;
        }
        self.at.cursor
    }
}

type Accept = fn(&mut PathTable, u8) -> bool;

/// Whether a path has no penalty left; if it has, one point is paid with this turn.
fn take_penalty(paths: &mut PathTable, path: u8) -> bool {
    match paths.get_mut(path) {
        Some(path) if path.penalty > 0 => {
            path.penalty -= 1;
            false
        }
        _ => true,
    }
}

impl CleanPaths {
    fn push(&mut self, path: u8) {
        let at = self.head.wrapping_add(self.len) as usize % CLEAN_PATHS;
        self.ring[at] = path;
        if usize::from(self.len) < CLEAN_PATHS {
            self.len += 1;
        } else {
            self.head = self.head.wrapping_add(1);
        }
    }

    fn pop(&mut self) -> Option<u8> {
        if self.len == 0 {
            return None;
        }
        let path = self.ring[usize::from(self.head) % CLEAN_PATHS];
        self.head = self.head.wrapping_add(1);
        self.len -= 1;
        Some(path)
    }
}
