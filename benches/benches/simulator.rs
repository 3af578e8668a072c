//! How fast the simulator is with the real core in every host and nobody watching, against its
//! goals: packet-hops per second of one processor, instructions per packet-hop, and memory.
//!
//! Every run is a process of its own, so that the most memory it ever held is its own. Rates are of
//! processor time, not of time that passes: other programs' work does not count, though it slows
//! the memory down. The plans take turns, and the median is what counts.
//!
//! Instructions are counted by callgrind, over the whole run. Those of the core are told apart by
//! its source lines and, for lines of the standard library, by the function they ended up in;
//! everything else counts as the simulator's: network, event queue, hosts, checkers, digest.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use usrd_benches::{callgrind, processor_time};
use usrd_sim::{Scenario, Simulation, Status};

/// What is measured, with its goal in million packet-hops per second.
const PLANS: [(&str, f64); 2] = [("perm-128-100g", 2.0), ("perm-1024-100g", 1.0)];
const MEMORY_GOAL_MB: u64 = 100;
const INSTRUCTIONS_GOAL: u64 = 1_000;
const ROUNDS: u64 = 5;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match &args[..] {
        [flag, plan, seed] if flag == INNER => run(plan, seed),
        _ => measure_all(),
    };
    outcome.map_or_else(
        |error| {
            eprintln!("simulator: {error}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

/// One run, in a process of its own; prints what it took.
fn run(plan: &str, seed: &str) -> Result<(), String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sim/plans/experiments");
    let scenario = Scenario::load(&folder.join(plan).with_extension("toml"))
        .map_err(|error| error.to_string())?;
    let seed = seed.parse().map_err(|_| format!("{seed} is no seed"))?;
    let simulation = Simulation::new(&scenario, seed).map_err(|error| error.to_string())?;
    let (began, used) = (Instant::now(), processor_time()?);
    let report = simulation.run();
    let (wall, cpu) = (began.elapsed(), processor_time()? - used);
    if report.status != Status::Ok {
        return Err(report.to_string());
    }
    let hops = report.totals.packet_hops;
    println!("{hops} {} {} {}", cpu.as_nanos(), wall.as_nanos(), most_memory_kib()?);
    Ok(())
}

fn measure_all() -> Result<(), String> {
    let mut runs: [Vec<Run>; PLANS.len()] = Default::default();
    for seed in 1..=ROUNDS {
        for (plan, (name, _)) in PLANS.iter().enumerate() {
            runs[plan].push(Run::of(name, seed)?);
        }
    }
    println!("with the core in every host, nobody watching; medians of {ROUNDS} runs [goal]");
    for ((name, goal), runs) in PLANS.iter().zip(&runs) {
        println!(
            "  {name:<16} {:.2} million packet-hops/s of processor time [{goal}] ({:.2} to {:.2})",
            median(runs, Run::speed),
            least(runs, Run::speed),
            -least(runs, |run| -run.speed()),
        );
        println!(
            "  {:<16} {:.2} s of processor time, {:.2} s until done, at most {:.0} MB [{MEMORY_GOAL_MB}]",
            "",
            median(runs, |run| run.cpu.as_secs_f64()),
            median(runs, |run| run.wall.as_secs_f64()),
            median(runs, |run| run.memory_kib as f64 * 1024.0 / 1e6),
        );
    }
    print_instructions(PLANS[0].0, runs[0][0].hops)
}

fn print_instructions(plan: &str, hops: u64) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let file: PathBuf = std::env::temp_dir().join(format!("callgrind.{}", std::process::id()));
    let text = callgrind::profile(&program, &[INNER, plan, "1"], &file)?;
    std::fs::remove_file(&file).map_err(|error| error.to_string())?;
    let total = callgrind::total(&text)?;
    let is_core = |file: &str, function: &str| {
        file.contains("engine/proto/") || (!is_simulator(file) && function.contains("usrd_proto"))
    };
    let core = callgrind::count(&text, is_core);
    let part = |parts: &[&str]| {
        callgrind::count(&text, |file, _| {
            is_simulator(file) && parts.iter().any(|part| file.contains(part))
        }) / hops
    };
    println!(
        "  {plan:<16} {} instructions per packet-hop without the core [{INSTRUCTIONS_GOAL}], {} with it",
        (total - core) / hops,
        total / hops
    );
    println!(
        "  {:<16} of them, by own source lines: network {}, event queue {}, hosts {}, checkers and digest {}",
        "",
        part(&["/fabric/", "/topology/"]),
        part(&["/event/"]),
        part(&["/host/", "/traffic"]),
        part(&["/check/", "/digest", "/observe"]),
    );
    Ok(())
}

fn is_simulator(file: &str) -> bool {
    file.contains("sim/src/")
}

/// What a run took.
struct Run {
    hops: u64,
    cpu: Duration,
    wall: Duration,
    memory_kib: u64,
}

impl Run {
    fn of(plan: &str, seed: u64) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let output = Command::new(program)
            .args([INNER, plan, &seed.to_string()])
            .output()
            .map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let numbers: Vec<u64> =
            text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let &[hops, cpu, wall, memory_kib] = &numbers[..] else {
            return Err(format!("{plan}: {}", String::from_utf8_lossy(&output.stderr)));
        };
        let [cpu, wall] = [cpu, wall].map(Duration::from_nanos);
        Ok(Self { hops, cpu, wall, memory_kib })
    }

    /// In million packet-hops per second of processor time.
    fn speed(&self) -> f64 {
        self.hops as f64 / self.cpu.as_secs_f64() / 1e6
    }
}

fn median(runs: &[Run], figure: impl Fn(&Run) -> f64) -> f64 {
    let mut figures: Vec<f64> = runs.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn least(runs: &[Run], figure: impl Fn(&Run) -> f64) -> f64 {
    runs.iter().map(figure).fold(f64::INFINITY, f64::min)
}

/// The most memory that this process ever held.
fn most_memory_kib() -> Result<u64, String> {
    let file = "/proc/self/status";
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|kib| kib.parse().ok()).ok_or_else(|| format!("{file} has no VmHWM"))
}

const INNER: &str = "--one-run";
