//! `usrd perf --baseline`: how close usrd comes to what its sockets can do, and to TCP.
//!
//! Each round measures everything once, one after the other, in this process and on the same two
//! pinned threads, so that what else the host does concerns all alike; the results are medians.
//!
//! | contender | bulk, 1 MiB | round trip, 8 B |
//! |---|---|---|
//! | raw UDP | [`raw_bulk`]: trains of usrd's datagrams, nothing lost | [`raw_ping`]: polling |
//! | usrd | [`contest`]: reliable messages into posted buffers | the same, both ends polling |
//! | TCP | [`tcp`]: one stream, 1 MiB writes | |

mod contest;
mod pair;
mod raw_bulk;
mod raw_ping;
mod raw_socket;
mod report;
mod tcp;

use std::time::Duration;

use crate::args::PerfArgs;
use crate::failure::Failure;
use crate::perf::progress::Progress;
use report::{Comparison, Round};

/// Runs the rounds and prints the comparison.
pub(super) fn run(args: &PerfArgs) -> Result<(), Failure> {
    let duration = args.duration.unwrap_or(DEFAULT_DURATION);
    let contest = contest::Contest::new(args)?;
    let datagram_bytes = contest.datagram_bytes();
    let mut progress = Progress::new(u64::from(ROUNDS) * STEPS, duration);
    let mut comparison = Comparison::new(datagram_bytes);
    for number in 1..=ROUNDS {
        let mut step = |what: &str| drop(progress.begin(&format!("round {number}: {what}")));
        step("raw UDP, free-running");
        let free = raw_bulk::run(datagram_bytes, duration, raw_bulk::Control::Free)?;
        step("raw UDP, flow-controlled");
        let controlled = raw_bulk::run(datagram_bytes, duration, raw_bulk::Control::Windowed)?;
        step("usrd bulk");
        let usrd = contest.bulk(duration)?;
        step("TCP");
        let tcp = tcp::run(MESSAGE_BYTES, duration)?;
        step("raw UDP ping-pong");
        let raw_rtt_ns = raw_ping::run(PING_BYTES, duration)?;
        step("usrd ping-pong");
        let usrd_rtt_ns = contest.ping_pong(duration)?;
        comparison.add(&Round { free, controlled, usrd, tcp, raw_rtt_ns, usrd_rtt_ns });
    }
    progress.end();
    comparison.print(args.json)
}

/// What moving bytes in one direction came to.
#[derive(Clone, Copy, Debug)]
struct Flow {
    /// Bytes that arrived per second, times 8e-9.
    gbps: f64,
    /// Processor time of both ends for each byte that arrived.
    cpu_ns_per_byte: f64,
}

impl Flow {
    fn new(bytes: u64, elapsed: Duration, cpu_ns: u64) -> Self {
        Self {
            gbps: bytes as f64 * 8.0 / elapsed.as_nanos() as f64,
            cpu_ns_per_byte: cpu_ns as f64 / bytes as f64,
        }
    }
}

/// Odd, so that the median is one of them.
const ROUNDS: u32 = 5;
/// Measurements in a round.
const STEPS: u64 = 6;
/// Long beside the start of a stream, short enough for a quarter of a minute in all.
const DEFAULT_DURATION: Duration = Duration::from_millis(500);
/// What a transfer library moves at a time.
const MESSAGE_BYTES: usize = 1 << 20;
/// What a flag or a counter takes.
const PING_BYTES: usize = 8;
