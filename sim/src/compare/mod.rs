//! Two results against each other: how much better is B than A, and is that more than chance?
//!
//! Two runs are compared over their flows, two sweeps over their seeds, setting by setting. Where
//! both met the same luck (the same flows, the same seeds), pairs are compared, which shows far
//! smaller differences. Intervals come from the bootstrap.

mod samples;

use std::fmt;

use serde::Serialize;

pub use self::samples::Samples;
use self::samples::{Group, Unit};
use crate::stats::{Comparison, compare, mean, quantile, sorted};

/// All that was compared.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// What A is.
    pub a: String,
    /// What B is.
    pub b: String,
    /// Figure by figure.
    pub rows: Vec<Row>,
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The setting, for a sweep.
    pub setting: String,
    /// Which figure.
    pub figure: String,
    /// Values behind it, on each side.
    pub count: (usize, usize),
    /// Whether they were compared in pairs.
    pub paired: bool,
    /// What came out.
    #[serde(flatten)]
    pub comparison: Comparison,
}

impl Difference {
    /// Compares two results of the same sort.
    pub fn new(a: &Samples, b: &Samples) -> Result<Self, String> {
        if a.unit != b.unit {
            return Err(format!(
                "{} is a run and {} a sweep, or the other way round",
                a.name, b.name
            ));
        }
        let pairs = matched(a, b)?;
        let rows = pairs.iter().flat_map(|(one, other)| rows(a.unit, one, other)).collect();
        Ok(Self { a: a.name.clone(), b: b.name.clone(), rows })
    }

    /// As JSON, indented.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a difference has only string keys")
    }
}

/// Groups of the same setting. If there is only one on each side, these two, whatever they set.
fn matched<'a>(a: &'a Samples, b: &'a Samples) -> Result<Vec<(&'a Group, &'a Group)>, String> {
    if let ([one], [other]) = (&a.groups[..], &b.groups[..]) {
        return Ok(vec![(one, other)]);
    }
    let partner = |group: &'a Group| {
        let same = b.groups.iter().find(|other| other.setting == group.setting);
        same.map(|other| (group, other))
    };
    let pairs: Vec<_> = a.groups.iter().filter_map(partner).collect();
    if pairs.is_empty() {
        return Err(format!("{} and {} have no setting in common", a.name, b.name));
    }
    Ok(pairs)
}

fn rows(unit: Unit, a: &Group, b: &Group) -> Vec<Row> {
    let paired = a.identities == b.identities;
    let mut rows = Vec::new();
    for (name, left) in &a.columns {
        let Some(right) = b.columns.get(name).filter(|right| !right.is_empty() && !left.is_empty())
        else {
            continue;
        };
        for (prefix, figure) in unit.figures() {
            let comparison = compare(left, right, paired, figure);
            rows.push(Row {
                setting: if a.setting == b.setting { a.setting.clone() } else { String::new() },
                figure: format!("{prefix}{name}"),
                count: (left.len(), right.len()),
                paired: paired && left.len() == right.len(),
                comparison,
            });
        }
    }
    rows
}

/// What a figure is made of.
type Figure = fn(&[f64]) -> f64;

impl Unit {
    /// Flows of a run have a distribution; a seed's figures already are one number each.
    fn figures(self) -> &'static [(&'static str, Figure)] {
        match self {
            Self::Flows => &[
                ("mean ", mean),
                ("median ", |values| quantile(&sorted(values), 0.5)),
                ("99 % ", |values| quantile(&sorted(values), 0.99)),
                ("max ", |values| values.iter().copied().fold(0.0, f64::max)),
            ],
            Self::Seeds => &[("", mean)],
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "A  {}\nB  {}", self.a, self.b)?;
        let mut setting = "";
        writeln!(
            f,
            "{:<26} {:>12} {:>12} {:>9} {:>21}  n",
            "figure", "A", "B", "change", "95 % interval"
        )?;
        for row in &self.rows {
            if row.setting != setting {
                setting = &row.setting;
                writeln!(f, "{setting}")?;
            }
            let Comparison { a, b, change } = row.comparison;
            let percent = |share: f64| format!("{:+.2}%", share * 100.0);
            let interval = format!("{} to {}", percent(change.low), percent(change.high));
            let mark = if row.comparison.is_significant() { "*" } else { " " };
            let pairs = if row.paired { " pairs".to_owned() } else { format!(", {}", row.count.1) };
            writeln!(
                f,
                "{:<26} {a:>12.3} {b:>12.3} {:>9} {interval:>21}{mark} {}{pairs}",
                row.figure,
                percent(change.value),
                row.count.0
            )?;
        }
        writeln!(f, "* the interval does not hold zero: more than chance")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(settings: &[&str], shift: f64) -> Samples {
        let group = |setting: &&str| Group {
            setting: (*setting).to_owned(),
            identities: (0..10).map(|seed| seed.to_string()).collect(),
            columns: [("max_fct_us".into(), (0..10).map(|n| f64::from(n) + shift).collect())]
                .into(),
        };
        let groups = settings.iter().map(group).collect();
        Samples { name: "x".into(), unit: Unit::Seeds, groups }
    }

    #[test]
    fn settings_are_matched_by_name() {
        let difference =
            Difference::new(&samples(&["a", "b"], 100.0), &samples(&["b", "c"], 110.0)).unwrap();
        assert_eq!(difference.rows.len(), 1);
        assert_eq!(difference.rows[0].setting, "b");
        assert!(difference.rows[0].paired && difference.rows[0].comparison.is_significant());
        assert!(difference.to_string().contains("+9.57%"), "{difference}");
        let none = Difference::new(&samples(&["a", "b"], 0.0), &samples(&["c", "d"], 0.0));
        assert!(none.unwrap_err().contains("no setting in common"));
    }

    #[test]
    fn two_single_settings_are_compared_whatever_they_are() {
        let difference = Difference::new(&samples(&["a"], 100.0), &samples(&["b"], 100.0)).unwrap();
        assert!(!difference.rows[0].comparison.is_significant());
    }
}
