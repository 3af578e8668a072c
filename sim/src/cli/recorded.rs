//! A run that is recorded, and what is written of it.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use usrd_sim::output::{
    EventLog, FaultLog, Folder, Origin, PacketCapture, Recording, Sampler, Schedule, Sink,
    SinkError, Tape, recorded, write_series,
};
use usrd_sim::report::run_page;
use usrd_sim::time::Time;
use usrd_sim::traffic::ideal_span;
use usrd_sim::{Report, Scenario};

use super::args::RunArgs;
use super::failure::Failure;
use super::live::LiveRun;
use super::runner::Prepared;

/// Runs, and fills a folder.
pub(crate) fn run_into(
    args: &RunArgs,
    path: &Path,
    prepared: &Prepared,
    live: &mut LiveRun,
) -> Result<Report, Failure> {
    let failed = || Failure::writing(path);
    let origin = Origin::new(&prepared.document, prepared.seed, path);
    let folder = Folder::create(path, &origin).map_err(failed())?;
    let mut tape = Tape::default();
    let errors = add_logs(args, prepared, &folder, &mut tape).map_err(failed())?;
    let recording = add_sampler(prepared, args.sample, &mut tape);
    let (schedule, packets) = Schedule::new(prepared.scenario.network());
    tape.add(schedule);
    let simulation = prepared.simulation()?.recorded_by(Box::new(tape));
    let report = simulation.run_watched(&mut |simulation| live.watch(simulation));
    errors.iter().try_for_each(SinkError::take).map_err(failed())?;
    let mut recording = recording.take();
    name_faults(&mut recording, &prepared.scenario);
    folder.write_report(&report).map_err(failed())?;
    let explicit = recorded(&prepared.document, &packets.take()).to_toml();
    std::fs::write(path.join("schedule.toml"), explicit).map_err(failed())?;
    write_rest(&folder, &report, &recording, &origin).map_err(failed())?;
    Ok(report)
}

/// The page of a run, from running it again.
pub(crate) fn page(prepared: &Prepared, origin: &Origin) -> Result<(Report, String), Failure> {
    let mut tape = Tape::default();
    let recording = add_sampler(prepared, None, &mut tape);
    let report = prepared.simulation()?.recorded_by(Box::new(tape)).run();
    let mut recording = recording.take();
    name_faults(&mut recording, &prepared.scenario);
    let page = run_page(&report, &recording, origin);
    Ok((report, page))
}

fn write_rest(
    folder: &Folder,
    report: &Report,
    recording: &Recording,
    origin: &Origin,
) -> std::io::Result<()> {
    let mut series = folder.file("series.csv")?;
    write_series(recording, &mut series)?;
    std::io::Write::flush(&mut series)?;
    std::fs::write(folder.path().join("report.html"), run_page(report, recording, origin))
}

/// What is written while the run goes on.
fn add_logs(
    args: &RunArgs,
    prepared: &Prepared,
    folder: &Folder,
    tape: &mut Tape,
) -> std::io::Result<Vec<SinkError>> {
    let scenario = &prepared.scenario;
    let network = scenario.network();
    let mut errors = Vec::new();
    let mut sink = |name: &str| {
        let (sink, error) = Sink::new(folder.file(name)?);
        errors.push(error);
        std::io::Result::Ok(sink)
    };
    let (events, steps) = (&scenario.faults.event, scenario.fault_steps());
    tape.add(FaultLog::new(sink("faults.csv")?, network, events, &steps));
    if args.events {
        tape.add(EventLog::new(sink("events.jsonl")?, &scenario.name));
    }
    if args.pcap {
        tape.add(PacketCapture::new(sink("packets.pcapng")?, network));
    }
    Ok(errors)
}

fn add_sampler(
    prepared: &Prepared,
    every: Option<Time>,
    tape: &mut Tape,
) -> Rc<RefCell<Recording>> {
    let scenario = &prepared.scenario;
    let first = ideal_span(scenario, &scenario.traffic_plan(prepared.seed)).as_ps() / SAMPLES;
    let (sampler, recording) =
        Sampler::new(every.unwrap_or_else(|| Time::from_ps(first)), every.is_none());
    tape.add(sampler);
    recording
}

/// Planned faults, for the page's timeline.
fn name_faults(recording: &mut Recording, scenario: &Scenario) {
    let end = recording.steps.last().map_or(scenario.end, |step| step.at);
    let fault = |event: &usrd_sim::scenario::FaultEvent| {
        let kind = serde_json::to_value(event.kind).unwrap_or_default();
        let name = format!("{} {}", kind.as_str().unwrap_or_default(), event.target);
        (name, event.at.as_us(), event.until.unwrap_or(end).as_us())
    };
    recording.faults = scenario.faults.event.iter().map(fault).collect();
}

/// Samples in the time that an ideal network would need.
const SAMPLES: u64 = 200;
