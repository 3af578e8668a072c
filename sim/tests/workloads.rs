//! Every workload runs to its end, and flows that wait for others begin when those are done.

use std::fs;

use usrd_sim::{Report, Scenario, Simulation, Status};

fn text(hosts: u32, workload: &str) -> String {
    format!(
        "name = \"workload\"\nend = \"1s\"\ntopology = {{ kind = \"star\", hosts = {hosts} }}\n\
         links = {{ rate = \"100Gbps\", latency = \"1us\", queue = \"1MiB\", ecn_min = \"100KiB\" }}\n\
         [workload]\n{workload}"
    )
}

fn run(hosts: u32, workload: &str) -> Report {
    run_over("srd", hosts, workload)
}

fn run_over(transport: &str, hosts: u32, workload: &str) -> Report {
    let text = format!("transport = \"{transport}\"\n{}", text(hosts, workload));
    let scenario = Scenario::parse(&text, "workload.toml").unwrap();
    let report = Simulation::new(&scenario, 1).unwrap().run();
    assert_eq!(report.status, Status::Ok, "{report}");
    report
}

#[test]
fn collectives_reach_about_the_ideal() {
    for (kind, pieces) in [("ring-all-reduce", 1), ("tree-all-reduce", 16)] {
        let workload =
            format!("kind = \"{kind}\"\nsize = \"4MB\"\nrounds = 2\nmessages = {pieces}");
        let report = run(8, &workload);
        let (took, ideal) = (report.simulated_ns, report.totals.ideal_ns);
        assert!(took < 2 * ideal, "{kind}: {took} ns, ideal {ideal} ns\n{report}");
    }
}

#[test]
fn serving_completes_over_every_reliable_service() {
    for service in ["srd", "rd"] {
        let kv = "kind = \"kv-transfer\"\nrequests = 6\nblocks = [200, 400]\n\
             block_size = [\"4KiB\", \"32KiB\"]\ngap = \"50us\"\ncompletion = \"delivered\"";
        assert_eq!(run_over(service, 4, kv).flows.len(), 12);
        let rpc = "kind = \"rpc\"\nservers = 2\nrequests = 50\nsize = \"64B\"\n\
             response = \"4KiB\"\nconcurrency = 4\nthink = \"2us\"";
        assert_eq!(run_over(service, 6, rpc).flows.len(), 4 * 50 * 2);
    }
}

#[test]
fn random_arrivals_complete() {
    let poisson = "kind = \"poisson\"\nsizes = \"web-search\"\nload = \"40%\"\nflows = 100\nlargest = \"1MB\"";
    assert_eq!(run(8, poisson).totals.flows_done, 100);
}

#[test]
fn a_waiting_flow_begins_after_its_cause() {
    let chain = "kind = \"pairs\"\npairs = [\n{ src = 0, dst = 1, size = \"1MB\" },\n\
                 { src = 1, dst = 2, size = \"1kB\", after = [0], start = \"100us\" }]";
    let report = run(3, chain);
    let ends: Vec<u64> = report.flows.iter().map(|flow| flow.receiver_fct_ns.unwrap()).collect();
    assert!(report.simulated_ns > ends[0] + 100_000 + ends[1], "{report}");
    assert!(ends[1] < 10_000, "{report}");
}

#[test]
fn a_trace_lies_beside_its_scenario() {
    let folder = std::env::temp_dir().join(format!("usrd-sim-trace-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("scenario.toml");
    fs::write(&path, text(3, "kind = \"trace\"\nfile = \"flows.csv\"")).unwrap();
    fs::write(folder.join("flows.csv"), "start,src,dst,size\n0us,0,1,1MB\n5us,2,1,4kB\n").unwrap();
    let scenario = Scenario::load(&path).unwrap();
    assert_eq!(Simulation::new(&scenario, 1).unwrap().run().totals.flows_done, 2);
    fs::write(folder.join("flows.csv"), "start,src,dst,size\n0us,0,1,1MB\n5us,2,1,x\n").unwrap();
    let error = Scenario::load(&path).unwrap_err().to_string();
    assert!(error.contains("flows.csv:3: size: \"x\" is not"), "{error}");
    fs::remove_dir_all(&folder).unwrap();
}
