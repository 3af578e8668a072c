//! Messages damaged on purpose, to see that it is noticed.

use super::pattern::mix;

/// Flips bits in some messages.
#[derive(Debug)]
pub(crate) struct Damage {
    /// Of 2^32.
    probability: u64,
    state: u64,
}

impl Damage {
    /// With this probability; what happens to the n-th message follows from the seed.
    pub(crate) fn new(probability: f64, seed: u64) -> Self {
        // From 0 to 1 by the command line.
        Self { probability: (probability * f64::from(u32::MAX)) as u64, state: seed }
    }

    /// Flips a bit, or not.
    pub(crate) fn strike(&mut self, message: &mut [u8]) {
        if self.probability == 0 || message.is_empty() {
            return;
        }
        self.state = mix(self.state);
        if self.state >> 32 <= self.probability {
            let bit = self.state as u32 as usize % (8 * message.len());
            message[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strikes_as_often_as_asked() {
        for (probability, at_least, at_most) in [(0.0, 0, 0), (0.1, 50, 150), (1.0, 1000, 1000)] {
            let mut damage = Damage::new(probability, 1);
            let mut struck = 0;
            for _ in 0..1000 {
                let mut message = [0; 16];
                damage.strike(&mut message);
                let flipped: u32 = message.iter().map(|byte| byte.count_ones()).sum();
                assert!(flipped <= 1);
                struck += flipped;
            }
            assert!((at_least..=at_most).contains(&struck), "{struck} at {probability}");
        }
    }
}
