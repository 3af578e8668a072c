//! The measurements of a run, size by size.

use std::time::Duration;

use usrd::{PathState, PeerSnapshot};

use super::client::{Bulk, Client, Extent, RoundTrips};
use super::control::{Counters, Kind, Level, Trial, VERSION};
use super::memory;
use super::park::while_driving;
use super::pattern::mix;
use super::progress::Progress;
use super::report::{Bandwidth, Latency, PathReport, Report, Row, Settings};
use super::table::Table;
use super::tally::Tally;
use crate::args::{Only, OpArg, PerfArgs, ServiceArg};
use crate::failure::Failure;
use crate::units::show_size;

/// Who measures.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) main: Client,
    /// The same without black holes, to compare with.
    pub(crate) reference: Option<Client>,
}

/// A run.
#[derive(Debug)]
struct Run<'a> {
    args: &'a PerfArgs,
    clients: Clients,
    extent: Extent,
    progress: Progress,
    /// Of the measurement that is next; no two have the same contents.
    number: u64,
    paths: Vec<PathReport>,
}

/// Everything of one size, added up.
#[derive(Debug, Default)]
struct Sum {
    tally: Tally,
    counters: Counters,
}

/// Measures every size, and prints the results.
pub(crate) fn run(args: &PerfArgs, what: String, clients: Clients) -> Result<(), Failure> {
    if args.op != [OpArg::Send] && args.op != [OpArg::Tagged] {
        return memory::run(args, what, clients);
    }
    if args.op == [OpArg::Tagged] && args.service != ServiceArg::Srd {
        return Err(Failure::Usage(
            "--op tagged has a service of its own: leave --service out".into(),
        ));
    }
    let extent = args.count.map_or_else(|| Extent::For(args.length()), Extent::Count);
    let mut run = Run {
        args,
        clients,
        extent,
        progress: Progress::new(0, Duration::ZERO),
        number: 0,
        paths: Vec::new(),
    };
    let sizes = run.sizes()?;
    run.expect_measurements(sizes.len());
    let mut table = (!args.json).then(|| Table::new(args.reports_ratio()));
    let mut report = Report::new(Settings::new(args, what));
    if let Some(table) = &table {
        table.begin(&report.settings);
    }
    for size in sizes {
        let row = run.row(size)?;
        if let Some(table) = &mut table {
            run.progress.suspend(|| table.row(&row));
        }
        report.rows.push(row);
    }
    run.finish(report, table)
}

impl Run<'_> {
    /// The sizes to measure. UD carries one packet, so an exchange has to show first how large
    /// that may be.
    fn sizes(&mut self) -> Result<Vec<usize>, Failure> {
        let asked = &self.args.size;
        if self.args.service != ServiceArg::Ud {
            return Ok(if asked.is_empty() { DEFAULT_SIZES.to_vec() } else { asked.clone() });
        }
        let clients = [Some(&mut self.clients.main), self.clients.reference.as_mut()];
        let mut max_bytes = usize::MAX;
        for client in clients.into_iter().flatten() {
            let trial = Trial { service: Level::Srd, ..trial(self.args, Kind::PingPong, 8, 0) };
            client.ping_pong(&trial, Extent::Count(2), |_| {})?;
            max_bytes = max_bytes.min(client.max_packet_bytes()?);
        }
        let fits = |&size: &usize| trial(self.args, Kind::Bulk, size, 0).fits(max_bytes);
        if asked.is_empty() {
            return Ok(DEFAULT_SIZES.into_iter().filter(fits).collect());
        }
        match asked.iter().find(|size| !fits(size)) {
            None => Ok(asked.clone()),
            Some(&size) => Err(Failure::Usage(format!(
                "--size {size}: a UD message is one packet, of at most {max_bytes} B here; use a \
                 smaller size, or --service srd"
            ))),
        }
    }

    fn expect_measurements(&mut self, sizes: usize) {
        let kinds = u64::from(self.latency()) + u64::from(self.bandwidth());
        let each = match self.extent {
            Extent::For(duration) => duration,
            Extent::Count(_) => Duration::from_secs(1),
        };
        self.progress = Progress::new(kinds * sizes as u64, each);
    }

    fn latency(&self) -> bool {
        self.args.only != Some(Only::Bandwidth)
    }

    fn bandwidth(&self) -> bool {
        self.args.only != Some(Only::Latency)
    }

    fn row(&mut self, size: usize) -> Result<Row, Failure> {
        let mut sum = Sum::default();
        let before = self.clients.main.peer_stats()?;
        let latency = self.latency().then(|| self.ping_pong(size, &mut sum)).transpose()?;
        let bandwidth = self.bandwidth().then(|| self.bulk(size, &mut sum)).transpose()?;
        let after = self.clients.main.peer_stats()?;
        let (bandwidth, goodput_ratio) = match bandwidth {
            Some((bandwidth, ratio)) => (Some(bandwidth), ratio),
            None => (None, None),
        };
        Ok(Row {
            size_bytes: size,
            latency,
            bandwidth,
            packets: sum.counters.packets,
            retransmissions: sum.counters.retransmissions,
            spurious_retransmissions: sum.counters.spurious_retransmissions,
            ce_marks: sum.counters.ce_marks,
            paths_used: paths_used(&before, &after),
            messages_checked: sum.tally.messages,
            contents_checked: sum.tally.contents_checked,
            verified: sum.tally.wrong == 0,
            goodput_ratio,
            wrong: sum.tally.wrong,
            first_wrong: sum.tally.first_wrong,
        })
    }

    fn ping_pong(&mut self, size: usize, sum: &mut Sum) -> Result<Latency, Failure> {
        let trial = self.trial(Kind::PingPong, size);
        let bar = self.progress.begin(&format!("{}, latency", show_size(size)));
        let Clients { main, reference } = &mut self.clients;
        let result = while_driving(reference.as_mut(), || {
            main.ping_pong(&trial, self.extent, |done| bar.set(done))
        })?;
        let RoundTrips { times_ns, lost, tally, counters } = result;
        sum.add(&tally, &counters);
        self.note_paths()?;
        Ok(Latency::new(&times_ns, lost))
    }

    /// Bandwidth, and its ratio to that without black holes if there are any.
    fn bulk(&mut self, size: usize, sum: &mut Sum) -> Result<(Bandwidth, Option<f64>), Failure> {
        let bar = self.progress.begin(&format!("{}, bandwidth", show_size(size)));
        let trial = self.trial(Kind::Bulk, size);
        let Clients { main: client, reference: Some(healthy) } = &mut self.clients else {
            let bulk = self.clients.main.bulk(&trial, self.extent, |done| bar.set(done))?;
            sum.add(&bulk.tally, &bulk.counters);
            self.note_paths()?;
            return Ok((Bandwidth::new(&[bulk], trial.in_flight), None));
        };
        let extent = self.extent.part(COMPARISON_ROUNDS);
        let (mut main, mut reference): (Vec<Bulk>, Vec<Bulk>) = (Vec::new(), Vec::new());
        for round in 0..COMPARISON_ROUNDS {
            let measured = || healthy.bulk(&trial, extent, |_| {});
            reference.push(while_driving(Some(&mut *client), measured)?);
            let measured = || client.bulk(&trial, extent, |_| {});
            main.push(while_driving(Some(&mut *healthy), measured)?);
            note_paths(&mut self.paths, &client.peer_stats()?);
            bar.set(f64::from(round + 1) / f64::from(COMPARISON_ROUNDS));
        }
        for bulk in &main {
            sum.add(&bulk.tally, &bulk.counters);
        }
        // What goes wrong there is wrong, too; its packets are not those of this row.
        for bulk in &reference {
            sum.tally.merge(&bulk.tally);
        }
        let bandwidth = Bandwidth::new(&main, trial.in_flight);
        let ratio = bandwidth.gbps / Bandwidth::new(&reference, trial.in_flight).gbps;
        Ok((bandwidth, Some(ratio)))
    }

    fn trial(&mut self, kind: Kind, size: usize) -> Trial {
        self.number += 1;
        trial(self.args, kind, size, self.number)
    }

    fn note_paths(&mut self) -> Result<(), Failure> {
        note_paths(&mut self.paths, &self.clients.main.peer_stats()?);
        Ok(())
    }

    /// Takes leave of the servers, and prints what is left to print.
    fn finish(self, mut report: Report, table: Option<Table>) -> Result<(), Failure> {
        self.progress.end();
        self.clients.main.close()?;
        if let Some(reference) = self.clients.reference {
            reference.close()?;
        }
        report.paths_not_good = self.paths;
        report.verified = report.rows.iter().all(|row| row.verified);
        match table {
            Some(table) => table.end(&report),
            None => println!("{}", serde_json::to_string_pretty(&report).map_err(Failure::run)?),
        }
        match report.rows.iter().find(|row| !row.verified) {
            None => Ok(()),
            Some(row) => Err(Failure::Contents(format!(
                "{} of {} messages of {}; the first: {}",
                row.wrong,
                row.messages_checked,
                show_size(row.size_bytes),
                row.first_wrong.as_deref().unwrap_or("unknown")
            ))),
        }
    }
}

impl Sum {
    fn add(&mut self, tally: &Tally, counters: &Counters) {
        self.tally.merge(tally);
        self.counters.add(counters);
    }
}

impl Extent {
    /// One of `parts` equal parts.
    fn part(self, parts: u32) -> Self {
        match self {
            Self::Count(count) => Self::Count(count.div_ceil(u64::from(parts))),
            Self::For(duration) => Self::For(duration / parts),
        }
    }
}

fn trial(args: &PerfArgs, kind: Kind, size: usize, number: u64) -> Trial {
    Trial {
        version: VERSION,
        kind,
        size,
        service: match args.service {
            ServiceArg::Ud => Level::Ud,
            ServiceArg::Srd if args.op == [OpArg::Tagged] => Level::Tagged,
            ServiceArg::Srd => Level::Srd,
            ServiceArg::Rd => Level::Rd,
        },
        in_flight: match kind {
            Kind::PingPong => 1,
            Kind::Memory { .. } => 1,
            Kind::Bulk => args.in_flight.unwrap_or_else(|| default_in_flight(size)),
        },
        verify_every: args.verify_every,
        key: mix(args.seed).wrapping_add(number),
    }
}

impl PerfArgs {
    /// How long a measurement is to take.
    pub(super) fn length(&self) -> Duration {
        self.duration.unwrap_or(DEFAULT_DURATION)
    }
}

/// Enough under way to keep the network busy, and little enough to stay in caches.
pub(crate) fn default_in_flight(size: usize) -> u32 {
    let messages = IN_FLIGHT_BYTES / size.max(1);
    // Both bounds are far below 2^32.
    messages.clamp(MIN_IN_FLIGHT, MAX_IN_FLIGHT) as u32
}

/// Remembers the paths that are not good, each as it was when it was worst.
fn note_paths(paths: &mut Vec<PathReport>, snapshot: &PeerSnapshot) {
    for path in snapshot.paths.iter().filter(|path| path.state != PathState::Good) {
        let seen = PathReport::new(path);
        match paths.iter_mut().find(|known| known.path == seen.path) {
            Some(known) if known.badness() <= seen.badness() => *known = seen,
            Some(_) => {}
            None => paths.push(seen),
        }
    }
    paths.sort_by_key(|path| path.path);
}

/// Paths that something was sent along in between. The counts begin anew when a peer does.
fn paths_used(before: &PeerSnapshot, after: &PeerSnapshot) -> usize {
    let sent_before = |path| {
        (before.paths.iter()).find(|stats| stats.path == path).map_or(0, |stats| stats.packets_sent)
    };
    after.paths.iter().filter(|stats| stats.packets_sent != sent_before(stats.path)).count()
}

/// From a cache line to a checkpoint's shard.
const DEFAULT_SIZES: [usize; 8] =
    [64, 512, 4 << 10, 32 << 10, 256 << 10, 1 << 20, 8 << 20, 64 << 20];
/// With the default sizes, both measurements of each, and what the largest take beyond it, a run
/// ends in well under a minute.
const DEFAULT_DURATION: Duration = Duration::from_secs(1);
/// Measurements with and without black holes take turns, so that what else the host does concerns
/// both.
const COMPARISON_ROUNDS: u32 = 4;
/// Several times what the window of the congestion controller allows.
const IN_FLIGHT_BYTES: usize = 4 << 20;
/// While one completes, the other goes on.
const MIN_IN_FLIGHT: usize = 2;
/// More only adds to the queues.
const MAX_IN_FLIGHT: usize = 512;
