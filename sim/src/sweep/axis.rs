//! What varies in a sweep: one key, over values listed or within a range to draw from.

use std::fmt;
use std::str::FromStr;

use toml::Value;

use crate::rng::Stream;
use crate::scenario::value_of;

/// A key and the values it takes: `core.spray=reps,hybrid`.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The key.
    pub key: String,
    /// Its values.
    pub values: Vec<Value>,
    text: String,
}

impl FromStr for Axis {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, values) = split(text, "VALUE,VALUE,...")?;
        let values = at_commas(values).into_iter().map(value_of).collect();
        Ok(Self { key: key.into(), values, text: text.into() })
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A key and the range of its values: `faults.loss=0.1%..5%`, `links.queue=50kB..1000kB:log`.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    /// The key.
    pub key: String,
    low: f64,
    high: f64,
    unit: String,
    /// Whole numbers of the unit only.
    whole: bool,
    /// Every factor is as likely as every other, rather than every difference.
    log: bool,
    text: String,
}

impl Range {
    /// A value within the range.
    pub fn draw(&self, rng: &mut Stream) -> Value {
        let share = rng.unit();
        let value = match (self.log, self.whole) {
            (true, _) => self.low * (self.high / self.low).powf(share),
            (false, true) => self.low + (share * (self.high - self.low + 1.0)).floor(),
            (false, false) => self.low + share * (self.high - self.low),
        };
        match (self.whole, self.unit.is_empty()) {
            (true, true) => Value::Integer(value.round() as i64),
            (false, true) => Value::Float(value),
            (true, false) => Value::String(format!("{}{}", value.round(), self.unit)),
            (false, false) => Value::String(format!("{value:.6}{}", self.unit)),
        }
    }
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, range) = split(text, "LEAST..MOST")?;
        let (range, log) = range.strip_suffix(":log").map_or((range, false), |range| (range, true));
        let ends = range.split_once("..").and_then(|(low, high)| {
            let ((low, unit), (high, same)) = (number(low)?, number(high)?);
            (unit == same && low < high).then(|| (low, high, unit.to_owned()))
        });
        let Some((low, high, unit)) = ends else {
            return Err(format!(
                "\"{range}\" is not LEAST..MOST: two rising numbers with the same unit"
            ));
        };
        if log && low <= 0.0 {
            return Err(format!("\"{range}\": a logarithmic range starts above zero"));
        }
        let whole = unit != "%" && !range.replace("..", "").contains('.');
        Ok(Self { key: key.into(), low, high, unit, whole, log, text: text.into() })
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn split<'a>(text: &'a str, form: &str) -> Result<(&'a str, &'a str), String> {
    let parts = text.split_once('=').map(|(key, values)| (key.trim(), values.trim()));
    parts
        .filter(|(key, values)| !key.is_empty() && !values.is_empty())
        .ok_or_else(|| format!("\"{text}\" is not KEY={form}"))
}

fn number(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim()))
}

/// Splits at commas, except inside of brackets and quotes.
fn at_commas(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut quoted) = (Vec::new(), 0, 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Component;
    use crate::scenario::shown;

    #[test]
    fn lists_are_split_outside_of_brackets() {
        let axis: Axis = "workload.blocks=[1, 2],[3, 4]".parse().unwrap();
        assert_eq!(axis.values.len(), 2);
        let axis: Axis = "core.spray=reps, hybrid".parse().unwrap();
        assert_eq!(axis.values.iter().map(shown).collect::<Vec<_>>(), ["reps", "hybrid"]);
        assert!("core.spray".parse::<Axis>().is_err());
    }

    #[test]
    fn draws_stay_within_the_range_and_keep_the_unit() {
        let mut rng = Stream::new(1, Component::Sweep, 0);
        let mut draw = |text: &str| {
            let range: Range = text.parse().unwrap();
            (0..200).map(|_| shown(&range.draw(&mut rng))).collect::<Vec<_>>()
        };
        let whole: Vec<i64> =
            draw("core.paths=1..4").iter().map(|text| text.parse().unwrap()).collect();
        assert!((1..=4).all(|value| whole.contains(&value)) && whole.iter().all(|v| *v <= 4));
        assert!(draw("links.latency=1us..9us").iter().all(|text| text.ends_with("us")));
        let loss = draw("faults.loss=0%..5%");
        assert!(loss.iter().all(|text| text.ends_with('%') && text.contains('.')));
        let sizes = draw("links.queue=10kB..1000kB:log");
        let small = sizes.iter().filter(|text| text.len() <= "99kB".len()).count();
        assert!((70..130).contains(&small), "{small} of 200 in the lower half of the factors");
    }

    #[test]
    fn refuses_what_is_no_range() {
        for text in ["a=1", "a=5..1", "a=1us..2ms", "a=x..y", "a=0..5:log", "=1..2"] {
            assert!(text.parse::<Range>().is_err(), "{text}");
        }
    }
}
