//! Integrity: what lies in the receiver's buffer is what lay in the sender's. Always checked by
//! position (which stretch of whose buffer went where); byte by byte if bytes are carried.

use super::Piece;
use crate::memory::Scatter;
use crate::traffic::MessageId;
use crate::workload::FlowSpec;

/// Where a message starts in its send buffer. Not at 0, so that an offset which is taken from the
/// wrong start shows.
pub fn send_base(message: MessageId) -> u64 {
    u64::from(message % 251 + 1) << 8
}

/// Fills in the bytes of a message from position `at`. The number says which message and where, so
/// that no two stretches look alike.
pub fn fill_pattern(message: MessageId, at: u64, out: &mut [u8]) {
    for (byte, position) in out.iter_mut().zip(at..) {
        *byte = pattern(message, position);
    }
}

/// A piece went from its place in the message to the same place in a buffer of that message.
pub(super) fn check_piece(spec: &FlowSpec, piece: &Piece) -> Result<(), String> {
    let &Piece { message, host, held, source_offset, source_len, offset, len } = piece;
    let to = spec.payload_to();
    if host != to {
        return Err(format!("message {message} is for host {to}, placed at {host}"));
    }
    if held.is_some_and(|held| held != message) {
        return Err(format!("host {host}: message {message} placed over message {held:?}"));
    }
    let position = source_offset.wrapping_sub(send_base(message));
    if position != offset || len != source_len || offset.saturating_add(len) > spec.size {
        return Err(format!(
            "message {message} of {} bytes: {source_len} bytes at {position} placed as {len} at {offset}",
            spec.size
        ));
    }
    Ok(())
}

/// What a delivery says about its message is true: (from, at, length).
pub(super) fn check_message(
    spec: &FlowSpec,
    message: MessageId,
    (from, at, len): (u32, u32, u64),
) -> Result<(), String> {
    if (from, at, len) == (spec.src, spec.dst, spec.size) {
        return Ok(());
    }
    Err(format!(
        "message {message}, {} -> {}, {} bytes, was delivered as {from} -> {at}, {len} bytes",
        spec.src, spec.dst, spec.size
    ))
}

/// The bytes are those of the message's note.
pub(super) fn check_note(message: MessageId, bytes: &[u8]) -> Result<(), String> {
    let wrong = bytes.iter().zip(NOTE_START..).any(|(&byte, at)| byte != pattern(message, at));
    match wrong {
        true => Err(format!("the note of message {message} is not what was sent")),
        false => Ok(()),
    }
}

/// The bytes are those of the message.
pub(super) fn check_bytes(message: MessageId, bytes: &[u8]) -> Result<(), String> {
    let wrong = bytes.iter().zip(0..).find(|&(&byte, at)| byte != pattern(message, at));
    wrong.map_or(Ok(()), |(byte, at)| {
        let right = pattern(message, at);
        Err(format!("message {message}, byte {at}: {byte:#04x} instead of {right:#04x}"))
    })
}

/// The bytes that a transfer has moved are those that were to be moved. What is written is numbered from
/// its start in the writer's buffer; what is read, from its start in the memory where it was.
pub(super) fn check_moved(spec: &FlowSpec, message: MessageId, bytes: &[u8]) -> Result<(), String> {
    for (at, remote, len) in Scatter::new(spec, message).blocks() {
        let (lies, came_from) = if spec.pulls() { (at, remote) } else { (remote, at) };
        let block = bytes.get(lies as usize..(lies + len) as usize).unwrap_or_default();
        let wrong = block.iter().zip(came_from..).find(|&(&it, from)| it != pattern(message, from));
        if wrong.is_some() || block.len() as u64 != len {
            return Err(format!(
                "message {message}: the block at {lies} does not hold what was at {came_from}: {wrong:?}"
            ));
        }
    }
    Ok(())
}

fn pattern(message: MessageId, at: u64) -> u8 {
    let word = (at ^ u64::from(message) << 33).wrapping_add(1).wrapping_mul(FACTOR);
    (word >> 56) as u8 ^ (word >> 29) as u8
}

/// Notes have other bytes than their messages, which are shorter.
pub const NOTE_START: u64 = 1 << 48;
/// Odd, with no pattern: digits of the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::ServiceKey;
    use crate::time::Time;
    use crate::workload::{Operation, OperationKey};

    const SPEC: FlowSpec = FlowSpec {
        src: 0,
        dst: 1,
        messages: 9,
        size: 300,
        service: ServiceKey::Srd,
        operation: Operation::SEND,
        start: Time::ZERO,
    };

    fn piece() -> Piece {
        Piece {
            message: 5,
            host: 1,
            held: Some(5),
            source_offset: send_base(5) + 100,
            source_len: 200,
            offset: 100,
            len: 200,
        }
    }

    #[test]
    fn a_piece_stays_where_it_was() {
        check_piece(&SPEC, &piece()).unwrap();
        let wrong = [
            Piece { host: 2, ..piece() },
            Piece { held: Some(4), ..piece() },
            Piece { offset: 99, ..piece() },
            Piece { len: 199, ..piece() },
            Piece { source_offset: 100, ..piece() },
        ];
        assert!(wrong.iter().all(|piece| check_piece(&SPEC, piece).is_err()));
    }

    #[test]
    fn blocks_are_looked_for_where_they_were_to_go() {
        for (kind, pulls) in [(OperationKey::Write, false), (OperationKey::Read, true)] {
            let operation = Operation { kind, vector: 7, immediate: false };
            let spec = FlowSpec { operation, ..SPEC };
            let mut bytes = vec![0; 400];
            for (at, remote, len) in Scatter::new(&spec, 5).blocks() {
                let (lies, came_from) = if pulls { (at, remote) } else { (remote, at) };
                fill_pattern(5, came_from, &mut bytes[lies as usize..(lies + len) as usize]);
            }
            check_moved(&spec, 5, &bytes).unwrap();
            assert!(check_moved(&spec, 4, &bytes).is_err());
            assert!(check_moved(&spec, 5, &bytes[..200]).is_err());
            bytes[150] ^= 1;
            assert!(check_moved(&spec, 5, &bytes).is_err());
        }
    }

    #[test]
    fn one_wrong_byte_is_found() {
        let mut bytes = [0; 300];
        fill_pattern(7, 0, &mut bytes);
        check_bytes(7, &bytes).unwrap();
        bytes[211] ^= 1;
        assert!(check_bytes(7, &bytes).unwrap_err().contains("byte 211"));
        let mut other = [0; 300];
        fill_pattern(8, 0, &mut other);
        assert!(check_bytes(7, &other).is_err());
    }
}
