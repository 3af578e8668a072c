//! What has arrived, and what was wrong with it.

use serde::{Deserialize, Serialize};

use super::pattern::{Pattern, SHIFTS};

/// The result of receiving, as it is also sent from one end to the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Messages that arrived.
    pub(crate) messages: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Messages whose contents were compared word by word.
    pub(crate) contents_checked: u64,
    /// Messages with something wrong about them.
    pub(crate) wrong: u64,
    /// What was wrong with the first of those.
    pub(crate) first_wrong: Option<String>,
}

impl Tally {
    /// Adds what the other end has counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.contents_checked += other.contents_checked;
        self.wrong += other.wrong;
        if self.first_wrong.is_none() {
            self.first_wrong.clone_from(&other.first_wrong);
        }
    }
}

/// Checks the messages of one direction: contents, length, each exactly once, and order where
/// that is promised.
#[derive(Debug)]
pub(crate) struct Checker {
    pattern: Pattern,
    size: usize,
    ordered: bool,
    /// Contents of every so many messages are compared.
    every: u64,
    /// One bit per number that has arrived.
    seen: Vec<u64>,
    /// One more than the highest of them.
    next: u64,
    tally: Tally,
}

impl Checker {
    /// For messages of `size` bytes that `key` determines.
    pub(crate) fn new(key: u64, size: usize, ordered: bool, every: u32) -> Self {
        Self {
            pattern: Pattern::new(key, size),
            size,
            ordered,
            every: u64::from(every.max(1)),
            seen: Vec::new(),
            next: 0,
            tally: Tally::default(),
        }
    }

    /// What has arrived so far.
    pub(crate) const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The number that a message claims; that of the next one if it is too short to have one.
    pub(crate) fn number(&self, message: &[u8]) -> u64 {
        self.claimed(message).unwrap_or(self.next)
    }

    /// Takes a message in.
    pub(crate) fn take(&mut self, message: &[u8]) {
        let count = self.tally.messages;
        self.tally.messages += 1;
        self.tally.bytes += message.len() as u64;
        if let Err(what) = self.check(count, message) {
            self.tally.wrong += 1;
            self.tally.first_wrong.get_or_insert(what);
        }
    }

    fn check(&mut self, count: u64, message: &[u8]) -> Result<(), String> {
        if message.len() != self.size {
            return Err(format!("a message has {} bytes instead of {}", message.len(), self.size));
        }
        if !self.pattern.is_numbered() {
            return self.check_contents(count, message);
        }
        let Some(number) = self.claimed(message) else {
            return Err("a message does not begin with a number of this measurement".to_owned());
        };
        if self.ordered && number != self.next {
            return Err(format!("message {number} came instead of {}", self.next));
        }
        if !self.mark(number) {
            return Err(format!("message {number} came a second time"));
        }
        self.next = self.next.max(number + 1);
        self.check_contents(number, message)
    }

    fn check_contents(&mut self, number: u64, message: &[u8]) -> Result<(), String> {
        if !number.is_multiple_of(self.every) {
            return Ok(());
        }
        self.tally.contents_checked += 1;
        if self.pattern.holds(number, message) {
            return Ok(());
        }
        Err(format!("the contents of message {number} differ"))
    }

    /// The full number: the one nearest to the next.
    fn claimed(&self, message: &[u8]) -> Option<u64> {
        let low = self.pattern.number(message)?;
        let ahead = low.wrapping_sub(self.next) % SHIFTS;
        let number = self.next + ahead;
        Some(if ahead >= SHIFTS / 2 && number >= SHIFTS { number - SHIFTS } else { number })
    }

    /// Whether this number is new.
    fn mark(&mut self, number: u64) -> bool {
        let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
        if word >= self.seen.len() {
            self.seen.resize(word + 1, 0);
        }
        let new = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(ordered: bool, numbers: &[u64]) -> Tally {
        let pattern = Pattern::new(1, 64);
        let mut checker = Checker::new(1, 64, ordered, 1);
        for &number in numbers {
            checker.take(&pattern.message(number));
        }
        checker.tally().clone()
    }

    #[test]
    fn any_order_is_fine_unless_order_is_promised() {
        assert_eq!(run(false, &[2, 0, 3, 1]).wrong, 0);
        let ordered = run(true, &[0, 2, 1]);
        assert_eq!(ordered.wrong, 1);
        assert_eq!(ordered.first_wrong.unwrap(), "message 2 came instead of 1");
    }

    #[test]
    fn a_second_time_is_wrong() {
        let tally = run(false, &[0, 1, 0]);
        assert_eq!((tally.messages, tally.wrong), (3, 1));
        assert_eq!(tally.first_wrong.unwrap(), "message 0 came a second time");
    }

    #[test]
    fn numbers_go_on_beyond_what_contents_tell_apart() {
        let mut numbers: Vec<u64> = (0..3 * SHIFTS).collect();
        numbers.swap(SHIFTS as usize - 1, SHIFTS as usize);
        let tally = run(false, &numbers);
        assert_eq!((tally.messages, tally.wrong), (3 * SHIFTS, 0));
    }

    #[test]
    fn length_and_contents_are_checked() {
        let pattern = Pattern::new(1, 64);
        let mut checker = Checker::new(1, 64, false, 2);
        checker.take(&pattern.message(0)[..63]);
        let mut bad = pattern.message(1).to_vec();
        bad[63] ^= 1;
        // Every second one only: this one is not looked at.
        checker.take(&bad);
        let mut bad = pattern.message(2).to_vec();
        bad[63] ^= 1;
        checker.take(&bad);
        assert_eq!((checker.tally().wrong, checker.tally().contents_checked), (2, 1));
    }

    #[test]
    fn short_messages_are_compared_and_counted() {
        let pattern = Pattern::new(1, 3);
        let mut checker = Checker::new(1, 3, true, 1);
        for number in 0..4 {
            checker.take(&pattern.message(number));
        }
        checker.take(b"abc");
        assert_eq!((checker.tally().messages, checker.tally().wrong), (5, 1));
    }
}
