//! The values that a result has to offer for a comparison.

use std::collections::BTreeMap;

use crate::output::{FlowRow, Kept};
use crate::sweep::Results;

/// What one value belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// A flow of a run.
    Flows,
    /// A seed of a sweep.
    Seeds,
}

/// One result.
#[derive(Clone, Debug)]
pub struct Samples {
    pub(super) name: String,
    pub(super) unit: Unit,
    pub(super) groups: Vec<Group>,
}

/// The values of one setting.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) setting: String,
    /// What each value belongs to: the same on both sides makes pairs.
    pub(super) identities: Vec<String>,
    pub(super) columns: BTreeMap<String, Vec<f64>>,
}

impl Samples {
    /// The flows of a run.
    pub fn of_run(name: String, run: &Kept) -> Self {
        let done: Vec<&FlowRow> =
            run.flows.iter().filter(|flow| flow.sender_fct_us.is_some()).collect();
        let column = |value: fn(&FlowRow) -> Option<f64>| -> Vec<f64> {
            done.iter().filter_map(|flow| value(flow)).collect()
        };
        let columns = [
            ("FCT us".to_owned(), column(|flow| flow.sender_fct_us)),
            ("receiver FCT us".to_owned(), column(|flow| flow.receiver_fct_us)),
            ("slowdown".to_owned(), column(|flow| flow.slowdown)),
        ];
        let group = Group {
            setting: String::new(),
            identities: done.iter().map(|flow| flow.identity.clone()).collect(),
            columns: columns.into(),
        };
        Self { name, unit: Unit::Flows, groups: vec![group] }
    }

    /// All values of a column, over all settings.
    pub(crate) fn values(&self, column: &str) -> Vec<f64> {
        let columns = self.groups.iter().filter_map(|group| group.columns.get(column));
        columns.flatten().copied().collect()
    }

    /// The seeds of a sweep.
    pub fn of_sweep(name: String, results: &Results) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for record in &results.records {
            let setting = record.label();
            if groups.last().is_none_or(|last| last.setting != setting) {
                let (identities, columns) = (Vec::new(), BTreeMap::new());
                groups.push(Group { setting, identities, columns });
            }
            let Some(group) = groups.last_mut() else { continue };
            group.identities.push(record.seed.to_string());
            for (figure, &value) in &record.figures {
                group.columns.entry(figure.clone()).or_default().push(value);
            }
        }
        Self { name, unit: Unit::Seeds, groups }
    }
}
