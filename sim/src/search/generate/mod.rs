//! A random scenario out of a seed: every shape of network, option of the protocol, kind of traffic
//! and fault comes up, in all mixtures.

mod dice;
mod faults;
mod network;
mod operation;
mod traffic;

use std::fmt::Write;

use usrd_proto::wire::DATA_HEADER_BYTES;

use self::dice::Dice;
use crate::rng::{Component, Stream};

/// The scenario of a seed, as TOML. Small enough to run in a fraction of a second, and always one
/// that has to succeed: nothing is lost so often or held up so long that giving up would be right.
pub fn generate(seed: u64) -> String {
    let mut dice = Dice(Stream::new(seed, Component::Fuzz, u32::MAX));
    let network = network::shape(&mut dice);
    let mut text = format!("name = \"fuzz-{seed}\"\nseed = {seed}\nend = \"20s\"\n");
    let transport = dice.pick(&["srd", "srd", "srd", "rd", "rd", "ud"]);
    let _ = writeln!(text, "transport = \"{transport}\"\nintegrity = {}", dice.maybe());
    let _ = writeln!(text, "\n[topology]\n{}hosts = {}", network.keys, network.hosts);
    let mtu = dice.pick(&[256, 1_024, 1_400, 4_096, 8_192]);
    network::links(&mut text, &mut dice, mtu);
    faults::faults(&mut text, &mut dice, &network);
    core(&mut text, &mut dice, mtu);
    if dice.maybe() {
        let _ = writeln!(text, "\n[host]\nplacement_delay = \"{}ns\"", dice.between(1, 20_000));
        if dice.maybe() {
            let _ = writeln!(text, "nic_packets = {}", dice.between(1, 8));
        }
        if dice.seldom() {
            let _ = writeln!(text, "notice_delay = \"{}us\"", dice.between(1, 50));
        }
    }
    traffic::workload(&mut text, &mut dice, transport, network.hosts, mtu);
    text
}

fn core(text: &mut String, dice: &mut Dice, mtu: u64) {
    let _ =
        writeln!(text, "\n[core]\nmtu = \"{mtu}B\"\npaths = {}", dice.pick(&[1, 2, 16, 128, 256]));
    if dice.maybe() {
        let spray = dice.pick(&["single", "oblivious", "penalty", "bitmap", "reps", "hybrid"]);
        let _ = writeln!(text, "spray = \"{spray}\"");
    }
    match dice.between(0, 5) {
        0 => *text += "controller = \"swift\"\n",
        1 => {
            let window = (mtu + DATA_HEADER_BYTES as u64) * dice.between(1, 64);
            let _ = writeln!(text, "controller = \"fixed\"\nwindow = \"{window}B\"");
        }
        _ => {}
    }
    if dice.seldom() {
        let _ = writeln!(text, "ack_packets = {}", dice.between(1, 32));
    }
    if dice.maybe() {
        *text += "receiver_credits = true\n";
    }
    if dice.seldom() {
        let _ = writeln!(text, "bounce = \"{}KiB\"", dice.between(64, 4_096));
    }
    if dice.seldom() {
        let _ = writeln!(text, "expire_after = \"{}us\"", dice.between(50, 50_000));
    }
    if dice.seldom() {
        let _ = writeln!(text, "ack_delay = \"{}us\"", dice.between(1, 100));
    }
    caps(text, dice, mtu);
}

/// Limits that are hardly ever reached, made small.
fn caps(text: &mut String, dice: &mut Dice, mtu: u64) {
    let mut cap = |dice: &mut Dice, key: &str, value: String| {
        if dice.seldom() {
            let _ = writeln!(text, "{key} = {value}");
        }
    };
    let few = dice.between(1, 9).to_string();
    cap(dice, "max_served", few);
    let few = dice.between(1, 9).to_string();
    cap(dice, "max_notifications", few);
    // With fewer, hosts that all begin at once lose patience.
    let few = dice.between(4, 16).to_string();
    cap(dice, "max_half_open", few);
    let bytes = dice.pick(&[0, mtu / 2, 16 * mtu]);
    cap(dice, "eager", format!("\"{bytes}B\""));
    let bytes = mtu * dice.between(1, 200);
    cap(dice, "recv_window", format!("\"{bytes}B\""));
    let packets = dice.pick(&[64, 128]).to_string();
    cap(dice, "recv_window_packets", packets);
    let bytes = dice.between(1, 4 * mtu);
    cap(dice, "quantum", format!("\"{bytes}B\""));
    let packets = dice.between(2, 9).to_string();
    cap(dice, "train_packets", packets);
    let delay = dice.between(1, 500);
    cap(dice, "rnr_delay", format!("\"{delay}us\""));
    let after = dice.between(10, 5_000);
    cap(dice, "idle_after", format!("\"{after}us\""));
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn every_seed_makes_a_valid_scenario_of_its_own() {
        let (mut traffic, mut shapes, mut texts) = (HashSet::new(), HashSet::new(), String::new());
        for seed in 0..600 {
            let text = generate(seed);
            let scenario =
                Scenario::parse(&text, "fuzz").unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(scenario.seed, seed);
            assert_eq!(text, generate(seed));
            traffic.insert(scenario.workload.kind.name());
            shapes.insert(scenario.topology.kind.name());
            texts += &text;
        }
        assert_eq!((traffic.len(), shapes.len()), (11, 6), "{traffic:?} {shapes:?}");
        for key in [
            "transport = \"ud\"",
            "service = \"ud\"",
            "receiver_credits",
            "shared_buffer",
            "trimming",
            "switch-reboot",
            "rails = 2",
            "operation = \"write\"",
            "operation = \"read\"",
            "operation = \"tagged\"",
            "cancel = ",
            "many = ",
            "note = ",
            "expire_after = ",
            "operation = \"fadd\"",
            "operation = \"cas\"",
            "immediate = true",
            "region-revoke",
            "operation = \"notify\"",
            "peer-close",
            "max_served",
            "max_notifications",
            "notice_delay",
        ] {
            assert!(texts.contains(key), "{key}");
        }
    }
}
