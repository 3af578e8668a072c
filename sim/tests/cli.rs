//! The verbs of the command, as a user runs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder that is gone after the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("usrd-sim-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("small.toml"), SMALL).unwrap();
        Self(path)
    }

    fn at(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const SMALL: &str = r#"name = "small"
end = "100ms"
topology = { kind = "star", hosts = 4 }
links = { rate = "100Gbps", latency = "1us", queue = "100kB" }
[faults]
loss = "0.1%"
[workload]
kind = "permutation"
size = "100kB"
"#;

fn sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_usrd-sim")).args(arguments).output().unwrap()
}

/// Runs a verb that has to exit with `code`; gives what it printed.
fn exits(code: i32, arguments: &[&str]) -> String {
    let output = sim(arguments);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{out}{err}");
    if code == 2 { err } else { out }
}

#[test]
fn a_run_leaves_a_folder_that_replays() {
    let scratch = Scratch::new("run");
    let (scenario, folder) = (scratch.at("small.toml"), scratch.at("out"));
    let run = ["run", &scenario, "--seed", "5", "--set", "core.paths=16", "--out", &folder];
    exits(0, &run);
    let flows = scratch.read("out/flows.csv");
    assert_eq!(flows.lines().count(), 1 + 4);
    let summary: serde_json::Value =
        serde_json::from_str(&scratch.read("out/summary.json")).unwrap();
    assert_eq!((&summary["seed"], &summary["status"]), (&5.into(), &"ok".into()));
    assert!(scratch.read("out/scenario.toml").contains("paths = 16"));

    assert!(exits(0, &["replay", &folder]).contains("the same as before"));
    let forged = scratch.read("out/summary.json").replace("\"seed\": 5", "\"seed\": 6");
    fs::write(scratch.at("out/summary.json"), forged).unwrap();
    assert!(exits(1, &["replay", &folder]).contains("DIFFERENT"));
}

#[test]
fn the_same_run_writes_the_same_bytes() {
    let scratch = Scratch::new("bytes");
    let scenario = scratch.at("small.toml");
    for folder in ["a", "b"] {
        exits(0, &["run", &scenario, "--out", &scratch.at(folder)]);
    }
    for file in ["scenario.toml", "summary.json", "flows.csv"] {
        assert_eq!(
            scratch.read(&format!("a/{file}")),
            scratch.read(&format!("b/{file}")),
            "{file}"
        );
    }
}

#[test]
fn each_way_to_fail_has_its_own_exit_code() {
    let scratch = Scratch::new("codes");
    let scenario = scratch.at("small.toml");
    let error = exits(2, &["run", &scenario, "--set", "core.paths=x"]);
    assert!(error.contains("small.toml with core.paths=x"), "{error}");
    assert!(
        exits(2, &["run", &scenario, "--set", "core.speed=1"]).contains("unknown field `speed`")
    );
    assert!(exits(2, &["run", "/nowhere.toml"]).contains("/nowhere.toml"));
    // The end comes in the middle of it: 2 x 20 MB at 1 Gb/s take 320 ms.
    let slow = ["--set", "links.rate=1Gbps", "--set", "workload.size=20MB", "--set", "end=170ms"];
    exits(3, &[&["run", &scenario][..], &slow].concat());
    // Nothing arrives any more: every message is given up in the end.
    let dead = ["--set", "faults.loss=1.0", "--set", "end=20s"];
    exits(4, &[&["run", &scenario][..], &dead].concat());
    exits(5, &["run", &scenario, "--out", "/proc/nowhere"]);
}

#[test]
fn shards_put_together_are_the_whole() {
    let scratch = Scratch::new("shards");
    let scenario = scratch.at("small.toml");
    let sweep = |out: &str, more: &[&str]| {
        let out = scratch.at(out);
        let axes = [
            "--grid",
            "core.spray=reps,hybrid",
            "--random",
            "faults.loss=0%..2%",
            "--draws",
            "2",
            "--seeds",
            "2",
            "--out",
            &out,
        ];
        exits(0, &[&["sweep", &scenario][..], &axes, more].concat())
    };
    let table = sweep("whole.jsonl", &["--threads", "1"]);
    assert_eq!(table.lines().count(), 1 + 2 * 2, "{table}");
    for shard in ["0/3", "1/3", "2/3"] {
        sweep(&shard.replace('/', "-"), &["--shard", shard]);
    }
    let parts = ["2-3", "0-3", "1-3"].map(|part| scratch.at(part));
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let merged = scratch.at("merged.jsonl");
    exits(0, &[&["merge", "--out", &merged][..], &parts].concat());
    assert_eq!(scratch.read("merged.jsonl"), scratch.read("whole.jsonl"));

    assert!(exits(2, &["merge", parts[0], parts[1]]).contains("runs are missing"));
    assert!(exits(2, &["merge", parts[0], parts[0]]).contains("more than once"));
    assert!(exits(0, &["replay", &merged, "--run", "5"]).contains("the same as before"));
    assert!(exits(2, &["replay", &merged]).contains("--run"));
    assert!(exits(2, &["replay", &merged, "--run", "99"]).contains("no run 99"));
}

#[test]
fn a_sweep_refuses_what_it_cannot_run_before_it_runs_anything() {
    let scratch = Scratch::new("refuses");
    let scenario = scratch.at("small.toml");
    let error = exits(2, &["sweep", &scenario, "--grid", "core.paths=16,300"]);
    assert!(error.contains("core.paths=300"), "{error}");
    exits(2, &["sweep", &scenario, "--shard", "3/3"]);
    exits(2, &["sweep", &scenario, "--random", "faults.loss=5%..1%"]);
    exits(2, &["sweep", &scenario, "--seeds", "0"]);
}

#[test]
fn diff_tells_a_difference_from_chance() {
    let scratch = Scratch::new("diff");
    let scenario = scratch.at("small.toml");
    let sweep = |rate: &str, name: &str| {
        let (rate, out) = (format!("links.rate={rate}"), scratch.at(name));
        exits(0, &["sweep", &scenario, "--grid", &rate, "--seeds", "6", "--out", &out]);
        out
    };
    let (fast, slow) = (sweep("100Gbps", "fast"), sweep("50Gbps", "slow"));
    let text = exits(0, &["diff", &fast, &slow]);
    let max = text.lines().find(|line| line.starts_with("max_fct_us")).unwrap();
    assert!(max.contains('*') && max.ends_with("6 pairs"), "{text}");
    let same = exits(0, &["diff", &fast, &fast, "--json"]);
    let same: serde_json::Value = serde_json::from_str(&same).unwrap();
    let rows = same["rows"].as_array().unwrap();
    assert!(rows.iter().all(|row| row["change"]["low"] == 0.0 && row["change"]["high"] == 0.0));

    for seed in ["1", "2"] {
        exits(0, &["run", &scenario, "--seed", seed, "--out", &scratch.at(seed)]);
    }
    let runs = exits(0, &["diff", &scratch.at("1"), &scratch.at("2")]);
    assert!(runs.contains("99 % slowdown"), "{runs}");
    assert!(exits(2, &["diff", &scratch.at("1"), &fast]).contains("a run and"));
}

#[test]
fn fuzzing_finds_nothing_wrong() {
    let scratch = Scratch::new("fuzz");
    let out = scratch.at("failures");
    let text = exits(0, &["fuzz", "--runs", "20", "--seconds", "600", "--out", &out]);
    assert!(text.ends_with("20 runs from root seed 1, 0 failed\n"), "{text}");
    assert!(!Path::new(&out).exists());
}

#[test]
fn shrinking_keeps_what_is_wrong_and_little_else() {
    let scratch = Scratch::new("shrink");
    let scenario = scratch.at("small.toml");
    assert!(exits(0, &["shrink", &scenario]).contains("nothing is wrong"));
    // One link of four loses everything: that, one flow and two hosts have to stay.
    let text = SMALL.replace(
        "[workload]",
        "[[faults.link]]\nhost = 3\ndirection = \"down\"\nloss = 1.0\n[workload]",
    );
    fs::write(scratch.at("bad.toml"), text.replace("100ms", "20s")).unwrap();
    let out = scratch.at("shrunk.toml");
    exits(1, &["shrink", &scratch.at("bad.toml"), "--out", &out]);
    let shrunk: toml::Table = scratch.read("shrunk.toml").parse().unwrap();
    assert_eq!(shrunk["workload"]["pairs"].as_array().unwrap().len(), 1, "{shrunk}");
    assert_eq!(shrunk["topology"]["hosts"].as_integer(), Some(2), "{shrunk}");
    // What is left of chance is named packet by packet: those that make a sender give up.
    let faults = shrunk["faults"].as_table().unwrap();
    assert!(faults.get("loss").is_none() && faults.get("link").is_none(), "{shrunk}");
    let packets = faults["packet"].as_array().unwrap();
    assert!((2..=16).contains(&packets.len()), "{shrunk}");
    let lost = |packet: &toml::Value| packet["loss"].as_bool() == Some(true);
    assert!(packets.iter().all(lost), "{shrunk}");
    exits(4, &["run", &out]);
}

#[test]
fn a_recorded_run_has_its_series_faults_events_and_packets() {
    let scratch = Scratch::new("recorded");
    let (scenario, folder) = (scratch.at("small.toml"), scratch.at("out"));
    let fault = "faults.event=[{at='2us', until='4us', kind='link-down', target='host1>switch0'}]";
    let record = ["--out", &folder, "--sample", "1us", "--events", "--pcap", "--set", fault];
    exits(0, &[&["run", &scenario][..], &record].concat());

    let series = scratch.read("out/series.csv");
    assert!(series.contains("\n1.000,delivered_bytes,network,"), "{series}");
    assert!(series.lines().any(|line| line.contains(",cwnd_bytes,host0>host")));
    let faults = scratch.read("out/faults.csv");
    assert!(faults.contains("2.000000,link-down,host1>switch0"), "{faults}");
    assert!(faults.contains("4.000000,link-down over,host1>switch0"), "{faults}");
    assert!(faults.contains(",down,host1>switch0,1,"), "{faults}");

    let explicit = exits(0, &["run", &scratch.at("out/schedule.toml"), "--json"]);
    let explicit: serde_json::Value = serde_json::from_str(&explicit).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&scratch.read("out/summary.json")).unwrap();
    assert_eq!(explicit["digest"], kept["digest"], "without chance it is the same run");

    let events = scratch.read("out/events.jsonl");
    let events: Vec<serde_json::Value> =
        events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events[0]["qlog_version"], "0.4");
    let named = |name: &str| events.iter().filter(|event| event["name"] == name).count();
    assert_eq!(named("application:message_received"), 4);
    assert_eq!(named("network:fault"), 2);
    assert!(named("transport:packet_sent") >= named("transport:packet_received"));

    let page = scratch.read("out/report.html");
    assert!(page.contains("link-down host1&#62;switch0") || page.contains("link-down host1"));
    assert!(page.contains(&format!("usrd-sim replay {folder}")));
    // The page made from the folder is the same but for the place it is kept in.
    let again = scratch.at("again.html");
    exits(0, &["report", &folder, "--out", &again]);
    assert_eq!(page.matches("<svg").count(), scratch.read("again.html").matches("<svg").count());
}

/// The blocks of a capture: (kind, body).
fn blocks(file: &[u8]) -> Vec<(u32, &[u8])> {
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    let (mut at, mut blocks) = (0, Vec::new());
    while at < file.len() {
        let len = word(at + 4) as usize;
        assert_eq!(word(at + len - 4) as usize, len, "lengths at both ends agree");
        blocks.push((word(at), &file[at + 8..at + len - 4]));
        at += len;
    }
    blocks
}

#[test]
fn a_capture_has_an_interface_per_link_and_says_what_was_marked_and_lost() {
    let scratch = Scratch::new("pcap");
    let (scenario, folder) = (scratch.at("small.toml"), scratch.at("out"));
    let set = [
        "--set",
        "links.ecn_min=10kB",
        "--set",
        "workload.kind=incast",
        "--set",
        "workload.senders=3",
        "--set",
        "faults.loss=2%",
    ];
    let run =
        exits(0, &[&["run", &scenario, "--pcap", "--json", "--out", &folder][..], &set].concat());
    let report: serde_json::Value = serde_json::from_str(&run).unwrap();
    let file = fs::read(scratch.at("out/packets.pcapng")).unwrap();
    let blocks = blocks(&file);
    assert_eq!(blocks[0].0, 0x0a0d_0d0a);
    assert_eq!(blocks.iter().filter(|block| block.0 == 1).count(), 2 * 4, "every link is used");
    let packets: Vec<&[u8]> = blocks.iter().filter(|block| block.0 == 6).map(|b| b.1).collect();
    let saying = |text: &str| {
        let text = text.as_bytes();
        packets.iter().filter(|body| body.windows(text.len()).any(|window| window == text)).count()
    };
    let (marked, lost) = (saying("marked: congestion"), saying("lost on the link"));
    assert_eq!(report["totals"]["marked"], marked);
    assert_eq!(report["drops"]["network.loss"], lost);
    assert!(marked > 0 && lost > 0);
    let full = saying("dropped: the queue was full");
    assert_eq!(report["totals"]["packet_hops"], packets.len() - lost - full);
}

#[test]
fn a_comparison_can_be_a_page() {
    let scratch = Scratch::new("page");
    let scenario = scratch.at("small.toml");
    for seed in ["1", "2"] {
        exits(0, &["run", &scenario, "--seed", seed, "--out", &scratch.at(seed)]);
    }
    let page = scratch.at("ab.html");
    exits(0, &["diff", &scratch.at("1"), &scratch.at("2"), "--html", &page]);
    let page = scratch.read("ab.html");
    assert!(page.contains("99 % slowdown") && page.matches("<svg").count() == 2, "{page}");
}

#[test]
fn imported_files_run() {
    let scratch = Scratch::new("import");
    fs::write(
        scratch.at("m.cm"),
        "Nodes 16\nConnections 2\n0->15 id 1 start 0 size 200000 \
        send_done_trigger 1\n0->3 id 2 trigger 1 size 1000\ntrigger id 1 oneshot\n",
    )
    .unwrap();
    fs::write(
        scratch.at("t.topo"),
        "Nodes 16\nTiers 2\nPodsize 16\nTier 0\nDownlink_speed_Gbps 100\n\
        Radix_Down 4\nRadix_Up 4\nDownlink_Latency_ns 1000\nTier 1\nDownlink_speed_Gbps 100\n\
        Radix_Down 4\nDownlink_Latency_ns 1000\n",
    )
    .unwrap();
    let (matrix, tree, out) = (scratch.at("m.cm"), scratch.at("t.topo"), scratch.at("out.toml"));
    exits(0, &["import", "--cm", &matrix, "--topo", &tree, "--out", &out]);
    assert!(exits(0, &["run", &out]).contains("flows done    2 of 2"));
    exits(0, &["import", "--cm", &matrix]);
    exits(2, &["import"]);
    assert!(exits(2, &["import", "--cm", &tree]).contains("t.topo:2: \"Tiers\" is not known"));
}

#[test]
fn experiments_become_tables_beside_the_figures_of_others() {
    let scratch = Scratch::new("experiments");
    fs::create_dir_all(scratch.at("experiments")).unwrap();
    fs::write(scratch.at("experiments/small.toml"), SMALL).unwrap();
    let list = scratch.at("list.toml");
    let text = "[[experiment]]\ntitle = \"Small\"\nplan = \"small.toml\"\ngoal = 1.0\nrows = [\n\
                { name = \"hybrid\", theirs = { name = \"mixed\", max = 20.0, mean = 10.0 } },\n\
                { name = \"slow\", set = { \"links.rate\" = \"10Gbps\" } },\n]\n";
    fs::write(&list, text).unwrap();
    let out = scratch.at("out.md");
    exits(0, &["experiments", "--list", &list, "--seeds", "3", "--out", &out]);
    let document = scratch.read("out.md");
    let row = |name: &str| {
        let line = document.lines().find(|line| line.starts_with(&format!("| {name} |"))).unwrap();
        line.split('|').map(str::trim).map(str::to_owned).collect::<Vec<_>>()
    };
    let (hybrid, slow) = (row("hybrid"), row("slow"));
    assert_eq!(hybrid[7], "mixed 20.0 (10.0)");
    let max = |row: &[String]| -> f64 { row[2].split(' ').next().unwrap().parse().unwrap() };
    assert!((max(&hybrid) / 20.0 - hybrid[8].parse::<f64>().unwrap()).abs() < 0.01, "{document}");
    assert!(max(&slow) > 3.0 * max(&hybrid), "{document}");
    assert!(document.contains("% above"), "{document}");
    assert!(exits(2, &["experiments", "--list", &scratch.at("none.toml")]).contains("none.toml"));
}
