//! Messages of all kinds.

use std::collections::BTreeMap;

use usrd::{BytesMut, Completion, RecvOptions, SendOptions, Service};

use super::common::{assert_same, collect, pattern};
use super::ends::Ends;
use super::{COUNT, Operation};

/// Messages of one kind.
struct Messages {
    name: &'static str,
    len: usize,
    options: fn(u64) -> SendOptions,
    /// What is received: of each, or all of them in one buffer.
    receive: fn(u64) -> RecvOptions,
    in_one: bool,
    in_order: bool,
}

/// More than a packet, on every device.
const LONG: usize = 100_000;
const SHORT: usize = 500;

pub(crate) fn all() -> Vec<Box<dyn Operation>> {
    let plain = Messages {
        name: "send",
        len: LONG,
        options: SendOptions::new,
        receive: RecvOptions::new,
        in_one: false,
        in_order: false,
    };
    let delivered = |number| SendOptions::new(number).delivered();
    let with_immediate = |number| SendOptions::new(number).immediate(number);
    let tagged = |number| SendOptions::new(number).tag(number).immediate(number);
    let by_tag = |number| RecvOptions::new(number).tag(number);
    let many = |number| RecvOptions::new(number).many(COUNT as u32, SHORT as u64);
    [
        Messages { name: "short send", len: SHORT, ..plain },
        Messages { name: "send with immediate", options: with_immediate, ..plain },
        Messages { name: "send, delivered", options: delivered, ..plain },
        Messages {
            name: "send in order",
            options: |number| SendOptions::new(number).service(Service::Rd),
            in_order: true,
            ..plain
        },
        Messages { name: "tagged", len: SHORT, options: tagged, receive: by_tag, ..plain },
        Messages { name: "tagged, announced", options: tagged, receive: by_tag, ..plain },
        Messages { name: "many in a receive", len: SHORT, receive: many, in_one: true, ..plain },
        plain,
    ]
    .map(|messages| Box::new(messages) as Box<dyn Operation>)
    .into()
}

impl Messages {
    /// Its number first, so that who has it knows which it is.
    fn message(&self, number: u64) -> Vec<u8> {
        let mut message = pattern(self.len, number + 1);
        message[..8].copy_from_slice(&number.to_le_bytes());
        message
    }
}

impl Operation for Messages {
    fn name(&self) -> &'static str {
        self.name
    }

    fn get_ready(&mut self, ends: &Ends) {
        if self.in_one {
            // Each begins at a multiple of 64 bytes.
            let buffer = BytesMut::zeroed(COUNT as usize * (self.len + 64));
            ends.b.recv(buffer, (self.receive)(0)).unwrap();
            return;
        }
        for number in 0..COUNT {
            ends.b.recv(BytesMut::zeroed(self.len), (self.receive)(number)).unwrap();
        }
    }

    fn ask(&self, ends: &Ends, number: u64) {
        ends.a.send(ends.peer, self.message(number), (self.options)(number)).unwrap();
    }

    fn check(&mut self, ends: &Ends, completions: Vec<Completion>) {
        for completion in completions {
            completion.into_send().unwrap().result.unwrap();
        }
        let mut seen = BTreeMap::new();
        let mut order = Vec::new();
        for completion in collect(&ends.b, COUNT as usize + usize::from(self.in_one)) {
            if let Completion::RecvOver(over) = completion {
                assert_eq!((over.messages, over.result), (COUNT as u32, Ok(())), "{}", self.name);
                continue;
            }
            let arrived = completion.into_recv().unwrap();
            let number = u64::from_le_bytes(arrived.message()[..8].try_into().unwrap());
            assert_same(arrived.message(), &self.message(number));
            let received = arrived.result.unwrap();
            let sent = (self.options)(number);
            assert_eq!((received.tag, received.immediate), (sent.tag, sent.immediate));
            assert_eq!(received.service, sent.service);
            if received.tag.is_some() {
                assert_eq!(arrived.context, number, "the receive for its tag");
            }
            assert!(seen.insert(number, ()).is_none(), "{}: {number} twice", self.name);
            order.push(number);
        }
        assert_eq!(seen.len() as u64, COUNT, "{}", self.name);
        assert!(!self.in_order || order.is_sorted(), "{}: {order:?}", self.name);
    }
}
