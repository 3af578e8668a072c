//! The frame check: a checksum that the sender's interface puts on every frame and every receiver
//! of a link compares, as Ethernet does. Only computed where links corrupt.

use super::packet::{Arena, PacketId};

impl Arena {
    /// Computes the check.
    pub(super) fn seal(&mut self, id: PacketId) {
        self.content_mut(id).frame_check = self.check_of(id);
    }

    /// Whether the frame is what was sealed.
    pub(super) fn is_sealed(&self, id: PacketId) -> bool {
        self.content(id).frame_check == self.check_of(id)
    }

    /// FNV-1a over header, length, and payload if any is carried.
    fn check_of(&self, id: PacketId) -> u32 {
        let packet = self.packet(id);
        let carried = match packet.payload() {
            Some(range) if self.carries_bytes() => self.payload(id, range.len as usize),
            _ => &[],
        };
        let bytes = packet.head().iter().chain(carried).copied();
        let step = |sum: u32, byte: u8| (sum ^ u32::from(byte)).wrapping_mul(FNV_PRIME);
        bytes.chain(packet.len.to_le_bytes()).fold(FNV_BASIS, step)
    }
}

const FNV_BASIS: u32 = 0x811c_9dc5;
const FNV_PRIME: u32 = 0x0100_0193;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_flipped_bit_is_noticed() {
        let mut packets = Arena::new(0);
        let id = packets.allocate();
        (packets[id].header_len, packets[id].len) = (64, 64);
        packets.seal(id);
        assert!(packets.is_sealed(id));
        for bit in 0..64 * 8 {
            packets.content_mut(id).header[bit / 8] ^= 1 << (bit % 8);
            assert!(!packets.is_sealed(id), "bit {bit}");
            packets.content_mut(id).header[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
