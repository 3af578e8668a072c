//! Serving: transfers of key-value blocks, and calls with responses.

use usrd_proto::wire::DATA_HEADER_BYTES;

use super::{FlowSpec, Operation, OperationKey, Plan, Workload};
use crate::rng::{Component, Stream};
use crate::time::Time;
use crate::units::Bytes;

impl Workload {
    /// Each request: thousands of blocks from a prefill host to a decode host. As messages, they
    /// are followed by one notification, sent once all blocks are known to be there; as one WRITE or
    /// READ, the other side is told by its immediate.
    pub(super) fn kv_transfer(&self, plan: &mut Plan, hosts: u32, seed: u64) {
        let mut rng = Stream::new(seed, Component::Workload, KV_TRANSFER);
        let prefill = self.prefill(hosts);
        let blocks = self.blocks.unwrap_or((1, 1));
        let block_size = self.block_size.unwrap_or((Bytes(1), Bytes(1)));
        let mut arrival = Time::ZERO;
        for request in 0..self.requests.unwrap_or(0) {
            let spec = FlowSpec {
                src: rng.below(prefill.into()) as u32,
                dst: prefill + rng.below((hosts - prefill).into()) as u32,
                messages: between(&mut rng, blocks.0.into(), blocks.1.into()) as u32,
                size: between(&mut rng, block_size.0.0, block_size.1.0),
                service: self.service,
                operation: Operation::SEND,
                start: arrival,
            };
            match self.operation().kind {
                OperationKey::Write | OperationKey::Read => {
                    plan.push(self.one_transfer(spec), &[], Some(request));
                }
                _ => {
                    let sent = plan.push(spec, &[], Some(request));
                    let (size, start) = (NOTIFICATION_BYTES, Time::ZERO);
                    let notification = FlowSpec { messages: 1, size, start, ..spec };
                    plan.push(notification, &[sent], Some(request));
                }
            }
            arrival += rng.exponential(self.gap.unwrap_or_default());
        }
    }

    /// All blocks as one operation: written by who has them, or read by who needs them.
    fn one_transfer(&self, blocks: FlowSpec) -> FlowSpec {
        let kind = self.operation().kind;
        let (src, dst) = match kind {
            OperationKey::Read => (blocks.dst, blocks.src),
            _ => (blocks.src, blocks.dst),
        };
        FlowSpec {
            src,
            dst,
            messages: 1,
            size: u64::from(blocks.messages) * blocks.size,
            operation: Operation { kind, vector: blocks.messages, immediate: true },
            ..blocks
        }
    }

    /// Each client has `concurrency` calls under way, each to a server drawn at random. A response
    /// follows its request after the service time; the next call follows the response.
    pub(super) fn rpc(&self, plan: &mut Plan, hosts: u32, seed: u64) {
        let servers = self.servers.unwrap_or(1);
        let think = self.think.unwrap_or_default();
        let response = self.response.map_or(0, |bytes| bytes.0);
        let concurrency = self.concurrency.unwrap_or(1);
        let mut job = 0;
        for client in servers..hosts {
            let mut rng = Stream::new(seed, Component::Workload, RPC + client);
            // The response that each of the calls under way waits for.
            let mut lanes = vec![None; concurrency as usize];
            for call in 0..self.requests.unwrap_or(0) {
                let server = rng.below(servers.into()) as u32;
                let lane = &mut lanes[(call % concurrency) as usize];
                let request = self.uniform(client, server);
                let after: Vec<u32> = lane.iter().copied().collect();
                let asked = plan.push(request, &after, Some(job));
                let answer = FlowSpec {
                    messages: 1,
                    size: response,
                    start: think,
                    ..self.uniform(server, client)
                };
                *lane = Some(plan.push(answer, &[asked], Some(job)));
                job += 1;
            }
        }
    }
}

fn between(rng: &mut Stream, least: u64, most: u64) -> u64 {
    least + rng.below(most - least + 1)
}

/// As much as fits beside a header in one cache line's worth of packet.
const NOTIFICATION_BYTES: u64 = DATA_HEADER_BYTES as u64;
/// Streams of the workload component: the permutation has 0.
const KV_TRANSFER: u32 = 1;
const RPC: u32 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::super::{Cause, Moment, tests::plan};
    use super::*;

    #[test]
    fn each_request_is_a_burst_of_blocks_and_a_notification() {
        let kv = plan(
            6,
            1,
            "kind = \"kv-transfer\"\nrequests = 40\nprefill = 2\nblocks = [100, 200]\n\
             block_size = [\"4KiB\", \"32KiB\"]\ngap = \"10us\"",
        );
        assert_eq!(kv.flows.len(), 80);
        for pair in kv.flows.chunks(2) {
            assert!(pair[0].src < 2 && (2..6).contains(&pair[0].dst));
            assert!((100..=200).contains(&pair[0].messages));
            assert!((4_096..=32_768).contains(&pair[0].size));
            assert_eq!((pair[1].src, pair[1].dst, pair[1].messages), (pair[0].src, pair[0].dst, 1));
        }
        assert_eq!(kv.moment(kv.causes[0]), Some(Moment::Sent));
        assert!(kv.flows[78].start > Time::from_ns(150_000));
    }

    #[test]
    fn each_request_can_be_one_operation() {
        let kv = |operation| {
            plan(
                6,
                1,
                &format!(
                    "kind = \"kv-transfer\"\nrequests = 40\nprefill = 2\nblocks = [100, 200]\n\
                     block_size = [\"4KiB\", \"32KiB\"]\noperation = \"{operation}\""
                ),
            )
        };
        let (sent, written, read) = (kv("send"), kv("write"), kv("read"));
        assert_eq!((written.flows.len(), read.flows.len()), (40, 40));
        for request in 0..40 {
            let (blocks, write, read) =
                (sent.flows[2 * request], written.flows[request], read.flows[request]);
            assert_eq!(write.size, u64::from(blocks.messages) * blocks.size);
            assert_eq!((write.operation.vector, write.messages), (blocks.messages, 1));
            assert_eq!((write.payload_from(), write.payload_to()), (blocks.src, blocks.dst));
            assert_eq!((read.payload_from(), read.payload_to()), (blocks.src, blocks.dst));
            assert!(write.tells_destination() && read.tells_destination() && read.pulls());
        }
    }

    #[test]
    fn a_call_waits_for_the_response_of_its_lane() {
        let rpc = plan(
            3,
            1,
            "kind = \"rpc\"\nservers = 1\nrequests = 3\nconcurrency = 2\nsize = \"64B\"\n\
             response = \"1kB\"\nthink = \"2us\"",
        );
        assert_eq!(rpc.flows.len(), 12);
        assert_eq!((rpc.flows[1].src, rpc.flows[1].dst, rpc.flows[1].size), (0, 1, 1_000));
        let first_client: Vec<_> = rpc.causes.iter().filter(|cause| cause.flow < 6).collect();
        let cause = |flow, after| Cause { flow, after };
        assert_eq!(first_client, [&cause(1, 0), &cause(3, 2), &cause(4, 1), &cause(5, 4)]);
        assert_eq!(rpc.jobs[10..], [Some(5), Some(5)]);
    }
}
