//! A random scenario out of a seed.

use std::fmt::Write;

use usrd_proto::wire::DATA_HEADER_BYTES;

use crate::rng::{Component, Stream};

/// The scenario of a seed, as TOML. Small enough to run in a fraction of a second, and always one
/// that has to succeed: nothing is lost so often or held up so long that giving up would be right.
pub fn generate(seed: u64) -> String {
    let mut dice = Dice(Stream::new(seed, Component::Fuzz, u32::MAX));
    let (topology, hosts) = topology(&mut dice);
    let mut text = format!("name = \"fuzz-{seed}\"\nseed = {seed}\nend = \"20s\"\n");
    let transport = dice.pick(&["srd", "srd", "rd"]);
    let _ = writeln!(text, "transport = \"{transport}\"\nintegrity = {}", dice.maybe());
    let _ = writeln!(text, "\n[topology]\n{topology}hosts = {hosts}");
    let mtu = dice.pick(&[256, 1_024, 1_400, 4_096, 8_192]);
    links(&mut text, &mut dice, mtu);
    faults(&mut text, &mut dice, hosts);
    core(&mut text, &mut dice, mtu);
    if dice.maybe() {
        let _ = writeln!(text, "\n[host]\nplacement_delay = \"{}ns\"", dice.between(1, 20_000));
        if dice.maybe() {
            let _ = writeln!(text, "nic_packets = {}", dice.between(1, 8));
        }
    }
    workload(&mut text, &mut dice, hosts, mtu);
    text
}

/// A shape of network, and how many hosts it has.
fn topology(dice: &mut Dice) -> (String, u64) {
    match dice.between(0, 5) {
        0 => ("kind = \"pair\"\n".into(), 2),
        1 => {
            let trunks = dice.between(1, 3);
            (format!("kind = \"dumbbell\"\ntrunks = {trunks}\n"), 2 * dice.between(1, 4))
        }
        2 => {
            let (leaves, spines) = (dice.between(2, 4), dice.between(1, 4));
            let shape = format!("kind = \"leaf-spine\"\nleaves = {leaves}\nspines = {spines}\n");
            (shape, leaves * dice.between(1, 3))
        }
        3 => ("kind = \"fat-tree\"\ntiers = 2\n".into(), dice.pick(&[8, 18])),
        4 => ("kind = \"fat-tree\"\ntiers = 3\n".into(), 16),
        _ => ("kind = \"star\"\n".into(), dice.between(2, 9)),
    }
}

fn links(text: &mut String, dice: &mut Dice, mtu: u64) {
    let rate = dice.pick(&["1Gbps", "10Gbps", "100Gbps", "400Gbps"]);
    let queue = mtu + 200 + dice.between(0, 100) * mtu;
    let _ = writeln!(
        text,
        "\n[links]\nrate = \"{rate}\"\nlatency = \"{}ns\"\nqueue = \"{queue}B\"",
        dice.between(10, 20_000)
    );
    if dice.maybe() {
        let min = dice.between(0, queue);
        let _ = writeln!(text, "ecn_min = \"{min}B\"");
        if dice.maybe() {
            let _ = writeln!(text, "ecn_max = \"{}B\"", dice.between(min, queue));
        }
    }
    if dice.maybe() {
        text.push_str("trimming = true\n");
    }
    if dice.seldom() {
        text.push_str("routing = \"spray\"\n");
    }
    if dice.seldom() {
        let min = dice.between(0, 10_000);
        let max = min + dice.between(0, 40_000);
        let _ = writeln!(text, "path_delay = {{ min = \"{min}ns\", max = \"{max}ns\" }}");
    }
}

/// Each kind of fault is there or not; those that are there hold for all links, or for some.
fn faults(text: &mut String, dice: &mut Dice, hosts: u64) {
    let profile = |dice: &mut Dice| {
        let mut profile = String::new();
        if dice.maybe() {
            let _ = writeln!(profile, "loss = {}", dice.share(0.05));
        }
        if dice.maybe() {
            let _ = writeln!(profile, "duplication = {}", dice.share(0.2));
        }
        if dice.seldom() {
            let (begin, end) = (dice.share(0.001), dice.between(2, 9));
            let burst = format!("burst = {{ begin = {begin}, end = 0.{end}, loss = 0.5 }}");
            let _ = writeln!(profile, "{burst}");
        }
        if dice.seldom() {
            let _ = writeln!(profile, "corruption = {}", dice.share(0.01));
        }
        if dice.seldom() {
            let _ = writeln!(profile, "jitter = \"{}ns\"", dice.between(1, 5_000));
        }
        if dice.maybe() {
            let delay = dice.between(100, 100_000);
            let often = dice.share(0.3);
            let _ = writeln!(profile, "reorder = {often}\nreorder_delay = \"{delay}ns\"");
        }
        profile
    };
    if dice.maybe() {
        let _ = writeln!(text, "\n[faults]\n{}", profile(dice));
    }
    while dice.seldom() {
        let direction = dice.pick(&["up", "down"]);
        let host = dice.between(0, hosts - 1);
        let profile = profile(dice);
        let _ = writeln!(
            text,
            "\n[[faults.link]]\nhost = {host}\ndirection = \"{direction}\"\n{profile}"
        );
    }
    while dice.seldom() {
        event(text, dice, hosts);
    }
}

/// A planned fault, over long before anybody is given up for it.
fn event(text: &mut String, dice: &mut Dice, hosts: u64) {
    let (host, at, long) =
        (dice.between(0, hosts - 1), dice.between(0, 300), dice.between(1, 2_000));
    let _ = writeln!(
        text,
        "\n[[faults.event]]\nat = \"{at}us\"\nuntil = \"{}us\"\ntarget = \"host{host}\"",
        at + long
    );
    let _ = match dice.between(0, 6) {
        0 => writeln!(text, "kind = \"link-down\""),
        1 => writeln!(text, "kind = \"link-rate\"\nrate = \"{}Mbps\"", dice.between(100, 900)),
        2 => writeln!(text, "kind = \"link-loss\"\nshare = {}", dice.share(0.5)),
        3 => writeln!(text, "kind = \"black-hole\"\nshare = {}", dice.share(0.8)),
        4 => writeln!(text, "kind = \"clock-drift\"\nppm = {}", dice.between(1, 200)),
        5 => writeln!(text, "kind = \"host-crash\""),
        _ => writeln!(text, "kind = \"host-pause\""),
    };
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
    if dice.seldom() {
        let _ = writeln!(text, "ack_delay = \"{}us\"", dice.between(1, 100));
    }
}

fn workload(text: &mut String, dice: &mut Dice, hosts: u64, mtu: u64) {
    let outstanding = dice.between(1, 32);
    let _ = writeln!(text, "\n[workload]\noutstanding = {outstanding}");
    if dice.maybe() {
        *text += "completion = \"delivered\"\n";
    }
    if dice.maybe() {
        let _ = writeln!(text, "posted_receives = {}", dice.between(1, 64));
    }
    let messages = dice.between(1, 40);
    let size = dice.size(mtu);
    let _ = match dice.between(0, 7) {
        0 => writeln!(text, "kind = \"permutation\"\nmessages = {messages}\nsize = \"{size}B\""),
        1 => writeln!(
            text,
            "kind = \"incast\"\nsenders = {}\nmessages = {messages}\nsize = \"{size}B\"",
            hosts - 1
        ),
        2 => writeln!(
            text,
            "kind = \"all-to-all\"\nmessages = {}\nsize = \"{size}B\"",
            messages.min(8)
        ),
        3 => writeln!(text, "kind = \"ring-all-reduce\"\nsize = \"{}B\"", size * hosts),
        4 => writeln!(text, "kind = \"tree-all-reduce\"\nmessages = 4\nsize = \"{}B\"", size * 4),
        5 => writeln!(
            text,
            "kind = \"rpc\"\nservers = 1\nrequests = {messages}\nconcurrency = 3\nsize = \"64B\"\n\
             response = \"{size}B\"\nthink = \"1us\""
        ),
        6 => writeln!(
            text,
            "kind = \"kv-transfer\"\nrequests = 4\nblocks = [10, 100]\nblock_size = [\"64B\", \"16KiB\"]"
        ),
        _ => writeln!(text, "kind = \"pairs\"\npairs = [{}]", listed(dice, hosts, mtu)),
    };
}

/// Flows of every service between the same hosts, which is where orders and windows meet.
fn listed(dice: &mut Dice, hosts: u64, mtu: u64) -> String {
    let flow = |dice: &mut Dice| {
        let src = dice.between(0, hosts - 1);
        let dst = (src + dice.between(1, hosts - 1)) % hosts;
        let service = dice.pick(&["srd", "rd"]);
        format!(
            "\n  {{ src = {src}, dst = {dst}, messages = {}, size = \"{}B\", service = \"{service}\", \
             start = \"{}ns\" }},",
            dice.between(1, 30),
            dice.size(mtu),
            dice.between(0, 100_000)
        )
    };
    let count = dice.between(1, 8);
    (0..count).map(|_| flow(dice)).collect()
}

struct Dice(Stream);

impl Dice {
    fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.0.below(most - least + 1)
    }

    fn maybe(&mut self) -> bool {
        self.between(0, 1) == 1
    }

    fn seldom(&mut self) -> bool {
        self.between(0, 3) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.between(0, from.len() as u64 - 1) as usize]
    }

    /// A share up to `most`; small ones as likely as large ones.
    fn share(&mut self, most: f64) -> String {
        format!("{:.6}", most * 10f64.powf(-3.0 * self.0.unit()))
    }

    /// A message size: around a packet, a few packets, or many.
    fn size(&mut self, mtu: u64) -> u64 {
        match self.between(0, 3) {
            0 => self.between(1, mtu),
            1 => mtu * self.between(1, 3) - self.between(0, 1),
            2 => self.between(1, 8 * mtu),
            _ => self.between(1, 60 * mtu),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn every_seed_makes_a_valid_scenario_of_its_own() {
        let mut kinds = std::collections::HashSet::new();
        for seed in 0..400 {
            let text = generate(seed);
            let scenario =
                Scenario::parse(&text, "fuzz").unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(scenario.seed, seed);
            assert_eq!(text, generate(seed));
            kinds.insert(scenario.workload.kind.name());
        }
        assert_eq!(kinds.len(), 8, "{kinds:?}");
    }
}
