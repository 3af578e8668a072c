//! Packets that an attacker makes who has seen what was sent before.

use usrd_proto::wire::{
    Ack, AckBlock, AckPath, Address, Data, DataFlags, MAX_HEADER_BYTES, Nack, NackReason, Op,
    OpenInfo, OpenPacket, Packet, Probe, Reset, Transmission,
};

use super::op::Forgery;
use crate::wire::encode;

/// What passed by on the way to one endpoint: enough to be believed by it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    address: Address,
    psn: u32,
    cumulative: u32,
    /// Low bits of the sender's incarnation.
    source: u16,
    seq: u32,
    message: u32,
    order: u32,
    args: [u64; 2],
    open: Option<OpenInfo>,
    answers: u64,
}

impl Seen {
    pub(crate) fn note(&mut self, packet: &Packet) {
        match packet {
            Packet::Data(data) => {
                (self.psn, self.message) = (data.psn, data.message_id);
                (self.order, self.seq) = (data.order, data.transmission.seq);
                if data.args != [0; 2] {
                    self.args = data.args;
                }
                match data.open {
                    Some(open) => self.note_open(open),
                    None => self.address = data.address,
                }
            }
            Packet::Ack(ack) => {
                (self.address, self.cumulative) = (ack.address, ack.cumulative);
                (self.seq, self.source) = (ack.trigger.seq, ack.source);
            }
            Packet::Nack(nack) => self.address = nack.address,
            Packet::Open(open) => {
                self.note_open(open.info);
                self.answers = open.answers;
            }
            Packet::Probe(probe) => self.address = probe.address,
            Packet::Close(close) => self.address = close.address,
            Packet::Part(part) => self.address = part.probe.address,
            Packet::Reset(_) => {}
        }
    }

    fn note_open(&mut self, open: OpenInfo) {
        self.open = Some(open);
        self.source = open.incarnation as u16;
    }

    /// The forged datagram.
    pub(crate) fn forge(&self, forgery: Forgery) -> Vec<u8> {
        let (packet, payload_len) = self.packet(forgery);
        let mut bytes = vec![0; MAX_HEADER_BYTES];
        let len = encode(&packet, &mut bytes);
        bytes.truncate(len);
        bytes.resize(len + payload_len, 0xee);
        bytes
    }

    fn packet(&self, forgery: Forgery) -> (Packet, usize) {
        let address = self.address;
        match forgery {
            Forgery::Data { .. } => self.data(forgery),
            Forgery::Ack { .. } => (self.ack(forgery), 0),
            Forgery::Nack { psn, path, seq, delay_ns, credit, trimmed } => {
                let psn = near(self.cumulative, psn.into());
                let reason =
                    if trimmed { NackReason::Trimmed } else { NackReason::ReceiverNotReady };
                let credit = near(self.cumulative, credit.into());
                let transmission = self.transmission(path, seq);
                let source = self.source;
                let nack = Nack { address, psn, transmission, delay_ns, reason, credit, source };
                (Packet::Nack(nack), 0)
            }
            Forgery::Open { context, incarnation, answers_truly, mtu, credit, paths } => {
                let known = self.open.map_or((0, 1), |open| (open.context, open.incarnation));
                let incarnation = if incarnation == 0 { known.1 } else { incarnation.into() };
                let info = OpenInfo {
                    context: near(known.0, context.into()),
                    incarnation,
                    mtu_bytes: mtu,
                    features: 0,
                    credit_packets: credit,
                    locator: 0,
                    paths: u16::from(paths) + 1,
                };
                let answers = if answers_truly { self.answers } else { 0 };
                (Packet::Open(OpenPacket { info, answers }), 0)
            }
            Forgery::Reset { path, seq } => {
                let transmission = self.transmission(path, seq);
                // A RESET repeats the address that the victim itself has written.
                let open = self.open.map_or(address, |open| Address {
                    context: open.context,
                    tag: open.incarnation as u16,
                });
                (Packet::Reset(Reset { address: open, transmission }), 0)
            }
            Forgery::Probe { path, seq } => {
                let transmission = self.transmission(path, seq);
                (Packet::Probe(Probe { address, transmission, timestamp: 0 }), 0)
            }
        }
    }

    fn data(&self, forgery: Forgery) -> (Packet, usize) {
        let Forgery::Data { how, psn, path, len, message, order, total, offset } = forgery else {
            unreachable!("called for data only");
        };
        // Who has seen an address may use it as well.
        let op = match (total, len, self.args) {
            (0, 0, _) => Op::Delivered,
            (_, _, [0, 0]) => Op::Send,
            (total, ..) => ONE_SIDED[usize::from(total) % ONE_SIDED.len()],
        };
        let is_immediate = matches!(op, Op::Write | Op::Send) && order < 0;
        let data = Data {
            address: self.address,
            flags: DataFlags(u8::from(psn < 0) * DataFlags::REPORT.0)
                .with(DataFlags::IMMEDIATE, is_immediate),
            psn: near(self.psn, psn.into()),
            transmission: Transmission { path, seq: near(self.seq, 1) },
            timestamp: 0,
            service: how.service(),
            op,
            payload_len: len.into(),
            message_id: near(self.message, message.into()),
            // Of a WRITE it is the length of its note.
            order: match op {
                Op::Write => order.min(0).unsigned_abs().into(),
                _ => near(self.order, order.into()),
            },
            total_len: total.into(),
            offset: offset.into(),
            open: None,
            args: if op == Op::Send { [0; 2] } else { self.args },
        };
        (Packet::Data(data), len.into())
    }

    fn ack(&self, forgery: Forgery) -> Packet {
        let Forgery::Ack { cumulative, credit, path, seq, blocks, number } = forgery else {
            unreachable!("called for ACKs only");
        };
        let cumulative = near(self.cumulative, cumulative.into());
        let mut ack = Ack::new(self.address, cumulative, near(cumulative, credit.into()));
        ack.trigger = self.transmission(path, seq);
        ack.source = self.source;
        ack.number = u32::from(number) << 24;
        ack.duplicates = number.into();
        ack.echo = cumulative;
        for (offset, bits) in blocks {
            ack.push_block(AckBlock { offset: offset.into(), bits });
        }
        ack.push_path(AckPath { highest: ack.trigger, ce_packets: number % 3 });
        Packet::Ack(ack)
    }

    fn transmission(&self, path: u8, seq: i8) -> Transmission {
        Transmission { path, seq: near(self.seq, seq.into()) & 0x00ff_ffff }
    }
}

/// What is forged once an address was seen.
const ONE_SIDED: [Op; 10] = [
    Op::Send,
    Op::Write,
    Op::Read,
    Op::ReadList,
    Op::Response,
    Op::FetchAdd,
    Op::CompareSwap,
    Op::Result,
    Op::Refused,
    Op::Abandon,
];

fn near(number: u32, distance: i32) -> u32 {
    number.wrapping_add_signed(distance)
}
