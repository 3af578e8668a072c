//! The list of blocks that a READ of several asks for: 24 bytes each, in the payload of READ_LIST.
//!
//! ```text
//! +----------------+----------------------------+----------------+
//! |    key (64)    |   slot (16), offset (48)   |  length (64)   |
//! +----------------+----------------------------+----------------+
//! ```
//! The core sees no payload: drivers read and write these lists.

use alloc::vec::Vec;

use zerocopy::byteorder::network_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::region::RegionAddress;
use crate::transfer::Block;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Entry {
    words: [U64; 2],
    len: U64,
}

/// What a block takes in a list.
pub const LIST_ENTRY_BYTES: usize = size_of::<Entry>();

const _: () = assert!(LIST_ENTRY_BYTES == 24);

/// The list of what these blocks name at the peer.
pub fn encode_list(blocks: &[Block]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(blocks.len() * LIST_ENTRY_BYTES);
    for block in blocks {
        let words = block.remote.words().map(U64::new);
        bytes.extend_from_slice(Entry { words, len: U64::new(block.len) }.as_bytes());
    }
    bytes
}

/// The blocks that a peer's list names on this side. `None` if the bytes are no list.
pub fn decode_list(bytes: &[u8]) -> Option<Vec<Block>> {
    let entries = <[Entry]>::ref_from_bytes(bytes).ok()?;
    let block = |entry: &Entry| {
        let place = RegionAddress::from_words(entry.words.map(U64::get));
        Block::new(place, place, entry.len.get())
    };
    Some(entries.iter().map(block).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_byte_for_byte() {
        let remote = RegionAddress::new(0x0102, 0x1122_3344_5566_7788, 0x0a0b_0c0d_0e0f);
        let bytes = encode_list(&[Block::new(RegionAddress::new(0, 0, 0), remote, 0x1000)]);
        let expected = [
            0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, // key
            0x01, 0x02, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, // slot, offset
            0, 0, 0, 0, 0, 0, 0x10, 0, // length
        ];
        assert_eq!(bytes, expected);
        assert_eq!(decode_list(&bytes), Some(alloc::vec![Block::new(remote, remote, 0x1000)]));
        assert_eq!(decode_list(&bytes[1..]), None);
    }
}
