//! The format, byte for byte, and that nothing else is taken: section 2 of docs/PROTOCOL.md.

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::ids::Service;

fn bytes(encode: impl FnOnce(&mut [u8]) -> usize) -> Vec<u8> {
    let mut out = vec![0xee; MAX_HEADER_BYTES];
    let len = encode(&mut out);
    out.truncate(len);
    out
}

fn data() -> Data {
    Data {
        address: Address { context: 0x0102_0304, tag: 0xbeef },
        flags: DataFlags::ACK_REQUEST,
        psn: 0x1122_3344,
        transmission: Transmission { path: 7, seq: 0x0a_0b0c },
        timestamp: 0xdead_cafe,
        service: Service::Rd,
        op: Op::Send,
        payload_len: 5,
        message_id: 0x5566_7788,
        order: 0x99aa_bbcc,
        total_len: 0x01_0000_0000,
        offset: 0x0fff,
        open: None,
        args: [0; 2],
    }
}

#[test]
fn a_data_header_byte_for_byte() {
    let expected: [u8; 64] = [
        0x11, 0x02, 0xbe, 0xef, 0x01, 0x02, 0x03,
        0x04, // version 1, kind 1, flags, tag, context
        0x11, 0x22, 0x33, 0x44, 0x07, 0x0a, 0x0b, 0x0c, // PSN, path, path sequence number
        0xde, 0xad, 0xca, 0xfe, 0x80, 0x00, 0x00,
        0x05, // timestamp, RD + send, -, payload length
        0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, // message id, order
        0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, // total length
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0f, 0xff, // offset
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // key
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // remote offset
    ];
    assert_eq!(bytes(|out| data().encode(out)), expected);
}

#[test]
fn an_opening_data_header_byte_for_byte() {
    let open = OpenInfo {
        context: 0x0a0b_0c0d,
        incarnation: 0x1111_2222_3333_4444,
        mtu_bytes: 0x2000,
        features: 0x0001,
        credit_packets: 0x1000,
        locator: 0x12b7,
        paths: 128,
    };
    let bytes = bytes(|out| Data { open: Some(open), ..data() }.encode(out));
    assert_eq!(bytes[..8], [0x11, 0x03, 0xbe, 0xef, 0x0a, 0x0b, 0x0c, 0x0d]);
    assert_eq!(bytes[21], 127);
    assert_eq!(
        bytes[48..],
        [
            0x11, 0x11, 0x22, 0x22, 0x33, 0x33, 0x44, 0x44, // incarnation
            0x20, 0x00, 0x00, 0x01, 0x10, 0x00, 0x12, 0xb7, // MTU, features, credit, locator
        ]
    );
    assert_eq!(origin_locator(&bytes), Some(0x12b7));
}

#[test]
fn an_ack_byte_for_byte() {
    let mut ack = Ack::new(Address { context: 1, tag: 2 }, 3, 4);
    ack.received_bytes = 5;
    ack.duplicates = 6;
    ack.trigger = Transmission { path: 7, seq: 8 };
    ack.echo = 9;
    ack.turnaround_ns = 10;
    ack.number = 11;
    ack.duplicate = 12;
    ack.source = 0x0d0e;
    ack.push_block(AckBlock { offset: 13, bits: 14 });
    ack.push_path(AckPath { highest: Transmission { path: 15, seq: 16 }, ce_packets: 17 });
    let expected = [
        0x12, 0, 0, 2, 0, 0, 0, 1, // version 1, kind 2, flags, tag, context
        0, 0, 0, 3, 0, 0, 0, 4, // cumulative, credit
        0, 0, 0, 5, 0, 6, 1, 1, // received bytes, duplicates, blocks, paths
        7, 0, 0, 8, 0, 0, 0, 9, // trigger, echo
        0, 0, 0, 10, 0, 0, 0, 11, // turnaround, number
        0, 0, 0, 12, 0x0d, 0x0e, 0, 0, // duplicate, source, -
        0, 13, 0, 0, 0, 0, 0, 0, 0, 14, // block
        15, 0, 0, 16, 17, // path
    ];
    assert_eq!(bytes(|out| ack.encode(out)), expected);
}

#[test]
fn undefined_flags_and_codes_are_refused() {
    let good = bytes(|out| data().encode(out));
    let decode = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        Packet::decode(&bytes, 64 + 5)
    };
    assert!(decode(0, 0x11).is_ok());
    assert_eq!(decode(0, 0x21), Err(DecodeError::Version(2)));
    assert_eq!(decode(0, 0x10), Err(DecodeError::Kind(0)));
    assert_eq!(decode(1, 0x08), Err(DecodeError::Undefined), "the protected mode is not there yet");
    assert_eq!(decode(1, 0x80), Err(DecodeError::Undefined));
    assert_eq!(decode(20, 0xc0), Err(DecodeError::Undefined), "no such service");
    assert_eq!(decode(20, 0x3f), Err(DecodeError::Undefined), "no such operation");
}

/// Rules D1 to D3.
#[test]
fn lengths_must_agree() {
    let decode = |data: Data, len: usize| Packet::decode(&bytes(|out| data.encode(out)), 64 + len);
    assert_eq!(decode(data(), 4), Err(DecodeError::Length));
    assert_eq!(decode(data(), 6), Err(DecodeError::Length));
    let end = Data { total_len: 0x0fff + 5, ..data() };
    assert!(decode(end, 5).is_ok());
    let past_end = Data { total_len: 0x0fff + 4, ..data() };
    assert_eq!(decode(past_end, 5), Err(DecodeError::PastEnd));
    let wraps = Data { offset: u64::MAX, total_len: u64::MAX, ..data() };
    assert_eq!(decode(wraps, 5), Err(DecodeError::PastEnd));
    let empty_piece = Data { payload_len: 0, ..data() };
    assert_eq!(decode(empty_piece, 0), Err(DecodeError::PastEnd));
    let empty_message = Data { payload_len: 0, total_len: 0, offset: 0, ..data() };
    assert!(decode(empty_message, 0).is_ok());
    let partial_datagram = Data { service: Service::Ud, ..data() };
    assert_eq!(decode(partial_datagram, 5), Err(DecodeError::PastEnd));
    let immediate = DataFlags::IMMEDIATE;
    let first = Data { flags: immediate, offset: u64::MAX, total_len: 5, ..data() };
    assert!(decode(first, 5).is_ok(), "that is no offset");
    assert_eq!(decode(Data { total_len: 4, ..first }, 5), Err(DecodeError::PastEnd));
    let beside_nothing = Data { payload_len: 0, total_len: 0, ..first };
    assert!(decode(beside_nothing, 0).is_ok());
    let nothing_of_more = Data { payload_len: 0, ..first };
    assert_eq!(decode(nothing_of_more, 0), Err(DecodeError::PastEnd));
    let unreliable_report = Data { service: Service::Ud, op: Op::Delivered, ..empty_message };
    assert_eq!(decode(unreliable_report, 0), Err(DecodeError::Undefined));
}

/// Rule O2.
#[test]
fn impossible_open_parameters_are_refused() {
    let open = OpenInfo {
        context: 1,
        incarnation: 1,
        mtu_bytes: 1,
        features: 0,
        credit_packets: 1,
        locator: 0,
        paths: 1,
    };
    let decode = |info: OpenInfo| {
        Packet::decode(&bytes(|out| OpenPacket { info, answers: 0 }.encode(out)), 36)
    };
    assert!(decode(open).is_ok());
    for bad in [
        OpenInfo { incarnation: 0x10000, ..open },
        OpenInfo { mtu_bytes: 0, ..open },
        OpenInfo { credit_packets: 0, ..open },
    ] {
        assert_eq!(decode(bad), Err(DecodeError::BadOpen));
    }
}

fn arbitrary_ack() -> impl Strategy<Value = Ack> {
    let blocks = prop::collection::vec((any::<u16>(), 1u64..), 0..=MAX_ACK_BLOCKS);
    let paths = prop::collection::vec((any::<u8>(), 0u32..1 << 24, any::<u8>()), 0..=MAX_ACK_PATHS);
    (any::<[u32; 9]>(), any::<u16>(), any::<(u8, u16)>(), blocks, paths).prop_map(
        |(words, tag, (path, duplicates), blocks, paths)| {
            let mut ack = Ack::new(Address { context: words[0], tag }, words[1], words[2]);
            ack.received_bytes = words[3];
            ack.duplicates = duplicates;
            ack.trigger = Transmission { path, seq: words[4] & 0x00ff_ffff };
            ack.echo = words[5];
            ack.turnaround_ns = words[6];
            ack.number = words[7];
            ack.duplicate = words[8];
            ack.source = tag ^ 7;
            for (offset, bits) in blocks {
                assert!(ack.push_block(AckBlock { offset, bits }));
            }
            for (path, seq, ce_packets) in paths {
                assert!(ack.push_path(AckPath { highest: Transmission { path, seq }, ce_packets }));
            }
            ack
        },
    )
}

proptest! {
    #[test]
    fn acks_come_back_as_they_were(ack in arbitrary_ack()) {
        let bytes = bytes(|out| ack.encode(out));
        prop_assert_eq!(Packet::decode(&bytes, bytes.len()), Ok(Packet::Ack(ack)));
        for len in 0..bytes.len() {
            prop_assert!(Packet::decode(&bytes[..len], len).is_err());
        }
    }

    #[test]
    fn whatever_is_decoded_is_encoded_alike(mut bytes in prop::collection::vec(any::<u8>(), 1..200), kind in 1u8..7) {
        bytes[0] = VERSION << 4 | kind;
        if let Ok(packet) = Packet::decode(&bytes, bytes.len()) {
            let again = self::bytes(|out| match packet {
                Packet::Data(data) => data.encode(out),
                Packet::Ack(ack) => ack.encode(out),
                Packet::Nack(nack) => nack.encode(out),
                Packet::Open(open) => open.encode(out),
                Packet::Reset(reset) => reset.encode(out),
                Packet::Probe(probe) => probe.encode(out),
                Packet::Close(close) => close.encode(out),
                Packet::Part(part) => part.encode(out),
            });
            // Decoding is of a header; a data packet's payload is not part of it.
            let len = again.len() + match packet {
                Packet::Data(data) => usize::from(data.payload_len),
                _ => 0,
            };
            prop_assert_eq!(Packet::decode(&again, len), Ok(packet));
        }
    }

    #[test]
    fn closes_come_back_as_they_were(context: u32, tag: u16, incarnation: u64) {
        let close = Close { address: Address { context, tag }, incarnation };
        let bytes = bytes(|out| close.encode(out));
        prop_assert_eq!(Packet::decode(&bytes, bytes.len()), Ok(Packet::Close(close)));
        prop_assert_eq!(Packet::decode(&bytes[..15], 15), Err(DecodeError::Truncated));
        let transmission = Transmission { path: 7, seq: context & 0xff_ffff };
        let probe = Probe { address: close.address, transmission, timestamp: !context };
        let part = Part { probe, next_psn: context ^ 5, incarnation };
        let bytes = self::bytes(|out| part.encode(out));
        prop_assert_eq!(Packet::decode(&bytes, bytes.len()), Ok(Packet::Part(part)));
    }

    #[test]
    fn data_headers_come_back_as_they_were(
        psn: u32, path: u8, seq in 0u32..1 << 24, timestamp: u32, id: u32, order: u32,
        payload_len in 1u16.., offset in 0u64..1 << 60, more in 0u64..1 << 60, opening: bool,
        incarnation in 1u64..0xffff, locator: u16, paths in 1u16..=256, args: [u64; 2],
        immediate: Option<u64>,
    ) {
        let open = opening.then_some(OpenInfo {
            context: 9, incarnation, mtu_bytes: 1, features: 3, credit_packets: 64, locator, paths,
        });
        let expected = Data {
            address: Address { context: 9, tag: 5 },
            flags: DataFlags::REPORT
                .with(DataFlags::OPEN, opening)
                .with(DataFlags::IMMEDIATE, immediate.is_some()),
            psn,
            transmission: Transmission { path, seq },
            timestamp,
            service: Service::Srd,
            op: Op::Send,
            payload_len,
            message_id: id,
            order,
            total_len: offset + u64::from(payload_len) + more,
            offset: immediate.unwrap_or(offset),
            open,
            args: if opening { [0; 2] } else { args },
        };
        let bytes = bytes(|out| expected.encode(out));
        let len = bytes.len() + usize::from(payload_len);
        prop_assert_eq!(Packet::decode(&bytes, len), Ok(Packet::Data(expected)));
        let view = DataView::check(&bytes, len).unwrap();
        prop_assert_eq!(view.send_immediate(), immediate);
        prop_assert_eq!(view.offset(), if immediate.is_some() { 0 } else { offset });
    }
}

/// Rule D4: where the pieces of a WRITE and of its note may lie.
#[test]
fn pieces_of_notes_are_checked() {
    let check = |immediate: bool, note_len: u32, (offset, len): (u64, u16)| {
        let data = Data {
            flags: DataFlags::default().with(DataFlags::IMMEDIATE, immediate),
            service: Service::Srd,
            op: Op::Write,
            order: note_len,
            total_len: 1000,
            offset,
            payload_len: len,
            ..data()
        };
        let bytes = bytes(|out| data.encode(out));
        Packet::decode(&bytes, bytes.len() + usize::from(len)).is_ok()
    };
    // The note is the last 100 bytes.
    for piece in [(0, 900), (899, 1), (900, 100), (900, 1), (999, 1)] {
        assert!(check(true, 100, piece), "{piece:?}");
    }
    for piece in [(0, 1000), (0, 901), (899, 2), (900, 101), (1000, 0), (900, 0), (1000, 1)] {
        assert!(!check(true, 100, piece), "{piece:?}");
    }
    for note_len in [0, 100] {
        assert!(!check(note_len > 0, note_len, (u64::MAX - 4, 5)), "wraps around");
    }
    assert!(check(true, 0, (1000, 0)) && check(false, 0, (0, 1000)));
    assert!(!check(false, 100, (900, 100)), "a note without an immediate");
    assert!(!check(false, 0, (1000, 0)) && !check(true, 0, (0, 0)));
    assert!(check(true, 1000, (0, 1000)) && !check(true, 1001, (0, 1000)));
}
