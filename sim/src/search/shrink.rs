//! Makes a failing scenario small: takes away faults, then flows, hosts, bytes, options and time,
//! each as long as the run still fails in the same way, until nothing more can go.

use std::time::{Duration, Instant as WallClock};

use toml::{Table, Value};

use super::{Finding, Judge, minimise};
use crate::output::recorded;
use crate::scenario::{Document, PacketFault, Scenario, TopologyKind};
use crate::workload::{FlowSpec, Operation, OperationKey, Plan};

/// What to shrink, and how long to try.
#[derive(Debug)]
pub struct Shrink<J> {
    judge: J,
    seed: u64,
    until: WallClock,
    tries: u32,
    document: Document,
    finding: Finding,
}

/// What is left.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The small scenario.
    pub document: Document,
    /// What is wrong with it.
    pub finding: Finding,
    /// How many runs it took.
    pub tries: u32,
}

impl<J: Judge> Shrink<J> {
    /// Starts from a scenario; `None` if nothing is wrong with it.
    pub fn new(document: Document, seed: u64, time: Duration, judge: J) -> Option<Self> {
        let finding = judge(&document.scenario().ok()?, seed)?;
        Some(Self { judge, seed, until: WallClock::now() + time, tries: 1, document, finding })
    }

    /// Goes over everything until a round changes nothing or time is up. `schedule` says what chance
    /// does to packets in a run.
    pub fn run(mut self, schedule: impl Fn(&Scenario, u64) -> Vec<PacketFault>) -> Shrunk {
        self.shrink_all();
        self.write_out_chance(schedule);
        Shrunk { document: self.document, finding: self.finding, tries: self.tries }
    }

    fn shrink_all(&mut self) {
        loop {
            let before = self.document.to_toml();
            self.shrink_faults();
            self.shrink_flows();
            self.shrink_hosts();
            self.shrink_amounts();
            self.shrink_options();
            self.shrink_time();
            if self.document.to_toml() == before || WallClock::now() >= self.until {
                break;
            }
        }
    }

    /// Names the packets that matter in the place of chance, if they are few.
    fn write_out_chance(&mut self, schedule: impl Fn(&Scenario, u64) -> Vec<PacketFault>) {
        let Ok(scenario) = self.document.scenario() else { return };
        let packets = schedule(&scenario, self.seed);
        if packets.is_empty() || packets.len() > MOST_PACKETS {
            return;
        }
        let (document, finding) = (self.document.clone(), self.finding.clone());
        let explicit = recorded(&self.document, &packets).table().clone();
        if !self.accept(explicit) {
            return;
        }
        self.shrink_all();
        let faults = self.document.table().get("faults");
        let left = faults.and_then(|faults| faults.get("packet")).and_then(Value::as_array);
        if left.is_some_and(|left| left.len() > FEW_PACKETS) {
            (self.document, self.finding) = (document, finding);
        }
    }

    /// Whether a scenario fails in the same way; if so it is the smallest so far.
    fn accept(&mut self, table: Table) -> bool {
        if WallClock::now() >= self.until {
            return false;
        }
        let mut document = self.document.clone();
        *document.table_mut() = table;
        let Ok(scenario) = document.scenario() else { return false };
        self.tries += 1;
        match (self.judge)(&scenario, self.seed) {
            Some(finding) if finding.sort == self.finding.sort => {
                (self.document, self.finding) = (document, finding);
                true
            }
            _ => false,
        }
    }

    /// Faults are keys and entries of lists; each goes alone.
    fn shrink_faults(&mut self) {
        let Some(faults) = self.document.table().get("faults").and_then(Value::as_table) else {
            return;
        };
        let parts: Vec<(String, Value)> = faults.iter().flat_map(parts_of).collect();
        minimise(&parts, |parts| {
            let mut table = self.document.table().clone();
            table.remove("faults");
            if !parts.is_empty() {
                table.insert("faults".into(), Value::Table(joined(parts)));
            }
            self.accept(table)
        });
    }

    fn shrink_flows(&mut self) {
        let Some(plan) = self.plan() else { return };
        let all: Vec<u32> = (0..plan.flows.len() as u32).collect();
        minimise(&all, |kept| {
            let part = plan.only(|flow| kept.binary_search(&flow).is_ok());
            let table = with_plan(self.document.table(), &part);
            !kept.is_empty() && self.accept(table)
        });
    }

    /// First one switch instead of many, then only the hosts that send or receive, under new
    /// numbers, and then ever fewer.
    fn shrink_hosts(&mut self) {
        let Ok(scenario) = self.document.scenario() else { return };
        if scenario.topology.kind != TopologyKind::Star {
            let mut table = self.document.table().clone();
            let star = Table::from_iter([
                ("kind".to_owned(), Value::String("star".into())),
                ("hosts".to_owned(), Value::Integer(scenario.topology.hosts.into())),
            ]);
            table.insert("topology".into(), Value::Table(star));
            self.accept(table);
        }
        if scenario.workload.pairs.is_some() {
            let table = renumbered(self.document.table(), &scenario.traffic_plan(self.seed));
            self.accept(table);
        }
        while let Some(hosts) = self.number("topology", "hosts").filter(|&hosts| hosts > 2) {
            let fewer = [2, hosts / 2, hosts - 1];
            let accepted = fewer.iter().any(|&fewer| {
                fewer < hosts && self.accept_set("topology", "hosts", Value::Integer(fewer))
            });
            if !accepted {
                break;
            }
        }
    }

    fn shrink_amounts(&mut self) {
        let Some(plan) = self.plan() else { return };
        for flow in 0..plan.flows.len() {
            self.halve(flow, |flow| (flow.messages > 1).then(|| flow.messages /= 2));
            self.halve(flow, |flow| (flow.messages > 1).then(|| flow.messages -= 1));
            self.halve(flow, |flow| (flow.size > 1).then(|| flow.size /= 2));
            let vector = |flow: &mut FlowSpec, less: fn(u32) -> u32| {
                let vector = &mut flow.operation.vector;
                (*vector > 1).then(|| *vector = less(*vector))
            };
            self.halve(flow, |flow| vector(flow, |blocks| blocks / 2));
            self.halve(flow, |flow| vector(flow, |blocks| blocks - 1));
            let immediate = |flow: &mut FlowSpec| {
                let operation = &mut flow.operation;
                let is_optional = operation.immediate && operation.kind != OperationKey::Notify;
                is_optional.then(|| operation.immediate = false)
            };
            self.halve(flow, immediate);
        }
    }

    fn halve(&mut self, flow: usize, less: impl Fn(&mut FlowSpec) -> Option<()>) {
        while let Some(mut plan) = self.plan() {
            let Some(spec) = plan.flows.get_mut(flow) else { return };
            if less(spec).is_none() {
                return;
            }
            let table = with_plan(self.document.table(), &plan);
            if !self.accept(table) {
                return;
            }
        }
    }

    /// Every table and key that has a default.
    fn shrink_options(&mut self) {
        for name in ["core", "host", "links", "topology", "workload"] {
            let mut table = self.document.table().clone();
            if table.remove(name).is_some() && self.accept(table) {
                continue;
            }
            let keys = self.document.table().get(name).and_then(Value::as_table);
            for key in keys.map(|keys| keys.keys().cloned().collect::<Vec<_>>()).unwrap_or_default()
            {
                let mut table = self.document.table().clone();
                if let Some(inner) = table.get_mut(name).and_then(Value::as_table_mut) {
                    inner.remove(&key);
                    self.accept(table);
                }
            }
        }
    }

    fn shrink_time(&mut self) {
        while let Ok(scenario) = self.document.scenario() {
            let half = Value::String(format!("{}ps", scenario.end.as_ps() / 2));
            let mut table = self.document.table().clone();
            table.insert("end".into(), half);
            if !self.accept(table) {
                break;
            }
        }
    }

    fn plan(&self) -> Option<Plan> {
        let scenario: Scenario = self.document.scenario().ok()?;
        Some(scenario.traffic_plan(self.seed)).filter(|plan| plan.flows.len() <= MOST_FLOWS)
    }

    fn number(&self, table: &str, key: &str) -> Option<i64> {
        self.document.table().get(table)?.get(key)?.as_integer()
    }

    fn accept_set(&mut self, name: &str, key: &str, value: Value) -> bool {
        let mut table = self.document.table().clone();
        let Some(inner) = table.get_mut(name).and_then(Value::as_table_mut) else { return false };
        inner.insert(key.into(), value);
        self.accept(table)
    }
}

/// A key of a table, or each entry of a list, as parts that can go one by one.
fn parts_of((key, value): (&String, &Value)) -> Vec<(String, Value)> {
    match value {
        Value::Array(items) => {
            items.iter().map(|item| (key.clone(), Value::Array(vec![item.clone()]))).collect()
        }
        other => vec![(key.clone(), other.clone())],
    }
}

fn joined(parts: &[(String, Value)]) -> Table {
    let mut table = Table::new();
    for (key, value) in parts {
        match (table.get_mut(key), value) {
            (Some(Value::Array(items)), Value::Array(more)) => items.extend_from_slice(more),
            _ => {
                table.insert(key.clone(), value.clone());
            }
        }
    }
    table
}

/// The scenario with its traffic written out flow by flow.
fn with_plan(table: &Table, plan: &Plan) -> Table {
    let mut table = table.clone();
    let Some(workload) = table.get_mut("workload").and_then(Value::as_table_mut) else {
        return table;
    };
    workload.retain(|key, _| COMMON_KEYS.contains(&key));
    workload.insert("kind".into(), Value::String("pairs".into()));
    let mut causes = plan.causes.iter().peekable();
    let pairs = (0..).zip(&plan.flows).map(|(number, flow)| {
        let mut after = Vec::new();
        while let Some(cause) = causes.next_if(|cause| cause.flow == number) {
            after.push(Value::Integer(cause.after.into()));
        }
        pair(flow, after, plan.jobs[number as usize])
    });
    let pairs = pairs.collect();
    workload.insert("pairs".into(), Value::Array(pairs));
    table
}

fn pair(flow: &FlowSpec, after: Vec<Value>, job: Option<u32>) -> Value {
    let mut pair = Table::new();
    let mut set = |key: &str, value: Value| pair.insert(key.into(), value);
    set("src", Value::Integer(flow.src.into()));
    set("dst", Value::Integer(flow.dst.into()));
    set("messages", Value::Integer(flow.messages.into()));
    set("size", Value::String(format!("{}B", flow.size)));
    set("service", Value::String(flow.service.name().into()));
    let Operation { kind, vector, immediate } = flow.operation;
    if !kind.is_message() {
        set("operation", Value::String(kind.name().into()));
        set("vector", Value::Integer(vector.into()));
    }
    if immediate || !kind.is_message() {
        set("immediate", Value::Boolean(immediate));
    }
    if flow.start.as_ps() > 0 {
        set("start", Value::String(format!("{}ps", flow.start.as_ps())));
    }
    if !after.is_empty() {
        set("after", Value::Array(after));
    }
    if let Some(job) = job {
        set("job", Value::Integer(job.into()));
    }
    Value::Table(pair)
}

/// The hosts of the flows get the first numbers, in order; all others go, as far as the shape of
/// the network lets them.
fn renumbered(table: &Table, plan: &Plan) -> Table {
    let mut used: Vec<u32> = plan.flows.iter().flat_map(|flow| [flow.src, flow.dst]).collect();
    used.sort_unstable();
    used.dedup();
    let number = |host: u32| used.binary_search(&host).map_or(host, |number| number as u32);
    let mut plan = plan.clone();
    for flow in &mut plan.flows {
        (flow.src, flow.dst) = (number(flow.src), number(flow.dst));
    }
    let mut table = with_plan(table, &plan);
    for link in faults_of(&mut table, "link") {
        if let Some(Value::Integer(host)) = link.get_mut("host") {
            *host = number(*host as u32).into();
        }
    }
    for event in faults_of(&mut table, "event") {
        for key in ["target", "peer"] {
            if let Some(Value::String(name)) = event.get_mut(key)
                && let Some(host) = name.strip_prefix("host").and_then(|it| it.parse().ok())
            {
                *name = format!("host{}", number(host));
            }
        }
    }
    if let Some(topology) = table.get_mut("topology").and_then(Value::as_table_mut) {
        topology.insert("hosts".into(), Value::Integer(used.len().max(2) as i64));
    }
    table
}

/// The entries of a list of faults.
fn faults_of<'a>(table: &'a mut Table, list: &str) -> impl Iterator<Item = &'a mut Value> {
    let faults = table.get_mut("faults").and_then(|faults| faults.get_mut(list));
    faults.and_then(Value::as_array_mut).into_iter().flatten()
}

/// Keys of the workload that mean something to every kind.
const COMMON_KEYS: [&str; 6] =
    ["cancel", "completion", "many", "note", "outstanding", "posted_receives"];
/// More would take too long to go through.
const MOST_PACKETS: usize = 2_000;
/// A list that a person reads; beyond this the odds say more.
const FEW_PACKETS: usize = 16;
/// Beyond this a list of flows is no help to anybody, and slow to try.
const MOST_FLOWS: usize = 20_000;
