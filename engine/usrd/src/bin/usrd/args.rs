//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::failure::EXIT_CODES;
use crate::units::{parse_duration, parse_probability, parse_size};

/// Reliable datagrams, spread over many network paths.
#[derive(Debug, Parser)]
#[command(name = "usrd", version, about, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Say on standard error what the engine reports: -v info, -vv debug, -vvv each packet.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measure latency and bandwidth, with every message's contents verified.
    Perf(Box<PerfArgs>),
    /// Show the devices, what each can do, and why one is unavailable.
    Info(InfoArgs),
}

/// `usrd info`.
#[derive(Debug, Args)]
pub(crate) struct InfoArgs {
    /// Print JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `usrd perf`.
#[derive(Debug, Args)]
#[command(long_about = PERF_ABOUT, after_help = PERF_AFTER)]
pub(crate) struct PerfArgs {
    /// Measure to the server at this address (IP:PORT). Without it and without --listen, both
    /// ends run in this process, over the loopback interface.
    #[arg(value_name = "ADDR", conflicts_with = "listen")]
    pub(crate) address: Option<String>,

    /// Be the server at this address (IP:PORT), for one client after the other.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,

    /// As a server, end with the first client.
    #[arg(long, requires = "listen")]
    pub(crate) once: bool,

    /// What to measure: messages, or operations on the other end's memory, which take turns and are
    /// compared with the first. Their --size is what one operation moves, their --count is rounds.
    #[arg(long, value_enum, value_name = "LIST", value_delimiter = ',', default_values_t = [OpArg::Send],
        conflicts_with = "listen")]
    pub(crate) op: Vec<OpArg>,

    /// Size of the blocks of vwrite and vread.
    #[arg(long, value_name = "BYTES", default_value = "4K", value_parser = parse_block,
        conflicts_with = "listen")]
    pub(crate) block: usize,

    /// Compare with raw UDP and TCP on the same sockets, in turn, in this process: goodput, CPU
    /// time per byte, round trip.
    #[arg(long, conflicts_with_all = ["address", "listen", "size", "count", "service", "in_flight",
        "loss", "reorder", "duplicate", "corrupt", "blackhole", "pcap", "mode", "busy_poll",
        "only", "verify_every", "op", "block", "device"])]
    pub(crate) baseline: bool,

    /// Message sizes, such as 64,4K,1MiB [default: 64 B to 64 MiB].
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = parse_size,
        conflicts_with = "listen")]
    pub(crate) size: Vec<usize>,

    /// Messages per measurement, instead of a duration.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..),
        conflicts_with_all = ["duration", "listen"])]
    pub(crate) count: Option<u64>,

    /// Length of a measurement, such as 2, 1.5s or 250ms [default: 1s]. What is under way when it
    /// is over still completes.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, conflicts_with = "listen")]
    pub(crate) duration: Option<Duration>,

    /// Service level.
    #[arg(long, value_enum, default_value_t = ServiceArg::Srd, conflicts_with = "listen")]
    pub(crate) service: ServiceArg,

    /// Messages under way when measuring bandwidth [default: by size, 4 MiB of them].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096),
        conflicts_with = "listen")]
    pub(crate) in_flight: Option<u32>,

    /// Measure only this.
    #[arg(long, value_enum, conflicts_with = "listen")]
    pub(crate) only: Option<Only>,

    /// Verify the contents of every N-th message only. Number and length are always checked.
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "listen",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) verify_every: u32,

    /// What to run over: udp, or verbs:DEVICE[:PORT][@GID_INDEX][,...] for RDMA NICs, such as
    /// verbs:mlx5_0. There, ADDR is where the ends meet over TCP to exchange their addresses.
    #[arg(long, default_value = "udp", value_parser = parse_device)]
    pub(crate) device: DeviceArg,

    /// Paths: UDP source ports; over verbs, combinations of port, queue pair and flow label [default:
    /// 16; over verbs 128].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    paths: Option<u16>,

    /// Congestion control [default: what suits the device].
    #[arg(long, value_enum)]
    pub(crate) cc: Option<CcArg>,

    /// The network's MTU in bytes, IP and UDP headers included, as `ip link` shows it [default:
    /// 9000 on the loopback interface, else 1500].
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u16).range(576..))]
    pub(crate) mtu: Option<u16>,

    /// Who drives the engine.
    #[arg(long, value_enum, default_value_t = Mode::Inline)]
    pub(crate) mode: Mode,

    /// Never sleep: poll all the time, for the lowest latency.
    #[arg(long)]
    pub(crate) busy_poll: bool,

    #[command(flatten)]
    pub(crate) faults: FaultArgs,

    /// Where randomness starts: faults and contents.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,

    /// Capture this end's datagrams (the client's, when alone) in pcapng format, the first 256
    /// bytes of each.
    #[arg(long, value_name = "FILE")]
    pub(crate) pcap: Option<PathBuf>,

    /// Print JSON instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What is done to the datagrams that this process sends: by both ends when alone.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Faults, in what this process sends (both ends when alone)")]
pub(crate) struct FaultArgs {
    /// Probability that a datagram is lost.
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = parse_probability)]
    pub(crate) loss: f64,
    /// Probability that a datagram is held back for up to 100 us, and so overtaken.
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = parse_probability)]
    pub(crate) reorder: f64,
    /// Probability that a datagram is sent twice.
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = parse_probability)]
    pub(crate) duplicate: f64,
    /// Probability that a bit of a message that has arrived here is flipped before it is checked: a
    /// run that is to fail verification.
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = parse_probability)]
    pub(crate) corrupt: f64,
    /// Paths that swallow what is sent along them, such as 1 or 1,5. Bandwidth is then also
    /// measured without, in turn, and compared.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) blackhole: Vec<u8>,
}

/// What to run over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DeviceArg {
    Udp,
    /// The rails, not looked at yet.
    Verbs(String),
}

fn parse_device(text: &str) -> Result<DeviceArg, String> {
    match text.split_once(':') {
        None if text == "udp" => Ok(DeviceArg::Udp),
        Some(("verbs", rails)) => Ok(DeviceArg::Verbs(rails.to_owned())),
        _ => {
            Err("expected udp, or verbs: and the names of RDMA devices, such as verbs:rxe0".into())
        }
    }
}

impl PerfArgs {
    /// How many paths.
    pub(crate) fn paths(&self) -> u16 {
        self.paths.unwrap_or(match self.device {
            DeviceArg::Udp => 16,
            DeviceArg::Verbs(_) => 128,
        })
    }
}

/// A service level, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ServiceArg {
    /// Unreliable, unordered, one packet.
    Ud,
    /// Reliable, in any order.
    Srd,
    /// Reliable, in order.
    Rd,
}

/// What is measured, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OpArg {
    /// Messages.
    Send,
    /// Messages with tags: long ones are pulled by their receiver.
    Tagged,
    /// One block to the server's memory.
    Write,
    /// One block from the server's memory.
    Read,
    /// Many blocks to the server's memory, shuffled, as one operation.
    Vwrite,
    /// Many blocks from the server's memory, shuffled, as one operation.
    Vread,
    /// Fetch-and-add, one after the other: a round is a thousand, and its time that of one.
    Fadd,
}

fn parse_block(text: &str) -> Result<usize, String> {
    match parse_size(text)? {
        0 => Err("a block has at least one byte".to_owned()),
        size => Ok(size),
    }
}

/// A congestion controller, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CcArg {
    /// Delay and ECN.
    Nscc,
    /// Delay only.
    Swift,
    /// A constant window.
    Fixed,
}

/// Who drives the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// The thread that measures.
    Inline,
    /// A thread of the engine's own.
    Thread,
}

/// One of the two measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Only {
    /// Round trips of single messages.
    Latency,
    /// Many messages under way, one direction.
    Bandwidth,
}

const PERF_ABOUT: &str = "\
Measure latency and bandwidth, with every message's contents verified.

  usrd perf                          both ends in this process, over the loopback interface
  usrd perf --listen 0.0.0.0:4800    the server
  usrd perf 192.0.2.1:4800           the client: measures, and prints the table
  usrd perf --baseline               against raw UDP and TCP, interleaved, in this process

Latency is the full round trip of a message and its answer, of the same size, one at a time.
Bandwidth is payload per second in one direction, with several messages under way. Verification is
not part of a round trip, but it takes processor time from the bandwidth of large messages.";

const PERF_AFTER: &str = "\
Columns: packets, resent and spurious count the data packets of both ends in both measurements;
spurious ones had arrived already. Paths are those that data was sent along.

JSON (--json), one object:
  version           of this format: 1
  settings          what was asked for
  rows[]            size_bytes; latency {round_trips, lost, p50_us, p99_us, p999_us, max_us} and
                    bandwidth {messages, bytes, seconds, gbps, messages_per_s, in_flight}, null if
                    not measured; packets, retransmissions, spurious_retransmissions, ce_marks, paths_used,
                    messages_checked, contents_checked, verified, goodput_ratio (with --blackhole:
                    to that without)
  paths_not_good[]  path, state, packets_sent, packets_lost
  verified          whether all contents did verify
With --op write, read, ...: rows[] of op, size_bytes, blocks, rounds, p50_us, p99_us, gbps, submit_us,
                    submit_ns_per_block, ratio (goodput to the first operation's), wrong
A server prints {\"listening\": ADDR} and one object for each measurement, one a line.

Exit codes:
  0  done, and everything that was to be verified did verify
  1  the run failed: the peer does not answer, or a system call failed
  2  bad input
  3  contents did not verify";
