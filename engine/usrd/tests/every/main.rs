//! Every operation through every trouble, over every device: what was asked for has happened, once, and
//! nothing else has. UD promises nothing, and is not among them.

#[path = "../common/mod.rs"]
mod common;
mod ends;
mod memory;
mod messages;

use common::{Net, collect};
use ends::{Ends, drain};
use usrd::Completion;
use usrd::device::fault::{FaultConfig, FaultCounters, FaultHandle};

/// Something that one side asks for, many times, and that has an effect which can be checked.
trait Operation {
    fn name(&self) -> &'static str;

    /// Whatever has to be there before: receives, memory.
    fn get_ready(&mut self, ends: &Ends);

    /// Asks for number `number` of [`COUNT`], under that context.
    fn ask(&self, ends: &Ends, number: u64);

    /// All have completed well, and nothing else has been asked for: their effect is exact.
    fn check(&mut self, ends: &Ends, completions: Vec<Completion>);
}

fn operations() -> Vec<Box<dyn Operation>> {
    messages::all().into_iter().chain(memory::all()).collect()
}

fn run(operation: &mut dyn Operation, ends: &Ends) {
    operation.get_ready(ends);
    (0..COUNT).for_each(|number| operation.ask(ends, number));
    let completions = collect(&ends.a, COUNT as usize);
    operation.check(ends, completions);
    let idle = (ends.a.outstanding(), ends.b.outstanding(), ends.b.poll(&mut Vec::new(), 1));
    assert_eq!(idle, (0, 0, 0), "{}: something is left", operation.name());
}

/// Runs everything, and makes sure that there was trouble.
fn through(faults: FaultConfig, has_happened: fn(FaultCounters) -> bool) {
    for net in Net::all() {
        let (ends, handles) = Ends::with_faults(net, faults.clone());
        for mut operation in operations() {
            run(&mut *operation, &ends);
        }
        let counters = handles.map(|handle| handle.counters());
        assert!(counters.into_iter().all(has_happened), "{net:?}: {counters:?}");
    }
}

#[test]
fn undisturbed() {
    through(FaultConfig { seed: 1, ..FaultConfig::default() }, |_| true);
}

#[test]
fn with_loss() {
    through(FaultConfig { seed: 2, loss: 0.05, ..FaultConfig::default() }, |it| it.lost > 0);
}

#[test]
fn out_of_order() {
    through(FaultConfig { seed: 3, delay: 0.3, ..FaultConfig::default() }, |it| it.delayed > 0);
}

#[test]
fn doubled() {
    let faults = FaultConfig { seed: 4, duplicate: 0.2, ..FaultConfig::default() };
    through(faults, |it| it.duplicated > 0);
}

#[test]
fn with_everything_at_once() {
    let (loss, delay, duplicate) = (0.03, 0.2, 0.05);
    through(FaultConfig { seed: 5, loss, delay, duplicate, ..FaultConfig::default() }, |it| {
        it.lost > 0 && it.delayed > 0 && it.duplicated > 0
    });
}

#[test]
fn with_black_holes() {
    for net in Net::all() {
        let (ends, handles) = Ends::with_faults(net, FaultConfig::default());
        for mut operation in operations() {
            // Another one each time: paths that are known to be dead are not used.
            handles.iter().for_each(FaultHandle::heal_all);
            run(&mut *operation, &ends);
            for handle in &handles {
                (0..ends.paths()).step_by(2).for_each(|path| handle.black_hole(path));
            }
            run(&mut *operation, &ends);
        }
        assert!(handles.iter().any(|handle| handle.counters().black_holed > 0), "{net:?}");
    }
}

/// The peer dies in the middle of everything, without a word, and is started again at its address: each
/// operation ends, one way or the other, and afterwards all work with the new one.
#[test]
fn with_a_restarted_peer() {
    for net in Net::all().into_iter().filter(|net| net.has_places()) {
        let (ends, handles) = Ends::with_faults(net, FaultConfig::default());
        let mut all = operations();
        for operation in &mut all {
            operation.get_ready(&ends);
        }
        let ask =
            |ends: &Ends, number| all.iter().for_each(|operation| operation.ask(ends, number));
        (0..COUNT / 2).for_each(|number| ask(&ends, number));
        // Some have ended, some are under way, most have not begun; and of the rest nothing arrives.
        let mut ended = collect(&ends.a, COUNT as usize);
        ends.cut(&handles);
        (COUNT / 2..COUNT).for_each(|number| ask(&ends, number));
        let ends = ends.restart(&handles);
        let asked = all.len() * COUNT as usize;
        ended.extend(collect(&ends.a, asked - ended.len()));
        let failed = ended.iter().filter(|completion| has_failed(completion)).count();
        assert!(failed >= asked / 2, "{net:?}: {failed} of {asked}");
        ends.reach();
        for mut operation in operations() {
            run(&mut *operation, &ends);
        }
        assert!(drain(&ends.a).is_empty());
    }
}

fn has_failed(completion: &Completion) -> bool {
    match completion {
        Completion::Send(send) => send.result.is_err(),
        Completion::Transfer(transfer) => transfer.result.is_err(),
        _ => panic!("nobody asked for {completion:?}"),
    }
}

/// Of each operation.
const COUNT: u64 = 20;
