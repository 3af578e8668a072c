//! Instructions per 4 KiB data packet, both ends and the ACKs included, as callgrind counts them.
//!
//! The loop runs twice under valgrind, with a different number of packets; the difference is what
//! the packets cost, without what it takes to get there. The harness, which keeps the headers in a
//! queue and asks both ends what there is to do, is counted apart: as far as its own source lines
//! go, and not what it calls in the standard library.
//!
//! With `--keep DIR` the profile of each run stays there for `callgrind_annotate`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use usrd_benches::{Load, Pair, callgrind};
use usrd_proto::Config;

/// What is measured: name, peers, those of them that are busy, messages under way, message size.
/// With many peers, first a few of them at a time, as applications do it; then all of them at once;
/// then one beside idle ones.
const LOADS: [(&str, u32, u32, u32, &[u64]); 9] = [
    ("1 peer, 1 MiB messages", 1, 1, 64, &[1 << 20]),
    ("1 peer, 4 KiB messages", 1, 1, 256, &[4 << 10]),
    ("1 peer, 4 KiB messages, 1 at a time", 1, 1, 1, &[4 << 10]),
    ("1000 peers, 64 KiB messages, 64 at a time", 1000, 1000, 64, &[64 << 10]),
    ("1000 peers, 4 KiB messages, 256 at a time", 1000, 1000, 256, &[4 << 10]),
    ("1000 peers, 64 KiB messages, all at a time", 1000, 1000, 1000, &[64 << 10]),
    ("10000 peers, 4 KiB messages, 256 at a time", 10_000, 10_000, 256, &[4 << 10]),
    ("10000 peers, 64 KiB messages, all at a time", 10_000, 10_000, 10_000, &[64 << 10]),
    ("1 peer beside 9999, 4 KiB messages", 10_000, 1, 256, &[4 << 10]),
];
/// Every peer has by then been sent to several times.
const WARM_UP_PACKETS: u64 = 100_000;
const MEASURED_PACKETS: u64 = 50_000;
/// What this project asks of itself.
const GOAL: u64 = 1_500;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, load, packets] = &args[..]
        && flag == INNER
    {
        run(load.parse().expect("a load"), packets.parse().expect("a count"));
        return ExitCode::SUCCESS;
    }
    let keep = args.iter().position(|arg| arg == "--keep").and_then(|at| args.get(at + 1));
    let folder = keep.map_or_else(std::env::temp_dir, PathBuf::from);
    match measure_all(&folder, keep.is_some()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is profiled.
fn run(load: usize, packets: u64) {
    let (_, peers, busy, in_flight, message_bytes) = LOADS[load];
    let mut pair = Pair::new(Load { peers, in_flight, message_bytes });
    if busy < peers {
        pair.greet_every_peer();
        pair.come_to_rest(3 * Config::default().idle_after.as_nanos() as u64);
        pair.narrow_to(busy);
    }
    pair.start();
    pair.run_packets(packets);
    assert_eq!(pair.failed(), 0);
}

fn measure_all(folder: &Path, keep: bool) -> Result<(), String> {
    println!("instructions per 4 KiB packet, both ends and ACKs (goal: {GOAL})");
    println!("  {:<44} {:>6} {:>12}", "", "core", "and harness");
    for (load, (name, ..)) in LOADS.iter().enumerate() {
        let profile = |packets| folder.join(format!("callgrind.{load}.{packets}"));
        let short = measure(load, WARM_UP_PACKETS, &profile(WARM_UP_PACKETS))?;
        let total = WARM_UP_PACKETS + MEASURED_PACKETS;
        let long = measure(load, total, &profile(total))?;
        let core = (long.core - short.core) / MEASURED_PACKETS;
        let harness = (long.harness - short.harness) / MEASURED_PACKETS;
        println!("  {name:<44} {core:>6} {harness:>12}");
        if !keep {
            for packets in [WARM_UP_PACKETS, total] {
                std::fs::remove_file(profile(packets)).map_err(|error| error.to_string())?;
            }
        }
    }
    Ok(())
}

/// Instructions of one run.
struct Cost {
    core: u64,
    harness: u64,
}

/// How many instructions a run of so many packets takes.
fn measure(load: usize, packets: u64, profile: &Path) -> Result<Cost, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let args = [INNER, &load.to_string(), &packets.to_string()];
    let text = callgrind::profile(&program, &args, profile)?;
    let harness = callgrind::count(&text, |file, _| file.contains("benches/src/"));
    Ok(Cost { core: callgrind::total(&text)? - harness, harness })
}

const INNER: &str = "--one-run";
