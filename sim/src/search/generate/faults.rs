//! Random faults: by chance and planned, on some links or on all.

use std::fmt::Write;

use super::dice::Dice;
use super::network::Network;

/// Each kind of fault is there or not; those that are there hold for all links, or for some.
pub(super) fn faults(text: &mut String, dice: &mut Dice, network: &Network) {
    let hosts = network.hosts;
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
        event(text, dice, network);
    }
}

/// A planned fault, over long before anybody is given up for it.
fn event(text: &mut String, dice: &mut Dice, network: &Network) {
    let (at, long) = (dice.between(0, 300), dice.between(1, 2_000));
    let _ = writeln!(text, "\n[[faults.event]]\nat = \"{at}us\"");
    let closes = dice.seldom();
    if !closes || dice.maybe() {
        let _ = writeln!(text, "until = \"{}us\"", at + long);
    }
    if closes {
        return close(text, dice, network.hosts);
    }
    if let (Some(switch), true) = (&network.switch, dice.seldom()) {
        let _ = writeln!(text, "target = \"{switch}\"\nkind = \"switch-reboot\"");
        return;
    }
    let host = dice.between(0, network.hosts - 1);
    let _ = writeln!(text, "target = \"host{host}\"");
    let _ = match dice.between(0, 8) {
        0 => writeln!(text, "kind = \"link-down\""),
        1 => writeln!(text, "kind = \"link-rate\"\nrate = \"{}Mbps\"", dice.between(100, 900)),
        2 => writeln!(text, "kind = \"link-loss\"\nshare = {}", dice.share(0.5)),
        3 => writeln!(text, "kind = \"black-hole\"\nshare = {}", dice.share(0.8)),
        4 => writeln!(text, "kind = \"clock-drift\"\nppm = {}", dice.between(1, 200)),
        5 => writeln!(text, "kind = \"host-crash\""),
        6 | 7 => writeln!(text, "kind = \"region-revoke\""),
        _ => writeln!(text, "kind = \"host-pause\""),
    };
}

/// A host closes a peer.
fn close(text: &mut String, dice: &mut Dice, hosts: u64) {
    let host = dice.between(0, hosts - 1);
    let peer = (host + dice.between(1, hosts - 1)) % hosts;
    let patience = dice.pick(&[0, 0, 10, 100, 1_000]);
    let _ = writeln!(
        text,
        "kind = \"peer-close\"\ntarget = \"host{host}\"\npeer = \"host{peer}\"\npatience = \"{patience}us\""
    );
}
