//! Exactly once: every byte of a reliable message is placed once, and the message delivered once,
//! after the last byte.
//!
//! Bytes are counted without a map of them. Give every position a fixed random number H(x); placing
//! [a, b) adds H(b) - H(a). Pieces that cover a message without gap and overlap, in any order, add
//! up to H(size) - H(0), and nothing else does (but for one chance in 2^64).

use super::Piece;
use crate::scenario::ServiceKey;
use crate::traffic::{MessageId, Traffic};
use crate::workload::FlowSpec;

/// What has become of every message.
#[derive(Debug)]
pub(super) struct ExactlyOnce {
    messages: Vec<Progress>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// The sum of H(end) - H(start) over all pieces.
    cover: u64,
    placed_bytes: u64,
    deliveries: u32,
    completions: u32,
}

impl ExactlyOnce {
    pub(super) fn new(traffic: &Traffic) -> Self {
        Self { messages: vec![Progress::default(); traffic.message_count()] }
    }

    /// The sender's endpoint is done with a message.
    pub(super) fn completed(&mut self, message: MessageId) -> Result<(), String> {
        let Some(progress) = self.messages.get_mut(message as usize) else {
            return Err(format!("a send completed that does not exist: {message}"));
        };
        progress.completions += 1;
        if progress.completions > 1 {
            return Err(format!("the send of message {message} completed again"));
        }
        Ok(())
    }

    /// A piece came to its place.
    pub(super) fn placed(&mut self, spec: &FlowSpec, piece: &Piece) -> Result<(), String> {
        let progress = &mut self.messages[piece.message as usize];
        progress.placed_bytes += piece.len;
        let end = position(piece.message, piece.offset.wrapping_add(piece.len));
        let start = position(piece.message, piece.offset);
        progress.cover = progress.cover.wrapping_add(end).wrapping_sub(start);
        if spec.service == ServiceKey::Ud {
            return Ok(());
        }
        if progress.deliveries > 0 {
            return Err(format!(
                "message {}: payload placed at {} after delivery",
                piece.message, piece.offset
            ));
        }
        if progress.placed_bytes > spec.size {
            return Err(format!(
                "message {}: {} bytes placed, it has {}",
                piece.message, progress.placed_bytes, spec.size
            ));
        }
        Ok(())
    }

    /// Its receiver has crashed, and its sender does not know that it had arrived: what the next
    /// incarnation gets of it counts anew.
    pub(super) fn begin_anew(&mut self, message: MessageId) {
        let completions = self.messages[message as usize].completions;
        self.messages[message as usize] = Progress { completions, ..Progress::default() };
    }

    /// How much of a message was placed, and whether it was delivered.
    pub(super) fn progress(&self, message: MessageId) -> (u64, bool) {
        let progress = self.messages[message as usize];
        (progress.placed_bytes, progress.deliveries > 0)
    }

    /// Whether every byte of a message is placed, once.
    pub(super) fn is_whole(&self, spec: &FlowSpec, message: MessageId) -> bool {
        let whole = position(message, spec.payload_bytes()).wrapping_sub(position(message, 0));
        self.messages[message as usize].cover == whole
    }

    /// An operation completed, which says that all its bytes are in place.
    pub(super) fn in_place(&self, spec: &FlowSpec, message: MessageId) -> Result<(), String> {
        match self.is_whole(spec, message) {
            true => Ok(()),
            false => Err(format!("message {message} is complete, and not all in place")),
        }
    }

    /// An operation that moves no bytes was carried out.
    pub(super) fn carried_out(&mut self, message: MessageId) -> Result<(), String> {
        self.messages[message as usize].deliveries += 1;
        match self.messages[message as usize].deliveries {
            1 => Ok(()),
            _ => Err(format!("message {message} was carried out again")),
        }
    }

    /// A message was delivered.
    pub(super) fn delivered(&mut self, spec: &FlowSpec, message: MessageId) -> Result<(), String> {
        let progress = &mut self.messages[message as usize];
        progress.deliveries += 1;
        if spec.service == ServiceKey::Ud {
            return Ok(());
        }
        if progress.deliveries > 1 {
            return Err(format!("message {message} was delivered again"));
        }
        let placed_bytes = progress.placed_bytes;
        if !self.is_whole(spec, message) {
            return Err(format!(
                "message {message} was delivered with gaps or overlaps: {} of {} bytes placed",
                placed_bytes, spec.size
            ));
        }
        Ok(())
    }

    /// Every message whose send completed well was delivered. For the end of a run that is done.
    pub(super) fn check_all(&self, traffic: &Traffic) -> Result<(), String> {
        if !traffic.is_done() {
            return Ok(());
        }
        let promised = |message: &MessageId| {
            traffic.spec_of(*message).service != ServiceKey::Ud && !traffic.is_excused(*message)
        };
        let lost = (0..self.messages.len() as MessageId)
            .filter(promised)
            .find(|&message| self.messages[message as usize].deliveries == 0);
        lost.map_or(Ok(()), |message| Err(format!("message {message} was never delivered")))
    }
}

/// H: a fixed random number for every position of every message.
#[inline]
fn position(message: MessageId, at: u64) -> u64 {
    let seed = (at ^ u64::from(message).rotate_left(40)).wrapping_add(STEP);
    let product = u128::from(seed) * u128::from(FACTOR);
    let mixed = (product >> 64) as u64 ^ product as u64;
    (mixed ^ mixed >> 32).wrapping_mul(FACTOR)
}

/// Odd, with no pattern: digits of the golden ratio and of pi.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
const STEP: u64 = 0x243f_6a88_85a3_08d3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Time;
    use crate::workload::{Operation, Plan};

    const SPEC: FlowSpec = FlowSpec {
        src: 0,
        dst: 1,
        messages: 2,
        size: 300,
        service: ServiceKey::Srd,
        operation: Operation::SEND,
        start: Time::ZERO,
    };

    fn checker() -> ExactlyOnce {
        ExactlyOnce::new(&Traffic::new(&Plan::of(&[SPEC])))
    }

    fn place(checker: &mut ExactlyOnce, offset: u64, len: u64) -> Result<(), String> {
        let piece = Piece {
            message: 1,
            host: 1,
            held: None,
            source_offset: 0,
            source_len: len,
            offset,
            len,
        };
        checker.placed(&SPEC, &piece)
    }

    #[test]
    fn any_order_and_any_cut_will_do() {
        let mut checker = checker();
        for (offset, len) in [(200, 100), (0, 50), (50, 150)] {
            place(&mut checker, offset, len).unwrap();
        }
        checker.delivered(&SPEC, 1).unwrap();
        assert!(checker.delivered(&SPEC, 1).unwrap_err().contains("again"));
        assert!(place(&mut checker, 0, 1).unwrap_err().contains("after delivery"));
    }

    #[test]
    fn a_repeated_piece_does_not_stand_for_a_missing_one() {
        let mut checker = checker();
        for offset in [0, 100, 100] {
            place(&mut checker, offset, 100).unwrap();
        }
        assert!(checker.delivered(&SPEC, 1).unwrap_err().contains("gaps"));
    }

    #[test]
    fn too_many_bytes_and_second_completions_are_noticed() {
        let mut checker = checker();
        place(&mut checker, 0, 300).unwrap();
        assert!(place(&mut checker, 0, 100).unwrap_err().contains("400 bytes"));
        checker.completed(0).unwrap();
        assert!(checker.completed(0).is_err());
        assert!(checker.completed(2).is_err());
    }
}
