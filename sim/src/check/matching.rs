//! Matching: a tagged message is given a receive that fits it, and what it says of itself is true. Of the
//! receives that fit, it is the one that was posted first; and messages of one host are given theirs in
//! the order of submission.
//!
//! When a message was matched cannot be seen from outside, but two things follow for what completes. Of
//! two messages of one host, if the later one's receive fits the earlier one, the earlier one's was posted
//! before it. And a receive that is never used was posted later than any that has been given a message
//! which it fits.

use std::collections::BTreeMap;

use crate::tags::{Pattern, tag_of};
use crate::traffic::{MessageId, Traffic};

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Matching {
    /// What each host has posted, in order.
    posted: BTreeMap<u32, Vec<Posted>>,
    /// What has been received, by receiver and sender, in the order of submission: with which receive.
    given: BTreeMap<(u32, u32), BTreeMap<u32, (u64, usize)>>,
    /// Messages handed over, by receiver and sender.
    submitted: BTreeMap<(u32, u32), u32>,
    /// Their places in that order.
    places: BTreeMap<MessageId, u32>,
}

#[derive(Clone, Copy, Debug)]
struct Posted {
    token: u32,
    pattern: Pattern,
    /// It is for several messages.
    is_shared: bool,
    /// It can be given messages.
    is_open: bool,
}

impl Matching {
    /// A tagged message was handed over.
    pub(super) fn submitted(&mut self, traffic: &Traffic, message: MessageId) {
        let spec = traffic.spec_of(message);
        let count = self.submitted.entry((spec.dst, spec.src)).or_default();
        self.places.insert(message, *count);
        *count += 1;
    }

    /// A host has posted a receive.
    pub(super) fn posted(&mut self, host: u32, token: u32, pattern: Pattern, is_shared: bool) {
        let posted = Posted { token, pattern, is_shared, is_open: true };
        self.posted.entry(host).or_default().push(posted);
    }

    /// A receive is over without a message, or without another.
    pub(super) fn unposted(&mut self, host: u32, token: u32) {
        if let Some(nth) = self.open(host, token)
            && let Some(posted) = self.posted.get_mut(&host)
        {
            posted[nth].is_open = false;
        }
    }

    /// A host has lost its receives.
    pub(super) fn lost(&mut self, host: u32) {
        self.posted.remove(&host);
        self.given.retain(|&(receiver, _), _| receiver != host);
    }

    /// A receive of a host has completed with a message, and tells of its tag and its immediate.
    pub(super) fn received(
        &mut self,
        traffic: &Traffic,
        message: MessageId,
        (host, token): (u32, u32),
        (from, tag, immediate): (u32, u64, Option<u64>),
    ) -> Result<(), String> {
        let spec = traffic.spec_of(message);
        let right_tag = tag_of(traffic.flow_of(message), traffic.index_of(message));
        let expected = spec.operation.immediate.then(|| crate::memory::immediate_of(message));
        if (tag, immediate) != (right_tag, expected) {
            return Err(format!(
                "message {message} has tag {right_tag:#x} and immediate {expected:?}, and came with \
                 {tag:#x} and {immediate:?}"
            ));
        }
        let (Some(nth), Some(&place)) = (self.open(host, token), self.places.get(&message)) else {
            return Err(format!("message {message} came with receive {token}, which is not open"));
        };
        let Some(posted) = self.posted.get_mut(&host) else { return Ok(()) };
        posted[nth].is_open = posted[nth].is_shared;
        let pattern = posted[nth].pattern;
        let given = self.given.entry((host, from)).or_default();
        given.insert(place, (tag, nth));
        if !pattern.takes(from, tag) {
            return Err(format!("message {message} was given {pattern:?}, which it does not fit"));
        }
        let early = given
            .range(..place)
            .find(|(_, (tag, other))| *other > nth && pattern.takes(from, *tag));
        let late = given
            .range(place + 1..)
            .find(|(_, (_, other))| *other < nth && posted[*other].pattern.takes(from, tag));
        match early.or(late) {
            Some((other, (_, receive))) => Err(format!(
                "{from} -> {host}: message {message}, submission {place}, was given receive {nth}, and \
                 submission {other} receive {receive}, though the earlier one fits both"
            )),
            None => Ok(()),
        }
    }

    /// For the end of a run: nothing was given a receive that came after one that is still open.
    pub(super) fn check_all(&self) -> Result<(), String> {
        for (&(host, from), given) in &self.given {
            let Some(posted) = self.posted.get(&host) else { continue };
            let open: Vec<_> = posted.iter().enumerate().filter(|(_, it)| it.is_open).collect();
            for &(tag, nth) in given.values() {
                let passed = open.iter().find(|(at, it)| *at < nth && it.pattern.takes(from, tag));
                if let Some((at, it)) = passed {
                    return Err(format!(
                        "host {host}: tag {tag:#x} of host {from} was given receive {nth}, and not \
                         receive {at}, {:?}, which is still open",
                        it.pattern
                    ));
                }
            }
        }
        Ok(())
    }

    fn open(&self, host: u32, token: u32) -> Option<usize> {
        let posted = self.posted.get(&host)?;
        posted.iter().rposition(|it| it.is_open && it.token == token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::ServiceKey;
    use crate::time::Time;
    use crate::workload::{FlowSpec, Operation, OperationKey, Plan};

    /// Messages 0 to 3 from host 0 to host 1, all handed over.
    fn matching() -> (Matching, Traffic) {
        let operation = Operation { kind: OperationKey::Tagged, vector: 1, immediate: false };
        let (service, start) = (ServiceKey::Srd, Time::ZERO);
        let flow = FlowSpec { src: 0, dst: 1, messages: 4, size: 9, service, operation, start };
        let traffic = Traffic::new(&Plan::of(&[flow]));
        let mut matching = Matching::default();
        (0..4).for_each(|message| matching.submitted(&traffic, message));
        (matching, traffic)
    }

    fn receive(
        matching: &mut Matching,
        traffic: &Traffic,
        message: u32,
        token: u32,
    ) -> Result<(), String> {
        matching.received(traffic, message, (1, token), (0, tag_of(0, message), None))
    }

    #[test]
    fn messages_take_receives_in_order() {
        let (mut matching, traffic) = matching();
        (0..3).for_each(|token| matching.posted(1, token, Pattern::ANY, false));
        receive(&mut matching, &traffic, 2, 2).unwrap();
        receive(&mut matching, &traffic, 0, 0).unwrap();
        receive(&mut matching, &traffic, 1, 1).unwrap();
        assert!(receive(&mut matching, &traffic, 3, 1).unwrap_err().contains("not open"));
        matching.check_all().unwrap();
    }

    #[test]
    fn overtaking_is_noticed() {
        let (mut matching, traffic) = matching();
        (0..2).for_each(|token| matching.posted(1, token, Pattern::ANY, false));
        receive(&mut matching, &traffic, 1, 0).unwrap();
        assert!(receive(&mut matching, &traffic, 0, 1).unwrap_err().contains("fits both"));
    }

    #[test]
    fn what_does_not_fit_or_was_passed_over_is_noticed() {
        let (mut matching, traffic) = matching();
        matching.posted(1, 7, Pattern::of(0, 3, 0), false);
        assert!(receive(&mut matching, &traffic, 1, 7).unwrap_err().contains("does not fit"));
        matching.posted(1, 8, Pattern::ANY, false);
        matching.posted(1, 9, Pattern::ANY, false);
        receive(&mut matching, &traffic, 2, 9).unwrap();
        assert!(matching.check_all().unwrap_err().contains("still open"));
        matching.unposted(1, 8);
        matching.check_all().unwrap();
        let wrong = matching.received(&traffic, 3, (1, 8), (0, tag_of(0, 3), Some(1)));
        assert!(wrong.unwrap_err().contains("immediate"));
    }
}
