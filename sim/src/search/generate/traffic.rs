//! Random traffic.

use std::fmt::Write;

use super::dice::Dice;

/// Traffic of a kind that the transport can carry.
pub(super) fn workload(text: &mut String, dice: &mut Dice, transport: &str, hosts: u64, mtu: u64) {
    let ud = transport == "ud";
    let outstanding = dice.between(1, 32);
    let _ = writeln!(text, "\n[workload]\noutstanding = {outstanding}");
    // UD knows of no delivery.
    let delivered = dice.maybe() && !ud;
    if delivered {
        *text += "completion = \"delivered\"\n";
    }
    if dice.maybe() {
        let _ = writeln!(text, "posted_receives = {}", dice.between(1, 64));
    }
    let messages = dice.between(1, 40);
    let size = if ud { dice.between(1, mtu) } else { dice.size(mtu) };
    // What UD may lose, nothing can wait for.
    let kind = if ud { dice.between(0, 3) } else { dice.between(0, 10) };
    let _ = match kind {
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
        3 => writeln!(
            text,
            "kind = \"bisection\"\nranks = {}\nmessages = {messages}\nsize = \"{size}B\"",
            dice.between(1, 3)
        ),
        4 => writeln!(text, "kind = \"ring-all-reduce\"\nsize = \"{}B\"", size * hosts),
        5 => writeln!(text, "kind = \"tree-all-reduce\"\nmessages = 4\nsize = \"{}B\"", size * 4),
        6 => writeln!(
            text,
            "kind = \"rpc\"\nservers = 1\nrequests = {messages}\nconcurrency = 3\nsize = \"64B\"\n\
             response = \"{size}B\"\nthink = \"1us\""
        ),
        7 => writeln!(
            text,
            "kind = \"kv-transfer\"\nrequests = 4\nblocks = [10, 100]\nblock_size = [\"64B\", \"16KiB\"]"
        ),
        8 => {
            let sizes = dice.pick(&["web-search", "data-mining"]);
            writeln!(
                text,
                "kind = \"poisson\"\nsizes = \"{sizes}\"\nlargest = \"{}B\"\nload = 0.{}\nflows = {}",
                100 * mtu,
                dice.between(1, 9),
                dice.between(1, 60)
            )
        }
        9 => writeln!(text, "kind = \"trace\"\ncsv = \"\"\"\n{}\"\"\"", traced(dice, hosts, mtu)),
        _ => writeln!(text, "kind = \"pairs\"\npairs = [{}]", listed(dice, hosts, mtu, delivered)),
    };
}

/// Flows of every service between the same hosts, which is where orders and windows meet.
fn listed(dice: &mut Dice, hosts: u64, mtu: u64, delivered: bool) -> String {
    let flow = |dice: &mut Dice| {
        let src = dice.between(0, hosts - 1);
        let dst = (src + dice.between(1, hosts - 1)) % hosts;
        let services: &[_] = if delivered { &["srd", "rd"] } else { &["srd", "rd", "ud"] };
        let service = dice.pick(services);
        let size = if service == "ud" { dice.between(1, mtu) } else { dice.size(mtu) };
        format!(
            "\n  {{ src = {src}, dst = {dst}, messages = {}, size = \"{size}B\", service = \"{service}\", \
             start = \"{}ns\" }},",
            dice.between(1, 30),
            dice.between(0, 100_000)
        )
    };
    let count = dice.between(1, 8);
    (0..count).map(|_| flow(dice)).collect()
}

/// A trace whose flows wait for each other now and then.
fn traced(dice: &mut Dice, hosts: u64, mtu: u64) -> String {
    let mut text = "start,src,dst,size,messages,service,after,job\n".to_owned();
    let mut from = dice.between(0, hosts - 1);
    for row in 0..dice.between(1, 12) {
        let to = (from + dice.between(1, hosts - 1)) % hosts;
        let after = if row > 0 && dice.maybe() { (row - 1).to_string() } else { String::new() };
        let _ = writeln!(
            text,
            "{}ns,{from},{to},{}B,{},{},{after},{}",
            dice.between(0, 50_000),
            dice.size(mtu),
            dice.between(1, 8),
            dice.pick(&["srd", "rd"]),
            row / 4
        );
        // The next one starts where this one ends, so that its sender knows of it.
        from = to;
    }
    text
}
