//! Drawing what scenarios are made of.

use crate::rng::Stream;

pub(super) struct Dice(pub(super) Stream);

impl Dice {
    pub(super) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.0.below(most - least + 1)
    }

    pub(super) fn maybe(&mut self) -> bool {
        self.between(0, 1) == 1
    }

    pub(super) fn seldom(&mut self) -> bool {
        self.between(0, 3) == 0
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.between(0, from.len() as u64 - 1) as usize]
    }

    /// A share up to `most`; small ones as likely as large ones.
    pub(super) fn share(&mut self, most: f64) -> String {
        format!("{:.6}", most * 10f64.powf(-3.0 * self.0.unit()))
    }

    /// A message size: around a packet, a few packets, or many.
    pub(super) fn size(&mut self, mtu: u64) -> u64 {
        match self.between(0, 3) {
            0 => self.between(1, mtu),
            1 => mtu * self.between(1, 3) - self.between(0, 1),
            2 => self.between(1, 8 * mtu),
            _ => self.between(1, 60 * mtu),
        }
    }
}
