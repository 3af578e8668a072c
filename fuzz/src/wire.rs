//! Any bytes may arrive.

use usrd_proto::wire::{DATA_HEADER_BYTES, MAX_HEADER_BYTES, Packet, origin_locator};

/// Decodes the bytes as a datagram, whole and cut short. What is a packet says the same again when
/// it is encoded.
pub fn wire_decode(bytes: &[u8]) {
    for head_len in [bytes.len(), bytes.len() / 2, bytes.len().saturating_sub(1)] {
        let _ = Packet::decode(&bytes[..head_len], bytes.len());
        let _ = origin_locator(&bytes[..head_len]);
    }
    let Ok(packet) = Packet::decode(bytes, bytes.len()) else {
        return;
    };
    if let Packet::Data(_) = packet {
        let head = &bytes[..DATA_HEADER_BYTES];
        assert_eq!(Packet::decode(head, bytes.len()), Ok(packet), "the payload was looked at");
    }
    let mut out = [0; MAX_HEADER_BYTES];
    let len = encode(&packet, &mut out);
    let payload_len = match packet {
        Packet::Data(data) => usize::from(data.payload_len),
        _ => 0,
    };
    assert_eq!(Packet::decode(&out[..len], len + payload_len), Ok(packet));
    assert_eq!(origin_locator(&out[..len]), origin_locator(bytes));
}

pub(crate) fn encode(packet: &Packet, out: &mut [u8]) -> usize {
    match packet {
        Packet::Data(data) => data.encode(out),
        Packet::Ack(ack) => ack.encode(out),
        Packet::Nack(nack) => nack.encode(out),
        Packet::Open(open) => open.encode(out),
        Packet::Reset(reset) => reset.encode(out),
        Packet::Probe(probe) => probe.encode(out),
        Packet::Close(close) => close.encode(out),
        Packet::Part(part) => part.encode(out),
    }
}
