//! Random networks: shape, switches, links.

use std::fmt::Write;

use super::dice::Dice;

/// A shape of network.
pub(super) struct Network {
    /// Its keys in `[topology]`, but for `hosts`.
    pub(super) keys: String,
    pub(super) hosts: u64,
    /// A switch by name, if there is any.
    pub(super) switch: Option<String>,
}

/// Every kind of shape, small.
pub(super) fn shape(dice: &mut Dice) -> Network {
    match dice.between(0, 6) {
        0 => Network { keys: "kind = \"pair\"\n".into(), hosts: 2, switch: None },
        1 => dumbbell(dice),
        2 => leaf_spine(dice),
        3 => fat_tree(dice, 2),
        4 => fat_tree(dice, 3),
        5 => custom(dice),
        _ => {
            let hosts = dice.between(2, 9);
            Network { keys: "kind = \"star\"\n".into(), hosts, switch: Some("switch0".into()) }
        }
    }
}

fn dumbbell(dice: &mut Dice) -> Network {
    let trunks = dice.between(1, 3);
    Network {
        keys: format!("kind = \"dumbbell\"\ntrunks = {trunks}\n"),
        hosts: 2 * dice.between(1, 4),
        switch: Some(format!("switch{}", dice.between(0, 1))),
    }
}

fn leaf_spine(dice: &mut Dice) -> Network {
    let (leaves, spines) = (dice.between(2, 4), dice.between(1, 4));
    let mut keys = format!("kind = \"leaf-spine\"\nleaves = {leaves}\nspines = {spines}\n");
    // A rail is a leaf, so that the servers' interfaces are as many as those.
    let rails = if dice.seldom() { leaves } else { 1 };
    let _ = writeln!(keys, "rails = {rails}");
    let switch = match dice.maybe() {
        true => format!("spine{}", dice.between(0, spines - 1)),
        false => format!("leaf{}", dice.between(0, leaves - 1)),
    };
    Network { keys, hosts: leaves * dice.between(1, 3), switch: Some(switch) }
}

fn fat_tree(dice: &mut Dice, tiers: u64) -> Network {
    let (hosts, top) = match tiers {
        2 => (dice.pick(&[8, 18]), "spine"),
        _ => (16, "core"),
    };
    let switch = dice.pick(&[top, "leaf"]);
    Network {
        keys: format!("kind = \"fat-tree\"\ntiers = {tiers}\n"),
        hosts,
        switch: Some(format!("{switch}0")),
    }
}

/// Switches in a ring with a chord now and then: ways of several lengths and speeds, some of them
/// double.
fn custom(dice: &mut Dice) -> Network {
    let switches = dice.between(2, 5);
    let hosts = dice.between(2, 8);
    let mut cables = String::new();
    for host in 0..hosts {
        let _ = writeln!(cables, "  {{ a = \"host{host}\", b = \"switch{}\" }},", host % switches);
    }
    for switch in 0..switches {
        let next = (switch + dice.pick(&[1, 1, 1, 2])) % switches;
        for other in [(switch + 1) % switches, next] {
            let latency = dice.between(10, 5_000);
            if other != switch {
                let _ = writeln!(
                    cables,
                    "  {{ a = \"switch{switch}\", b = \"switch{other}\", latency = \"{latency}ns\" }},"
                );
            }
        }
    }
    Network {
        keys: format!("kind = \"custom\"\nswitches = {switches}\ncables = [\n{cables}]\n"),
        hosts,
        switch: Some(format!("switch{}", dice.between(0, switches - 1))),
    }
}

/// The links, and what the queues before them do.
pub(super) fn links(text: &mut String, dice: &mut Dice, mtu: u64) {
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
        if dice.seldom() {
            text.push_str("priority = false\n");
        }
    } else if dice.seldom() {
        text.push_str("priority = true\n");
    }
    if dice.seldom() {
        let buffer = queue * dice.between(1, 4);
        let _ = writeln!(
            text,
            "shared_buffer = \"{buffer}B\"\nalpha = {}",
            dice.pick(&[0.5, 1.0, 8.0])
        );
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
